"""Scores against hand counts, against scikit-learn, and against their own laws."""

import subprocess
import sys

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from skinlesion.errors import ConfigError, DataError
from skinlesion.metrics.scores import (
    ALIASES,
    HIGHER_IS_BETTER,
    LOWER_IS_BETTER,
    SCORES,
    canonical,
    confusion,
    score_all,
)

pytestmark = pytest.mark.thorough

PARTIAL = "partial_auc_above_80_sensitivity"
TARGETS = {f"specificity_at_{percent}_sensitivity": percent / 100 for percent in (82, 89, 95)}

Y_TRUE = np.array([1, 1, 1, 0, 0, 0, 0])
Y_PROB = np.array([0.9, 0.6, 0.2, 0.8, 0.5, 0.3, 0.1])
BY_HAND = {  # at 0.5: tp 2 (.9 .6), fn 1 (.2), fp 2 (.8 .5), tn 2 (.3 .1)
    "accuracy": 4 / 7,
    "balanced_accuracy": (2 / 3 + 2 / 4) / 2,
    "sensitivity": 2 / 3,
    "specificity": 2 / 4,
    "ppv": 2 / 4,
    "npv": 2 / 3,
    "f1": 4 / 7,
    "mcc": (2 * 2 - 2 * 1) / np.sqrt(4 * 3 * 4 * 3),
    "kappa": (4 / 7 - 24 / 49) / (1 - 24 / 49),  # by chance 4/7 x 3/7 + 3/7 x 4/7
    "roc_auc": (4 + 3 + 1) / 12,  # benign images below .9, .6 and .2
    # From 2/3 (.6) to 1 (.2) sensitivity the ROC curve stays at 1/4 specificity, so from .8 too.
    PARTIAL: 0.2 * 1 / 4,
    "average_precision": (1 / 1 + 2 / 3 + 3 / 6) / 3,  # precision where .9, .6, .2 come in
    "brier": (0.01 + 0.16 + 0.64 + 0.64 + 0.25 + 0.09 + 0.01) / 7,
    "log_loss": -np.log(0.9 * 0.6 * 0.2 * 0.2 * 0.5 * 0.7 * 0.9) / 7,
    # Seven probabilities in seven bins of 1/15: each bin's gap is its image's error.
    "ece": (0.1 + 0.4 + 0.8 + 0.8 + 0.5 + 0.3 + 0.1) / 7,
    "specificity_at_82_sensitivity": 1 / 4,  # all three must be found: from .2 on
    "specificity_at_89_sensitivity": 1 / 4,
    "specificity_at_95_sensitivity": 1 / 4,
}


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Both classes, and a grid so coarse that ties are the rule."""
    size = draw(st.integers(2, 40))
    y_true = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    y_true[:2] = [0, 1]
    steps = draw(st.sampled_from([2, 5, 1000]))
    y_prob = draw(st.lists(st.integers(0, steps), min_size=size, max_size=size))
    return np.array(y_true), np.array(y_prob) / steps


def by_scikit_learn(y_true: np.ndarray, y_prob: np.ndarray, threshold: float) -> dict[str, float]:
    called = (y_prob >= threshold).astype(int)
    fpr, tpr, _ = oracle.roc_curve(y_true, y_prob, drop_intermediate=False)
    undefined = {"zero_division": np.nan}
    varied = 0 < called.sum() < len(called)  # else scikit-learn calls MCC 0
    return {
        "accuracy": oracle.accuracy_score(y_true, called),
        "balanced_accuracy": oracle.balanced_accuracy_score(y_true, called),
        "sensitivity": oracle.recall_score(y_true, called),
        "specificity": oracle.recall_score(y_true, called, pos_label=0),
        "ppv": oracle.precision_score(y_true, called, **undefined),
        "npv": oracle.precision_score(y_true, called, pos_label=0, **undefined),
        "f1": oracle.f1_score(y_true, called),
        "mcc": oracle.matthews_corrcoef(y_true, called) if varied else np.nan,
        "kappa": oracle.cohen_kappa_score(y_true, called),
        "roc_auc": oracle.roc_auc_score(y_true, y_prob),
        PARTIAL: isic_2024(y_true, y_prob),
        "average_precision": oracle.average_precision_score(y_true, y_prob),
        "brier": oracle.brier_score_loss(y_true, y_prob),
        "log_loss": oracle.log_loss(y_true, y_prob),
        "ece": by_bin(y_true, y_prob),
        **{name: (1 - fpr[tpr >= target]).max() for name, target in TARGETS.items()},
    }


def isic_2024(y_true: np.ndarray, y_prob: np.ndarray) -> float:
    """The challenge's metric: classes swapped, standardised partial AUC turned back into area."""
    most = 1 - 0.80
    standardised = oracle.roc_auc_score(1 - y_true, -y_prob, max_fpr=most)
    chance, best = most**2 / 2, most
    return chance + (best - chance) * (standardised - 0.5) / (1 - 0.5)


