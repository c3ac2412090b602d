"""The worst mistakes by hand; agreement against its definitions and Cohen's kappa."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from skinlesion.errors import DataError
from skinlesion.metrics.mistakes import Mistake, agreement, worst_mistakes


def test_the_worst_mistakes_by_hand():
    ids = np.array(["a", "b", "c", "d", "e", "f", "g"])
    y_true = np.array([1, 1, 1, 0, 0, 0, 0])
    y_prob = np.array([0.4, 0.1, 0.9, 0.95, 0.5, 0.7, 0.2])

    found = worst_mistakes(ids, y_true, y_prob, threshold=0.5, most=2)

    assert found.false_negatives == [Mistake("b", 0.1), Mistake("a", 0.4)]
    assert found.false_positives == [Mistake("d", 0.95), Mistake("f", 0.7)]


def test_equals_come_in_the_order_of_their_ids():
    found = worst_mistakes(
        np.array(["z", "b", "k"]), np.ones(3), np.full(3, 0.2), threshold=0.5, most=9
    )

    assert [one.image_id for one in found.false_negatives] == ["b", "k", "z"]
    assert found.false_positives == []


def test_agreement_by_hand():
    y_true = np.array([1, 0, 1, 0])
    calls = np.array([[1, 0, 0, 1], [1, 0, 0, 0], [1, 1, 0, 0]])

    found = agreement(y_true, calls, thresholds=np.full(3, 0.5))

    # Images 1 and 3 unanimous; in 2 and 4 one of three pairs agrees.
    assert found.pairwise == pytest.approx((1 + 1 / 3 + 1 + 1 / 3) / 4)
    # 5 of 12 calls are malignant: by chance (25 + 49) / 144.
    by_chance = 74 / 144
    assert found.fleiss_kappa == pytest.approx((2 / 3 - by_chance) / (1 - by_chance))
    assert found.unanimous == 0.5
    assert found.all_wrong == [2]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_agreement_is_the_mean_over_pairs_of_members(members, images, seed):
    rng = np.random.default_rng(seed)
    y_probs, thresholds = rng.random((members, images)), rng.random(members)

    found = agreement(np.zeros(images), y_probs, thresholds=thresholds)

    calls = y_probs >= thresholds[:, None]
    alike = [(calls[one] == calls[two]).mean() for one, two in combinations(range(members), 2)]
    assert found.pairwise == pytest.approx(np.mean(alike))


def test_of_two_members_that_call_equally_often_kappa_is_cohens():
    calls = np.array([[1, 1, 0, 0, 1, 0, 0], [1, 0, 1, 0, 1, 0, 0]])

    found = agreement(np.zeros(7), calls, thresholds=np.full(2, 0.5))

    assert found.fleiss_kappa == pytest.approx(cohen_kappa_score(*calls))


def test_the_same_member_twice_agrees_with_itself():
    y_prob = np.random.default_rng(0).random(50)

    found = agreement(np.zeros(50), np.stack([y_prob] * 3), thresholds=np.full(3, 0.4))

    assert (found.pairwise, found.fleiss_kappa, found.unanimous) == (1, pytest.approx(1), 1)


def test_random_members_agree_as_by_chance():
    y_probs = np.random.default_rng(0).random((6, 5000))

    assert agreement(np.zeros(5000), y_probs, thresholds=np.full(6, 0.7)).fleiss_kappa == (
        pytest.approx(0, abs=0.02)
    )


def test_kappa_of_calls_that_are_all_the_same_is_undefined():
    found = agreement(np.array([0, 1]), np.full((2, 2), 0.1), thresholds=np.full(2, 0.5))

    assert np.isnan(found.fleiss_kappa)
    assert found.all_wrong == [1]


@pytest.mark.parametrize("shape", [(1, 4), (4,), (2, 3), (2, 0)])
def test_what_does_not_fit_is_refused(shape):
    with pytest.raises(DataError, match="no agreement"):
        agreement(np.zeros(4), np.zeros(shape), thresholds=np.full(shape[0], 0.5))
