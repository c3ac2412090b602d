"""Laws of the batches: which rows, in which order, resized how, and how many at a time."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from skinlesion.data import pipeline
from skinlesion.data.augment import Ranges, augment, uniforms
from skinlesion.data.order import Balance
from skinlesion.data.pipeline import (
    FeatureBatches,
    ImageBatches,
    resize,
    view_batches,
)
from skinlesion.data.sampling import Images

pytestmark = pytest.mark.tensorflow

RANGES = Ranges(flip=True, rotate_degrees=90.0, brightness=0.1)


class MemoryStore:
    """A pixel store that remembers how many rows were read at a time."""

    def __init__(self, count, size):
        self.array = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)
        self.array[:, 0, 0, 0] = np.arange(count)  # this pixel says which row it is
        self.image_size, self.reads = size, []

    def __len__(self):
        return len(self.array)

    def read(self, rows):
        self.reads.append(len(rows))
        return self.array[rows].copy()


def some_images(count=11, size=8, *, rows=None):
    store = MemoryStore(count, size)
    rows = np.arange(count) if rows is None else np.array(rows)
    return Images(store, rows, rows % 2)


def image_batches(images=None, *, size=8, batch_size=4, seed=0, ranges=None, balance=None):
    return ImageBatches(
        images or some_images(), size, batch_size, seed, ranges or Ranges(), balance
    )


def rows_seen(batches, start, stop):
    """Row numbers of all batches, batch by batch, read from the marked pixel."""
    return [pixels[:, 0, 0, 0].numpy().astype(int) for pixels, _ in batches.epochs(start, stop)]


def all_of(dataset):
    return [tuple(part.numpy() for part in batch) for batch in dataset]


def assert_same(some, others):
    assert len(some) == len(others) > 0
    for one, other in zip(some, others, strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("batch_size", [1, 4, 11, 50])
def test_epoch_sees_every_row_once(batch_size):
    batches = image_batches(some_images(rows=[1, 3, 4, 8, 9]), batch_size=batch_size)

    seen = rows_seen(batches, 2, 3)

    assert sorted(np.concatenate(seen)) == [1, 3, 4, 8, 9]
    assert len(seen) == batches.order.steps


def test_last_batch_may_be_smaller():
    batches = image_batches(batch_size=4)

    assert batches.order.steps == 3
    assert [len(rows) for rows in rows_seen(batches, 0, 2)] == [4, 4, 3, 4, 4, 3]


def test_labels_go_with_their_images():
    batches = image_batches(some_images(rows=[1, 2, 3, 6, 8]))

    for pixels, labels in batches.epochs(0, 2):
        assert labels.dtype == tf.float32
        np.testing.assert_array_equal(labels[:, 0], pixels[:, 0, 0, 0] % 2)
    np.testing.assert_array_equal(batches.order.shown_labels, [1, 0, 1, 0, 0])


def test_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        return np.concatenate(rows_seen(image_batches(seed=seed), epoch, epoch + 1)).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


@pytest.mark.parametrize("balance", [None, Balance(0.7, 13)])
@pytest.mark.parametrize("kind", ["images", "features"])
def test_late_epochs_do_not_depend_on_early_ones(kind, balance):
    features = np.random.default_rng(0).random((3, 11, 5)).astype("float32")
    batches = (
        image_batches(ranges=RANGES, balance=balance)
        if kind == "images"
        else FeatureBatches(features, np.arange(11) % 2, 4, 0, balance)
    )

    whole, tail = all_of(batches.epochs(0, 5)), all_of(batches.epochs(2, 5))

    assert_same(whole[2 * batches.order.steps :], tail)


def test_image_is_augmented_by_its_row_in_the_data_set():
    everyone, few = some_images(), some_images(rows=[2, 7])
    numbers = uniforms(11, seed=0, epoch=3)
    expected = augment(everyone.pixels.read([2, 7]).astype("float32"), numbers[[2, 7]], RANGES)

    (changed, labels), *_ = all_of(image_batches(few, ranges=RANGES).epochs(3, 4))

    np.testing.assert_array_equal(changed[np.argsort(labels[:, 0])], expected)


def test_image_that_comes_again_is_augmented_otherwise_the_first_time_as_ever():
    images = some_images(rows=[2, 4, 5])  # 5 alone is malignant: it comes four times
    numbers = uniforms(11, seed=0, epoch=3)[[5]]
    expected = augment(images.pixels.read([5]).astype("float32"), numbers, RANGES)
    batches = image_batches(images, batch_size=3, ranges=RANGES, balance=Balance(2 / 3, 6))

    epoch = all_of(batches.epochs(3, 4))

    pixels, labels = (np.concatenate(part) for part in zip(*epoch, strict=True))
    of_five = pixels[labels[:, 0] == 1]
    assert len(of_five) == 4
    np.testing.assert_array_equal(of_five[0], expected[0])
    assert len({one.tobytes() for one in of_five}) == 4
    assert_same(all_of(batches.epochs(3, 4)), epoch)


def test_batch_size_does_not_change_an_image():
    def by_label(batch_size):
        batches = image_batches(some_images(rows=[3, 4]), batch_size=batch_size, ranges=RANGES)
        pairs = all_of(batches.epochs(1, 2))
        labels = np.concatenate([labels for _, labels in pairs])[:, 0]
        return np.concatenate([pixels for pixels, _ in pairs])[np.argsort(labels)]

    np.testing.assert_allclose(by_label(1), by_label(2), atol=1e-3)


def test_epochs_are_augmented_anew():
    batches = image_batches(some_images(rows=[4]), ranges=RANGES)

    first, second = [pixels for pixels, _ in all_of(batches.epochs(0, 2))]

    assert np.abs(first - second).max() > 1


@pytest.mark.parametrize("ranges", [RANGES, Ranges(mixup=0.5, cutmix=1.0, hair=0.5)])
def test_what_is_seen_of_an_example_is_what_its_batch_holds(ranges):
    batches = image_batches(some_images(rows=[1, 3, 4, 6, 8, 9]), batch_size=4, ranges=ranges)

    trained = [np.concatenate(parts) for parts in zip(*all_of(batches.epochs(2, 3)), strict=True)]

    for place, example in enumerate(batches.order.of_epoch(2)):
        image, label = batches.seen(example, 2)
        np.testing.assert_allclose(image, trained[0][place], atol=1e-3)
        assert label == pytest.approx(trained[1][place, 0])


def test_mixed_labels_are_soft_and_late_epochs_do_not_depend_on_early_ones():
    batches = image_batches(ranges=Ranges(mixup=1.0, cutmix=1.0))

    whole, tail = all_of(batches.epochs(0, 3)), all_of(batches.epochs(2, 3))

    assert_same(whole[2 * batches.order.steps :], tail)
    soft = np.concatenate([labels for _, labels in whole])
    assert ((soft > 0.01) & (soft < 0.99)).any()
    assert {*batches.order.shown_labels.tolist()} == {0, 1}


def test_reading_is_lazy_and_by_the_batch():
    images = some_images(40)
    batches = image_batches(images, batch_size=4)

    iterator = iter(batches.epochs(0, 3))
    for _ in range(2):
        next(iterator)

    assert set(images.pixels.reads) == {4}
    assert len(images.pixels.reads) <= 10  # two used, a few prefetched, of 30


def test_fitting_size_is_a_cast():
    pixels = some_images(3).pixels.array

    same = resize(tf.constant(pixels), 8)

    assert same.dtype == tf.float32
    np.testing.assert_array_equal(same, pixels)


def test_reduction_is_antialiased():
    # One-pixel stripes: without antialiasing, every fourth pixel is all black or all white.
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255

    reduced = resize(tf.constant(stripes), 16).numpy()

    assert reduced.shape == (1, 16, 16, 3)
    assert reduced.dtype == np.float32
    np.testing.assert_allclose(reduced[:, 2:-2, 2:-2], 127.5, atol=8)


@pytest.mark.parametrize("size", [5, 8, 13])
def test_resized_values_stay_in_range(size):
    white = tf.constant(np.full((2, 8, 8, 3), 255, np.uint8))

    resized = resize(white, size).numpy()

    np.testing.assert_allclose(resized, 255, rtol=1e-6)


def test_batches_have_the_wanted_size():
    for pixels, _ in image_batches(size=12, ranges=RANGES).epochs(0, 1):
        assert pixels.shape[1:] == (12, 12, 3)


def test_feature_batches_cycle_the_views():
    views = np.stack([np.full((6, 2), value, "float32") for value in (0, 10, 20)])
    batches = FeatureBatches(views, np.arange(6) % 2, batch_size=6, seed=0)

    seen = [float(features[0, 0]) for features, _ in batches.epochs(0, 5)]

    assert seen == [0, 10, 20, 0, 10]


def test_feature_epoch_sees_every_row_once_with_its_label():
    features = np.arange(7, dtype="float32").reshape(1, 7, 1)
    labels = np.array([0, 1, 1, 0, 1, 0, 0])
    batches = FeatureBatches(features, labels, batch_size=3, seed=5)

    epoch = all_of(batches.epochs(0, 1))

    rows = np.concatenate([features[:, 0] for features, _ in epoch]).astype(int)
    assert [len(features) for features, _ in epoch] == [3, 3, 1]
    assert batches.order.steps == 3
    assert sorted(rows) == list(range(7))
    np.testing.assert_array_equal(np.concatenate([y for _, y in epoch])[:, 0], labels[rows])


def test_row_that_comes_again_is_seen_in_the_next_view():
    features = np.arange(3, dtype="float32")[:, None, None] + np.zeros((1, 4, 1), "float32")
    batches = FeatureBatches(features, np.array([0, 0, 0, 1]), 2, 0, Balance(0.5, 6))

    views = np.concatenate([x[y == 1] for x, y in all_of(batches.epochs(1, 2))])

    assert views.tolist() == [1, 2, 0]


def test_view_zero_is_clean_and_in_row_order():
    images = some_images(rows=[5, 2, 9])

    batches = list(view_batches(images, image_size=8, batch_size=2, ranges=RANGES))

    assert [len(batch) for batch in batches] == [2, 1]
    np.testing.assert_array_equal(np.concatenate(batches), images.pixels.array[[5, 2, 9]])


def test_later_view_is_the_augmentation_of_that_epoch():
    images = some_images(rows=[5, 2, 9])
    numbers = uniforms(11, seed=4, epoch=2)[[5, 2, 9]]
    expected = augment(images.pixels.array[[5, 2, 9]].astype("float32"), numbers, RANGES)

    (view,) = view_batches(images, image_size=8, batch_size=3, view=2, seed=4, ranges=RANGES)

    np.testing.assert_array_equal(view, expected)


def test_no_rows_no_batches():
    assert list(view_batches(some_images(rows=[]), image_size=8, batch_size=2)) == []


def test_random_numbers_are_freed_with_their_batches(monkeypatch):
    # TensorFlow never lets go of a generator's function: what it refers to would add up.
    tables = []

    def remembered(*args, **options):
        table = uniforms(*args, **options)
        tables.append(weakref.ref(table))
        return table

    monkeypatch.setattr(pipeline, "uniforms", remembered)

    list(view_batches(some_images(), image_size=8, batch_size=4, view=1, ranges=RANGES))
    list(image_batches(ranges=RANGES).epochs(0, 2))
    gc.collect()

    assert [table() for table in tables] == [None] * 3
