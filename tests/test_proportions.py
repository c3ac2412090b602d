"""Wilson's interval against published figures and its own equation."""

import numpy as np
import pytest

from skinlesion.metrics.proportions import PROPORTIONS, wilson, wilson_all
from skinlesion.metrics.scores import confusion, score_all


@pytest.mark.parametrize(
    ("successes", "trials", "published"),
    [  # Newcombe, Stat. Med. 17:857, 1998, table I, method 3
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0000, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_published_examples(successes, trials, published):
    found = wilson(successes, trials, confidence=0.95)

    assert found.value == successes / trials
    assert (round(found.low, 4), round(found.high, 4)) == published


@pytest.mark.parametrize(("successes", "trials"), [(1, 2), (3, 7), (480, 600), (600, 600)])
def test_the_ends_are_the_proportions_that_the_score_test_just_accepts(successes, trials):
    z, share = 1.6448536269514722, successes / trials

    found = wilson(successes, trials, confidence=0.9)

    for end in {found.low, found.high} - {1.0}:
        assert (share - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / trials)


def test_failures_are_successes_seen_from_the_other_end():
    found, reverse = wilson(3, 11, confidence=0.8), wilson(8, 11, confidence=0.8)

    assert (1 - reverse.high, 1 - reverse.low) == pytest.approx((found.low, found.high))


def test_of_no_trials_nothing_is_known():
    found = wilson(0, 0, confidence=0.95)

    assert np.isnan([found.value, found.low, found.high]).all()


def test_every_proportion_is_the_score_of_that_name():
    y_true, y_prob = np.array([1, 1, 1, 0, 0, 0, 0]), np.array([0.9, 0.6, 0.2, 0.8, 0.5, 0.3, 0.1])

    found = wilson_all(confusion(y_true, y_prob, threshold=0.55), confidence=0.95)

    scores = score_all(y_true, y_prob, threshold=0.55)
    assert {name: one.value for name, one in found.items()} == {n: scores[n] for n in PROPORTIONS}
    assert all(one.low < one.value < one.high for one in found.values())
