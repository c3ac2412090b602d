"""Laws of the augmentation: what an image becomes, and what that may depend on."""

import math
from dataclasses import fields

import numpy as np
import pytest
import tensorflow as tf

from skinlesion.data.augment import COLUMNS, Ranges, augment, uniforms
from skinlesion.data.augment import draws as columns

pytestmark = pytest.mark.tensorflow

# One setting of each field, alone; enough to be seen.
EACH = {
    "flip": True,
    "rotate_degrees": 30.0,
    "zoom": 0.3,
    "shift": 0.2,
    "shear": 0.3,
    "brightness": 0.2,
    "contrast": 0.3,
    "saturation": 0.5,
    "hue": 0.1,
    "perspective": 0.2,
    "hair": 1.0,
    "ruler": 1.0,
    "cutout": 1.0,
}
ALL = Ranges(**EACH)
# Those whose number is how far a change goes; of the others it is how many images have it.
WIDTHS = [name for name in EACH if name not in ("flip", "hair", "ruler", "cutout")]
ELSEWHERE = {"cutout_size", "mixup", "cutmix"}  # test_occlusion.py, test_mixing.py


def noise(count, size=16, *, seed=0):
    values = np.random.default_rng(seed).uniform(0, 255, (count, size, size, 3))
    return values.astype("float32")


def middle(count=1, **numbers):
    """Random numbers that change nothing but what is given: 0.5 is the middle of every range."""
    table = np.full((count, COLUMNS), 0.5, "float32")
    table[:, columns.FLIP] = 0
    for name, value in numbers.items():
        table[:, getattr(columns, name)] = value
    return table


def ramp(size, axis):
    """Grey values that rise along ``axis`` (1 down, 2 right) from 0 to 240."""
    line = np.linspace(0, 240, size, dtype="float32")
    grey = np.broadcast_to(line[:, None] if axis == 1 else line[None, :], (size, size))
    return np.repeat(grey[None, :, :, None], 3, axis=3)


def distance(size):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.hypot(y, x)


def disc(size, radius):
    inside = np.clip(radius + 0.5 - distance(size), 0, 1)
    return np.repeat((200 * inside)[None, :, :, None], 3, axis=3).astype("float32")


def test_every_range_is_tried_here():
    assert {*EACH, *ELSEWHERE} == {field.name for field in fields(Ranges)}


def test_image_depends_on_its_own_numbers_not_on_its_batch():
    images, numbers = noise(5), uniforms(5, seed=3, epoch=1)
    backwards = [4, 3, 2, 1, 0]

    together = augment(images, numbers, ALL).numpy()

    moved = augment(images[backwards], numbers[backwards], ALL).numpy()[backwards]
    alone = np.concatenate([augment(images[i : i + 1], numbers[i : i + 1], ALL) for i in range(5)])
    np.testing.assert_array_equal(moved, together)
    np.testing.assert_allclose(alone, together, atol=1e-3)


def test_no_range_changes_nothing():
    images = noise(4)

    changed = augment(images, uniforms(4, seed=0, epoch=0), Ranges())

    np.testing.assert_array_equal(changed, images)


@pytest.mark.parametrize("name", EACH)
def test_each_range_changes_the_image(name):
    images, ranges = noise(32), Ranges(**{name: EACH[name]})

    changed = augment(images, uniforms(32, seed=1, epoch=0), ranges).numpy()

    assert (np.abs(changed - images).max(axis=(1, 2, 3)) > 1).sum() >= 24  # 4 flips are none


@pytest.mark.parametrize("name", WIDTHS)
def test_wider_range_changes_more(name):
    images, numbers = ramp(32, 2) * [1.0, 0.7, 0.5], middle()
    images = images.astype("float32")
    numbers[:, columns.ROTATE : columns.HAIR] = 0.75

    def change(part):
        changed = augment(images, numbers, Ranges(**{name: EACH[name] * part})).numpy()
        return np.abs(changed - images).mean()

    assert 0 < change(0.1) < change(0.5) < change(1.0)


@pytest.mark.parametrize("name", WIDTHS)
def test_middle_of_a_range_is_no_change(name):
    images = noise(2)

    changed = augment(images, middle(2), Ranges(**{name: EACH[name]})).numpy()

    np.testing.assert_allclose(changed, images, atol=1e-2)


