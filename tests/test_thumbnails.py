"""Thumbnails: decodable, small, the same every time."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from skinlesion.report.thumbnails import thumbnail_data_uri


def slope(height, width):
    down, right = np.mgrid[:height, :width]
    planes = (down * 255 // height, right * 255 // width, np.full_like(down, 90))
    return np.stack(planes, axis=-1).astype(np.uint8)


def decoded(uri):
    kind, content = uri.split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(content, validate=True))) as image:
        assert image.format == "JPEG"
        return np.asarray(image)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((256, 256), (64, 64)), ((100, 200), (32, 64)), ((200, 100), (64, 32)), ((40, 40), (40, 40))],
)
def test_the_longer_side_has_the_size(shape, expected):
    assert decoded(thumbnail_data_uri(slope(*shape), 64)).shape == (*expected, 3)


def test_it_shows_the_image():
    image = decoded(thumbnail_data_uri(slope(256, 256), 64)).astype(int)

    assert np.abs(image - slope(64, 64)).max() <= 12


def test_the_same_pixels_give_the_same_text():
    assert thumbnail_data_uri(slope(99, 99), 32) == thumbnail_data_uri(slope(99, 99), 32)
