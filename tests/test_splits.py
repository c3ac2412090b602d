"""Laws of splitting: groups stay whole, nothing is lost, order of rows is irrelevant."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skinlesion.data.splits import (
    connected_groups,
    identical,
    join_official,
    leaking_copies,
    split_by_group,
    strata,
    undersample,
)
from skinlesion.errors import IntegrityError

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


def test_groups_connected_by_way_of_others_become_one():
    group = np.array(["c", "b", "b", "a", "d", "e"])
    link = np.array(["1", "1", "2", "2", "", ""])

    assert connected_groups(group, link).tolist() == ["a", "a", "a", "a", "d", "e"]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))), st.randoms())
def test_connecting_does_not_depend_on_order(rows, random):
    group = np.array([f"g{row[0]}" for row in rows], dtype=np.str_)
    link = np.array([str(row[1] or "") for row in rows], dtype=np.str_)
    order = np.array(random.sample(range(len(rows)), len(rows)), dtype=int)

    joined = connected_groups(group, link)

    assert (connected_groups(group[order], link[order]) == joined[order]).all()
    assert all(len(set(joined[link == key])) == 1 for key in set(link) - {""})


@pytest.mark.parametrize(
    ("places", "dropped"),
    [
        (["train", "bench"], {0: 1}),
        (["val", "test"], {0: 1}),
        (["train", "val"], {0: 1}),
        (["", "bench"], {0: 1}),
        (["", "val"], {}),
        (["", "train"], {}),
        (["", ""], {}),
        (["test", "bench"], {}),
        (["train", "val", "bench"], {0: 2, 1: 2}),
        (["train", "", "val"], {0: 2}),
    ],
)
def test_copies_of_what_is_held_out_leave(places, dropped):
    digest = np.array(["same"] * len(places))

    assert leaking_copies(digest, np.array(places)) == dropped


def test_files_without_a_digest_are_not_identical():
    assert identical(np.array(["", "x", "", "y", "x"])) == [[1, 4]]


def test_a_group_follows_its_official_split():
    group = np.array(["a", "a", "b"])

    assert join_official(group, np.array(["", "test", ""])).tolist() == ["test", "test", ""]


def test_official_splits_that_divide_a_group_are_refused():
    with pytest.raises(IntegrityError) as caught:
        join_official(np.array(["a", "a", "b"]), np.array(["train", "test", "train"]))

    assert caught.value.exit_code == 4
    assert caught.value.which == ["a (train, test)"]
