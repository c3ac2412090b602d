"""Every calibrator: laws over the table, oracles, perfect probabilities left alone."""

import json

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from skinlesion.errors import DataError
from skinlesion.metrics.calibration import CALIBRATORS
from skinlesion.metrics.scores import SCORES

FITTED = [name for name in CALIBRATORS if name != "none"]
KEEP_ORDER = [name for name, one in CALIBRATORS.items() if one.keeps_order]


def sigmoid(linear):
    return 1 / (1 + np.exp(-linear))


def log_odds(y_prob):
    return np.log(y_prob / (1 - y_prob))


def example(size=400, *, slope=0.5, intercept=-0.7, seed=0):
    """Predictions whose calibrated log odds are ``intercept`` + ``slope`` times theirs."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2.5, size=size)
    y_true = (rng.random(size) < sigmoid(intercept + slope * logits)).astype(int)
    y_true[:2] = [0, 1]
    return y_true, sigmoid(logits)


def perfect(copies=1):
    """Of the images with probability i / 20 exactly i in 20 are malignant."""
    shares = np.arange(1, 20)
    y_prob = np.repeat(shares / 20, 20)
    y_true = np.concatenate([[1] * share + [0] * (20 - share) for share in shares])
    return np.tile(y_true, copies), np.tile(y_prob, copies)


def calibrated(name, y_true, y_prob, elsewhere=None):
    one = CALIBRATORS[name]
    return one.apply(one.fit(y_true, y_prob), y_prob if elsewhere is None else elsewhere)


# --- laws over the table ------------------------------------------------------------------


@pytest.mark.parametrize("name", CALIBRATORS)
def test_parameters_survive_json(name):
    y_true, y_prob = example()

    params = CALIBRATORS[name].fit(y_true, y_prob)

    kept = json.loads(json.dumps(params))
    assert kept == params
    assert (CALIBRATORS[name].apply(kept, y_prob) == CALIBRATORS[name].apply(params, y_prob)).all()


@pytest.mark.parametrize("name", CALIBRATORS)
def test_perfect_probabilities_are_left_alone(name):
    grid = np.linspace(0.05, 0.95, 50)

    # Platt's targets move by about 1 in the number of images, so there are many.
    found = calibrated(name, *perfect(copies=30), elsewhere=grid)

    np.testing.assert_allclose(found, grid, atol=2e-3 if name == "platt" else 1e-8)


@pytest.mark.parametrize("name", CALIBRATORS)
def test_what_is_calibrated_already_stays_so(name):
    y_true, y_prob = example()
    once = calibrated(name, y_true, y_prob)

    twice = calibrated(name, y_true, once)

    np.testing.assert_allclose(twice, once, atol=0.02 if name == "platt" else 0.002)


@pytest.mark.parametrize("name", FITTED)
def test_log_loss_on_val_never_gets_worse(name):
    y_true, y_prob = example(seed=3)

    def loss(prob):
        return SCORES["log_loss"](y_true, prob, 0.5)

    assert loss(calibrated(name, y_true, y_prob)) < loss(y_prob) - 0.01


@pytest.mark.parametrize("name", FITTED)
def test_new_images_are_better_calibrated(name):
    val, test = example(2000, seed=1), example(2000, seed=2)

    moved = calibrated(name, *val, elsewhere=test[1])

    before, after = (SCORES["brier"](test[0], prob, 0.5) for prob in (test[1], moved))
    assert after < before - 0.01


@pytest.mark.parametrize("name", CALIBRATORS)
@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.001, 0.999), min_size=3, max_size=30),
    st.integers(0, 2**32 - 1),
)
def test_the_result_is_a_probability_that_never_falls(name, probs, seed):
    y_true = np.random.default_rng(seed).integers(0, 2, size=len(probs))
    y_true[:2] = [0, 1]
    y_prob = np.array(probs)
    grid = np.concatenate([[0.0, 1e-320, 1e-30], np.linspace(0.001, 0.999, 40), [1 - 1e-16, 1.0]])

    found = calibrated(name, y_true, y_prob, elsewhere=grid)

    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= -1e-12).all()


@pytest.mark.parametrize("name", KEEP_ORDER)
def test_the_area_under_the_roc_curve_of_new_images_is_unchanged(name):
    y_true, y_prob = example(seed=5)

    moved = calibrated(name, *example(100, seed=4), elsewhere=y_prob)

    assert SCORES["roc_auc"](y_true, moved, 0.5) == SCORES["roc_auc"](y_true, y_prob, 0.5)


@pytest.mark.parametrize("name", ["temperature", "platt", "beta"])
def test_swapping_the_classes_swaps_the_result(name):
    y_true, y_prob = example()

    found, swapped = calibrated(name, y_true, y_prob), calibrated(name, 1 - y_true, 1 - y_prob)

    np.testing.assert_allclose(swapped, 1 - found, atol=1e-9)


@pytest.mark.parametrize("name", FITTED)
def test_a_model_that_is_worse_than_chance_is_not_turned_round(name):
    y_true, y_prob = example()

    found = calibrated(name, 1 - y_true, y_prob)

    assert np.ptp(found) == pytest.approx(0, abs=0.08 if name == "isotonic" else 1e-12)
    if name != "temperature":  # which has no way to move the mean
        assert found.mean() == pytest.approx(1 - y_true.mean(), abs=0.01)


@pytest.mark.parametrize("name", ["temperature", "platt", "beta"])
def test_classes_that_val_divides_do_not_become_certain(name):
    y_true, y_prob = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.6, 0.7])

    found = calibrated(name, y_true, y_prob)

    assert ((found > 0.01) & (found < 0.99)).all()
    assert SCORES["roc_auc"](y_true, found, 0.5) == 1


@pytest.mark.parametrize("name", FITTED)
def test_equal_probabilities_stay_equal(name):
    found = calibrated(name, np.array([0, 0, 0, 1]), np.full(4, 0.6), elsewhere=np.array([0.6]))

    # Log odds of 0.6 cannot become those of a quarter by a positive factor: temperature gives 0.5.
    expected = {"temperature": 0.5, "platt": (3 * 0.2 + 2 / 3) / 4}.get(name, 0.25)
    assert found == pytest.approx([expected])


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize(("label", "missing"), [(0, "malignant"), (1, "benign")])
def test_a_missing_class_is_refused(name, label, missing):
    with pytest.raises(DataError, match=f"no calibration can be fitted: no {missing}"):
        CALIBRATORS[name].fit(np.array([label, label]), np.array([0.2, 0.7]))


@pytest.mark.parametrize("name", CALIBRATORS)
def test_what_is_no_probability_is_refused(name):
    one = CALIBRATORS[name]
    with pytest.raises(DataError, match="out of range"):
        one.fit(np.array([0, 1]), np.array([0.2, 1.7]))
    params = one.fit(np.array([0, 1, 0]), np.array([0.2, 0.7, 0.8]))

    with pytest.raises(DataError, match="out of range"):
        one.apply(params, np.array([np.nan]))


# --- each against an oracle ---------------------------------------------------------------


def test_temperature_is_the_least_log_loss():
    y_true, y_prob = example()

    def loss(slope):
        moved = sigmoid(slope * log_odds(y_prob))
        return SCORES["log_loss"](y_true, moved, 0.5)

    best = scipy.optimize.minimize_scalar(loss, bounds=(0.01, 5), method="bounded").x

    slope = CALIBRATORS["temperature"].fit(y_true, y_prob)["slope"]
    assert slope == pytest.approx(best, abs=1e-4)


def test_platt_is_that_of_scikit_learn():
    y_true, y_prob = example(80)
    theirs = _SigmoidCalibration().fit(log_odds(y_prob), y_true)

    found = CALIBRATORS["platt"].fit(y_true, y_prob)

    assert found["slope"] == pytest.approx(-theirs.a_, rel=1e-3)
    assert found["intercept"] == pytest.approx(-theirs.b_, rel=1e-3)


def test_beta_is_a_logistic_regression_on_two_logarithms():
    rng = np.random.default_rng(0)
    y_true = np.repeat([0, 1], [6000, 4000])
    y_prob = np.concatenate([rng.beta(1.2, 4, size=6000), rng.beta(5, 2, size=4000)])
    columns = np.column_stack([np.log(y_prob), -np.log1p(-y_prob)])
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(columns, y_true)

    found = CALIBRATORS["beta"].fit(y_true, y_prob)

    assert (found["a"], found["b"]) == pytest.approx(tuple(theirs.coef_[0]), rel=1e-4)
    assert found["c"] == pytest.approx(theirs.intercept_[0], rel=1e-4)
    # Beta distributed classes: a = 5 - 1.2, b = 4 - 2, standard errors 0.2.
    assert (found["a"], found["b"]) == pytest.approx((3.8, 2.0), abs=0.6)


def test_beta_with_a_slope_at_its_bound_is_the_constrained_optimum():
    rng = np.random.default_rng(1)
    y_true = np.repeat([0, 1], [300, 200])
    y_prob = np.concatenate([rng.beta(3, 4, size=300), rng.beta(1, 1, size=200)])
    columns = np.column_stack([np.log(y_prob), -np.log1p(-y_prob), np.ones(500)])

    def loss(coefficients):
        linear = columns @ coefficients
        return np.logaddexp(0, linear).sum() - y_true @ linear

    best = scipy.optimize.minimize(
        loss, [1, 1, 0], bounds=[(0, None), (0, None), (None, None)], method="L-BFGS-B"
    )

    found = CALIBRATORS["beta"].fit(y_true, y_prob)

    assert found["a"] == 0
    assert found["b"] > 0
    assert loss([found["a"], found["b"], found["c"]]) == pytest.approx(best.fun, rel=1e-7)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=40).filter(
        lambda rows: len({label for _, label in rows}) == 2
    )
)
def test_isotonic_is_that_of_scikit_learn(rows):
    y_prob, y_true = np.array(rows, dtype=float).T
    y_prob, grid = y_prob / 20, np.linspace(0, 1, 41)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(y_prob, y_true)

    found = calibrated("isotonic", y_true, y_prob, elsewhere=grid)

    np.testing.assert_allclose(found, theirs.predict(grid), atol=1e-9)


def test_isotonic_by_hand():
    y_true, y_prob = np.array([0, 1, 0, 1, 1]), np.array([0.1, 0.3, 0.5, 0.7, 0.9])

    # 0.3 and 0.5 violate the order and are pooled to a half.
    assert CALIBRATORS["isotonic"].fit(y_true, y_prob) == {
        "knots": [0.1, 0.3, 0.5, 0.7, 0.9],
        "values": [0.0, 0.5, 0.5, 1.0, 1.0],
    }


def test_isotonic_makes_ties_that_never_lower_the_area_on_val():
    y_true, y_prob = example(200, seed=7)

    moved = calibrated("isotonic", y_true, y_prob)

    assert len(np.unique(moved)) < len(np.unique(y_prob)) / 3
    assert SCORES["roc_auc"](y_true, moved, 0.5) > SCORES["roc_auc"](y_true, y_prob, 0.5)
