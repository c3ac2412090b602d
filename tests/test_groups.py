"""Groups: patient, else lesion, else cluster, else image; joined through others, nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skinlesion.data.groups import resolve_groups
from skinlesion.errors import DataError


def texts(*words):
    return np.array(words, dtype=np.str_)


def groups(*rows, links=()):
    """The groups of ``(image_id, patient, lesion)``."""
    columns = [texts(*column) for column in zip(*rows, strict=True)]
    return resolve_groups(*columns, links=links).tolist()


def same(group):
    """Which rows are together, whatever the groups are called."""
    group = np.asarray(group)
    return group[:, None] == group[None, :]


@st.composite
def tables(draw):
    """Images of lesions that have at most one patient each, and links."""
    count = draw(st.integers(1, 12))
    names = st.sampled_from(["", "1", "2", "3"])
    lesion = [draw(names) for _ in range(count)]
    owner = {"": "", **{name: draw(st.sampled_from(["1", "2"])) for name in "123"}}
    patient = [draw(st.sampled_from(["", owner[name]])) if name else draw(names) for name in lesion]
    ids = draw(st.permutations([str(number) for number in range(count)]))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    return texts(*ids), texts(*patient), texts(*lesion), draw(st.lists(pairs, max_size=3))


def reference(ids, patient, lesion, links):
    """Which rows are together, by closing the relation under transitivity."""
    near = np.eye(len(ids), dtype=bool)
    for names in (patient, lesion):
        near |= (names[:, None] == names[None, :]) & (names != "")[:, None]
    for first, second in links:
        near[first, second] = near[second, first] = True
    for _ in ids:
        near = (near.astype(int) @ near.astype(int)) > 0
    return near


@settings(max_examples=60, deadline=None)
@given(tables())
def test_exactly_what_is_related_is_joined(table):
    ids, patient, lesion, links = table

    assert (same(resolve_groups(ids, patient, lesion, links=links)) == reference(*table)).all()


@settings(max_examples=60, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_links_changes_no_name(table, random):
    ids, patient, lesion, links = table
    order = list(range(len(ids)))
    random.shuffle(order)
    place = {row: number for number, row in enumerate(order)}
    moved = [(place[second], place[first]) for first, second in reversed(links)]

    before = resolve_groups(ids, patient, lesion, links=links)
    after = resolve_groups(ids[order], patient[order], lesion[order], links=moved)

    assert (before[order] == after).all()


@settings(max_examples=60, deadline=None)
@given(tables())
def test_groups_taken_for_patients_stay_as_they_are(table):
    ids, patient, lesion, links = table
    once = resolve_groups(ids, patient, lesion, links=links)

    assert (same(resolve_groups(ids, once, texts(*[""] * len(ids)))) == same(once)).all()


def test_a_group_is_named_after_its_patient_lesion_or_first_image():
    assert groups(
        ("a", "P1", "L1"),
        ("c", "", "L2"),
        ("b", "", ""),
        ("e", "", ""),
        ("d", "", ""),
        links=[(3, 4)],
    ) == ["P1", "L2", "b", "d", "d"]


def test_a_missing_patient_is_that_of_another_image_of_the_lesion():
    assert groups(("a", "", "L1"), ("b", "P1", "L1"), ("c", "P1", "L2"), ("d", "", "L3")) == [
        *("P1", "P1", "P1", "L3")
    ]


def test_a_patient_a_lesion_and_an_image_of_one_name_are_strangers():
    assert groups(("a", "7", ""), ("b", "", "7"), ("7", "", ""), ("c", "8", "")) == [
        *("patient:7", "lesion:7", "image:7", "8")
    ]


def test_a_name_that_looks_prefixed_is_no_other_groups_name():
    found = groups(("a", "7", ""), ("b", "", "7"), ("c", "lesion:7", ""))

    assert found == ["patient:7", "lesion:7", "patient:lesion:7"]


def test_a_cluster_joins_two_patients():
    assert groups(("a", "P2", ""), ("b", "P1", ""), ("c", "P3", ""), links=[(0, 1)]) == [
        *("P1", "P1", "P3")
    ]


def test_a_resampled_copy_is_the_same_image():
    assert groups(("ISIC_0000001_downsampled", "", ""), ("ISIC_0000001", "", "")) == [
        *("ISIC_0000001", "ISIC_0000001")
    ]


def test_a_lesion_of_two_patients_names_all_three():
    with pytest.raises(DataError, match="claimed by two patients") as caught:
        groups(("a", "P2", "L1"), ("b", "P1", "L1"), ("c", "P1", "L2"))

    assert caught.value.exit_code == 3
    assert caught.value.which == ["lesion L1 (patients P1, P2)"]


def test_no_images_have_no_groups():
    nothing = texts()

    assert resolve_groups(nothing, nothing, nothing).tolist() == []
