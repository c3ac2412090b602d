"""Decoding: right pixels for every kind of file, a named error for every broken one."""

import io
import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from skinlesion.data import images
from skinlesion.data.images import decode, raise_broken, stored_size
from skinlesion.errors import DataError


def noise(height, width, channels=3):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def smooth(height, width):
    """Large soft shapes, as in a photograph."""
    coarse = Image.fromarray(noise(12, 16)).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(coarse)


def save(path, pixels, mode=None, **options):
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_an_image_of_the_right_size_is_not_touched(tmp_path, suffix):
    pixels = noise(32, 32)

    decoded = decode(save(tmp_path / f"a.{suffix}", pixels), 32)

    assert decoded.dtype == np.uint8
    assert (decoded == pixels).all()


def test_a_jpeg_of_the_right_size_is_decoded_in_full(tmp_path):
    path = save(tmp_path / "a.jpg", noise(64, 64))

    with Image.open(path) as image:
        assert (decode(path, 64) == np.asarray(image)).all()


@pytest.mark.parametrize("size", [64, 100, 256])
def test_reduced_jpeg_decoding_differs_by_less_than_a_grey_level(tmp_path, size):
    path = save(tmp_path / "a.jpg", smooth(900, 1200), quality=92)

    with Image.open(path) as image:
        full = image.resize((size, size), Image.Resampling.BILINEAR)
        difference = np.abs(decode(path, size).astype(int) - np.asarray(full))

    assert difference.mean() < 1


def test_resizing_does_not_alias(tmp_path):
    stripes = np.zeros((256, 256, 3), dtype=np.uint8)
    stripes[:, ::2] = 255

    decoded = decode(save(tmp_path / "a.png", stripes), 32)

    assert np.abs(decoded.astype(int) - 127.5).max() < 10


@pytest.mark.parametrize(
    ("mode", "expected"),
    # A palette of 216 colours comes near; grey is 0.299 R + 0.587 G + 0.114 B.
    [("P", (204, 102, 204)), ("CMYK", (200, 110, 190)), ("L", (146, 146, 146))],
)
def test_other_modes_become_rgb(tmp_path, mode, expected):
    flat = np.full((40, 40, 3), (200, 110, 190), dtype=np.uint8)

    decoded = decode(save(tmp_path / "a.tif", flat, mode), 16)

    assert np.abs(decoded.mean(axis=(0, 1)) - expected).max() <= 20


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, suffix):
    levels = np.full((16, 16), 65535 // 2, dtype=np.uint16)
    levels[:8] = 65535

    decoded = decode(save(tmp_path / f"a.{suffix}", levels), 16)

    assert (decoded[:8] == 255).all()
    assert (decoded[8:] == 127).all()


def test_transparency_becomes_black(tmp_path):
    pixels = np.full((16, 16, 4), 200, dtype=np.uint8)
    pixels[:8, :, 3] = 0
    pixels[8:, :, 3] = 255

    decoded = decode(save(tmp_path / "a.png", pixels), 16)

    assert (decoded[:8] == 0).all()
    assert (decoded[8:] == 200).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = save(tmp_path / "a.png", noise(24, 24), exif=exif)

    with Image.open(path) as image:
        assert (decode(path, 24) == np.asarray(ImageOps.exif_transpose(image))).all()


def test_the_first_page_is_taken(tmp_path):
    first, second = (Image.fromarray(np.full((16, 16, 3), v, dtype=np.uint8)) for v in (10, 99))
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])

    assert (decode(tmp_path / "a.tif", 16) == 10).all()


def test_the_content_counts_not_the_suffix(tmp_path):
    path = save(tmp_path / "a.png", noise(16, 16))

    assert (decode(path.rename(tmp_path / "a.jpg"), 16) == noise(16, 16)).all()


def broken_files(folder):
    buffer = io.BytesIO()
    Image.fromarray(noise(64, 64)).save(buffer, "JPEG")
    (folder / "truncated.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    (folder / "text.jpg").write_text("I am not an image")
    (folder / "empty.jpg").write_bytes(b"")
    save(folder / "tiny.png", noise(7, 40))
    save(folder / "animation.jpg", noise(16, 16), format="GIF")
    save(folder / "float.tif", noise(16, 16, 1).astype(np.float32))
    return [*sorted(folder.iterdir()), folder / "missing.jpg"]


def test_every_kind_of_broken_file_is_named(tmp_path):
    for path in broken_files(tmp_path):
        with pytest.raises(DataError) as caught:
            decode(path, 32)

        assert str(path) in caught.value.what
        assert caught.value.exit_code == 3


@pytest.mark.parametrize("read", [lambda path: decode(path, 32), stored_size])
def test_a_pipe_is_not_opened_as_it_would_never_end(tmp_path, monkeypatch, read):
    os.mkfifo(tmp_path / "pipe.jpg")
    monkeypatch.setattr(images.Image, "open", lambda *_, **__: pytest.fail("it was opened"))

    with pytest.raises(DataError, match=r"pipe\.jpg is not a readable image: it is not a file"):
        read(tmp_path / "pipe.jpg")


def test_a_truncated_large_jpeg_is_found_in_reduced_decoding_too(tmp_path):
    path = save(tmp_path / "a.jpg", smooth(900, 1200))
    path.write_bytes(path.read_bytes()[:-2000])

    with pytest.raises(DataError, match="truncated"):
        decode(path, 32)


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 16 * 16 - 1)

    with pytest.raises(DataError, match="16 x 16 pixels"):
        decode(save(tmp_path / "a.png", noise(16, 16)), 16)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(["jpg", "png", "bmp", "tif"]),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=5),
    length=st.integers(0, 3000),
)
def test_damaged_files_decode_or_are_data_errors(tmp_path, suffix, changes, length):
    path = save(tmp_path / f"a.{suffix}", noise(30, 30))
    content = bytearray(path.read_bytes()[:length])
    for place, value in changes if content else []:
        content[place % len(content)] = value
    path.write_bytes(content)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            decoded = decode(path, 16)
        except DataError:
            return

    assert decoded.shape == (16, 16, 3)


def test_the_stored_size_is_that_of_the_file_before_any_turn(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6

    path = save(tmp_path / "a.jpg", smooth(30, 40), exif=exif)

    assert stored_size(path) == (40, 30)
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"text\.jpg is not a readable image"):
        stored_size(tmp_path / "text.jpg")


def test_broken_images_become_one_error_that_names_all():
    first, second = DataError("a is broken", expected="a whole file"), DataError("b is broken")

    raise_broken([], total=3)
    with pytest.raises(DataError) as one:
        raise_broken([first], total=3)
    with pytest.raises(DataError) as both:
        raise_broken([first, second], total=3)

    assert one.value is first
    assert "2 of 3 images" in both.value.what
    assert both.value.which == ["a is broken", "b is broken"]
