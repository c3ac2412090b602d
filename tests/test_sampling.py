"""Laws of limit_rows: some rows, every class among them, proportions kept."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from skinlesion.data.sampling import limit_rows

LABELS = st.lists(st.integers(0, 1), min_size=2, max_size=60).filter(lambda row: len({*row}) == 2)
SEEDS = st.integers(0, 2**32 - 1)


def limited(labels, limit, seed=0, *, first=100):
    labels = np.array(labels)
    rows = np.arange(first, first + len(labels))
    return limit_rows(rows, labels, limit=limit, rng=np.random.default_rng(seed))


@given(labels=LABELS, limit=st.integers(2, 70), seed=SEEDS)
def test_as_many_rows_as_asked_for_each_once_ascending(labels, limit, seed):
    chosen = limited(labels, limit, seed)

    assert len(chosen) == min(limit, len(labels))
    assert (np.diff(chosen) > 0).all()
    assert np.isin(chosen, np.arange(100, 100 + len(labels))).all()


@given(labels=LABELS, limit=st.integers(2, 70), seed=SEEDS)
def test_every_class_is_kept_in_proportion(labels, limit, seed):
    chosen = limited(labels, limit, seed)

    kept = np.array(labels)[chosen - 100]
    for label in (0, 1):
        fair = len(chosen) * labels.count(label) / len(labels)
        assert (kept == label).sum() >= 1
        assert abs((kept == label).sum() - fair) <= 1


@given(labels=LABELS, limit=st.integers(2, 70), seed=SEEDS)
def test_same_generator_same_rows(labels, limit, seed):
    np.testing.assert_array_equal(limited(labels, limit, seed), limited(labels, limit, seed))


@given(labels=LABELS, seed=SEEDS)
def test_enough_room_keeps_everything(labels, seed):
    np.testing.assert_array_equal(
        limited(labels, len(labels), seed), np.arange(100, 100 + len(labels))
    )


@given(classes=st.integers(3, 6), more=st.integers(0, 5), seed=SEEDS)
def test_more_than_two_classes_are_all_kept(classes, more, seed):
    labels = np.concatenate([np.zeros(50, int), np.arange(1, classes)])
    limit = classes + more
    assume(limit < len(labels))

    chosen = limited(labels.tolist(), limit, seed)

    assert len(chosen) == limit
    assert {*labels[chosen - 100]} == {*range(classes)}


def test_another_generator_chooses_others():
    labels = [0, 1] * 50

    assert limited(labels, 20, seed=0).tolist() != limited(labels, 20, seed=1).tolist()


def test_every_row_can_be_chosen():
    labels = [0, 1] * 6

    chosen = np.concatenate([limited(labels, 4, seed) for seed in range(60)])

    assert {*chosen} == {*range(100, 112)}


def test_shares_by_hand():
    labels = [1] * 20 + [0] * 80

    kept = np.array(labels)[limited(labels, 10) - 100]

    assert (kept == 1).sum() == 2
    assert (kept == 0).sum() == 8
