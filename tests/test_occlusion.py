"""Laws of hair, ruler and cutout: on which images, where, and in what colour."""

import numpy as np
import pytest
import tensorflow as tf

from skinlesion.data.augment import COLUMNS, Ranges, augment, uniforms
from skinlesion.data.augment import draws as columns
from skinlesion.data.augment.masks import MASKS, hair_masks, ruler_masks

pytestmark = pytest.mark.tensorflow

SIZE = 40
KINDS = ["hair", "ruler", "cutout"]
SKIN = np.array([220.0, 180.0, 160.0], "float32")


def skin(count, size=SIZE):
    return np.tile(SKIN, (count, size, size, 1))


def occluded(images, ranges, *, epoch=0):
    return np.asarray(augment(images, uniforms(len(images), seed=0, epoch=epoch), ranges))


def touched(changed, images):
    """Which pixels are not the original's, shape (b, s, s)."""
    return (np.abs(changed - images) > 1e-3).any(axis=-1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_images_are_changed_and_the_others_are_untouched(kind, share):
    noise = np.random.default_rng(0).uniform(0, 255, (200, SIZE, SIZE, 3)).astype("float32")

    changed = touched(occluded(noise, Ranges(**{kind: share})), noise).any(axis=(1, 2))

    assert changed.mean() == pytest.approx(share, abs=0.1)
    assert share not in (0.0, 1.0) or changed.mean() > share - 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_a_larger_share_keeps_the_images_of_a_smaller_one(kind):
    images = skin(60) + np.arange(SIZE, dtype="float32")[:, None] * 0.5

    few = touched(occluded(images, Ranges(**{kind: 0.3})), images).any(axis=(1, 2))
    many = touched(occluded(images, Ranges(**{kind: 0.6})), images).any(axis=(1, 2))

    assert few.sum() < many.sum()
    assert not (few & ~many).any()


@pytest.mark.parametrize("kind", ["hair", "ruler"])
def test_what_is_drawn_is_darker_thin_and_leaves_most_of_the_skin(kind):
    images = skin(40, 128)

    changed = occluded(images, Ranges(**{kind: 1.0}))

    assert (changed <= images + 1e-3).all()
    covered = touched(changed, images).mean(axis=(1, 2))
    assert 0.002 < covered.mean() < 0.2
    assert changed.min() < 0.4 * SKIN.min()


def test_hair_is_as_dark_as_the_light_makes_it():
    bright, dim = skin(20), skin(20) * 0.4

    drawn = occluded(bright, Ranges(hair=1.0, ruler=1.0))

    np.testing.assert_allclose(
        occluded(dim, Ranges(hair=1.0, ruler=1.0)), drawn * 0.4, rtol=1e-4, atol=1e-2
    )


def test_a_ruler_lies_along_an_edge_and_reaches_all_four():
    images = skin(64)

    marks = touched(occluded(images, Ranges(ruler=1.0)), images)

    third = SIZE // 3
    assert not marks[:, third:-third, third:-third].any()
    edges = (marks[:, :third], marks[:, -third:], marks[:, :, :third], marks[:, :, -third:])
    assert all(edge.any() for edge in edges)


def test_images_of_one_epoch_do_not_all_get_the_same_hairs():
    images = skin(40)

    drawn = touched(occluded(images, Ranges(hair=1.0)), images)

    assert len({one.tobytes() for one in drawn}) > 30


@pytest.mark.parametrize("masks", [hair_masks, ruler_masks])
def test_masks_are_the_same_every_time_and_unlike_each_other(masks):
    bank = masks(48)

    masks.__globals__["_bank"].cache_clear()
    np.testing.assert_array_equal(masks(48), bank)
    assert (bank.shape, bank.dtype) == ((MASKS, 48, 48, 1), np.uint8)
    assert len({one.tobytes() for one in bank}) == MASKS


def one_square(x, y, size):
    table = np.zeros((1, COLUMNS), "float32")
    table[0, [columns.CUTOUT_X, columns.CUTOUT_Y]] = x, y
    image = np.random.default_rng(1).uniform(0, 255, (1, SIZE, SIZE, 3)).astype("float32")
    changed = augment(image, table, Ranges(cutout=1.0, cutout_size=size)).numpy()
    return image, changed


def test_the_square_has_its_size_and_the_mean_colour():
    image, changed = one_square(0.5, 0.5, 0.25)

    inside = touched(changed, image)[0]

    assert inside[15:25, 15:25].all()
    assert inside.sum() == 100
    np.testing.assert_allclose(changed[0, inside], [image.mean(axis=(0, 1, 2))] * 100, atol=1e-2)
    np.testing.assert_array_equal(changed[0, ~inside], image[0, ~inside])


def test_a_square_at_the_corner_is_clipped():
    image, changed = one_square(0.0, 0.999, 0.5)

    inside = touched(changed, image)[0]

    assert inside[-10:, :10].all()
    assert inside.sum() == 100


def test_the_smallest_square_is_a_pixel_and_the_largest_may_be_all():
    assert touched(*one_square(0.5, 0.5, 1e-6)[::-1]).sum() == 1
    assert touched(*one_square(0.5, 0.5, 1.0)[::-1]).all()


def test_the_square_lies_over_hairs_and_in_changed_light():
    images, numbers = skin(30), uniforms(30, seed=0, epoch=0)
    ranges = Ranges(hair=1.0, ruler=1.0, brightness=0.2, cutout=1.0, cutout_size=1.0)
    numbers[:, [columns.CUTOUT_X, columns.CUTOUT_Y]] = 0.5

    changed = augment(images, numbers, ranges).numpy()

    assert np.ptp(changed, axis=(1, 2)).max() < 1e-2


def test_any_size_of_batch_passes_through_a_compiled_function():
    ranges = Ranges(hair=0.3, ruler=0.3, cutout=0.3)
    shape = tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32)
    numbers = tf.TensorSpec((None, COLUMNS), tf.float32)
    compiled = tf.function(lambda x, u: augment(x, u, ranges), input_signature=[shape, numbers])

    for count in (1, 2, 7):
        table = uniforms(count, seed=0, epoch=0)
        np.testing.assert_allclose(
            compiled(skin(count), table), augment(skin(count), table, ranges), atol=1e-3
        )
