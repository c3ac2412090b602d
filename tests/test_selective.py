"""The risk-coverage curve by hand, its area over all orders of equals, and its two extremes."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skinlesion.metrics.abstention import risk_coverage


def test_the_curve_by_hand():
    y_true = np.array([1, 0, 1, 0])
    y_prob = np.array([0.9, 0.2, 0.3, 0.6])

    # Most certain first: 0.9 (right), 0.2 (right), 0.3 (wrong), 0.6 (wrong).
    curve = risk_coverage(y_true, y_prob, threshold=0.5)

    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk == pytest.approx([0, 0, 1 / 3, 2 / 4])
    np.testing.assert_array_equal(curve.sensitivity, [1, 1, 1 / 2, 1 / 2])
    np.testing.assert_array_equal(curve.specificity, [np.nan, 1, 1, 1 / 2])
    assert curve.aurc == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert curve.excess_aurc == pytest.approx(0)


def test_certainty_that_is_reversed_costs_the_most():
    y_true, y_prob = np.array([0, 1, 1, 0]), np.array([0.9, 0.2, 0.7, 0.4])

    curve = risk_coverage(y_true, y_prob, threshold=0.5)

    assert curve.risk == pytest.approx([1, 1, 2 / 3, 1 / 2])
    assert curve.excess_aurc == pytest.approx((1 + 1 + 2 / 3 + 1 / 2 - 1 / 3 - 1 / 2) / 4)


def test_certainty_that_says_nothing_leaves_the_error_rate():
    curve = risk_coverage(np.array([1, 1, 0, 1]), np.full(4, 0.8), threshold=0.5)

    assert curve.coverage.tolist() == [1]
    assert curve.risk.tolist() == [0.25]
    assert curve.aurc == pytest.approx(0.25)


def test_without_errors_there_is_no_risk():
    curve = risk_coverage(np.array([1, 0, 0]), np.array([0.8, 0.4, 0.1]), threshold=0.5)

    assert (curve.aurc, curve.excess_aurc, curve.risk.max()) == (0, 0, 0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.2, 0.6, 0.8]), st.booleans()), min_size=1, max_size=6))
def test_the_area_is_the_mean_over_all_orders_of_equals(rows):
    y_prob, y_true = np.array(rows, dtype=float).T
    wrong = (y_prob >= 0.5) != (y_true == 1)
    certainty = np.round(np.abs(y_prob - 0.5), 6)

    areas = []
    for order in permutations(range(len(rows))):
        order = np.array(order)
        if (np.diff(certainty[order]) <= 0).all():
            areas.append((np.cumsum(wrong[order]) / np.arange(1, len(rows) + 1)).mean())

    assert risk_coverage(y_true, y_prob, threshold=0.5).aurc == pytest.approx(np.mean(areas))


def test_a_threshold_elsewhere_moves_the_uncertain_there():
    y_true = np.array([0, 0, 1, 1])
    y_prob = np.array([0.01, 0.09, 0.11, 0.6])

    curve = risk_coverage(y_true, 1 - y_prob, threshold=0.9)

    # 0.91 and 0.89 lie beside 0.9 and are kept last.
    assert curve.coverage.tolist()[:2] == [0.25, 0.5]
    assert curve.risk[1] == 1
    assert curve.risk[-1] == 1


def test_the_most_certain_images_are_called_better():
    rng = np.random.default_rng(0)
    y_prob = rng.random(2000)
    y_true = rng.random(2000) < y_prob

    curve = risk_coverage(y_true, y_prob, threshold=0.5)

    assert curve.aurc < curve.risk[-1] - 0.1
    # Half of the images have a probability of their call above 0.75: a mean risk of 1 / 8.
    assert np.interp(0.5, curve.coverage, curve.risk) == pytest.approx(0.125, abs=0.02)
