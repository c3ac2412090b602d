"""The bootstrap: weights against repeated rows, whole groups, strata, coverage, seeds."""

import numpy as np
import pytest
import scipy.stats

from skinlesion.metrics import intervals
from skinlesion.metrics.intervals import (
    Distribution,
    Estimate,
    acceleration,
    bootstrap,
    distributions,
    jackknife_blocks,
    resample_counts,
)
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


def intervals_of(y_true, y_prob, group, *, resamples=300, confidence=0.95, seed=0, **options):
    return bootstrap(
        y_true,
        y_prob,
        group,
        threshold=0.5,
        resamples=resamples,
        confidence=confidence,
        rng=np.random.default_rng(seed),
        **options,
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


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_predictive_values_at_a_prevalence_have_intervals(method):
    data = example(200, rng=np.random.default_rng(7))

    found = intervals_of(*data, method=method, prevalence=0.02)

    assert set(found) - set(SCORES) == {"ppv_at_prevalence", "npv_at_prevalence"}
    for name in ("ppv_at_prevalence", "npv_at_prevalence"):
        assert found[name].low < found[name].value < found[name].high


# --- BCa ----------------------------------------------------------------------------------------

# Efron and Tibshirani, An Introduction to the Bootstrap, 1993: test A of the spatial data, table
# 14.1. For its variance (divided by n) they find in section 14.3 171.5, acceleration 0.061, and
# from 2,000 resamples the 90 % BCa interval (115.8, 259.6); percentile (100.8, 233.9).
SPATIAL = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6]
SPATIAL += [0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]


def spatial_variance(resamples=20_000):
    values = np.array(SPATIAL, dtype=float)

    def variance(weights):
        images = weights.sum(axis=1)
        return {"it": weights @ values**2 / images - (weights @ values / images) ** 2}

    rng = np.random.default_rng(0)
    nothing, own = np.zeros(26), np.arange(26)
    return distributions(variance, nothing, own, resamples=resamples, rng=rng, method="bca")["it"]


def test_the_published_example_of_bca():
    found = spatial_variance()

    bca, percentile = found.estimate("bca", 0.9), found.estimate("percentile", 0.9)

    assert round(found.value, 1) == 171.5
    assert round(found.acceleration, 3) == 0.061
    # 2,000 resamples leave a standard error of about 2 in the published ends.
    assert (bca.low, bca.high) == pytest.approx((115.8, 259.6), abs=4)
    assert (percentile.low, percentile.high) == pytest.approx((100.8, 233.9), abs=4)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_bca_is_that_of_scipy_on_the_same_resamples(confidence):
    theirs = scipy.stats.bootstrap(
        (np.array(SPATIAL, dtype=float),),
        lambda values, axis: np.var(values, axis=axis),
        n_resamples=500,
        confidence_level=confidence,
        method="BCa",
        random_state=np.random.default_rng(1),
    )
    spatial = spatial_variance(resamples=1)

    ours = Distribution(spatial.value, theirs.bootstrap_distribution, spatial.acceleration)

    found = ours.estimate("bca", confidence)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval))


def test_the_acceleration_is_that_of_leaving_out_each_group_by_hand():
    y_true, y_prob, group = example(40, rng=np.random.default_rng(8), images_a_group=2)
    ranking = rank(y_true, y_prob)

    def scores(weights):
        return score_tally(ranking.tally(weights[:, ranking.order], 0.5))

    rng = np.random.default_rng(0)
    found = distributions(scores, y_true, group, resamples=1, rng=rng, method="bca")

    malignant = np.unique(group[y_true == 1])
    left_out = {name: [] for name in SCORES}
    for one in np.unique(group):
        for name, value in score_all(
            y_true[group != one], y_prob[group != one], threshold=0.5
        ).items():
            left_out[name].append(value)
    stratum = np.where(np.isin(np.unique(group), malignant), 0, 1)
    for name, values in left_out.items():
        expected = acceleration(np.array(values), stratum)
        assert found[name].acceleration == pytest.approx(expected, abs=1e-9), name


def test_blocks_of_groups_give_about_the_acceleration_of_single_groups(monkeypatch):
    rng = np.random.default_rng(9)
    values = rng.exponential(size=20_000)

    def mean_square(weights):
        return {"it": weights @ values**2 / weights.sum(axis=1)}

    def found():
        options = {"resamples": 1, "rng": np.random.default_rng(0), "method": "bca"}
        nothing, own = np.zeros(len(values)), np.arange(len(values))
        return distributions(mean_square, nothing, own, **options)["it"].acceleration

    # Of a mean the influence of each image is its own distance from it.
    influence = values**2 - (values**2).mean()
    each = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    assert found() == pytest.approx(each, rel=0.5)
    monkeypatch.setattr(intervals, "JACKKNIFE_BLOCKS", 2_000)
    assert found() == pytest.approx(each, rel=0.3)