def by_bin(y_true: np.ndarray, y_prob: np.ndarray) -> float:
    """The definition of Guo et al. 2017, bin by bin."""
    gaps = 0.0
    for bin_number in range(15):
        inside = np.floor(np.minimum(y_prob * 15, 14)) == bin_number
        if inside.any():
            gaps += inside.mean() * abs(y_prob[inside].mean() - y_true[inside].mean())
    return gaps


def approx(scores: dict[str, float]) -> object:
    return pytest.approx(scores, abs=1e-12, nan_ok=True)


def test_scores_by_hand():
    scores = score_all(Y_TRUE, Y_PROB, threshold=0.5)

    assert list(scores) == list(SCORES)
    assert scores == approx(BY_HAND)


@pytest.mark.parametrize("name", SCORES)
def test_the_table_and_score_all_agree(name):
    assert SCORES[name](Y_TRUE, Y_PROB, 0.5) == score_all(Y_TRUE, Y_PROB, threshold=0.5)[name]


def test_confusion_by_hand():
    assert confusion(Y_TRUE, Y_PROB, threshold=0.5) == {"tn": 2, "fp": 2, "fn": 1, "tp": 2}


@settings(max_examples=50, deadline=None)
@given(predictions(), st.sampled_from([0.0, 0.2, 0.5, 1.0]))
def test_scores_equal_scikit_learn(data, threshold):
    y_true, y_prob = data

    assert score_all(y_true, y_prob, threshold=threshold) == approx(
        by_scikit_learn(y_true, y_prob, threshold)
    )


@settings(max_examples=30, deadline=None)
@given(predictions())
def test_monotone_transform_keeps_the_ranking_scores(data):
    y_true, y_prob = data

    before = score_all(y_true, y_prob, threshold=0.5)
    after = score_all(y_true, (np.exp(y_prob) - 1) / 2, threshold=(np.exp(0.5) - 1) / 2)

    unchanged = {name: before[name] for name in LOWER_IS_BETTER}  # they judge probabilities
    assert {**after, **unchanged} == approx(before)


@settings(max_examples=30, deadline=None)
@given(predictions())
def test_swapping_the_classes_swaps_sensitivity_and_specificity(data):
    y_true, y_prob = data
    threshold = 0.5 + 1e-6  # off the grid: an image at the threshold would be called both ways

    before = score_all(y_true, y_prob, threshold=threshold)
    after = score_all(1 - y_true, 1 - y_prob, threshold=1 - threshold)

    assert after["sensitivity"] == before["specificity"]
    assert after["ppv"] == pytest.approx(before["npv"], nan_ok=True)
    assert after["roc_auc"] == pytest.approx(before["roc_auc"])
    for name in ("accuracy", "balanced_accuracy", "mcc", "kappa", "brier", "log_loss"):
        assert after[name] == pytest.approx(before[name], nan_ok=True), name


@settings(max_examples=30, deadline=None)
@given(predictions(), st.permutations(range(4)))
def test_neither_duplication_nor_order_matters(data, copies):
    y_true, y_prob = data
    rows = np.concatenate([np.roll(np.arange(len(y_true)), shift) for shift in copies])

    repeated = score_all(y_true[rows], y_prob[rows], threshold=0.4)

    assert repeated == approx(score_all(y_true, y_prob, threshold=0.4))


def test_always_benign_scores_the_prevalence():
    y_true = np.array([1] * 117 + [0] * 483)  # ISIC 2017's test set

    scores = score_all(y_true, np.zeros(600), threshold=0.5)

    assert scores["accuracy"] == 0.805
    assert scores["balanced_accuracy"] == scores["roc_auc"] == 0.5
    assert scores["specificity_at_82_sensitivity"] == scores["kappa"] == 0
    assert scores[PARTIAL] == pytest.approx(0.02)  # what chance gives
    assert np.isnan([scores["ppv"], scores["mcc"]]).all()


@pytest.mark.parametrize(
    ("label", "undefined"),
    [
        (0, {"sensitivity", "average_precision"}),
        (1, {"specificity"}),
    ],
)
def test_with_one_class_the_other_s_scores_are_undefined(label, undefined):
    scores = score_all(np.full(4, label), np.array([0.1, 0.4, 0.6, 0.9]), threshold=0.5)

    undefined |= {"balanced_accuracy", "mcc", "roc_auc", PARTIAL, *TARGETS}
    assert {name for name, value in scores.items() if np.isnan(value)} == undefined


def test_of_no_images_every_score_is_undefined():
    assert np.isnan(list(score_all(np.array([]), np.array([]), threshold=0.5).values())).all()


def test_calls_and_labels_of_one_and_the_same_class_have_no_kappa():
    assert np.isnan(SCORES["kappa"](np.zeros(4), np.full(4, 0.1), 0.5))


def test_a_perfect_model_has_the_whole_partial_area_and_no_loss():
    y_true = np.array([0, 0, 1, 1])

    scores = score_all(y_true, y_true.astype(float), threshold=0.5)

    assert scores[PARTIAL] == pytest.approx(0.2)
    assert scores["mcc"] == scores["kappa"] == 1
    assert [scores["brier"], scores["ece"]] == [0, 0]
    assert scores["log_loss"] == pytest.approx(0, abs=1e-15)


