"""Measures of image quality: laws of the numbers, and detectors on drawn images."""

import functools

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from skinlesion.data import quality
from skinlesion.data.quality.lines import line_sums, strongest_line
from skinlesion.data.quality.ruler import LENGTH
from skinlesion.data.synthetic import draw_lesion

pytestmark = pytest.mark.thorough

SIZE = 256


@functools.cache
def lesion(seed):
    drawn = draw_lesion(seed % 2, size=SIZE, rng=np.random.default_rng((22, seed)))
    return drawn.image, drawn.artefacts


@functools.cache
def clean():
    """A lesion without any artefact."""
    return next(image for image, found in map(lesion, range(99)) if not any(found.values()))


def grey(levels):
    return np.repeat(np.clip(np.rint(levels), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def flat(level, size=SIZE):
    return grey(np.full((size, size), level))


def noise(deviation, size=SIZE):
    return grey(128 + deviation * np.random.default_rng(0).standard_normal((size, size)))


def paint(image, shapes):
    """``shapes(draw)`` on a copy of the image, smoothed as by a lens."""
    large = Image.fromarray(image).resize((SIZE * 4, SIZE * 4))
    shapes(ImageDraw.Draw(large))
    return np.asarray(large.resize((SIZE, SIZE), Image.Resampling.BOX))


def ruler(draw, *, ticks=True, colour=(40, 40, 40)):
    draw.line([(300, 880), (760, 840)], fill=colour, width=6)
    for x in range(300, 761, 46) if ticks else ():
        y = 880 - (x - 300) * 40 / 460
        draw.line([(x, y), (x - 2, y - 26)], fill=colour, width=5)


def pen(draw):
    for x in (80, 100, 120):
        draw.line([(x, 100), (x + 90, 300)], fill=(110, 80, 170), width=14)


def sticker(draw):
    draw.ellipse([(820, 300), (1300, 800)], fill=(30, 150, 220))


TURNED = {
    "left to right": lambda image: image[:, ::-1],
    "upside down": lambda image: image[::-1],
    "a quarter": np.rot90,
}


@pytest.mark.parametrize("frequency", [0.3, 0.4, 0.5])
def test_sharpness_of_a_wave_is_its_frequency(frequency):
    wave = np.broadcast_to(128 + 100 * np.sin(frequency * np.arange(SIZE)), (SIZE, SIZE))

    assert quality.sharpness(grey(wave)) == pytest.approx(frequency, rel=0.04)


def test_sharpness_of_white_noise_is_the_root_of_twenty():
    assert quality.sharpness(noise(20)) == pytest.approx(20**0.5, rel=0.01)


def test_blur_lowers_sharpness_step_by_step():
    blurred = [ndimage.gaussian_filter(clean(), (blur, blur, 0)) for blur in (0, 0.5, 1, 2)]

    values = [quality.sharpness(image) for image in blurred]

    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.6 * values[0]


def test_contrast_and_brightness_leave_sharpness():
    darker, faint = clean() - clean().min(), 60 + clean() // 2
    sharp = quality.sharpness(clean())

    assert quality.sharpness(darker) == pytest.approx(sharp, rel=1e-3)
    # Half the grey levels are more rounding, which counts as detail.
    assert quality.sharpness(faint) == pytest.approx(sharp, rel=0.1)


def test_sharpness_of_nothing_is_undefined():
    assert np.isnan(quality.sharpness(flat(90)))


@pytest.mark.parametrize("level", [0, 5, 128, 250, 255])
def test_exposure_by_hand(level):
    half = flat(level)
    half[: SIZE // 2] = 100

    assert quality.brightness(half) == pytest.approx((level + 100) / 2, abs=1e-3)
    assert quality.overexposed(half) == (0.5 if level >= 250 else 0)
    assert quality.underexposed(half) == (0.5 if level <= 5 else 0)
    assert quality.contrast(half) == pytest.approx(abs(level - 100), abs=1e-3)


@pytest.mark.parametrize("size", [8, 30, SIZE])
def test_an_image_without_structure_is_blank(size):
    assert quality.is_blank(flat(0, size))
    assert quality.is_blank(flat(200, size))


def test_noise_is_blank_and_a_lesion_is_not():
    assert quality.is_blank(noise(6))
    assert not quality.is_blank(clean())


@pytest.mark.parametrize("doublings", [1, 3])
def test_sums_along_rows_and_columns_by_hand(doublings):
    image = np.random.default_rng(0).integers(-9, 9, (20, 30)).astype(np.int16)
    length = 2**doublings
    before = (length - 1) // 2
    padded = np.pad(image, length)

    along_rows, along_columns = line_sums(image, directions=2, doublings=doublings)

    for sums, step in ((along_rows, (0, 1)), (along_columns, (1, 0))):
        expected = np.zeros((20, 30), int)
        for place in range(-before, length - before):
            down, right = (length + place * part for part in step)
            expected += padded[down : down + 20, right : right + 30]
        assert (sums == expected).all()


@pytest.mark.parametrize("degrees", range(0, 180, 15))
def test_the_strongest_line_is_the_one_that_is_drawn(degrees):
    forward = np.array([np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
    places = np.rint([64, 70] + np.arange(-30, 31, 0.5)[:, None] * forward).astype(int)
    image = np.random.default_rng(1).integers(-2, 3, (128, 128)).astype(np.int16)
    image[tuple(places.T)] = 20

    line = strongest_line(image, directions=24, doublings=4)

    assert line.total > 20 * 36
    assert line.distance(image.shape)[tuple(places.T)].max() <= 2


def test_no_line_in_nothing():
    assert strongest_line(np.zeros((50, 50), np.int16), directions=8, doublings=3).total == 0


@pytest.mark.parametrize("name", ["hair", "dark_corner"])
def test_drawn_artefacts_are_found(name):
    drawn = [lesion(seed) for seed in range(14)]
    scores = np.array([quality.artefact_scores(image)[name] for image, _ in drawn])
    present = np.array([found[name] for _, found in drawn])

    assert 3 <= present.sum() <= 9
    assert (scores[present][:, None] > scores[~present]).mean() > 0.95
    assert (scores[present] >= quality.DETECTORS[name].threshold).all()


@pytest.mark.parametrize(("name", "shapes"), [("ruler", ruler), ("ink", pen), ("patches", sticker)])
def test_painted_artefacts_are_found(name, shapes):
    without = quality.artefacts_in(quality.artefact_scores(clean()))
    present = quality.artefacts_in(quality.artefact_scores(paint(clean(), shapes)))

    assert not any(without.values())
    assert present == {**without, name: True}


def test_a_bar_without_ticks_is_no_ruler():
    bare = quality.artefact_scores(paint(clean(), functools.partial(ruler, ticks=False)))

    assert not quality.artefacts_in(bare)["ruler"]


def test_a_brown_pen_is_not_taken_for_ink():
    brown = paint(clean(), functools.partial(ruler, colour=(90, 50, 30)))

    assert not quality.artefacts_in(quality.artefact_scores(brown))["ink"]


@pytest.mark.parametrize("turn", TURNED)
@pytest.mark.parametrize("shapes", [ruler, pen, sticker])
def test_turned_images_score_alike(turn, shapes):
    image = paint(clean(), shapes)
    scores = quality.measure(image)
    turned = quality.measure(np.ascontiguousarray(TURNED[turn](image)))

    assert turned == pytest.approx(scores, rel=0.1, abs=0.02)
    assert quality.artefacts_in(turned) == quality.artefacts_in(scores)


@pytest.mark.parametrize("size", [200, 384])
@pytest.mark.parametrize("shapes", [ruler, pen, sticker])
def test_another_size_gives_the_same_decisions(size, shapes):
    image = paint(clean(), shapes)
    resized = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))

    scores = quality.artefact_scores(resized)

    assert quality.artefacts_in(scores) == quality.artefacts_in(quality.artefact_scores(image))


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("size", [8, SIZE])
def test_nothing_is_found_in_a_plain_image(level, size):
    scores = quality.artefact_scores(flat(level, size))

    assert not any(quality.artefacts_in(scores).values())
    assert all(np.isfinite(list(scores.values())))


def test_every_detector_has_a_score():
    assert set(quality.artefact_scores(clean())) == set(quality.DETECTORS)
    assert set(quality.measure(clean())) == {*quality.DETECTORS, *quality.MEASURES}


def test_the_longest_sum_fits_its_type():
    from skinlesion.data.quality.planes import Planes

    stripes = grey(np.where(np.arange(SIZE) % 60 == 0, 0, 255) * np.ones((SIZE, 1)))

    assert np.abs(Planes(stripes).ridge).max() * LENGTH < np.iinfo(np.int16).max
