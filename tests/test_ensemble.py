"""Laws of combining, over the whole table of combiners."""

import inspect
import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from skinlesion.config import Criterion, EnsembleConfig
from skinlesion.ensemble import COMBINERS, CRITERIA, weighting
from skinlesion.errors import DataError

pytestmark = pytest.mark.thorough

# Their output is a mean of members with weights that sum to one.
AVERAGING = ["mean", "weighted", "greedy", "best_subset"]
# Identical members give exactly the member; the others keep its order of images only: votes are
# yes or no, ranks are ranks, and stacking calibrates the member as well.
GIVE_THE_MEMBER_BACK = [*AVERAGING, "logit_mean"]
KEEP_THE_ORDER = ["rank_mean", "stacking"]
LEARNING = [name for name, combiner in COMBINERS.items() if combiner.uses_labels]


def members(size: int, count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of members that differ in skill and scale, and labels of both classes."""
    rng = np.random.default_rng(seed)
    y_true = (rng.random(size) < 0.3).astype(int)
    y_true[:2] = [0, 1]
    skill, scale = rng.uniform(-0.5, 2, count), rng.uniform(0.3, 4, count)
    shared, own = rng.standard_normal((size, 1)), rng.standard_normal((size, count))
    logits = scale * (skill * (2 * y_true - 1)[:, None] + 0.5 * shared + own)
    return 1 / (1 + np.exp(-logits)), y_true


MEMBERS = st.builds(members, st.integers(2, 120), st.integers(1, 7), seed=st.integers(0, 9999))


def fit(name: str, val: np.ndarray, y_true: np.ndarray, **options) -> dict:
    """Fitted with the options' defaults; groups are pairs of rows."""
    defaults = EnsembleConfig(method=name).method.model_dump(exclude={"name"})
    rng = np.random.default_rng(0)
    group = np.arange(len(val)) // 2
    return COMBINERS[name].fit(val, y_true, group=group, rng=rng, **{**defaults, **options})


def combine(name: str, val: np.ndarray, y_true: np.ndarray, probs: np.ndarray) -> np.ndarray:
    return COMBINERS[name].apply(fit(name, val, y_true), probs)


def test_there_is_a_section_of_the_config_for_every_combiner_with_its_options():
    for name, combiner in COMBINERS.items():
        fields = set(type(EnsembleConfig(method=name).method).model_fields) - {"name"}
        taken = set(inspect.signature(combiner.fit).parameters)

        assert taken - {"val_probs", "y_true", "group", "rng"} == fields
    assert get_args(Criterion) == (*CRITERIA,)


def test_mean_by_hand():
    probs = np.array([[0.2, 0.4], [1.0, 0.5]])

    assert combine("mean", probs, np.array([0, 1]), probs) == pytest.approx([0.3, 0.75])


def test_logit_mean_is_the_geometric_mean_of_the_odds():
    probs = np.array([[0.2, 0.5], [0.9, 0.9]])

    combined = combine("logit_mean", probs, np.array([0, 1]), probs)

    # Odds of 1/4 and 1: the geometric mean is 1/2, the probability 1/3.
    assert combined == pytest.approx([1 / 3, 0.9])


def test_members_that_are_certain_and_contradict_each_other_are_in_between():
    certain = np.array([[0.0, 1.0]])

    combined = combine("logit_mean", certain.repeat(2, axis=0), np.array([0, 1]), certain)

    assert combined == pytest.approx([0.5])


def test_majority_vote_by_hand():
    probs = np.array([[0.5, 0.49, 0.9], [0.1, 0.2, 0.9], [0.5, 0.6, 0.7]])

    combined = combine("majority_vote", probs, np.array([0, 1, 1]), probs)

    assert combined == pytest.approx([2 / 3, 1 / 3, 1])


def test_rank_mean_by_hand():
    val = np.array([[0.1, 0.5], [0.2, 0.6], [0.3, 0.7], [0.3, 0.8]])
    test = np.array([[0.05, 0.4], [0.2, 0.65], [0.3, 0.9]])

    combined = combine("rank_mean", val, np.array([0, 0, 1, 1]), test)

    assert combined == pytest.approx([0, (2 / 4 + 2 / 4) / 2, 1])


def test_weighted_finds_the_weights_that_made_the_labels():
    rng = np.random.default_rng(0)
    probs = rng.random((200_000, 3))
    y_true = rng.random(len(probs)) < probs @ [0.7, 0.3, 0.0]

    weights = fit("weighted", probs, y_true)["weights"]

    assert weights == pytest.approx([0.7, 0.3, 0.0], abs=0.02)


def test_weighted_gives_a_harmful_member_nothing():
    y_true = np.array([0, 0, 1, 1])
    good = np.array([0.1, 0.2, 0.8, 0.9])

    weights = fit("weighted", np.stack([good, 1 - good], axis=1), y_true)["weights"]

    assert weights == pytest.approx([1, 0])


@settings(max_examples=30, deadline=None)
@given(MEMBERS)
def test_weighted_fits_val_no_worse_than_the_mean_or_any_member(data):
    probs, y_true = data

    best = log_loss(y_true, combine("weighted", probs, y_true, probs))

    assert best <= log_loss(y_true, probs.mean(axis=1)) + 1e-5
    assert best <= min(log_loss(y_true, member) for member in probs.T) + 1e-5


@pytest.mark.parametrize("name", AVERAGING)
@settings(max_examples=20, deadline=None)
@given(data=MEMBERS)
def test_weights_are_on_the_simplex(name, data):
    probs, y_true = data

    weights = fit(name, probs, y_true)["weights"]

    assert len(weights) == probs.shape[1]
    assert sum(weights) == pytest.approx(1)
    assert min(weights) >= 0


@pytest.mark.parametrize("name", COMBINERS)
@settings(max_examples=10, deadline=None)
@given(data=MEMBERS)
def test_the_order_of_members_does_not_matter(name, data):
    probs, y_true = data

    combined = combine(name, probs, y_true, probs)

    reverse = probs[:, ::-1]
    assert combine(name, reverse, y_true, reverse) == pytest.approx(combined, abs=1e-6)


@pytest.mark.parametrize("name", COMBINERS)
@settings(max_examples=10, deadline=None)
@given(data=MEMBERS, sharp=st.booleans())
def test_outputs_are_from_0_to_1(name, data, sharp):
    probs, y_true = data
    test = np.round(probs[::-1]) if sharp else probs[::-1]

    combined = combine(name, probs, y_true, test)

    assert combined.shape == (len(test),)
    assert combined.min() >= 0
    assert combined.max() <= 1


@pytest.mark.parametrize("name", AVERAGING)
def test_members_that_are_all_certain_do_not_exceed_1(name):
    # Twenty times 1/20 rounds above 1; a fit might not keep them all, so the weights are given.
    certain = np.array([0, 1])[:, None].repeat(20, axis=1)

    assert COMBINERS[name].apply({"weights": [1 / 20] * 20}, certain).max() == 1


def test_an_image_that_all_members_get_wrong_with_certainty_does_not_spoil_the_fit():
    probs, y_true = members(50, 2, seed=9)
    wrong = 1.0 - y_true[:1, None].repeat(2, axis=1)

    weights = fit("weighted", np.vstack([probs, wrong]), np.append(y_true, y_true[0]))

    without = fit("weighted", probs, y_true)
    assert weights["weights"] == pytest.approx(without["weights"], abs=1e-3)


@pytest.mark.parametrize("count", [1, 2, 6])
@pytest.mark.parametrize("name", GIVE_THE_MEMBER_BACK)
def test_identical_members_give_the_member_back(name, count):
    probs, y_true = members(50, 1, seed=1)
    same = probs.repeat(count, axis=1)

    assert combine(name, same, y_true, same) == pytest.approx(probs[:, 0])


def test_the_laws_of_identical_members_cover_the_table():
    assert {*GIVE_THE_MEMBER_BACK, *KEEP_THE_ORDER, "majority_vote"} == set(COMBINERS)


@pytest.mark.parametrize("count", [1, 2, 6])
def test_votes_of_identical_members_are_the_member_s_own(count):
    probs, y_true = members(50, 1, seed=1)
    same = probs.repeat(count, axis=1)

    combined = combine("majority_vote", same, y_true, same)

    np.testing.assert_array_equal(combined, probs[:, 0] >= 0.5)


@pytest.mark.parametrize("count", [1, 2, 6])
@pytest.mark.parametrize("name", KEEP_THE_ORDER)
def test_identical_members_order_val_as_the_member_does(name, count):
    probs, y_true = members(50, 1, seed=1)
    same = probs.repeat(count, axis=1)

    combined = combine(name, same, y_true, same)

    np.testing.assert_array_equal(np.argsort(combined), np.argsort(probs[:, 0]))
    assert roc_auc_score(y_true, combined) == roc_auc_score(y_true, probs[:, 0])


def test_rank_mean_ignores_a_member_s_scale():
    probs, y_true = members(60, 3, seed=2)
    squeezed = probs ** np.array([1, 3, 9])

    combined = combine("rank_mean", squeezed, y_true, squeezed)

    assert combined == pytest.approx(combine("rank_mean", probs, y_true, probs))


@pytest.mark.parametrize("name", COMBINERS)
def test_an_image_s_output_does_not_depend_on_the_other_test_images(name):
    val, y_true = members(60, 3, seed=3)
    test, _ = members(30, 3, seed=4)
    combiner, params = COMBINERS[name], fit(name, val, y_true)

    alone = np.concatenate([combiner.apply(params, row[None]) for row in test])

    np.testing.assert_array_equal(combiner.apply(params, test), alone)


@pytest.mark.parametrize("name", COMBINERS)
def test_parameters_survive_json(name):
    val, y_true = members(60, 3, seed=5)
    combiner, params = COMBINERS[name], fit(name, val, y_true)

    read_back = json.loads(json.dumps(params, allow_nan=False))

    np.testing.assert_array_equal(combiner.apply(read_back, val), combiner.apply(params, val))


@pytest.mark.parametrize("name", COMBINERS)
def test_only_what_uses_labels_changes_with_them(name):
    val, y_true = members(60, 4, seed=6)
    other = np.roll(y_true, 7)

    assert (fit(name, val, y_true) != fit(name, val, other)) == COMBINERS[name].uses_labels


@pytest.mark.parametrize("name", COMBINERS)
def test_fitting_twice_gives_the_same(name):
    val, y_true = members(60, 4, seed=6)

    assert fit(name, val, y_true) == fit(name, val, y_true)


@pytest.mark.parametrize("name", COMBINERS)
def test_another_number_of_members_is_refused(name):
    val, y_true = members(20, 3, seed=7)
    params = fit(name, val, y_true)

    with pytest.raises(DataError, match="3 columns"):
        COMBINERS[name].apply(params, val[:, :1])


@pytest.mark.parametrize("probs", [np.empty((0, 2)), np.empty((2, 0)), np.array([0.5, 0.5])])
@pytest.mark.parametrize("name", COMBINERS)
def test_shapes_that_cannot_be_fitted_are_refused(name, probs):
    with pytest.raises(DataError, match="cannot be combined"):
        fit(name, probs, np.array([0, 1])[: len(probs)])


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1])
@pytest.mark.parametrize("name", COMBINERS)
def test_values_that_are_no_probabilities_are_refused(name, bad):
    with pytest.raises(DataError, match="not probabilities"):
        fit(name, np.array([[0.5, bad], [0.5, 0.5]]), np.array([0, 1]))


@pytest.mark.parametrize("y_true", [[0, 0], [1, 1], [0, 1, 1]])
@pytest.mark.parametrize("name", LEARNING)
def test_what_learns_from_labels_needs_both_classes(name, y_true):
    with pytest.raises(DataError, match="cannot be fitted"):
        fit(name, np.full((2, 2), 0.5), np.array(y_true))


def test_weights_that_did_not_converge_are_refused(monkeypatch):
    monkeypatch.setattr(weighting, "MAX_EXCESS_LOSS", -1.0)

    with pytest.raises(DataError, match="did not converge"):
        fit("weighted", *members(20, 3, seed=8))
