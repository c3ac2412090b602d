"""Subgroups: scored as if each were alone, gaps with intervals, warnings, missing values."""

import numpy as np
import pytest

from skinlesion.errors import ConfigError, DataError
from skinlesion.metrics.scores import SCORES
from skinlesion.metrics.subgroups import UNKNOWN, bands, score_subgroups


def example(size=400, *, seed=0, sexes=("female", "male"), harder=()):
    """Labels, probabilities, groups and a column; the model knows nothing of ``harder``."""
    rng = np.random.default_rng(seed)
    column = np.array(sexes)[rng.integers(0, len(sexes), size=size)]
    y_true = (rng.random(size) < 0.3).astype(int)
    signal = np.where(np.isin(column, harder), 0.0, 0.3)
    y_prob = np.clip(0.35 + signal * (y_true - 0.3) + 0.12 * rng.standard_normal(size), 0, 1)
    return y_true, y_prob, np.arange(size), column


def scored(
    y_true,
    y_prob,
    group,
    column,
    *,
    scores=("roc_auc", "sensitivity"),
    resamples=200,
    seed=0,
    confidence=0.95,
):
    return score_subgroups(
        np.asarray(y_true),
        np.asarray(y_prob),
        np.asarray(group),
        column,
        threshold=0.4,
        scores=scores,
        resamples=resamples,
        confidence=confidence,
        rng=np.random.default_rng(seed),
    )


