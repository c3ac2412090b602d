"""Calibration slope and intercept against scikit-learn, the normal equations, and their laws."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skinlesion.metrics.intervals import Estimate, distributions
from skinlesion.metrics.recalibration import recalibrate


def sigmoid(linear):
    return 1 / (1 + np.exp(-linear))


def example(size=400, *, slope=1.0, intercept=0.0, seed=0):
    """Labels drawn with the probability sigmoid(intercept + slope logit), and the prediction."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 1.5, size=size)
    y_true = (rng.random(size) < sigmoid(intercept + slope * logits)).astype(int)
    y_true[:2] = [0, 1]
    return y_true, sigmoid(logits), np.arange(size)


def values(found):
    return found.slope.value, found.intercept.value


def test_the_slope_is_that_of_scikit_learn():
    y_true, y_prob, group = example(slope=0.6, intercept=0.4)
    logits = np.log(y_prob / (1 - y_prob))[:, None]

    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logits, y_true)

    found = recalibrate(y_true, y_prob, group, confidence=0.95)
    assert found.slope.value == pytest.approx(theirs.coef_[0, 0], rel=1e-5)


def test_the_intercept_makes_the_mean_probability_the_prevalence():
    y_true, y_prob, group = example(slope=0.6, intercept=0.4)

    found = recalibrate(y_true, y_prob, group, confidence=0.95)

    moved = sigmoid(np.log(y_prob / (1 - y_prob)) + found.intercept.value)
    assert moved.mean() == pytest.approx(y_true.mean())


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, 0.0), (1.0, -1.0), (2.0, 0.0)])
def test_the_truth_is_found_within_its_interval(slope, intercept):
    found = recalibrate(*example(5_000, slope=slope, intercept=intercept), confidence=0.999)

    assert found.slope.low < slope < found.slope.high
    assert found.slope.high - found.slope.low < 0.6
    if slope == 1:
        assert found.intercept.low < intercept < found.intercept.high


def test_swapping_the_classes_keeps_the_slope_and_turns_the_intercept():
    y_true, y_prob, group = example(slope=0.7, intercept=0.3)

    found = recalibrate(y_true, y_prob, group, confidence=0.95)
    swapped = recalibrate(1 - y_true, 1 - y_prob, group, confidence=0.95)

    assert values(swapped) == pytest.approx((found.slope.value, -found.intercept.value))


def test_halving_the_logits_doubles_the_slope():
    y_true, y_prob, group = example()
    timid = sigmoid(np.log(y_prob / (1 - y_prob)) / 2)

    found, halved = (recalibrate(y_true, p, group, confidence=0.95) for p in (y_prob, timid))

    assert halved.slope.value == pytest.approx(2 * found.slope.value)


def test_copies_within_a_group_are_no_new_evidence():
    data = example(200)
    copies = [np.tile(column, 4) for column in data]

    once, grouped = (recalibrate(*columns, confidence=0.95) for columns in (data, copies))
    ungrouped = recalibrate(*copies[:2], np.arange(800), confidence=0.95)

    assert vars(grouped.slope) == pytest.approx(vars(once.slope))
    assert vars(grouped.intercept) == pytest.approx(vars(once.intercept))
    shrunk = ungrouped.slope.high - ungrouped.slope.low
    assert shrunk == pytest.approx((once.slope.high - once.slope.low) / 2, rel=0.02)


def test_the_interval_of_the_intercept_is_about_that_of_the_bootstrap():
    y_true, y_prob, _ = example(300, intercept=0.5)
    group = np.arange(300) // 3
    logits = np.log(y_prob / (1 - y_prob))

    def intercept(weights):
        """One Newton step from the whole sample's intercept is as good as many."""
        start = recalibrate(y_true, y_prob, group, confidence=0.95).intercept.value
        prob = sigmoid(logits + start)
        return {"it": start + weights @ (y_true - prob) / (weights @ (prob * (1 - prob)))}

    # Not stratified by class: how many are malignant is part of what the intercept estimates.
    rng, one_stratum = np.random.default_rng(0), np.zeros(300)
    resampled = distributions(intercept, one_stratum, group, resamples=2000, rng=rng)["it"]

    found = recalibrate(y_true, y_prob, group, confidence=0.95).intercept
    expected = resampled.estimate("percentile", 0.95)
    assert found.high - found.low == pytest.approx(expected.high - expected.low, rel=0.15)


@pytest.mark.parametrize("label", [0, 1])
def test_of_one_class_nothing_is_known(label):
    found = recalibrate(np.full(5, label), np.linspace(0.1, 0.9, 5), np.arange(5), confidence=0.95)

    assert np.isnan(values(found)).all()


def test_constant_probabilities_have_an_intercept_but_no_slope():
    found = recalibrate(np.array([0, 0, 0, 1]), np.full(4, 0.5), np.arange(4), confidence=0.95)

    assert np.isnan(found.slope.value)
    assert found.intercept.value == pytest.approx(np.log(1 / 3))


def test_divided_classes_have_no_slope():
    found = recalibrate(
        np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.6, 0.8]), np.arange(4), confidence=0.95
    )

    assert np.isnan([found.slope.value, found.slope.low]).all()
    assert not np.isnan(found.intercept.value)


def test_certain_predictions_are_finite():
    y_true, y_prob = np.array([0, 1, 0, 1, 1]), np.array([0.0, 1.0, 0.6, 0.4, 0.0])

    found = recalibrate(y_true, y_prob, np.arange(5), confidence=0.95)

    assert np.isfinite(values(found)).all()


def test_one_group_has_no_interval():
    y_true, y_prob, _ = example(50)

    found = recalibrate(y_true, y_prob, np.zeros(50), confidence=0.95).slope

    assert isinstance(found, Estimate)
    assert np.isnan([found.low, found.high]).all()