@pytest.mark.parametrize("scale", [1, 255], ids=["dark", "any"])
def test_output_is_float32_in_range_and_of_the_same_shape(scale):
    images = np.round(noise(6, 24) / 255) * scale
    images = images.astype("float32")
    wild = Ranges(True, 180.0, 0.9, 0.5, 0.9, 0.9, 0.9, 0.9, 0.5)

    changed = augment(images, uniforms(6, seed=2, epoch=0), wild)

    assert changed.shape == images.shape
    assert changed.dtype == tf.float32
    assert changed.numpy().min() >= 0
    assert changed.numpy().max() <= 255


def test_all_eight_symmetries_are_reached_exactly():
    image = noise(1)
    symmetries = [
        np.rot90(flipped, turns, axes=(1, 2))
        for flipped in (image, image[:, :, ::-1])
        for turns in range(4)
    ]
    codes = (np.arange(8, dtype="float32") + 0.5) / 8

    changed = [augment(image, middle(FLIP=code), Ranges(flip=True)).numpy() for code in codes]

    reached = [
        index
        for one in changed
        for index, symmetry in enumerate(symmetries)
        if (one == symmetry).all()
    ]
    assert sorted(reached) == list(range(8))


def test_flips_are_equally_likely():
    table = uniforms(8000, seed=0, epoch=0)[:, columns.FLIP]

    counts = np.bincount((table * 8).astype(int), minlength=8)

    assert counts.min() > 850
    assert counts.max() < 1150


def test_quarter_turn_is_rot90():
    image = noise(1, 17)

    turned = augment(image, middle(ROTATE=1.0), Ranges(rotate_degrees=90)).numpy()

    either = [np.rot90(image, turns, axes=(1, 2)) for turns in (1, 3)]
    assert min(np.abs(turned - one).max() for one in either) < 0.1


@pytest.mark.parametrize("number", [0.0, 0.3, 0.6, 0.9])
def test_rotation_keeps_a_centred_disc(number):
    image = disc(32, 10)

    turned = augment(image, middle(ROTATE=number), Ranges(rotate_degrees=180)).numpy()

    # The edge is resampled, and corners turned in from outside are reflections.
    clear = (np.abs(distance(32) - 10) > 2) & (distance(32) < 15)
    np.testing.assert_allclose(turned[0, clear], image[0, clear], atol=0.5)


@pytest.mark.parametrize(("number", "factor"), [(0.0, 1 / 1.5), (0.5, 1.0), (1.0, 1.5)])
def test_zoom_scales_a_disc_within_its_range(number, factor):
    size, radius = 64, 16

    zoomed = augment(disc(size, radius), middle(ZOOM=number), Ranges(zoom=0.5)).numpy()

    area = zoomed[0, :, :, 0].sum() / 200
    assert math.sqrt(area / math.pi) == pytest.approx(radius * factor, rel=0.05)


@pytest.mark.parametrize(("column", "axis"), [("SHIFT_X", 2), ("SHIFT_Y", 1)])
def test_shift_is_a_fraction_of_the_side_along_one_axis(column, axis):
    image, side = ramp(21, axis), 21

    shifted = augment(image, middle(**{column: 1.0}), Ranges(shift=2 / side)).numpy()

    np.testing.assert_allclose(np.roll(image, -2, axis=axis)[:, :-3, :-3], shifted[:, :-3, :-3])


@pytest.mark.parametrize(
    "ranges",
    [
        Ranges(rotate_degrees=180),
        Ranges(zoom=0.9),
        Ranges(shift=0.9),
        Ranges(shear=0.9),
        Ranges(perspective=0.4),
    ],
    ids=["rotate", "zoom", "shift", "shear", "perspective"],
)
def test_reflection_leaves_no_black_corner(ranges):
    pale = np.random.default_rng(0).uniform(100, 200, (16, 32, 32, 3)).astype("float32")

    changed = augment(pale, uniforms(16, seed=0, epoch=0), ranges).numpy()

    assert changed.min() >= 100 - 1e-3


