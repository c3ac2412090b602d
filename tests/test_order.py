"""Laws of the order of an epoch: every image once, or a fixed share of malignant in each batch."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skinlesion.data.order import Balance, Order, count_repeats, epoch_order

LABELS = st.lists(st.integers(0, 1), min_size=2, max_size=40).filter(lambda row: len({*row}) == 2)
BALANCES = st.builds(
    Balance,
    malignant_fraction=st.floats(0.01, 0.99),
    images_per_epoch=st.none() | st.integers(2, 90),
)
ORDERS = st.builds(
    Order,
    labels=LABELS.map(np.array),
    batch_size=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
    balance=BALANCES,
)
SHUFFLED = Order(np.array([0, 1, 1, 0, 0, 0, 1]), batch_size=3, seed=0)


def times_shown(order, images, epochs):
    shown = Counter(np.concatenate([order.of_epoch(epoch) for epoch in epochs]).tolist())
    return [shown[image] for image in images]


def classes(order):
    return [np.flatnonzero(order.labels == label) for label in (0, 1)]


def test_epoch_order_is_a_permutation_unlike_the_augmentation():
    order = epoch_order(50, seed=3, epoch=2)

    assert sorted(order) == list(range(50))
    assert order.tolist() != np.random.default_rng((3, 2)).permutation(50).tolist()


def test_without_balance_every_image_comes_once():
    images, repeats = map(np.concatenate, zip(*SHUFFLED.batches(4), strict=True))

    assert sorted(images) == [*range(7)]
    assert not repeats.any()
    assert SHUFFLED.shown_labels.tolist() == SHUFFLED.labels.tolist()


@given(order=ORDERS, epoch=st.integers(0, 30))
def test_every_batch_holds_its_share_of_malignant_to_within_one(order, epoch):
    for images, _ in order.batches(epoch):
        malignant = order.labels[images].sum()
        assert abs(malignant - len(images) * order.balance.malignant_fraction) <= 1 + 1e-9


@given(order=ORDERS, epoch=st.integers(0, 30))
def test_an_epoch_has_its_size_its_steps_and_its_labels(order, epoch):
    batches = [images for images, _ in order.batches(epoch)]

    shown = order.labels[np.concatenate(batches)]
    assert len(shown) == order.size == (order.balance.images_per_epoch or len(order.labels))
    assert len(batches) == order.steps
    assert {len(images) for images in batches[:-1]} <= {order.batch_size}
    assert sorted(shown) == sorted(order.shown_labels)
    assert {*shown} == {0, 1}


@given(order=ORDERS, epoch=st.integers(0, 30))
def test_within_an_epoch_no_image_comes_twice_more_than_another_of_its_class(order, epoch):
    for images in classes(order):
        times = times_shown(order, images, [epoch])
        assert max(times) - min(times) <= 1


@given(order=ORDERS, epochs=st.integers(1, 12))
def test_nor_over_all_epochs_so_far(order, epochs):
    for images in classes(order):
        times = times_shown(order, images, range(epochs))
        assert max(times) - min(times) <= 1


@given(order=ORDERS, epoch=st.integers(0, 30))
def test_repeats_count_up_from_zero(order, epoch):
    images, repeats = map(np.concatenate, zip(*order.batches(epoch), strict=True))

    seen = Counter()
    for image, repeat in zip(images.tolist(), repeats.tolist(), strict=True):
        assert repeat == seen[image]
        seen[image] += 1


def test_repeats_by_hand():
    assert count_repeats(np.array([7, 2, 7, 7, 0, 2])).tolist() == [0, 0, 1, 2, 0, 1]


def test_balanced_epoch_by_hand():
    # 8 images of which 2 are malignant: half of 8 places, so each malignant one comes twice.
    order = Order(np.array([0, 0, 1, 0, 0, 1, 0, 0]), batch_size=4, seed=0, balance=Balance(0.5))

    assert times_shown(order, [2, 5], [0]) == [2, 2]
    assert sorted(times_shown(order, [0, 1, 3, 4, 6, 7], [0])) == [0, 0, 1, 1, 1, 1]
    # 12 turns of 6 benign images in 3 epochs.
    assert times_shown(order, [0, 1, 3, 4, 6, 7], [0, 1, 2]) == [2] * 6


@pytest.mark.parametrize("balance", [None, Balance(0.5)])
def test_seed_and_epoch_change_the_order(balance):
    labels = np.arange(40) % 4 == 0

    def order(seed, epoch):
        return Order(labels.astype(int), 8, seed, balance).of_epoch(epoch).tolist()

    assert order(0, 0) == order(0, 0)
    assert len({str(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_the_place_in_a_batch_says_nothing_about_the_class():
    order = Order(np.array([0, 1] * 20), batch_size=4, seed=0, balance=Balance(0.5))

    first = [order.labels[images[0]] for epoch in range(40) for images, _ in order.batches(epoch)]

    assert 0.4 < np.mean(first) < 0.6


def test_other_images_come_together_in_later_passes():
    # 2 of 6 benign images an epoch: three epochs are a pass, and the next pass pairs them anew.
    order = Order(np.array([0] * 6 + [1] * 2), batch_size=4, seed=1, balance=Balance(0.5, 4))

    def pairs(epochs):
        return {frozenset(i for i in order.of_epoch(e).tolist() if i < 6) for e in epochs}

    assert len(pairs(range(30))) > 6