def test_blocks_keep_groups_whole_and_strata_apart(monkeypatch):
    monkeypatch.setattr(intervals, "JACKKNIFE_BLOCKS", 3)
    y_true, _, group = example(60, rng=np.random.default_rng(10), images_a_group=3)

    block_of, stratum = jackknife_blocks(y_true, group)

    assert stratum.tolist() == [0, 0, 0, 1, 1, 1]
    for one in np.unique(group):
        blocks = np.unique(block_of[group == one])
        assert len(blocks) == 1
        assert stratum[blocks[0]] == (0 if y_true[group == one].any() else 1)
    sizes = [len(np.unique(group[block_of == block])) for block in range(6)]
    assert max(sizes[:3]) - min(sizes[:3]) <= 1
    assert max(sizes[3:]) - min(sizes[3:]) <= 1


def test_bca_equals_the_percentiles_of_an_unbiased_symmetric_distribution():
    resampled = np.linspace(-1, 1, 1001)

    found = Distribution(0.0, resampled).estimate("bca", 0.9)

    percentile = Distribution(0.0, resampled).estimate("percentile", 0.9)
    assert vars(found) == pytest.approx(vars(percentile))


def test_bca_follows_a_biased_distribution_to_the_other_side():
    resampled = np.linspace(-1, 1, 1001)

    found = Distribution(-0.2, resampled).estimate("bca", 0.9)

    # Sixty percent of the resamples lie above the value: both ends move down.
    assert found.low < -0.9
    assert found.high < 0.9


def test_a_value_outside_of_all_resamples_has_no_bca_interval():
    found = Distribution(2.0, np.linspace(-1, 1, 101)).estimate("bca", 0.9)

    assert found.value == 2
    assert np.isnan([found.low, found.high]).all()


def test_a_score_without_variation_has_the_same_bca_and_percentile_interval():
    data = (np.array([0, 0, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9]), np.arange(6))

    for name in ("roc_auc", "accuracy", "mcc"):
        assert intervals_of(*data, method="bca")[name] == Estimate(1, 1, 1)


# --- p-values -----------------------------------------------------------------------------------


def test_the_p_value_is_the_level_at_which_the_interval_reaches_0():
    rng = np.random.default_rng(11)
    found = Distribution(1.0, rng.normal(1.0, 0.6, size=999))

    p = found.p_value()

    assert found.estimate("percentile", 1 - 1.2 * p).low > 0
    assert found.estimate("percentile", 1 - 0.8 * p).low < 0
    assert Distribution(-1.0, -found.resampled).p_value() == p


def test_p_values_are_at_most_1_and_as_small_as_the_resamples_allow():
    assert Distribution(0.0, np.zeros(99)).p_value() == 1
    assert Distribution(1.0, np.ones(99)).p_value() == 2 / 100
    assert np.isnan(Distribution(np.nan, np.array([])).p_value())


# --- coverage -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("images_a_group", [1, 4])
def test_intervals_cover_the_truth_as_often_as_they_say(method, images_a_group):
    groups, trials, truth = 150, 400, 0.8
    shift = np.sqrt(2) * scipy.stats.norm.ppf(truth)
    covered = 0
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        own = rng.normal(size=groups) * np.sqrt(0.5)  # what the images of a group have in common
        group = np.arange(groups).repeat(images_a_group)
        y_true = (np.arange(groups) < 50).astype(int).repeat(images_a_group)
        noise = own[group] + rng.normal(size=len(group)) * np.sqrt(0.5)
        y_prob = scipy.stats.norm.cdf((y_true * shift + noise) / 3)
        found = intervals_of(y_true, y_prob, group, resamples=400, seed=trial, method=method)
        covered += found["roc_auc"].low <= truth <= found["roc_auc"].high

    # Three standard errors of a proportion of 400 are 3.3 %.
    assert 0.95 - 0.035 <= covered / trials <= 0.95 + 0.033


def assert_same(left: dict[str, Estimate], right: dict[str, Estimate]) -> None:
    """Equal to the last bit but for sums that a chunk's size may round another way."""
    for name in SCORES:
        assert vars(left[name]) == pytest.approx(vars(right[name]), abs=1e-14, nan_ok=True)
