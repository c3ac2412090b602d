"""The leak guard: who leaves and why, for every pair of places; the test sets stay untouched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skinlesion.data.copies import IDENTICAL, NEAR, SAME_ID, Link
from skinlesion.data.guard import HELD_OUT, held_out_rank, judge, repeated_ids

PLACES = ["", "train", "val", "test", "bench"]


def names(count):
    return np.array([f"i{row}" for row in range(count)])


def judged(places, group=None, links=()):
    group = np.array(group or ["g"] * len(places))
    return judge(names(len(places)), np.array(places), group, list(links))


@pytest.mark.parametrize(
    ("places", "leave"),
    [
        (["train", "bench"], {0}),
        (["val", "test"], {0}),
        (["train", "val"], {0}),
        (["", "bench"], {0}),
        (["", "test"], {0}),
        (["", "val"], set()),
        (["", "train"], set()),
        (["", ""], set()),
        (["test", "bench"], set()),
        (["train", "train"], set()),
        (["train", "val", "bench"], {0, 1}),
        (["train", "", "val"], {0}),
    ],
)
def test_copies_of_what_is_held_out_leave(places, leave):
    links = [Link(row, row + 1, IDENTICAL) for row in range(len(places) - 1)]

    assert set(judged(places, links=links).reasons) == leave


@pytest.mark.parametrize(
    ("places", "leave", "settled"),
    [
        (["", "test"], set(), ["test", "test"]),
        (["", "val"], set(), ["val", "val"]),
        (["", "bench"], {0}, ["", "bench"]),
        (["train", "val"], {0}, ["train", "val"]),
        (["train", "bench"], {0}, ["train", "bench"]),
        (["", "test", "bench"], {0}, ["", "test", "bench"]),
    ],
)
def test_other_images_of_a_patient_follow_or_leave(places, leave, settled):
    verdict = judged(places)

    assert set(verdict.reasons) == leave
    assert verdict.split.tolist() == settled
    assert all("its group g is in" in why for why in verdict.reasons.values())


def test_a_reason_names_the_link_the_image_and_its_place():
    places = ["train"] * 4 + ["bench"]
    links = [
        Link(0, 4, SAME_ID),
        Link(4, 1, NEAR, 0.97),
        Link(1, 2, IDENTICAL),
        Link(2, 3, NEAR, 0.99),
        Link(0, 4, NEAR, 0.99),
    ]

    reasons = judged(places, links=links).reasons

    assert reasons == {
        0: "same id as i4 of bench",
        1: "near-duplicate of i4 of bench (similarity 0.970)",
        2: "copy of i4 of bench by way of i1",
        3: "copy of i4 of bench by way of i2",
    }


def test_identical_files_are_identical_by_way_of_others_too():
    links = [Link(0, 1, IDENTICAL), Link(1, 2, IDENTICAL)]

    assert (
        judged(["train", "train", "val"], links=links).reasons[0] == "byte-identical to i2 of val"
    )


def test_test_sets_that_share_a_patient_keep_it_under_two_names():
    verdict = judged(["test", "bench"])

    assert verdict.reasons == {}
    assert verdict.group.tolist() == ["g (test)", "g (bench)"]


@given(
    st.lists(st.tuples(st.sampled_from(PLACES), st.integers(0, 6)), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=10),
)
def test_after_the_guard_no_group_is_divided_and_no_test_image_is_gone(rows, pairs):
    places = np.array([row[0] for row in rows])
    # Links join rows of one group only, as the caller's groups see to.
    group = np.array([f"g{row[1]}" for row in rows])
    links = [Link(a, b, NEAR) for a, b in pairs if a < b < len(rows) and group[a] == group[b]]

    verdict = judge(names(len(rows)), places, group, links)
    kept = [row for row in range(len(rows)) if row not in verdict.reasons]

    splits_of = {}
    for row in kept:
        splits_of.setdefault(verdict.group[row], set()).add(verdict.split[row])
    assert all(len(splits) == 1 for splits in splits_of.values())
    assert not [row for row in verdict.reasons if held_out_rank(places[row]) == HELD_OUT]
    assert all(verdict.split[row] == places[row] for row in kept if places[row])


def test_of_one_id_in_two_sources_the_first_stays():
    ids = np.array(["ISIC_0000001", "b", "ISIC_0000001_downsampled", "b2"])
    source = np.array(["one", "one", "two", "two"])

    assert repeated_ids(ids, source, np.full(4, True)) == {
        2: "same id as ISIC_0000001 in source one"
    }
    assert repeated_ids(ids, source, np.array([False, True, True, True])) == {}