def test_a_certain_mistake_costs_much_but_not_infinitely_much():
    assert SCORES["log_loss"](np.array([1]), np.array([0.0]), 0.5) == pytest.approx(52 * np.log(2))


def test_a_bin_holds_its_lower_edge_and_the_last_also_1():
    # 1/15 starts the second bin, where it makes up for its neighbour above; 1 is with 14/15.
    y_true, y_prob = np.array([0, 1, 1, 1]), np.array([1 / 15, 1.9 / 15, 14 / 15, 1.0])

    ece = SCORES["ece"](y_true, y_prob, 0.5)

    assert ece == pytest.approx((abs(2.9 / 15 - 1) + 1 / 15) / 4)


@settings(max_examples=30, deadline=None)
@given(predictions())
def test_at_the_observed_prevalence_the_predictive_values_are_the_observed_ones(data):
    y_true, y_prob = data

    scores = score_all(y_true, y_prob, threshold=0.4, prevalence=y_true.mean())

    assert scores["ppv_at_prevalence"] == pytest.approx(scores["ppv"], nan_ok=True)
    assert scores["npv_at_prevalence"] == pytest.approx(scores["npv"], nan_ok=True)


def test_predictive_values_at_a_prevalence_by_hand():
    # Sensitivity 2/3, specificity 1/2; of 1000 images 10 malignant: 6.67 found, 495 false alarms.
    scores = score_all(Y_TRUE, Y_PROB, threshold=0.5, prevalence=0.01)

    assert scores["ppv_at_prevalence"] == pytest.approx((20 / 3) / (20 / 3 + 495))
    assert scores["npv_at_prevalence"] == pytest.approx(495 / (495 + 10 / 3))
    assert scores == approx({**BY_HAND, **{n: v for n, v in scores.items() if "prev" in n}})


def test_an_image_at_the_threshold_is_malignant():
    y_prob = np.array([0.7], dtype=np.float32)

    assert SCORES["sensitivity"](np.array([1]), y_prob, float(y_prob[0])) == 1
    assert SCORES["sensitivity"](np.array([1]), y_prob, np.nextafter(float(y_prob[0]), 1)) == 0


def test_reaching_the_wanted_sensitivity_exactly_is_enough():
    y_true = np.array([1] * 41 + [0] + [1] * 9 + [0])  # 41 of 50 is 82 %
    y_prob = np.linspace(1, 0, len(y_true))

    assert SCORES["specificity_at_82_sensitivity"](y_true, y_prob, 0.5) == 1
    assert SCORES["specificity_at_89_sensitivity"](y_true, y_prob, 0.5) == 0.5


@pytest.mark.parametrize(
    ("y_true", "y_prob"),
    [
        ([0, 1], [0.5]),
        ([[0, 1]], [[0.5, 0.5]]),
        ([0, 2], [0.5, 0.5]),
        ([0, 1], [0.5, np.nan]),
        ([0, 1], [0.5, 1.5]),
    ],
)
def test_arrays_that_are_no_predictions_are_refused(y_true, y_prob):
    with pytest.raises(DataError, match=r"shape|out of range"):
        score_all(np.array(y_true), np.array(y_prob), threshold=0.5)


def test_a_perfect_ranking_beats_its_reverse_where_higher_is_better():
    y_true = np.array([0, 0, 0, 1, 1])
    y_prob = np.array([0.1, 0.2, 0.6, 0.8, 0.9])

    good = score_all(y_true, y_prob, threshold=0.5)
    bad = score_all(1 - y_true, y_prob, threshold=0.5)

    assert {name for name in SCORES if good[name] > bad[name]} == HIGHER_IS_BETTER


@pytest.mark.parametrize(
    ("name", "meant"), [("AUC", "roc_auc"), ("ROC-AUC", "roc_auc"), ("f1", "f1"), *ALIASES.items()]
)
def test_names_users_type(name, meant):
    assert canonical(name) == meant
    assert meant in SCORES


def test_a_misspelt_score_gets_a_suggestion():
    with pytest.raises(ConfigError, match="did you mean sensitivity"):
        canonical("sensitivty")


def test_neither_scikit_learn_nor_tensorflow_is_imported():
    program = """
import sys, numpy as np
from skinlesion.config import EnsembleConfig
from skinlesion.ensemble import COMBINERS
from skinlesion.metrics import abstention, calibration, comparison, decision_curve, intervals
from skinlesion.metrics import mistakes, recalibration, subgroups, thresholds
probs, y_true = np.array([[0.2, 0.4], [0.9, 0.3]]), np.array([0, 1])
for name, combiner in COMBINERS.items():
    options = EnsembleConfig(method=name).method.model_dump(exclude={"name"})
    rng = np.random.default_rng(0)
    params = combiner.fit(probs, y_true, group=np.arange(2), rng=rng, **options)
    combiner.apply(params, probs)
thresholds.youden(y_true, probs[:, 0])
print({"sklearn", "tensorflow", "keras"} & {name.partition(".")[0] for name in sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.stdout == "set()\n", done.stderr
