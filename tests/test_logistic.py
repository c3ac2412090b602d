"""Logistic regression: where there is a maximum it is found, and where there is none it says so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.special import logit as scipys_logit

from skinlesion.metrics.calibration import CALIBRATORS
from skinlesion.metrics.logistic import fit_logistic
from skinlesion.metrics.recalibration import recalibrate
from skinlesion.odds import logit, sigmoid


# Seeds whose likelihood, beside its maximum, falls by less than its rounding in the last steps.
@pytest.mark.parametrize("seed", [*range(20), 253, 391, 467, 691, 1155, 1378, 1453, 1480, 1495])
def test_a_maximum_is_found_although_likelihoods_are_rounded(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, size=300)
    y_prob = sigmoid(logits)
    y_true = (rng.random(300) < y_prob).astype(int)

    slope = recalibrate(y_true, y_prob, np.arange(300), confidence=0.9).slope.value

    assert slope == pytest.approx(1, abs=0.5)
    assert CALIBRATORS["platt"].fit(y_true, y_prob)["slope"] == pytest.approx(slope, rel=0.1)


def test_the_gradient_is_zero_at_the_coefficients():
    rng = np.random.default_rng(0)
    columns = np.column_stack([rng.normal(size=(200, 2)), np.ones(200)])
    offset, labels = rng.normal(size=200), rng.random(200)

    found = fit_logistic(columns, offset, labels)

    residual = labels - sigmoid(columns @ found + offset)
    np.testing.assert_allclose(columns.T @ residual, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("columns", "labels"),
    [
        ([[1.0], [2.0]], [1, 1]),  # one class
        ([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1]),  # divided without a fault
        ([[1.0, 2.0], [2.0, 4.0], [1.0, 2.0]], [0, 1, 1]),  # one column twice
    ],
)
def test_without_a_maximum_there_are_no_coefficients(columns, labels):
    assert fit_logistic(np.array(columns), np.zeros(len(labels)), np.array(labels)) is None


@given(st.floats(-800, 800))
def test_sigmoid_is_that_of_scipy_and_never_overflows(linear):
    assert sigmoid(np.array([linear])) == pytest.approx(expit([linear]), rel=1e-12, abs=1e-300)


@given(st.floats(0.01, 0.99))
def test_logit_is_that_of_scipy(prob):
    assert logit(np.array([prob]), clip=1e-6) == pytest.approx(scipys_logit([prob]), abs=1e-12)


def test_logit_is_finite_at_certainty():
    assert logit(np.array([0.0, 1.0]), clip=1e-6) == pytest.approx([-13.8155, 13.8155], abs=1e-3)
