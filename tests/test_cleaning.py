"""Cleaning: what is dirty becomes clean, what is clean keeps every byte; and the three fits."""

import functools

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps
from scipy import ndimage

from skinlesion.config import Cleaning, PreprocessConfig
from skinlesion.data import images
from skinlesion.data.cleaning import (
    bright_box,
    clean,
    crop_border,
    hair_mask,
    remove_hair,
    shades_of_gray,
)
from skinlesion.data.images import decode, to_square
from skinlesion.data.shards import decode_shards, read_pixels
from skinlesion.data.synthetic import artefacts, draw_lesion

pytestmark = pytest.mark.thorough

SIZE = 256
EVERYTHING = Cleaning(border_crop=True, hair_removal=True, color_constancy="shades_of_gray")
FITS = ("squash", "letterbox", "center_crop")
SKIN = (214, 170, 150)


@functools.cache
def lesion(seed):
    """A drawn lesion without artefacts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artefacts, "RATES", dict.fromkeys(artefacts.RATES, 0.0))
        return draw_lesion(seed % 2, size=SIZE, rng=np.random.default_rng(seed)).image


def eight_bits(photo):
    return np.round(np.clip(photo, 0, 1) * 255).astype(np.uint8)


def with_hair(pixels, seed):
    """The image with drawn hair, and the opacity of the hair."""
    cover = artefacts.draw_hair(len(pixels), np.random.default_rng(seed))
    return eight_bits(artefacts.paint(pixels / 255, cover, 0.1 * artefacts.BROWN)), cover


def with_dark_corners(pixels, seed):
    through = artefacts.draw_dark_corner(len(pixels), np.random.default_rng(seed))
    return eight_bits(pixels / 255 * through[..., None])


def with_cast(pixels, gains):
    return eight_bits(pixels / 255 * gains)


def flat(height=SIZE, width=SIZE, colour=SKIN):
    return np.full((height, width, 3), colour, dtype=np.uint8)


def disc(height, width, radius, *, centre=None):
    """Skin in a round view, black around it."""
    y, x = centre or ((height - 1) / 2, (width - 1) / 2)
    rows, columns = np.ogrid[:height, :width]
    inside = np.hypot(rows - y, columns - x) <= radius
    return np.where(inside[..., None], flat(height, width), 0).astype(np.uint8)


def gradient(height, width):
    """Different pixels everywhere, and smooth."""
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    return eight_bits(np.stack([rows, columns, 1 - rows * columns], axis=-1))


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


# --- nothing asked for ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shape"), [("a.jpg", (900, 1200)), ("a.png", (50, 70))])
def test_by_default_an_image_is_reduced_and_squashed_and_nothing_else(tmp_path, name, shape):
    path = save(tmp_path / name, gradient(*shape))
    with Image.open(path) as image:
        image.draft(None, (128, 128))
        plain = np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR))

    for settings in ({}, {"fit": "squash", "cleaning": Cleaning()}):
        assert (decode(path, 64, **settings) == plain).all()


def test_all_is_off_by_default():
    pixels = with_dark_corners(with_hair(lesion(0), 0)[0], 0)
    defaults = PreprocessConfig()

    assert defaults.fit == "squash"
    assert clean(pixels, defaults.cleaning) is pixels


# --- every field bites ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "changed"),
    [
        ({}, {"border_crop": True}),
        ({}, {"hair_removal": True}),
        ({}, {"color_constancy": "shades_of_gray"}),
        ({"color_constancy": "shades_of_gray"}, {"minkowski_p": 1}),
    ],
)
def test_every_field_of_cleaning_bites(tmp_path, base, changed):
    path = save(tmp_path / "a.png", with_dark_corners(with_hair(lesion(0), 0)[0], 0))

    before = decode(path, SIZE, cleaning=Cleaning(**base))
    after = decode(path, SIZE, cleaning=Cleaning(**base, **changed))

    assert (before != after).any()


def test_every_fit_differs(tmp_path):
    path = save(tmp_path / "a.png", gradient(30, 60))

    squares = [decode(path, 24, fit=fit) for fit in FITS]

    assert len({square.tobytes() for square in squares}) == len(FITS)


def test_rim_then_hair_then_colour():
    pixels = with_dark_corners(with_hair(lesion(2), 3)[0], 1)

    by_hand = shades_of_gray(remove_hair(crop_border(pixels)), p=6)

    assert (clean(pixels, EVERYTHING) == by_hand).all()


def test_the_given_image_is_not_changed():
    pixels = with_dark_corners(with_hair(lesion(1), 1)[0], 1)
    copy = pixels.copy()

    clean(pixels, EVERYTHING)

    assert (pixels == copy).all()


# --- fits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (60, 60), (9, 90)])
def test_letterbox_pads_the_shorter_side_with_black(shape):
    height, width = (round(60 * side / max(shape)) for side in shape)

    square = to_square(flat(*shape), 60, fit="letterbox")

    content = np.argwhere(square.any(axis=2))
    assert square.shape == (60, 60, 3)
    assert np.ptp(content, axis=0).tolist() == [height - 1, width - 1]
    assert np.abs(content.mean(axis=0) - 29.5).max() <= 0.5
    assert (square[square.any(axis=2)] == SKIN).all()


@pytest.mark.parametrize(
    ("fit", "round_"), [("squash", False), ("letterbox", True), ("center_crop", True)]
)
def test_a_circle_stays_round(fit, round_):
    square = to_square(disc(120, 200, 40), 100, fit=fit)

    rows, columns = np.nonzero(square[..., 0] > 100)

    assert (abs(rows.std() / columns.std() - 1) < 0.02) == round_


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (40, 40)])
def test_center_crop_is_the_largest_central_square(shape):
    pixels = gradient(*shape)
    top, left = ((side - 40) // 2 for side in shape)

    square = to_square(pixels, 40, fit="center_crop")

    assert (square == pixels[top : top + 40, left : left + 40]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("fit", "size"), [("letterbox", 24), ("center_crop", 16)])
def test_exif_orientation_is_applied_with_every_fit(tmp_path, orientation, fit, size):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = save(tmp_path / "a.png", gradient(16, 24), exif=exif)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))

    assert (decode(path, size, fit=fit) == to_square(upright, size, fit=fit)).all()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("border_crop", [False, True])
def test_reduced_jpeg_decoding_is_as_good_with_every_fit(tmp_path, fit, border_crop):
    path = save(tmp_path / "a.jpg", disc(900, 1200, 420), quality=92)
    cleaning = Cleaning(border_crop=border_crop)
    with Image.open(path) as image:
        full = to_square(np.asarray(image), 64, fit=fit, cleaning=cleaning)

    reduced = decode(path, 64, fit=fit, cleaning=cleaning)

    assert np.abs(reduced.astype(int) - full).mean() < 1


def test_a_jpeg_is_decoded_small_with_every_fit(tmp_path, monkeypatch):
    path = save(tmp_path / "a.jpg", flat(960, 1280))
    seen = []
    original = images._to_rgb
    monkeypatch.setattr(images, "_to_rgb", lambda image: seen.append(image.size) or original(image))

    for fit in FITS:
        decode(path, 60, fit=fit)

    assert seen == [(160, 120)] * 3


@pytest.mark.parametrize("workers", [1, 2])
def test_all_images_get_the_same(tmp_path, workers):
    pixels = [with_hair(lesion(seed), seed)[0][:, :200] for seed in range(3)]
    paths = [save(tmp_path / f"{seed}.png", image) for seed, image in enumerate(pixels)]
    settings = {"fit": "letterbox", "cleaning": EVERYTHING}

    decode_shards(tmp_path / "shards", paths, 64, **settings, workers=workers, shard_images=2)
    decoded = read_pixels(tmp_path / "shards", np.arange(3), shard_images=2)

    assert all(
        (square == to_square(image, 64, **settings)).all()
        for square, image in zip(decoded, pixels, strict=True)
    )


# --- the dark rim -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_cropped_image_has_no_dark_corner(seed):
    clear = lesion(seed)
    image = with_dark_corners(clear, seed)

    cropped = crop_border(image)

    ends = np.ix_([0, -1], [0, -1])
    darkness = np.sort(clear[ends].mean(axis=-1).ravel())[0] / 2
    assert image[ends].mean(axis=-1).min() < darkness < cropped[ends].mean(axis=-1).min()
    assert min(cropped.shape[:2]) > 0.6 * SIZE
    assert crop_border(cropped) is cropped


@pytest.mark.parametrize(
    ("shape", "radius"), [((256, 256), 120), ((150, 200), 74), ((400, 300), 140)]
)
@pytest.mark.parametrize("proportions", [None, 1.0])
def test_the_crop_is_nearly_the_largest_rectangle_in_the_disc(shape, radius, proportions):
    height, width = shape
    wide = proportions or width / height
    tall_in_disc = 2 * radius / np.hypot(wide, 1)

    box = bright_box(Image.fromarray(disc(*shape, radius)), proportions=proportions)

    tall, across = box.bottom - box.top, box.right - box.left
    # A rim may fade: two pixels of the search on each side are left out.
    margin = 5 * max(shape) / 128
    assert tall_in_disc - margin <= tall <= tall_in_disc
    assert across / tall == pytest.approx(wide, abs=0.05)
    assert not (disc(*shape, radius)[box.top : box.bottom, box.left : box.right] == 0).any()


def test_the_crop_follows_a_disc_off_the_centre():
    box = bright_box(Image.fromarray(disc(256, 256, 90, centre=(100, 150))))

    assert (box.top + box.bottom) / 2 == pytest.approx(100, abs=4)
    assert (box.left + box.right) / 2 == pytest.approx(150, abs=4)


def dark_lesion_in_a_corner():
    return np.where(disc(256, 256, 90, centre=(10, 10)) == 0, flat(), 30).astype(np.uint8)


def hair_through_a_corner():
    pixels = flat()
    for step in range(150):
        pixels[step : step + 4, step : step + 4] = 20
    return pixels


@pytest.mark.parametrize(
    "pixels",
    [
        flat(),
        flat(colour=(0, 0, 0)),
        flat(8, 300),
        lesion(0),
        lesion(1),
        disc(256, 256, 30),
        dark_lesion_in_a_corner(),
        hair_through_a_corner(),
    ],
    ids=["skin", "black", "narrow", "benign", "malignant", "pinhole", "lesion", "hair"],
)
def test_without_a_dark_rim_nothing_is_cropped(pixels):
    assert crop_border(pixels) is pixels


def test_the_rim_is_cropped_before_the_image_is_resized():
    sharp = disc(800, 800, 380)
    sharp[::2] = np.minimum(sharp[::2], 150)
    box = bright_box(Image.fromarray(sharp))

    square = to_square(sharp, 128, cleaning=Cleaning(border_crop=True))

    inside = Image.fromarray(sharp[box.top : box.bottom, box.left : box.right])
    assert (square == np.asarray(inside.resize((128, 128), Image.Resampling.BILINEAR))).all()


# --- hair -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_hair_is_removed_and_all_else_is_left(seed):
    clear = lesion(seed).astype(int)
    hairy, cover = with_hair(lesion(seed), seed + 10)

    removed = remove_hair(hairy)

    mask, strands = hair_mask(hairy), cover > 0.3
    error_before = np.abs(hairy - clear)[mask].mean()
    assert np.abs(removed - clear)[mask].mean() < error_before / 2
    assert np.abs(removed - clear)[strands].mean() < np.abs(hairy - clear)[strands].mean() / 2
    assert (removed[~mask] == hairy[~mask]).all()
    assert mask.mean() < 5 * strands.mean()


def test_hair_is_removed_from_a_large_image():
    large = np.asarray(Image.fromarray(lesion(0)).resize((600, 600), Image.Resampling.BICUBIC))
    hairy, cover = with_hair(large, 10)

    removed = remove_hair(hairy)

    strands, mask = cover > 0.3, hair_mask(hairy)
    errors = [np.abs(image - large.astype(int))[strands].mean() for image in (removed, hairy)]
    assert errors[0] < errors[1] / 2
    assert (removed[~mask] == hairy[~mask]).all()


def test_most_hair_is_found_at_once():
    hairy, _ = with_hair(lesion(3), 13)

    again = hair_mask(remove_hair(hairy))

    assert again.sum() < 0.15 * hair_mask(hairy).sum()


def mesh():
    """A pigment network: dark lines around bright holes, 8 pixels apart and not straight."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(float)
    columns += 3 * np.sin(rows / 5)
    rows += 3 * np.sin(columns / 5 + 1)
    lines = np.maximum(np.cos(rows * np.pi / 4), np.cos(columns * np.pi / 4)) > 0.6
    return np.where(lines[..., None], (150, 100, 80), flat()).astype(np.uint8)


