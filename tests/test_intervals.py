"""The bootstrap: weights against repeated rows, whole groups, strata, coverage, seeds."""

import numpy as np
import pytest

from skinlesion.metrics import intervals
from skinlesion.metrics.intervals import Estimate, bootstrap, resample_counts
from skinlesion.metrics.scores import SCORES, rank, score_all, score_tally


def example(
    size: int, *, rng: np.random.Generator, images_a_group: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities with ties, groups; about a fifth malignant, both classes present."""
    group = np.arange(size) // images_a_group
    y_true = (rng.random(size) < 0.2).astype(int)
    y_true[:2] = [0, 1]
    y_prob = np.round(np.clip(0.3 + 0.3 * y_true + 0.2 * rng.standard_normal(size), 0, 1), 2)
    return y_true, y_prob, group.astype(str)


def all_counts(y_true, group, *, resamples, seed=0):
    draws = resample_counts(y_true, group, resamples=resamples, rng=np.random.default_rng(seed))
    return np.concatenate(list(draws))


def intervals_of(y_true, y_prob, group, *, resamples=300, confidence=0.95, seed=0):
    return bootstrap(
        y_true,
        y_prob,
        group,
        threshold=0.5,
        resamples=resamples,
        confidence=confidence,
        rng=np.random.default_rng(seed),
    )


@pytest.mark.parametrize("size", [2, 12, 60])
def test_weighted_scores_equal_those_of_repeated_rows(size):
    rng = np.random.default_rng(size)
    y_true, y_prob, _ = example(size, rng=rng)
    counts = rng.integers(0, 4, size=(40, size)).astype(float)
    counts[0] = 0

    ranking = rank(y_true, y_prob)
    weighted = score_tally(ranking.tally(counts[:, ranking.order], 0.5))

    for row, repeats in enumerate(counts.astype(int)):
        plain = score_all(y_true.repeat(repeats), y_prob.repeat(repeats), threshold=0.5)
        assert {name: values[row] for name, values in weighted.items()} == pytest.approx(
            plain, abs=1e-12, nan_ok=True
        )


def test_the_interval_is_that_of_the_plain_scores_of_the_resamples():
    y_true, y_prob, group = example(50, rng=np.random.default_rng(1), images_a_group=3)
    counts = all_counts(y_true, group, resamples=200).astype(int)

    found = intervals_of(y_true, y_prob, group, resamples=200, confidence=0.9)

    for name in ("roc_auc", "f1", "specificity_at_89_sensitivity"):
        resampled = [SCORES[name](y_true.repeat(c), y_prob.repeat(c), 0.5) for c in counts]
        low, high = np.quantile(resampled, [0.05, 0.95])
        assert (found[name].low, found[name].high) == pytest.approx((low, high))


def test_the_value_is_the_plain_score():
    y_true, y_prob, group = example(80, rng=np.random.default_rng(2))

    found = intervals_of(y_true, y_prob, group)

    assert {name: estimate.value for name, estimate in found.items()} == score_all(
        y_true, y_prob, threshold=0.5
    )


def test_groups_are_drawn_whole_and_as_many_as_there_are_of_each_stratum():
    group = np.array(["p1", "p1", "p2", "p3", "p3", "p4", "p5"])
    y_true = np.array([0, 0, 1, 0, 0, 0, 1])  # p2 and p5 hold a malignant image

    counts = all_counts(y_true, group, resamples=50)

    np.testing.assert_array_equal(counts[:, 0], counts[:, 1])
    np.testing.assert_array_equal(counts[:, 3], counts[:, 4])
    assert (counts[:, [2, 6]].sum(axis=1) == 2).all()
    assert (counts[:, [0, 3, 5]].sum(axis=1) == 3).all()


def test_every_group_of_a_stratum_is_equally_likely():
    y_true = np.array([1] * 3 + [0] * 7)

    counts = all_counts(y_true, np.arange(10), resamples=4000)

    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.06)  # standard error below 0.015


def test_chunks_do_not_change_the_result(monkeypatch):
    data = example(40, rng=np.random.default_rng(3), images_a_group=2)
    whole = intervals_of(*data)

    monkeypatch.setattr(intervals, "CHUNK_BYTES", 1)

    assert_same(intervals_of(*data), whole)


def test_the_seed_decides():
    data = example(40, rng=np.random.default_rng(4))

    assert_same(intervals_of(*data, seed=7), intervals_of(*data, seed=7))
    assert intervals_of(*data, seed=8)["roc_auc"] != intervals_of(*data, seed=7)["roc_auc"]


def test_more_confidence_is_a_wider_interval():
    data = example(60, rng=np.random.default_rng(5))

    narrow, wide = (intervals_of(*data, confidence=c)["roc_auc"] for c in (0.5, 0.95))

    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_images_of_one_patient_tell_less_than_images_of_many():
    y_true, y_prob, group = example(60, rng=np.random.default_rng(6))
    copies = [np.tile(column, 4) for column in (y_true, y_prob, group)]

    def width(estimate: Estimate) -> float:
        return estimate.high - estimate.low

    grouped = intervals_of(*copies)["roc_auc"]
    ungrouped = intervals_of(*copies[:2], np.arange(240))["roc_auc"]

    # Four copies of one image are one piece of evidence, not four: sqrt(4) times the width.
    assert grouped == intervals_of(y_true, y_prob, group)["roc_auc"]
    assert 1.6 < width(grouped) / width(ungrouped) < 2.4


def test_the_interval_of_a_proportion_is_the_normal_one():
    y_true = np.ones(400, dtype=int)
    y_prob = np.array([0.9] * 300 + [0.1] * 100)

    found = intervals_of(y_true, y_prob, np.arange(400), resamples=2000)["sensitivity"]

    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (found.low, found.high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.006)


def test_undefined_scores_have_undefined_intervals():
    found = intervals_of(np.zeros(10, dtype=int), np.full(10, 0.2), np.arange(10))

    for name in ("roc_auc", "sensitivity", "ppv"):
        assert np.isnan([found[name].value, found[name].low, found[name].high]).all()
    assert found["accuracy"] == Estimate(1, 1, 1)


def test_resamples_without_a_call_are_left_out_of_the_interval_of_ppv():
    y_true = np.array([1, 0, 0, 0])
    y_prob = np.array([0.1, 0.9, 0.1, 0.1])  # the only call is in (2/3)^3 of resamples absent

    found = intervals_of(y_true, y_prob, np.arange(4))

    assert found["ppv"] == Estimate(0, 0, 0)


def assert_same(left: dict[str, Estimate], right: dict[str, Estimate]) -> None:
    """Equal to the last bit but for sums that a chunk's size may round another way."""
    for name in SCORES:
        assert vars(left[name]) == pytest.approx(vars(right[name]), abs=1e-14, nan_ok=True)
