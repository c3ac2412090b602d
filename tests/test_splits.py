"""Laws of splitting: groups stay whole, nothing is lost, order of rows is irrelevant."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from skinlesion.data.splits import (
    split_by_group,
    strata,
    undersample,
)

FRACTIONS = {"train": 0.7, "val": 0.15, "test": 0.15}
tables = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab")), min_size=1, max_size=80)


def columns(rows):
    return (np.array([f"g{row[0]}" for row in rows]), np.array([row[1] for row in rows]))


def split(group, stratum, seed=0):
    return split_by_group(group, stratum, FRACTIONS, rng=np.random.default_rng(seed))


@settings(deadline=None)
@given(tables)
def test_no_group_is_divided_and_every_row_is_assigned(rows):
    group, stratum = columns(rows)

    chosen = split(group, stratum)

    assert set(chosen) <= set(FRACTIONS)
    assert len(set(zip(group, chosen, strict=True))) == len(set(group))


@settings(deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_permuting_rows_permutes_the_result(rows, random):
    group, stratum = columns(rows)
    order = np.array(random.sample(range(len(rows)), len(rows)))

    assert (split(group[order], stratum[order]) == split(group, stratum)[order]).all()


@settings(deadline=None)
@given(tables)
def test_each_split_has_its_share_up_to_a_few_groups(rows):
    group, stratum = columns(rows)

    chosen = split(group, stratum)

    largest = np.unique(group, return_counts=True)[1].max()
    for name, fraction in FRACTIONS.items():
        # Two strata, each off by at most as many groups as there are splits.
        assert abs((chosen == name).sum() - fraction * len(rows)) <= 2 * 3 * largest


def test_share_of_single_images_is_exact_in_each_stratum():
    group = np.array([f"g{number}" for number in range(300)])
    stratum = np.repeat(["rare", "often"], [100, 200])

    chosen = split(group, stratum)

    for name, size in (("rare", 100), ("often", 200)):
        counts = {part: int((chosen[stratum == name] == part).sum()) for part in FRACTIONS}
        assert counts == {"train": 0.7 * size, "val": 0.15 * size, "test": 0.15 * size}


def test_three_groups_are_enough_for_three_splits():
    chosen = split(np.array(["a", "b", "c", "c", "c"]), np.array(["x"] * 5))

    assert set(chosen) == set(FRACTIONS)
    assert chosen[2] == "train"


def test_a_group_belongs_to_its_largest_stratum():
    group = np.array(["p", "p", "q", "r"])
    stratum = np.array(["0 nevus", "1 melanoma", "1 melanoma", "1 melanoma"])

    assert set(split(group, stratum)) == set(FRACTIONS)


def test_the_seed_matters_and_a_zero_fraction_gets_nothing():
    group = np.array([f"g{number}" for number in range(50)])
    stratum = np.full(50, "x")

    without = split_by_group(
        group, stratum, {"train": 1.0, "val": 0.0}, rng=np.random.default_rng(0)
    )

    assert (split(group, stratum, 0) != split(group, stratum, 1)).any()
    assert set(without) == {"train"}


def test_rare_diagnoses_of_one_label_are_one_stratum():
    label = np.array([0, 0, 1, 1, 1])
    diagnosis = np.array(["nevus", "nevus", "melanoma", "bcc", "scc"])

    assert strata(label, diagnosis, rare_below=2).tolist() == ["0 nevus"] * 2 + ["1 "] * 3


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["train", "val", "bench"]))))
def test_undersampling_balances_its_splits_and_leaves_the_others(rows):
    label = np.array([row[0] for row in rows], dtype=int)
    place = np.array([row[1] for row in rows], dtype=np.str_)

    keep = undersample(label, place, rng=np.random.default_rng(0))

    assert keep[place == "bench"].all()
    for name in ("train", "val"):
        before = [((place == name) & (label == value)).sum() for value in (0, 1)]
        after = [(keep & (place == name) & (label == value)).sum() for value in (0, 1)]
        assert after == [min(before)] * 2