def dots():
    pixels = flat()
    for y in range(20, 240, 24):
        for x in range(20, 240, 24):
            pixels[y : y + 4, x : x + 4] = 40
    return pixels


def red_lines():
    """Vessels: as thin and as long as hair, but red."""
    pixels = flat()
    pixels[60:63, 20:200, 1:] = 60
    return pixels


@pytest.mark.parametrize(
    "pixels",
    [flat(), disc(256, 256, 60), mesh(), dots(), red_lines(), flat(32, 32), flat(8, 300)],
    ids=["skin", "blob", "network", "dots", "vessel", "small", "narrow"],
)
def test_what_is_no_hair_is_left(pixels):
    assert remove_hair(pixels) is pixels


def test_lesions_without_hair_hardly_change():
    assert np.mean([hair_mask(lesion(seed)).mean() for seed in range(4)]) < 0.005


def test_skin_beside_a_hair_goes_on_under_it():
    pixels = gradient(SIZE, SIZE) // 2 + 100
    hairy = pixels.copy()
    hairy[:, 100:103] = 20

    removed = remove_hair(hairy)

    assert np.abs(removed.astype(int) - pixels)[:, 98:105].max() <= 3


# --- colour -----------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1, 6, 100])
@pytest.mark.parametrize("gains", [(1.0, 0.8, 0.6), (0.6, 0.7, 1.0)])
def test_a_colour_cast_over_grey_becomes_neutral(p, gains):
    grey = gradient(64, 64)[..., :1].repeat(3, axis=2)

    corrected = shades_of_gray(with_cast(grey, gains), p=p)

    assert corrected.dtype == np.uint8
    assert np.ptp(corrected.astype(int), axis=2).max() <= 2


