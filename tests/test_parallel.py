"""A map in threads: in order, never far ahead, and it stops when nobody reads on."""

import threading

import pytest

from skinlesion.data.parallel import ordered_map


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_the_order_of_the_items(workers):
    assert list(ordered_map(lambda number: number**2, range(50), workers=workers)) == [
        number**2 for number in range(50)
    ]


@pytest.mark.parametrize("workers", [1, 3])
def test_items_are_not_read_far_ahead(workers):
    read = []

    results = ordered_map(
        lambda number: number, (read.append(n) or n for n in range(100)), workers=workers
    )
    next(results)
    results.close()

    assert len(read) <= 4 * workers


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_reaches_the_reader(workers):
    with pytest.raises(ZeroDivisionError):
        list(ordered_map(lambda number: 1 / number, [2, 1, 0, 1], workers=workers))


def test_two_workers_work_at_once():
    both = threading.Barrier(2, timeout=5)

    assert sorted(ordered_map(lambda _: both.wait(), range(2), workers=2)) == [0, 1]
