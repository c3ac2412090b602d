"""Bins of a reliability diagram against the score ECE, and the parts of Brier's score."""

import numpy as np
import pytest

from skinlesion.metrics.calibration import brier_parts, reliability
from skinlesion.metrics.proportions import wilson
from skinlesion.metrics.scores import SCORES


def example(size=300, seed=0):
    rng = np.random.default_rng(seed)
    y_prob = np.round(rng.random(size) ** 2, 2)
    y_true = (rng.random(size) < y_prob**1.5).astype(int)
    y_true[:2] = [0, 1]
    return y_true, y_prob


def test_bins_by_hand():
    y_true, y_prob = np.array([0, 1, 1, 1]), np.array([0.01, 0.05, 0.5, 1.0])

    bins = reliability(y_true, y_prob, confidence=0.9)

    assert len(bins) == 15
    assert (bins[0].low, bins[0].high) == (0, 1 / 15)
    assert (bins[0].images, bins[0].malignant, bins[0].mean_prob) == (2, 1, pytest.approx(0.03))
    assert bins[0].observed == wilson(1, 2, confidence=0.9)
    assert (bins[7].images, bins[7].mean_prob) == (1, 0.5)
    assert (bins[14].high, bins[14].images) == (1.0, 1)


def test_an_empty_bin_says_nothing():
    empty = reliability(np.array([0, 1]), np.array([0.1, 0.9]), confidence=0.9)[7]

    assert (empty.images, empty.malignant) == (0, 0)
    assert np.isnan([empty.mean_prob, empty.observed.value, empty.observed.low]).all()


def test_their_weighted_distances_are_the_expected_calibration_error():
    y_true, y_prob = example()

    bins = reliability(y_true, y_prob, confidence=0.95)

    distance = sum(
        one.images * abs(one.mean_prob - one.observed.value) for one in bins if one.images
    )
    assert distance / len(y_true) == pytest.approx(SCORES["ece"](y_true, y_prob, 0.5))
    assert sum(one.malignant for one in bins) == y_true.sum()


def test_the_parts_make_up_the_brier_score():
    y_true, y_prob = example()

    parts = brier_parts(y_true, y_prob)

    whole = parts.miscalibration - parts.discrimination + parts.uncertainty
    assert whole == pytest.approx(SCORES["brier"](y_true, y_prob, 0.5))
    assert parts.uncertainty == pytest.approx(y_true.mean() * (1 - y_true.mean()))
    assert min(parts.miscalibration, parts.discrimination) > 0


def test_perfect_probabilities_have_no_miscalibration():
    y_prob = np.repeat([0.25, 0.5, 0.75], 4)
    y_true = np.array([0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1])

    parts = brier_parts(y_true, y_prob)

    assert parts.miscalibration == pytest.approx(0, abs=1e-15)
    # (1/3) (1/16 + 0 + 1/16): the variance of the probabilities.
    assert parts.discrimination == pytest.approx(1 / 24)


def test_a_rising_map_moves_miscalibration_only():
    y_true, y_prob = example()

    before, after = brier_parts(y_true, y_prob), brier_parts(y_true, np.sqrt(y_prob))

    assert after.discrimination == pytest.approx(before.discrimination)
    assert after.miscalibration > before.miscalibration
