"""Tests between models: published figures, exact sums, and what every comparison must obey."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from skinlesion.errors import ConfigError
from skinlesion.metrics.comparison import compare, holm, mcnemar
from skinlesion.metrics.delong import delong_test
from skinlesion.metrics.scores import LOWER_IS_BETTER, SCORES, score_all

# --- McNemar ------------------------------------------------------------------------------------


def right(only_first, only_second, both=0):
    """Two columns of right calls, with that many images of each kind, and one of neither."""
    counts = [both, only_first, only_second, 1]
    pairs = [(True, True), (True, False), (False, True), (False, False)]
    first, second = np.array(pairs).repeat(counts, axis=0).T
    return first, second


def test_the_published_example_of_mcnemar():
    # Agresti, Categorical Data Analysis, 1990, p. 350, as in R's mcnemar.test: approval of a
    # president in two surveys of 1600, 794 both times, 150 the first time only, 86 the second.
    # Its z is (86 - 150) / sqrt(86 + 150) = -4.17, chi-squared 17.36, p = 3.1e-05 (approximate).
    found = mcnemar(*right(150, 86, both=794))

    assert (found.only_first, found.only_second) == (150, 86)
    assert found.p == pytest.approx(3.1e-5, rel=0.25)
    assert found.p == pytest.approx(scipy.stats.binomtest(86, 236).pvalue)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (0, 0, 1),
        (1, 0, 1),
        (3, 3, 1),
        (5, 0, 2 / 32),
        (1, 5, 2 * (1 + 6) / 64),
        (2, 6, 2 * (1 + 8 + 28) / 256),
    ],
)
def test_mcnemar_by_hand(only_first, only_second, p):
    assert mcnemar(*right(only_first, only_second, both=4)).p == p


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test_and_symmetric(only_first, only_second):
    found = mcnemar(*right(only_first, only_second))

    if only_first + only_second:
        expected = scipy.stats.binomtest(only_first, only_first + only_second).pvalue
        assert found.p == pytest.approx(expected)
    assert mcnemar(*right(only_second, only_first)).p == found.p


def test_mcnemar_of_many_thousand_images_is_exact():
    found = mcnemar(*right(5_200, 4_800))

    assert found.p == pytest.approx(scipy.stats.binomtest(4_800, 10_000).pvalue, rel=1e-9)


# --- Holm ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [  # by hand: sorted, times m, m - 1, ..., running maximum, as R's p.adjust has it;
        # the second is the example of the R package Dmisc, its result worked out here
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.042, 0.001, 0.031, 0.014, 0.007], [0.062, 0.005, 0.062, 0.042, 0.028]),
        ([0.3], [0.3]),
        ([0.8, 0.7], [1, 1]),
        ([], []),
        ([0.02, math.nan, 0.03], [0.04, math.nan, 0.04]),
    ],
)
def test_holm_by_hand(p_values, adjusted):
    assert holm(p_values) == pytest.approx(adjusted, nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p_values):
    # A hypothesis falls if every set of hypotheses that holds it falls by Bonferroni.
    numbers = range(len(p_values))
    sets = [s for size in numbers for s in itertools.combinations(numbers, size + 1)]

    expected = [
        max(min(1, len(s) * min(p_values[i] for i in s)) for s in sets if one in s)
        for one in numbers
    ]

    assert holm(p_values) == pytest.approx(expected)


# --- compare ------------------------------------------------------------------------------------


def example(models=3, *, groups=120, images_a_group=2, seed=0):
    """Labels, probabilities of models from good to bad, groups."""
    rng = np.random.default_rng(seed)
    group = np.arange(groups).repeat(images_a_group)
    y_true = (np.arange(groups) % 4 == 0).astype(int).repeat(images_a_group)
    own = rng.normal(size=groups)[group]
    noise = own + rng.normal(size=(models, len(group)))
    shifts = np.linspace(3, 0.5, models)[:, None]
    return y_true, 1 / (1 + np.exp(-(y_true * shifts + noise - 1))), group


def compared(data, *, score="roc_auc", seed=0, **options):
    options = {"resamples": 300, "confidence": 0.95, **options}
    thresholds = options.pop("thresholds", [0.5] * len(data[1]))
    rng = np.random.default_rng(seed)
    return compare(*data, thresholds=thresholds, score=score, rng=rng, **options)


def test_every_pair_is_compared_once_and_the_values_are_the_plain_scores():
    y_true, y_probs, group = example()

    found = compared((y_true, y_probs, group), score="f1", thresholds=[0.3, 0.5, 0.7])

    plain = [SCORES["f1"](y_true, p, t) for p, t in zip(y_probs, (0.3, 0.5, 0.7), strict=True)]
    assert [model.value for model in found.models] == plain
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1), (0, 2), (1, 2)]
    for pair in found.pairs:
        difference = plain[pair.first] - plain[pair.second]
        assert pair.difference.value == pytest.approx(difference)
        assert pair.difference.low < pair.difference.value < pair.difference.high


def test_the_interval_is_that_of_differences_within_each_resample():
    y_true, y_probs, _ = example(2, groups=30, images_a_group=1)
    rng = np.random.default_rng(0)
    malignant, benign = np.flatnonzero(y_true == 1), np.flatnonzero(y_true == 0)
    differences = []
    for _ in range(600):
        rows = np.concatenate([rng.choice(part, len(part)) for part in (malignant, benign)])
        scores = [SCORES["brier"](y_true[rows], p[rows], 0.5) for p in y_probs]
        differences.append(scores[0] - scores[1])

    data = (y_true, y_probs, np.arange(30))
    found = compared(data, score="brier", resamples=3000).pairs[0].difference

    low, high = np.quantile(differences, [0.025, 0.975])
    spread = np.std(differences)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.35 * spread)


@pytest.mark.parametrize("score", SCORES)
def test_the_better_model_is_found_whichever_way_the_score_points(score):
    y_true, y_probs, group = example(2, groups=150)
    if score in LOWER_IS_BETTER or score in ("ppv", "npv", "specificity", "accuracy"):
        y_probs[1] = 1 - y_probs[1]  # as bad as can be
    data = (y_true, y_probs, group)
    plain = [score_all(y_true, y_prob, threshold=0.5)[score] for y_prob in y_probs]
    first_is_better = (plain[0] > plain[1]) != (score in LOWER_IS_BETTER)

    found = compared(data, score=score).pairs[0]

    assert found.better == (0 if first_is_better else 1)
    swapped = (y_true, y_probs[::-1], group)
    assert compared(swapped, score=score).pairs[0].better == (1 if first_is_better else 0)


def test_the_area_is_judged_by_delong_and_other_scores_by_the_bootstrap():
    y_true, y_probs, group = data = example(2)
    delong = delong_test(y_true, *y_probs, confidence=0.95, group=group)

    area, brier = (compared(data, score=score).pairs[0] for score in ("AUC", "brier"))

    assert area.delong == brier.delong == delong
    assert area.p == area.adjusted_p == delong.p
    assert brier.p == brier.adjusted_p == brier.bootstrap_p


def test_the_delong_test_and_the_bootstrap_of_the_area_agree():
    y_true, y_probs, group = example(2, groups=200)

    found = compared((y_true, y_probs, group), resamples=2000).pairs[0]

    expected = found.delong.difference
    width = expected.high - expected.low
    assert found.difference.high - found.difference.low == pytest.approx(width, rel=0.1)
    ungrouped = delong_test(y_true, *y_probs, confidence=0.95).difference
    assert ungrouped.high - ungrouped.low != pytest.approx(width, rel=0.01)


def test_one_model_twice_is_no_difference():
    y_true, y_probs, group = example(1)

    for score in ("roc_auc", "mcc"):
        found = compared((y_true, y_probs[[0, 0]], group), score=score).pairs[0]
        assert (found.difference.low, found.difference.high) == (0, 0)
        assert (found.p, found.delong.p, found.mcnemar.p, found.better) == (1, 1, 1, None)


def test_mcnemar_judges_each_model_at_its_own_threshold():
    y_true = np.array([0, 0, 1, 1, 1])
    y_probs = np.array([[0.1, 0.3, 0.6, 0.7, 0.8], [0.1, 0.1, 0.2, 0.3, 0.05]])
    data = (y_true, y_probs, np.arange(5))

    own, common = (
        compared(data, thresholds=thresholds).pairs[0].mcnemar
        for thresholds in ([0.5, 0.2], [0.5, 0.5])
    )

    assert (own.only_first, own.only_second) == (1, 0)
    assert (common.only_first, common.only_second) == (3, 0)


def test_the_verdict_is_at_the_level_that_belongs_to_the_confidence_after_holm():
    y_true, y_probs, group = example(3, groups=60)
    y_probs[1] = 0.5 * y_probs[0] + 0.5 * y_probs[2]

    found = compared((y_true, y_probs, group)).pairs

    assert [pair.adjusted_p for pair in found] == holm([pair.p for pair in found])
    between = sorted(pair.adjusted_p for pair in found)[-1]
    for confidence, verdicts in ((1 - between / 2, 2), (1 - between * 1.01, 3)):
        again = compared((y_true, y_probs, group), confidence=confidence).pairs
        assert sum(pair.better is not None for pair in again) == verdicts


def test_copies_of_images_within_their_group_change_nothing():
    y_true, y_probs, group = example(2, groups=60, images_a_group=1)
    copies = (np.tile(y_true, 3), np.tile(y_probs, 3), np.tile(group, 3))

    once, thrice = compared((y_true, y_probs, group)).pairs[0], compared(copies).pairs[0]

    assert thrice.p == pytest.approx(once.p)
    assert vars(thrice.difference) == pytest.approx(vars(once.difference))


def test_the_seed_decides_and_bca_moves_the_ends():
    data = example(2, groups=40)

    assert compared(data, seed=1) == compared(data, seed=1)
    first = compared(data, seed=1).pairs[0]
    assert compared(data, seed=2).pairs[0].difference != first.difference
    bca = compared(data, seed=1, method="bca").pairs[0]
    assert bca.difference != first.difference
    assert (bca.difference.value, bca.p) == (first.difference.value, first.p)


def test_an_undefined_score_has_no_verdict():
    y_true, y_probs, group = example(2)

    found = compared((np.zeros_like(y_true), y_probs, group)).pairs[0]

    assert np.isnan([found.p, found.adjusted_p, found.difference.value]).all()
    assert found.better is None


def test_an_unknown_score_is_refused():
    with pytest.raises(ConfigError, match="there is no score"):
        compared(example(2), score="sensitivty")
