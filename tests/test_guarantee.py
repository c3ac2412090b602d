"""A guaranteed sensitivity: the promise by simulation, the test behind it, what val must hold."""

import numpy as np
import pytest
import scipy.stats

from skinlesion.errors import DataError
from skinlesion.metrics.proportions import binomial_cdf
from skinlesion.metrics.thresholds import (
    at_guaranteed_sensitivity,
    at_sensitivity,
    groups_needed,
)

pytestmark = pytest.mark.thorough


def malignant_only(y_prob, group=None):
    """A val set: these malignant images and one benign."""
    y_true = np.append(np.ones(len(y_prob), dtype=int), 0)
    group = np.arange(len(y_prob)) if group is None else group
    return y_true, np.append(y_prob, 0.0), np.append(group, -1)


def broken_promises(*, sets, target, confidence, draw):
    """Share of val sets whose threshold has a true sensitivity below target, for both rules.

    ``draw`` gives malignant probabilities that are uniform, so the sensitivity at t is 1 - t.
    """
    naive, guaranteed = [], []
    for _ in range(sets):
        val = malignant_only(*draw())
        naive.append(1 - at_sensitivity(*val[:2], target=target) < target)
        found = at_guaranteed_sensitivity(*val, target=target, confidence=confidence)
        guaranteed.append(1 - found.threshold < target)
    return np.mean(naive), np.mean(guaranteed)


def test_the_promise_is_kept_as_often_as_said_and_not_by_the_naive_threshold():
    rng = np.random.default_rng(0)

    naive, guaranteed = broken_promises(
        sets=1500, target=0.9, confidence=0.9, draw=lambda: (rng.random(100), None)
    )

    # Exactly P(Bin(100, 0.1) <= k) with k = 5: 0.0576; k = 6 would be 0.117. Error 0.006.
    assert guaranteed == pytest.approx(binomial_cdf(100, 0.1)[5], abs=0.02)
    assert guaranteed <= 0.1
    assert naive > 0.4


def test_images_of_one_lesion_count_once():
    rng = np.random.default_rng(1)

    def draw():
        """40 lesions of five equal images: no more evidence than 40 images."""
        return np.repeat(rng.random(40), 5), np.repeat(np.arange(40), 5)

    _, guaranteed = broken_promises(sets=600, target=0.85, confidence=0.9, draw=draw)
    _, as_if_independent = broken_promises(
        sets=600, target=0.85, confidence=0.9, draw=lambda: (draw()[0], None)
    )

    assert guaranteed <= 0.1
    assert as_if_independent > 0.15


@pytest.mark.slow
@pytest.mark.parametrize(("target", "confidence"), [(0.8, 0.95), (0.95, 0.9), (0.95, 0.99)])
@pytest.mark.parametrize("images", [59, 90, 400])
def test_the_promise_is_kept_everywhere(target, confidence, images):
    rng = np.random.default_rng(2)
    if images < groups_needed(target=target, confidence=confidence):
        images = 2 * groups_needed(target=target, confidence=confidence)

    _, guaranteed = broken_promises(
        sets=20_000, target=target, confidence=confidence, draw=lambda: (rng.random(images), None)
    )

    allowed = 1 - confidence
    assert guaranteed <= allowed + 3 * np.sqrt(allowed * confidence / 20_000)


@pytest.mark.parametrize("images", [30, 75, 200])
def test_it_is_the_last_step_of_a_fixed_sequence_of_clopper_pearson_tests(images):
    y_prob = np.random.default_rng(images).random(images)
    target, confidence = 0.85, 0.9
    grid = np.arange(0, 1, 0.001)

    accepted = 0.0
    for threshold in grid:
        found = scipy.stats.binomtest(int((y_prob >= threshold).sum()), images)
        # Two-sided at 2 confidence - 1: one tail holds 1 - confidence.
        if found.proportion_ci(2 * confidence - 1, method="exact").low < target:
            break
        accepted = threshold

    val = malignant_only(y_prob)
    ours = at_guaranteed_sensitivity(*val, target=target, confidence=confidence)
    assert accepted <= ours.threshold < accepted + 0.001


def test_ties_are_all_called():
    y_prob = np.array([0.2] * 3 + [0.6] * 97)

    found = at_guaranteed_sensitivity(*malignant_only(y_prob), target=0.9, confidence=0.9)

    assert (found.threshold, found.groups, found.missed) == (0.6, 100, 5)


def test_a_higher_target_or_confidence_never_raises_the_threshold():
    val = malignant_only(np.random.default_rng(3).random(300))

    def threshold(target, confidence):
        return at_guaranteed_sensitivity(*val, target=target, confidence=confidence).threshold

    targets = [threshold(target, 0.9) for target in (0.5, 0.7, 0.8, 0.9, 0.95)]
    confidences = [threshold(0.8, confidence) for confidence in (0.5, 0.8, 0.9, 0.99)]
    assert targets == sorted(targets, reverse=True)
    assert confidences == sorted(confidences, reverse=True)


@pytest.mark.parametrize(
    ("target", "confidence", "needed"),
    [(0.95, 0.95, 59), (0.9, 0.95, 29), (0.9, 0.9, 22), (0.99, 0.95, 299), (0.5, 0.75, 2)],
)
def test_how_many_are_needed(target, confidence, needed):
    # Textbook figures of the distribution-free tolerance limit: 59 for 95/95, 299 for 99/95.
    assert groups_needed(target=target, confidence=confidence) == needed
    assert target**needed <= 1 - confidence + 1e-12
    assert target ** (needed - 1) > 1 - confidence


def test_too_few_malignant_lesions_are_refused_with_the_number_needed():
    enough = malignant_only(np.linspace(0.2, 1, 29))
    at_guaranteed_sensitivity(*enough, target=0.9, confidence=0.95)

    with pytest.raises(DataError) as caught:
        at_guaranteed_sensitivity(
            *malignant_only(np.linspace(0.2, 1, 28)), target=0.9, confidence=0.95
        )

    message = str(caught.value)
    assert "28 malignant groups" in message
    assert "at least 29" in message
    # 0.05^(1/28) = 0.8985: what it says is within reach is.
    assert "at most 0.898" in message
    at_guaranteed_sensitivity(
        *malignant_only(np.linspace(0.2, 1, 28)), target=0.898, confidence=0.95
    )


@pytest.mark.parametrize(("trials", "share"), [(0, 0.3), (1, 0.5), (30, 0.05), (2000, 0.4)])
def test_binomial_probabilities_are_those_of_scipy(trials, share):
    theirs = scipy.stats.binom.cdf(np.arange(trials + 1), trials, share)

    np.testing.assert_allclose(binomial_cdf(trials, share), theirs, rtol=1e-9, atol=1e-300)
