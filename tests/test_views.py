"""Laws of views: symmetries are exact and groups, a scale enlarges about the centre."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from skinlesion.data.sampling import Images
from skinlesion.data.store import PixelStore
from skinlesion.data.views import SYMMETRY_NAMES, View, choose_views
from skinlesion.training.views import AVERAGES, batches_of, scaled

pytestmark = pytest.mark.tensorflow

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)


def turned(symmetry, pixels=PIXELS):
    return View(symmetry, 1.0).turned(pixels)


# --- symmetries ----------------------------------------------------------------------------

BY_HAND = {
    "upright": lambda image: image,
    "mirrored": np.fliplr,
    "upside-down": np.flipud,
    "half-turned": lambda image: np.rot90(image, 2),
    "transposed": lambda image: image.transpose(1, 0, 2),
    "turned-right": lambda image: np.rot90(image, -1),
    "turned-left": np.rot90,
    "anti-transposed": lambda image: np.rot90(image, 2).transpose(1, 0, 2),
}


@pytest.mark.parametrize("symmetry", range(8))
def test_a_symmetry_does_to_each_image_what_its_name_says(symmetry):
    by_hand = BY_HAND[SYMMETRY_NAMES[symmetry]]

    np.testing.assert_array_equal(turned(symmetry), [by_hand(image) for image in PIXELS])


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_views_are_a_group_so_that_a_turned_image_is_shown_alike(count):
    shown = {turned(one).tobytes() for one in range(count)}

    assert len(shown) == count
    for first in range(count):
        assert {turned(one, turned(first)).tobytes() for one in range(count)} == shown


def test_every_view_at_every_scale_has_its_own_name():
    views = choose_views(8, (1, 1.0000001, 0.5))

    assert len({view.name for view in views}) == 24
    assert [view.name for view in choose_views(2, (1.2,))] == ["upright@1.2", "mirrored@1.2"]
    assert View(0, 1).name == View(0, 1.0).name


# --- scales --------------------------------------------------------------------------------


def disc(side, radius):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    image = np.where(np.hypot(y, x) <= radius, 255, 0).astype(np.uint8)
    return np.repeat(image[None, :, :, None], 3, axis=3)


def test_scale_one_is_the_plain_resize_to_the_bit():
    plain = tf.image.resize(PIXELS, (5, 5), antialias=True)

    np.testing.assert_array_equal(scaled(tf.constant(PIXELS), 5, 1.0), plain)
    np.testing.assert_array_equal(scaled(tf.constant(PIXELS), 8, 1.0), PIXELS)


@pytest.mark.parametrize("scale", [0.999999, 1.000001])
def test_scales_close_to_one_change_little(scale):
    plain = scaled(tf.constant(PIXELS), 5, 1.0)

    np.testing.assert_allclose(
        scaled(tf.constant(PIXELS), 5, scale)[:, 1:-1, 1:-1], plain[:, 1:-1, 1:-1], atol=0.01
    )


def test_twice_as_large_is_the_middle_half():
    np.testing.assert_array_equal(scaled(tf.constant(PIXELS), 4, 2.0), PIXELS[:, 2:6, 2:6])


def test_half_as_large_is_the_image_within_its_mirror_images():
    mirrored = np.pad(PIXELS, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="symmetric")

    seen = scaled(tf.constant(PIXELS), 16, 0.5)

    np.testing.assert_array_equal(seen, mirrored)


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.25, 2.0])
def test_a_lesion_appears_scale_times_as_large(scale):
    seen = scaled(tf.constant(disc(96, 20)), 64, scale).numpy()

    edge = round(32 - 32 * min(scale, 1))  # beyond it are mirror images of the lesion
    area = seen[0, edge : 64 - edge, edge : 64 - edge, 0].sum() / 255
    assert np.sqrt(area / np.pi) == pytest.approx(20 * 64 / 96 * scale, rel=0.01)


@given(scale=st.floats(0.5, 2.0), symmetry=st.integers(0, 7))
def test_turning_and_scaling_may_change_places(scale, symmetry):
    first = scaled(tf.constant(turned(symmetry)), 5, scale)
    then = turned(symmetry, scaled(tf.constant(PIXELS), 5, scale).numpy())

    np.testing.assert_allclose(first, then, atol=1e-3)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_batches_show_the_rows_in_order(tmp_path, batch_size):
    np.save(tmp_path / "pixels.npy", PIXELS)
    images = Images(PixelStore(tmp_path / "pixels.npy"), np.array([2, 0]), np.zeros(2, int))

    batches = batches_of(images, View(1, 1.0), image_size=8, batch_size=batch_size)

    seen = np.concatenate([batch.numpy() for batch in batches])
    np.testing.assert_array_equal(seen, PIXELS[[2, 0], :, ::-1])


# --- averages ------------------------------------------------------------------------------


def test_averages_by_hand():
    logits = [np.array([0.0, 2.0], np.float32), np.array([0.0, -1.0], np.float32)]

    def mean(how):
        inner, outer = AVERAGES[how]
        return outer(sum(inner(one) for one in logits) / 2)

    def chance(x):
        return 1 / (1 + np.exp(-x))

    np.testing.assert_allclose(mean("logit"), [0.5, chance(0.5)])
    np.testing.assert_allclose(mean("probability"), [0.5, (chance(2) + chance(-1)) / 2])
