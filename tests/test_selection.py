"""Greedy selection and best subset: what is picked, and what never is."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from test_ensemble import MEMBERS, fit, members

from skinlesion.ensemble import CRITERIA
from skinlesion.errors import ConfigError

pytestmark = pytest.mark.thorough

SELECTING = ["greedy", "best_subset"]
ORACLES = {
    "roc_auc": roc_auc_score,
    "log_loss": lambda y_true, y_prob: -log_loss(y_true, y_prob),
    "brier": lambda y_true, y_prob: -brier_score_loss(y_true, y_prob),
}


@pytest.mark.parametrize("score", CRITERIA)
@settings(max_examples=10, deadline=None)
@given(data=MEMBERS)
def test_criteria_are_scikit_learn_s_scores_also_of_tied_images(score, data):
    probs, y_true = data
    probs = np.clip(np.round(probs, 1), 0.05, 0.95)

    found = CRITERIA[score](y_true, probs.T)

    assert found == pytest.approx([ORACLES[score](y_true, member) for member in probs.T])


def test_auc_is_undefined_without_both_classes():
    assert np.isnan(CRITERIA["roc_auc"](np.ones(3), np.full((2, 3), 0.5))).all()


def test_greedy_by_hand():
    # Sums of squared errors: .16 of either alone, .08 of their mean, .0889 of three picks, and
    # .08 again of four: two picks are kept.
    y_true = np.array([0, 0, 1, 1])
    first, second = [0.4, 0, 1, 1], [0, 0.4, 1, 1]
    useless = [0.9, 0.9, 0.1, 0.1]

    weights = fit("greedy", np.array([useless, first, second]).T, y_true, score="brier", rounds=9)

    assert weights == {"weights": [0, 0.5, 0.5]}


def test_greedy_may_pick_a_member_again():
    y_true = np.array([0, 1] * 50)
    rng = np.random.default_rng(0)
    good, fair = (np.clip(y_true * s + rng.normal(0.3, 0.25, 100), 0, 1) for s in (0.4, 0.2))

    weights = fit("greedy", np.stack([good, fair], axis=1), y_true, score="brier")["weights"]

    assert 0.5 < weights[0] < 1


@settings(max_examples=10, deadline=None)
@given(MEMBERS)
def test_greedy_never_scores_below_the_best_member_and_gains_by_rounds(data):
    probs, y_true = data

    scores = [
        roc_auc_score(y_true, probs @ fit("greedy", probs, y_true, rounds=rounds)["weights"])
        for rounds in (1, 3, 30)
    ]

    assert scores[0] == pytest.approx(max(roc_auc_score(y_true, member) for member in probs.T))
    assert scores[0] <= scores[1] + 1e-9 <= scores[2] + 2e-9


@pytest.mark.parametrize("score", CRITERIA)
def test_best_subset_is_the_best_of_all(score):
    probs, y_true = members(80, 5, seed=3)

    weights = np.array(fit("best_subset", probs, y_true, score=score)["weights"])

    means = [
        probs[:, list(chosen)].mean(axis=1)
        for size in range(1, 6)
        for chosen in itertools.combinations(range(5), size)
    ]
    best = max(ORACLES[score](y_true, mean) for mean in means)
    assert ORACLES[score](y_true, probs @ weights) == pytest.approx(best)
    assert len(np.unique(weights[weights > 0])) == 1


def test_of_subsets_that_score_alike_the_smallest_is_taken():
    y_true = np.array([0, 0, 1, 1])
    perfect, other = [0.1, 0.2, 0.8, 0.9], [0.2, 0.3, 0.6, 0.7]

    weights = fit("best_subset", np.array([perfect, other]).T, y_true)["weights"]

    assert sorted(weights) == [0, 1]


def test_best_subset_refuses_more_than_12_members_and_says_how_many_subsets_it_would_try():
    probs, y_true = members(20, 13, seed=0)

    fit("best_subset", probs[:, :12], y_true)
    with pytest.raises(ConfigError, match=r"8,191 subsets of 13 members") as caught:
        fit("best_subset", probs, y_true)
    assert "greedy" in caught.value.fix


@pytest.mark.parametrize("name", SELECTING)
@settings(max_examples=10, deadline=None)
@given(data=MEMBERS)
def test_the_inverse_of_a_member_that_is_better_than_chance_is_never_picked(name, data):
    probs, y_true = data
    skilled = probs[:, :1]
    if roc_auc_score(y_true, skilled) <= 0.5:
        skilled = 1 - skilled
    both = np.hstack([1 - skilled, skilled])

    # Any mean of both is monotone in one of them: it cannot have a better AUC than the better.
    if roc_auc_score(y_true, skilled) > 0.5:
        assert fit(name, both, y_true)["weights"] == [0, 1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("score", CRITERIA)
@pytest.mark.parametrize("name", [*SELECTING, "weighted", "stacking"])
def test_an_inverted_member_among_several_good_ones_is_never_picked(name, score, seed):
    rng = np.random.default_rng(seed)
    y_true = np.arange(1000) % 4 // 3
    good = 1 / (1 + np.exp(-rng.normal(2.0 * y_true[:, None] - 1.5, 1, (1000, 3))))
    bad = 1 - good.mean(axis=1, keepdims=True)
    options = {"score": score} if name in SELECTING else {}

    weights = fit(name, np.hstack([good, bad]), y_true, **options)["weights"]

    assert weights[3] == pytest.approx(0, abs=1e-6)
    assert min(weights[:3]) > 0.1
