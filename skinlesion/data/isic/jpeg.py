"""Whether a fetched file is a whole JPEG, and how one is stored with fewer pixels."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageOps

from skinlesion.data.images import BROKEN, MAX_PIXELS, MIN_SIDE
from skinlesion.errors import DataError

QUALITY = 95
# Where the end marker must be: some cameras write a little behind it.
TAIL = 2**16


def check_jpeg(path: Path) -> None:
    """Raise DataError unless ``path`` is a JPEG that can be decoded to its end."""
    with path.open("rb") as file:
        head = file.read(64)
        file.seek(max(0, path.stat().st_size - TAIL))
        tail = file.read()
    if not head.startswith(b"\xff\xd8\xff"):
        kind = "a web page or XML" if head.lstrip().startswith(b"<") else "something else"
        raise DataError(f"{path.name}: not a JPEG but {kind}")
    # Pillow does not miss it: it takes what stands there for pixels.
    if b"\xff\xd9" not in tail:
        raise DataError(f"{path.name}: not a whole JPEG: it has no end")
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            width, height = image.size
            if min(width, height) < MIN_SIDE or width * height > MAX_PIXELS:
                raise DataError(f"{path.name}: {width} x {height} pixels are too few or too many")
            # At 1/8 all of the file is read, and most of the work is saved.
            image.draft("L", (1, 1))
            image.load()
    except BROKEN as error:
        raise DataError(f"{path.name}: not a whole JPEG: {error}") from error


def reduce_jpeg(path: Path, target: Path, max_pixels: int) -> bool:
    """Write ``path`` to ``target`` with at most ``max_pixels``, upright, unless it has no more.

    The same file gives the same bytes (with the same Pillow).

    Returns:
        Whether ``target`` was written.

    Raises:
        DataError: If ``path`` cannot be decoded.
    """
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            width, height = image.size
            if width * height <= max_pixels:
                return False
            scale = math.sqrt(max_pixels / (width * height))
            size = (max(1, int(width * scale)), max(1, int(height * scale)))
            image.draft(None, (2 * size[0], 2 * size[1]))
            small = _upright(image.resize(size, Image.Resampling.LANCZOS))
    except BROKEN as error:
        raise DataError(f"{path.name}: not a whole JPEG: {error}") from error
    profile = small.info.get("icc_profile")
    small.save(target, "JPEG", quality=QUALITY, subsampling=0, icc_profile=profile)
    return True


def _upright(image: Image.Image) -> Image.Image:
    """Turned by its EXIF orientation, if that can be read."""
    try:
        return ImageOps.exif_transpose(image)
    except (*BROKEN, Warning):
        return image