@pytest.mark.parametrize("name", ["contrast", "saturation", "hue"])
def test_mid_grey_stays_under_colour_changes(name):
    grey = np.full((8, 4, 4, 3), 127.5, "float32")

    changed = augment(grey, uniforms(8, seed=0, epoch=0), Ranges(**{name: EACH[name]})).numpy()

    np.testing.assert_allclose(changed, grey, atol=0.1)


@pytest.mark.parametrize("name", ["saturation", "hue"])
def test_any_grey_stays_under_saturation_and_hue(name):
    grey = ramp(16, 1)

    changed = augment(grey, uniforms(1, seed=0, epoch=0), Ranges(**{name: EACH[name]})).numpy()

    np.testing.assert_allclose(changed, grey, atol=0.2)


def test_brightness_adds_a_fraction_of_255():
    image = noise(1) * 0.5 + 60

    brighter = augment(image, middle(BRIGHTNESS=1.0), Ranges(brightness=0.2)).numpy()
    darker = augment(image, middle(BRIGHTNESS=0.0), Ranges(brightness=0.2)).numpy()

    np.testing.assert_allclose(brighter - image, 51, atol=1e-2)
    np.testing.assert_allclose(darker - image, -51, atol=1e-2)


def test_contrast_stretches_about_mid_grey():
    image = np.array([77.5, 127.5, 177.5], "float32").reshape(1, 1, 1, 3)

    changed = augment(image, middle(CONTRAST=1.0), Ranges(contrast=0.5)).numpy()

    np.testing.assert_allclose(changed.ravel(), [52.5, 127.5, 202.5], atol=0.1)


def test_no_saturation_is_the_luma():
    image = np.array([200.0, 100.0, 50.0], "float32").reshape(1, 1, 1, 3)
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50

    changed = augment(image, middle(SATURATION=0.0), Ranges(saturation=1.0)).numpy()

    np.testing.assert_allclose(changed.ravel(), luma, atol=0.1)


def test_half_the_colour_circle_turns_red_towards_cyan():
    red = np.array([150.0, 100.0, 100.0], "float32").reshape(1, 1, 1, 3)
    luma = 100 + 0.299 * 50

    changed = augment(red, middle(HUE=1.0), Ranges(hue=0.5)).numpy()

    # Half a turn mirrors the colour in the grey of the same luma.
    np.testing.assert_allclose(changed.ravel(), 2 * luma - red.ravel(), atol=0.2)


@pytest.mark.parametrize("code", range(8))
def test_warp_of_a_flip_is_the_warp_of_the_flipped_image(code):
    images = noise(1, 24)
    numbers = middle(ROTATE=0.9, ZOOM=0.8, SHIFT_X=0.3, SHEAR=0.2, PERSPECTIVE_Y=0.7)
    numbers[:, columns.FLIP] = code / 8
    ranges = {name: EACH[name] for name in ("rotate_degrees", "zoom", "shift", "shear")}
    ranges["perspective"] = 0.2

    together = augment(images, numbers, Ranges(flip=True, **ranges)).numpy()

    flipped = augment(images, numbers, Ranges(flip=True))
    np.testing.assert_allclose(together, augment(flipped, numbers, Ranges(**ranges)), atol=1e-2)


def test_warp_resizes_as_a_resize_does():
    smooth = tf.image.resize(noise(2, 6), (64, 64), method="bicubic").numpy()
    ranges = Ranges(rotate_degrees=30.0, shift=0.25)

    small = augment(smooth, middle(2), ranges, 56).numpy()
    moved = augment(smooth, middle(2, SHIFT_X=0.75), ranges, 56).numpy()

    np.testing.assert_allclose(small, tf.image.resize(smooth, (56, 56)), atol=1e-2)
    # By an eighth of the side: 8 pixels of 64, 7 of 56.
    np.testing.assert_allclose(moved[:, :, :-7], small[:, :, 7:], atol=1e-2)


def test_much_larger_images_are_not_aliased():
    stripes = np.zeros((1, 64, 64, 3), "float32")
    stripes[:, :, ::2] = 255

    small = augment(stripes, middle(ROTATE=0.6), Ranges(rotate_degrees=180.0), 16).numpy()

    np.testing.assert_allclose(small[:, 6:10, 6:10], 127.5, atol=10)