def test_each_subgroup_has_the_scores_of_its_images():
    y_true, y_prob, group, column = example()

    found = scored(y_true, y_prob, group // 2, column, scores=[*SCORES])

    assert [row.name for row in found.rows] == ["female", "male"]
    for row in found.rows:
        rows = column == row.name
        assert (row.images, row.malignant) == (rows.sum(), y_true[rows].sum())
        assert row.groups == len(np.unique(group[rows] // 2))
        for name, estimate in row.scores.items():
            assert estimate.value == pytest.approx(SCORES[name](y_true[rows], y_prob[rows], 0.4))
            assert estimate.low <= estimate.high
    assert found.warnings == []


def test_one_subgroup_of_all_images_is_the_whole_and_has_no_gap():
    y_true, y_prob, group, _ = example()

    found = scored(y_true, y_prob, group, ["all"] * len(y_true))

    assert found.gaps == {"roc_auc": None, "sensitivity": None}
    value = SCORES["roc_auc"](y_true, y_prob, 0.4)
    assert found.rows[0].scores["roc_auc"].value == pytest.approx(value)


def test_a_subgroup_that_the_model_fails_is_found():
    data = example(1000, sexes=("a", "b", "c"), harder=("b",))

    gap = scored(*data).gaps["roc_auc"]

    assert gap.lower == "b"
    assert gap.higher in ("a", "c")
    assert 0 < gap.difference.low < gap.difference.value < gap.difference.high
    assert gap.p < 0.01


def test_the_gap_is_the_difference_of_the_two_subgroups_it_names():
    found = scored(*example(sexes=("a", "b", "c", "d")))

    values = {row.name: row.scores["roc_auc"].value for row in found.rows}
    gap = found.gaps["roc_auc"]
    assert gap.difference.value == pytest.approx(values[gap.higher] - values[gap.lower])
    assert gap.difference.value == pytest.approx(max(values.values()) - min(values.values()))


def test_of_two_subgroups_the_interval_is_about_that_of_independent_samples():
    y_true, y_prob, group, column = example(600)

    found = scored(y_true, y_prob, group, column, scores=["specificity"], resamples=1000)

    variance = sum(
        row.scores["specificity"].value * (1 - row.scores["specificity"].value) / row.benign
        for row in found.rows
    )
    difference = found.gaps["specificity"].difference
    assert difference.high - difference.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.12)


def gaps_without_a_difference(data_sets, *, resamples):
    """Share of data sets whose gap is significant although six subgroups are alike."""
    judged = []
    for seed in range(data_sets):
        data = example(600, seed=seed, sexes=tuple("abcdef"))
        gap = scored(*data, scores=["sensitivity"], resamples=resamples).gaps["sensitivity"]
        judged.append((gap.difference.low > 0, gap.p < 0.05))
    return np.mean(judged, axis=0)


def test_subgroups_that_are_alike_rarely_have_a_significant_gap():
    # Without correcting for 15 pairs it would be about a third of them.
    assert (gaps_without_a_difference(40, resamples=100) <= 0.15).all()


@pytest.mark.slow
def test_the_level_of_the_gap_is_as_said():
    assert (gaps_without_a_difference(600, resamples=400) <= 0.05 + 3 * 0.009).all()


def test_small_subgroups_are_scored_with_a_warning_and_stay_out_of_the_gap():
    y_true, y_prob, group, column = example()
    column = column.astype("<U10")
    column[np.flatnonzero(y_true == 1)[:9]] = "rare"
    column[np.flatnonzero(y_true == 0)[:40]] = "rare"
    y_prob[column == "rare"] = 1 - y_true[column == "rare"]

    found = scored(y_true, y_prob, group, column, scores=["roc_auc", "specificity"])

    rare = found.rows[-1]
    assert (rare.name, rare.scores["roc_auc"].value) == ("rare", 0)
    assert found.warnings == ["rare: only 9 malignant images: its scores say little"]
    assert "rare" not in (found.gaps["roc_auc"].lower, found.gaps["roc_auc"].higher)
    # Its 40 benign images are enough for specificity.
    assert found.gaps["specificity"].lower == "rare"


def test_a_subgroup_without_a_class_has_undefined_scores_not_kind_ones():
    y_true, y_prob = np.repeat([0, 1], 20), np.linspace(0, 1, 40)
    column = np.repeat(["benign clinic", "other"], [15, 25])

    found = scored(y_true, y_prob, np.arange(40), column)

    lacking = found.rows[0]
    assert lacking.warning == "only 0 malignant images: its scores say little"
    assert np.isnan([lacking.scores["roc_auc"].value, lacking.scores["sensitivity"].low]).all()
    assert found.gaps["roc_auc"] is None


def test_missing_values_are_a_subgroup_of_their_own_and_come_last():
    y_true, y_prob, group, column = example()
    cells = column.astype(object)
    cells[:30], cells[30:60], cells[60:80], cells[80:90] = "", None, np.nan, " Unknown"

    found = scored(y_true, y_prob, group, cells)

    assert [row.name for row in found.rows] == ["female", "male", UNKNOWN]
    assert found.rows[-1].images == 90


def test_a_gap_without_any_spread_is_no_evidence():
    y_true = np.tile([0, 1], 40)

    gap = scored(y_true, y_true.astype(float), np.arange(80), np.repeat(["a", "b"], 40)).gaps

    assert gap["roc_auc"].difference.value == 0
    assert np.isnan([gap["roc_auc"].difference.low, gap["roc_auc"].p]).all()


def test_copies_within_a_group_do_not_narrow_the_intervals():
    data = example(200)
    rows = np.repeat(np.arange(200), 3)
    copies = [values[rows] for values in data]

    once, copied = scored(*data), scored(*copies)

    assert copied.rows[0].images == 3 * once.rows[0].images
    for key, gap in once.gaps.items():
        assert vars(copied.gaps[key].difference) == pytest.approx(vars(gap.difference))
        assert vars(copied.rows[0].scores[key]) == pytest.approx(vars(once.rows[0].scores[key]))


def test_the_same_draws_give_the_same_result():
    assert scored(*example()) == scored(*example())
    assert scored(*example()) != scored(*example(), seed=1)


def test_names_that_do_not_fit_are_refused():
    y_true, y_prob, group, column = example()
    with pytest.raises(DataError, match="399 subgroup names for 400 images"):
        scored(y_true, y_prob, group, column[:-1])
    with pytest.raises(ConfigError, match="no score"):
        scored(y_true, y_prob, group, column, scores=["acuracy"])


# --- bands --------------------------------------------------------------------------------


def test_bands_by_hand():
    cells = ["15", 40, "59.5", 60.0, "", None, "nan", "85"]

    assert bands(cells, edges=[40, 60], unit="age") == [
        "age under 40",
        "age 40 to under 60",
        "age 40 to under 60",
        "age 60 and over",
        UNKNOWN,
        UNKNOWN,
        UNKNOWN,
        "age 60 and over",
    ]


@pytest.mark.parametrize("edges", [[], [60, 40], [40, 40]])
def test_edges_that_do_not_ascend_are_refused(edges):
    with pytest.raises(ConfigError, match="edges"):
        bands(["15"], edges=edges)


def test_a_cell_that_is_no_number_is_refused():
    with pytest.raises(DataError, match="'young' cannot be put into a band"):
        bands(["15", "young"], edges=[40])
