"""Flags of single images: what is wrong with a picture, and what is no dermoscopic image at all."""

import numpy as np
import pytest
from scipy import ndimage

from skinlesion.data.finding import image_paths
from skinlesion.data.quality.dermoscopy import appearance, unlikeness
from skinlesion.data.quality.flags import FLAG_SIZE, FLAGS, quality_flags
from skinlesion.errors import DataError


@pytest.fixture(scope="module")
def lesion():
    """A brown blot with uneven edges on uneven skin, much like what the reference was made of."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:FLAG_SIZE, :FLAG_SIZE] - FLAG_SIZE / 2
    rough = ndimage.gaussian_filter(rng.normal(size=y.shape), 6)
    depth = 1 / (1 + np.exp((np.hypot(y, x) - 60) / 8 + 20 * rough))
    skin, brown = np.array([190, 145, 140]), np.array([110, 70, 65])
    image = skin + depth[:, :, None] * (brown - skin)
    texture = ndimage.gaussian_filter(rng.normal(size=y.shape), 1.2) * 14
    falloff = 1 - (np.hypot(y, x) / FLAG_SIZE) ** 2 * 0.35
    coloured = ndimage.gaussian_filter(rng.normal(size=image.shape), (3, 3, 0)) * 12
    return (
        ((image + texture[:, :, None] + coloured) * falloff[:, :, None])
        .clip(0, 255)
        .astype(np.uint8)
    )


def noise():
    return np.random.default_rng(0).integers(0, 256, (FLAG_SIZE, FLAG_SIZE, 3), dtype=np.uint8)


def test_a_lesion_has_no_flag(lesion):
    assert quality_flags(lesion, FLAG_SIZE) == ()


def test_a_small_file_is_flagged_whatever_it_shows(lesion):
    assert quality_flags(lesion, 223) == ("small",)
    assert "small" not in quality_flags(lesion, 224)


def test_what_shows_nothing_is_blank_and_no_more():
    for level in (0, 128, 255):
        flat = np.full((FLAG_SIZE, FLAG_SIZE, 3), level, dtype=np.uint8)
        assert quality_flags(flat, FLAG_SIZE) == ("blank",)


def test_a_blurred_lesion_is_flagged(lesion):
    blurred = ndimage.gaussian_filter(lesion, (5, 5, 0))

    assert "blurred" in quality_flags(blurred, FLAG_SIZE)


def test_colours_that_no_skin_has_are_unlike_dermoscopy(lesion):
    assert "unlike-dermoscopy" in quality_flags(noise(), FLAG_SIZE)
    assert "unlike-dermoscopy" in quality_flags(lesion[:, :, ::-1], FLAG_SIZE)
    assert "unlike-dermoscopy" in quality_flags(255 - lesion, FLAG_SIZE)


def test_turning_an_image_leaves_it_as_likely(lesion):
    for turned in (lesion[::-1], lesion[:, ::-1], np.rot90(lesion)):
        assert unlikeness(turned) == pytest.approx(unlikeness(lesion), rel=1e-3)


def test_every_image_has_finite_numbers():
    for pixels in (noise(), np.zeros((FLAG_SIZE, FLAG_SIZE, 3), np.uint8)):
        assert np.isfinite(appearance(pixels)).all()


def test_flags_are_explained():
    assert list(FLAGS) == ["small", "blank", "blurred", "unlike-dermoscopy"]


# --- which images ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.PNG", "notes.txt", ".c.jpg", "in/d.tif", ".git/e.jpg", "odd[1].jpg"):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).touch()
    return tmp_path


def test_a_folder_means_its_images_sorted_and_those_below(folder):
    names = ["x/a.PNG", "x/b.jpg", "x/odd[1].jpg", "x/in/d.tif"]

    assert list(image_paths(["x"])) == names


def test_a_file_is_taken_as_it_is_there_or_not(folder):
    given = ["x/notes.txt", "x/odd[1].jpg", "missing.jpg"]

    assert list(image_paths(given)) == given


def test_globs_are_expanded_and_must_match(folder):
    assert list(image_paths(["x/*.jpg", "x/i*"])) == ["x/b.jpg", "x/odd[1].jpg", "x/in/d.tif"]
    assert list(image_paths(["**/*.tif"])) == ["x/in/d.tif"]
    with pytest.raises(DataError, match="nothing matches"):
        image_paths(["x", "*.bmp"])  # before the first path is asked for


def test_a_dash_stands_for_lines(folder):
    lines = iter(["x/b.jpg\n", "\n", "with space.png\r\n", "last.png"])

    assert list(image_paths(["-"], lines)) == ["x/b.jpg", "with space.png", "last.png"]
