"""Folds by group, the estimate of optimism, diversity, and the table of members."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ensemble import MEMBERS, fit, members

from skinlesion.config import EnsembleConfig
from skinlesion.ensemble import COMBINERS, Diversity, Optimism, diversity, estimate_optimism
from skinlesion.ensemble.diversity import mean_over_others, without_each
from skinlesion.ensemble.folds import group_folds
from skinlesion.report.members import MembersOnVal, optimism_to_json

pytestmark = pytest.mark.thorough

# --- folds ------------------------------------------------------------------------------------

LABELS_AND_GROUPS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=1)


@settings(max_examples=60, deadline=None)
@given(LABELS_AND_GROUPS, st.integers(2, 6), st.integers(0, 99))
def test_folds_divide_no_group_and_hold_both_classes(rows, folds, seed):
    y_true, group = np.array(rows).T
    groups_of = [len(set(group[y_true == label])) for label in (0, 1)]

    fold = group_folds(y_true, group, folds=folds, rng=np.random.default_rng(seed))

    count = min(folds, *groups_of) if min(groups_of) > 1 else 1
    assert set(fold) == set(range(count))
    assert all(len(set(fold[group == name])) == 1 for name in group)
    if count > 1:
        assert all({*y_true[fold == number]} == {0, 1} for number in range(count))


def test_folds_are_of_equal_size_where_groups_are():
    y_true, group = np.arange(100) % 5 // 4, np.arange(100)

    fold = group_folds(y_true, group, folds=5, rng=np.random.default_rng(0))

    assert np.bincount(fold).tolist() == [20] * 5
    assert np.bincount(fold[y_true == 1]).tolist() == [4] * 5


# --- optimism ---------------------------------------------------------------------------------


def optimism(name, probs, y_true, *, group=None, **options):
    defaults = EnsembleConfig(method=name).method.model_dump(exclude={"name"})
    return estimate_optimism(
        COMBINERS[name],
        fit(name, probs, y_true, **options),
        probs,
        y_true,
        group=np.arange(len(y_true)) if group is None else group,
        folds=5,
        rng=np.random.default_rng(0),
        options={**defaults, **options},
    )


@pytest.mark.parametrize("name", ["mean", "logit_mean", "majority_vote"])
def test_what_learns_nothing_has_no_optimism(name):
    found = optimism(name, *members(80, 3, seed=0))

    assert found.nested == pytest.approx(found.apparent, abs=1e-12)


@pytest.mark.parametrize("name", ["greedy", "best_subset", "stacking"])
def test_members_that_guess_look_good_only_where_they_were_fitted(name):
    rng = np.random.default_rng(7)
    worlds = [(rng.random((90, 6)), np.arange(90) % 3 // 2) for _ in range(8)]

    found = [optimism(name, *world) for world in worlds]

    apparent = np.mean([one.apparent["roc_auc"] for one in found])
    nested = np.mean([one.nested["roc_auc"] for one in found])
    assert apparent > 0.57
    assert abs(nested - 0.5) < 0.04


def test_copies_of_an_image_in_one_group_do_not_hide_the_optimism():
    rng = np.random.default_rng(1)
    probs, y_true = rng.random((60, 8)), np.arange(60) % 2
    copies, labels, origin = probs.repeat(4, axis=0), y_true.repeat(4), np.arange(60).repeat(4)

    by_group = optimism("best_subset", copies, labels, group=origin)
    by_image = optimism("best_subset", copies, labels)

    assert by_group.apparent == by_image.apparent
    assert by_group.nested["roc_auc"] < by_image.nested["roc_auc"] - 0.02


def test_with_too_few_groups_nothing_is_estimated():
    probs, y_true = members(20, 2, seed=2)

    found = optimism("weighted", probs, y_true, group=y_true)

    assert found.folds == 0
    assert optimism_to_json(found)["roc_auc"]["nested"] is None
    assert np.isfinite([*found.apparent.values()]).all()


# --- diversity --------------------------------------------------------------------------------


def test_diversity_by_hand():
    y_true = np.array([1] * 10)
    right = np.array([[1, 1]] * 5 + [[1, 0]] * 2 + [[0, 1]] * 1 + [[0, 0]] * 2)

    pairs = diversity(np.where(right, 0.7, 0.2), y_true, thresholds=np.array([0.5, 0.5]))

    # Q of the counts 5, 2, 1, 2: (5 * 2 - 2 * 1) / (5 * 2 + 2 * 1).
    assert pairs.q_statistic[0, 1] == pytest.approx(8 / 12)
    assert pairs.disagreement[0, 1] == pytest.approx(3 / 10)
    # Of two columns of two values the correlation is phi: (10 - 2) / sqrt(7 * 3 * 6 * 4).
    assert pairs.correlation[0, 1] == pytest.approx(8 / np.sqrt(504))


@settings(max_examples=12, deadline=None)
@given(MEMBERS)
def test_pairs_are_symmetric_in_range_and_a_member_is_like_itself(data):
    probs, y_true = np.clip(data[0], 1e-6, 1 - 1e-6), data[1]
    count = probs.shape[1]

    pairs = diversity(probs, y_true, thresholds=np.full(count, 0.5))

    for matrix, low in ((pairs.correlation, -1), (pairs.disagreement, 0), (pairs.q_statistic, -1)):
        np.testing.assert_allclose(matrix, matrix.T)
        defined = matrix[~np.isnan(matrix)]
        assert ((defined >= low) & (defined <= 1)).all()
    assert np.diag(pairs.correlation) == pytest.approx(1)
    assert np.diag(pairs.disagreement).tolist() == [0] * count
    logits = np.log(probs) - np.log1p(-probs)
    wanted = np.atleast_2d(np.corrcoef(logits.T))
    np.testing.assert_allclose(pairs.correlation, wanted, atol=1e-9)


def test_a_member_and_its_inverse_are_opposites():
    probs, y_true = members(60, 1, seed=3)

    pairs = diversity(np.hstack([probs, 1 - probs]), y_true, thresholds=np.array([0.5, 0.5]))

    found = [pairs.correlation[0, 1], pairs.disagreement[0, 1], pairs.q_statistic[0, 1]]
    assert found == pytest.approx([-1, 1, -1])


def test_a_constant_member_correlates_with_nothing():
    probs, y_true = members(40, 2, seed=4)
    probs[:, 1] = 0.3

    pairs = diversity(probs, y_true, thresholds=np.array([0.5, 0.5]))

    assert np.isnan(pairs.correlation[0, 1])
    assert pairs.closest() is None


def test_means_leave_the_member_itself_and_undefined_pairs_out():
    pairwise = np.array([[1, 0.2, np.nan], [0.2, 1, np.nan], [np.nan, np.nan, 1]])

    np.testing.assert_allclose(mean_over_others(pairwise), [0.2, 0.2, np.nan])


def test_without_each_leaves_one_column_out():
    probs = np.array([[0.1, 0.2, 0.3]])

    assert [left.tolist() for left in without_each(probs)] == [
        [[0.2, 0.3]],
        [[0.1, 0.3]],
        [[0.1, 0.2]],
    ]


# --- the table --------------------------------------------------------------------------------

THREE = np.array([[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]])
TABLE = MembersOnVal(
    names=["runs/a", "runs/longer", "runs/c"],
    weights=[0.5, 0.25, 0.25],
    images=150,
    malignant=30,
    auc=0.8641,
    auc_alone=np.array([0.85, 0.8, np.nan]),
    auc_without=np.array([0.8541, 0.8641, 0.8741]),
    thresholds=np.array([0.5, 0.4, 0.3]),
    pairs=Diversity(THREE, 1 - THREE, THREE),
    optimism=Optimism(5, {"roc_auc": 0.86, "log_loss": 0.4}, {"roc_auc": 0.85, "log_loss": 0.41}),
)


def test_the_table_as_a_user_reads_it():
    assert TABLE.to_text().splitlines() == [
        "             weight     AUC    adds  corr.  differ     Q",
        "runs/a        0.500   0.850  +0.010   0.50     50%  0.50",
        "runs/longer   0.250   0.800  +0.000   0.55     45%  0.55",
        "runs/c        0.250  undef.  -0.010   0.15     85%  0.15",
        "ensemble              0.864",
        "fitted on val: AUC 0.860, log loss 0.400;"
        " on groups left out of the fit (5 folds): AUC 0.850, log loss 0.410",
        "all on val (150 images, 30 malignant); adds: the ensemble's AUC minus that without the"
        " member;",
        "corr. of logits, differ (one right, one wrong), Yule's Q: means over the others",
        "most alike: runs/a and runs/longer (corr. 0.90)",
    ]


def test_the_table_without_weights_or_folds():
    bare = dataclasses.replace(TABLE, weights=None, optimism=Optimism(0, {}, {}))

    assert "weight" not in bare.to_text()
    assert "too few groups" in bare.to_text()


def test_the_table_for_machines_is_json_without_nan():
    table = json.loads(json.dumps(TABLE.to_json(), allow_nan=False))

    assert table["members"][0] == {
        "path": "runs/a",
        "weight": 0.5,
        "roc_auc": 0.85,
        "ensemble_roc_auc_without": 0.8541,
        "threshold": 0.5,
    }
    assert table["members"][2]["roc_auc"] is None
    assert table["pairs"]["q_statistic"] == THREE.tolist()