def test_two_lights_give_nearly_one_image():
    image = lesion(0) * 0.7 / 255
    lights = [(1.0, 0.9, 0.75), (0.8, 0.95, 1.0)]
    seen = [eight_bits(image * light) for light in lights]

    corrected = [shades_of_gray(pixels, p=6).astype(float) for pixels in seen]

    before, after = (np.abs(np.subtract(*pair, dtype=float)).mean() for pair in (seen, corrected))
    # The corrected images may still differ in brightness, which is not the light's colour.
    corrected = [pixels / pixels.mean() for pixels in corrected]
    assert after < before / 2
    assert np.abs(corrected[0] - corrected[1]).mean() < 0.02


@pytest.mark.parametrize("p", [1, 6, 100])
def test_neutral_light_is_left(p):
    grey = gradient(64, 64)[..., :1].repeat(3, axis=2)

    assert (shades_of_gray(grey, p=p) == grey).all()


def test_correcting_twice_is_correcting_once():
    once = shades_of_gray(eight_bits(lesion(1) * 0.6 / 255), p=6)

    assert np.abs(shades_of_gray(once, p=6).astype(int) - once).max() <= 1


def test_padding_and_dark_rims_have_no_weight():
    pixels = lesion(0)
    padded = np.pad(pixels, ((40, 40), (10, 0), (0, 0)))

    corrected = shades_of_gray(padded, p=6)

    assert (corrected[40:-40, 10:] == shades_of_gray(pixels, p=6)).all()
    assert not corrected[:40].any()


