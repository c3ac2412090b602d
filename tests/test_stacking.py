"""Stacking: the regression it solves, and how the penalty is chosen."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from test_ensemble import combine, fit, members

from skinlesion.ensemble import stacking
from skinlesion.ensemble.arrays import logit
from skinlesion.errors import DataError


def skilled(size, count, *, seed):
    """Members that each help, so that no weight is 0, and their labels."""
    rng = np.random.default_rng(seed)
    y_true = np.arange(size) % 4 // 3
    return 1 / (1 + np.exp(-rng.normal(1.5 * y_true[:, None] - 1, 1, (size, count)))), y_true


def test_without_a_penalty_it_is_scikit_learn_s_logistic_regression():
    probs, y_true = skilled(400, 3, seed=0)

    params = fit("stacking", probs, y_true, penalty=1e-12)

    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(probs), y_true)
    assert params["weights"] == pytest.approx(oracle.coef_[0].tolist(), rel=1e-3)
    assert params["intercept"] == pytest.approx(oracle.intercept_[0], rel=1e-3)


@pytest.mark.parametrize("seed", range(12))
def test_no_better_weights_are_found_by_another_solver(seed):
    rng = np.random.default_rng(seed)
    probs, y_true = members(int(rng.integers(4, 150)), int(rng.integers(1, 9)), seed=seed)
    penalty, logits = 10.0 ** rng.uniform(-4, 2), logit(probs)

    def loss(solution):
        combined = solution[0] + logits @ solution[1:]
        distance = solution[1:] - 1 / probs.shape[1]
        fit_loss = (np.logaddexp(0, combined) - y_true * combined).mean()
        return fit_loss + penalty / 2 * distance @ distance

    params = fit("stacking", probs, y_true, penalty=penalty)
    found = np.array([params["intercept"], *params["weights"]])
    bounds = [(None, None)] + [(0, None)] * probs.shape[1]
    other = minimize(loss, found, method="L-BFGS-B", bounds=bounds)

    assert found[1:].min() >= 0
    assert loss(found) <= other.fun + 1e-9


def test_a_large_penalty_gives_the_order_of_the_logit_mean():
    probs, y_true = members(80, 4, seed=1)

    params = fit("stacking", probs, y_true, penalty=1e6)

    assert params["weights"] == pytest.approx([0.25] * 4, abs=1e-4)
    combined = logit(probs) @ params["weights"]
    wanted = combine("logit_mean", probs, y_true, probs)
    np.testing.assert_array_equal(np.argsort(combined), np.argsort(wanted))


def test_the_output_is_calibrated_however_wrong_the_members_scales_are():
    probs, y_true = skilled(600, 3, seed=2)
    shifted = 1 / (1 + np.exp(-3 * logit(probs) - 2))

    combined = combine("stacking", shifted, y_true, shifted)

    # The intercept has no penalty, so the mean output is the prevalence.
    assert combined.mean() == pytest.approx(y_true.mean(), abs=1e-6)


def test_a_member_worse_than_chance_is_left_out_rather_than_turned_round():
    y_true = np.arange(60) % 2
    inverted = np.clip(0.7 - 0.4 * y_true + np.linspace(-0.2, 0.2, 60), 0, 1)[:, None]

    combined = combine("stacking", inverted.repeat(2, axis=1), y_true, inverted.repeat(2, axis=1))

    assert roc_auc_score(y_true, inverted) < 0.5
    assert roc_auc_score(y_true, combined) <= 0.5


def test_the_penalty_is_small_where_val_is_large_and_a_member_is_noise():
    probs, y_true = skilled(2000, 1, seed=3)
    noise = np.random.default_rng(3).random((2000, 3))

    params = fit("stacking", np.hstack([probs, noise]), y_true)

    assert params["penalty"] == min(stacking.PENALTIES)
    assert max(params["weights"][1:]) < 0.1 < params["weights"][0]


def test_the_penalty_is_the_largest_where_nothing_can_be_held_out():
    probs, _ = members(8, 2, seed=4)

    params = fit("stacking", probs, np.array([1, 0, 0, 0, 0, 0, 0, 0]))

    assert params["penalty"] == max(stacking.PENALTIES)


def test_the_choice_of_the_penalty_keeps_groups_together(monkeypatch):
    divided = []
    original = stacking.group_folds

    def watch(y_true, group, **options):
        fold = original(y_true, group, **options)
        divided.extend(name for name in set(group) if len(set(fold[group == name])) > 1)
        divided.append(options["folds"])
        return fold

    monkeypatch.setattr(stacking, "group_folds", watch)
    fit("stacking", *members(60, 3, seed=5), folds=4)

    assert divided == [4]


def test_a_regression_that_did_not_converge_is_refused(monkeypatch):
    monkeypatch.setattr(stacking, "MAX_STEPS", 1)

    with pytest.raises(DataError, match="did not converge in 1 steps"):
        fit("stacking", *members(30, 3, seed=6))


def test_members_that_are_certain_and_separate_the_classes_give_finite_weights():
    y_true = np.array([0, 0, 0, 1, 1, 1])
    certain = y_true[:, None].repeat(3, axis=1).astype(float)

    params = fit("stacking", certain, y_true, penalty=1e-3)

    assert np.isfinite([params["intercept"], *params["weights"]]).all()
