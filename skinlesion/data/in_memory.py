"""Pictures that a program holds, as image files in memory: arrays and Pillow's images."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

from skinlesion.data.images import ImageBytes
from skinlesion.errors import DataError

Picture = np.ndarray | Image.Image | ImageBytes
# Modes that PNG keeps as they are; others become RGB.
KEPT = ("1", "L", "LA", "I;16", "RGB", "RGBA")


def pictures(given: Any) -> Iterable[Any]:
    """One picture, a batch of shape (n, h, w, 3), or whatever else can be gone through."""
    is_batch = isinstance(given, np.ndarray) and given.ndim == 4
    if isinstance(given, Picture) and not is_batch:
        return [given]
    several: Iterable[Any] = given
    return several


def as_file(picture: Picture, name: str) -> ImageBytes:
    """The picture as a file without loss, so that it is read as one on disk is.

    Args:
        picture: uint8 of shape (h, w, 3), RGB, (h, w, 4) or (h, w); or an image of Pillow's.
        name: Stands for a path, unless the picture has one.

    Raises:
        DataError: If an array is of another type or shape.
    """
    if isinstance(picture, ImageBytes):
        return picture
    if isinstance(picture, np.ndarray):
        has_shape = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] in (3, 4))
        if picture.dtype != np.uint8 or not has_shape or not picture.size:
            raise DataError(
                f"{name} is {picture.dtype} of shape {picture.shape}",
                expected="uint8 in [0, 255], RGB, shape (h, w, 3)",
                fix="an image of floats in [0, 1]: (255 * image).round().astype('uint8')",
            )
        picture = Image.fromarray(picture)
    name = getattr(picture, "filename", "") or name
    file = io.BytesIO()
    upright = picture if picture.mode in KEPT else picture.convert("RGB")
    upright.save(file, "PNG", compress_level=1, exif=picture.getexif())
    return ImageBytes(str(name), file.getvalue())