@pytest.mark.parametrize("colour", [(0, 0, 0), (200, 0, 100)])
def test_light_that_cannot_be_known_is_left(colour):
    pixels = flat(colour=colour)

    assert shades_of_gray(pixels, p=6) is pixels


@pytest.mark.parametrize("p", [1, 6, 100])
def test_by_hand(p):
    # Equal pixels: their Minkowski mean is their colour, for every p.
    light = np.array([200.0, 100.0, 50.0])

    corrected = shades_of_gray(flat(4, 4, light), p=p)

    assert (corrected == round(np.sqrt((light**2).mean()))).all()


# --- altogether -------------------------------------------------------------------------------


@pytest.mark.parametrize("fit", FITS)
def test_everything_together_fits_every_shape(fit):
    for shape in ((8, 8), (40, 300), (300, 41), (257, 255)):
        square = to_square(disc(*shape, 0.6 * max(shape)), 64, fit=fit, cleaning=EVERYTHING)

        assert square.shape == (64, 64, 3)
        assert square.dtype == np.uint8


def test_letterbox_padding_stays_black():
    image = with_cast(with_hair(lesion(0), 0)[0][:, :128], (1.0, 0.7, 0.6))

    square = to_square(image, SIZE, fit="letterbox", cleaning=EVERYTHING)

    assert not square[:, :64].any()
    assert not square[:, -64:].any()
    assert (ndimage.minimum(square.max(axis=2), np.ones((SIZE, SIZE))) == 0).all()
