"""Small pictures inside a page: JPEG as a data URI, so that a report is one file."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

QUALITY = 80


def thumbnail_data_uri(pixels: np.ndarray, size: int) -> str:
    """The image, ``size`` pixels at its longer side, for the ``src`` of an ``<img>``.

    Args:
        pixels: RGB, uint8, shape (height, width, 3).
        size: A smaller image is not enlarged.

    Returns:
        The same text for the same pixels; it needs no escaping in an attribute.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
