"""From an image file to square RGB pixels, cleaned if wanted, refusing what is broken or unsafe."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from skinlesion.config import Cleaning, Fit
from skinlesion.data.cleaning import bright_box, retouch
from skinlesion.errors import DataError

FORMATS = ("JPEG", "PNG", "BMP", "TIFF")
MIN_SIDE = 8
# Pillow's own limit; twice that is refused by Pillow before we see the size.
MAX_PIXELS = 89_478_485

# What Pillow's decoders raise for a broken file.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class ImageBytes:
    """An image file that is in memory and on no disk.

    Attributes:
        name: Stands for its path in messages.
        content: The file's bytes.
    """

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name


def decode(
    path: Path | ImageBytes, size: int, *, fit: Fit = "squash", cleaning: Cleaning | None = None
) -> np.ndarray:
    """The image as ``size`` x ``size`` RGB pixels.

    The format is known by content, not by suffix. The EXIF orientation is applied, transparency
    becomes black (as beyond a dermatoscope's rim), 16 bits become 8 by scaling, and of several
    pages the first is taken; colour profiles are ignored. Resizing is bilinear with antialiasing;
    an image that has the size already is not touched. JPEG is decoded at 1/2, 1/4 or 1/8 where
    that leaves twice the size: 0.35 grey levels from the full decode on average, 2.4 times
    faster (3000 x 2250 to 256, 12 images).

    Args:
        path: JPEG, PNG, BMP or TIFF.
        size: Pixels a side.
        fit: As in ``to_square``.
        cleaning: As in ``to_square``.

    Returns:
        Pixels, shape (size, size, 3), uint8.

    Raises:
        DataError: If the file is none of the formats, is broken or cut short, or has a side
            below ``MIN_SIDE`` or more than ``MAX_PIXELS``.
    """
    try:
        with _opened(path) as image:
            _refuse_size(path, image.size)
            orientation = _orientation(image)
            image.draft(None, _enough(image.size, size, fit, cleaning))
            image.load()
            picture = _to_rgb(image)
    except BROKEN as error:
        raise _unreadable(path, error) from error
    return _square(picture, size, fit, cleaning, orientation)


def to_square(
    pixels: np.ndarray, size: int, *, fit: Fit = "squash", cleaning: Cleaning | None = None
) -> np.ndarray:
    """What ``decode`` makes of an image that is in memory already.

    A dark rim is cropped from the full resolution, so that nothing is scaled up that need not be.
    Hair and colour are cleaned after resizing, where both cost the same for every camera (12
    megapixels of colour alone would take 100 times as long as 256 x 256) and where the lengths
    that tell hair are known; and before letterbox pads, so that padding stays black.

    Args:
        pixels: RGB, shape (height, width, 3), uint8, upright.
        size: Pixels a side.
        fit: ``squash`` does not keep the aspect ratio, ``letterbox`` pads the shorter side with
            black, ``center_crop`` takes the largest central square.
        cleaning: What is to be cleaned; None: nothing.

    Returns:
        Pixels, shape (size, size, 3), uint8.
    """
    return _square(Image.fromarray(pixels), size, fit, cleaning, orientation=1)


def stored_size(path: Path | ImageBytes) -> tuple[int, int]:
    """Width and height of the file's image in pixels, before any EXIF turn; from its header.

    Raises:
        DataError: As ``decode``.
    """
    try:
        with _opened(path) as image:
            return image.size
    except BROKEN as error:
        raise _unreadable(path, error) from error


def raise_broken(broken: Sequence[DataError], *, total: int) -> None:
    """Raise one DataError for all that ``decode`` raised over ``total`` images; none: return."""
    if len(broken) == 1:
        raise broken[0]
    if broken:
        raise DataError(
            f"{len(broken)} of {total} images are not readable",
            expected=broken[0].expected,
            fix="download them again, or remove them",
            which=[error.what for error in broken],
        )


def _opened(path: Path | ImageBytes) -> Image.Image:
    """Only the header is read yet."""
    # A pipe would never end.
    if isinstance(path, Path) and path.exists() and not path.is_file():
        raise OSError("it is not a file")
    file = io.BytesIO(path.content) if isinstance(path, ImageBytes) else path
    return Image.open(file, formats=FORMATS)


def _unreadable(path: Path | ImageBytes, error: BaseException) -> DataError:
    return DataError(
        f"{path} is not a readable image: {_reason(error)}",
        expected=f"a whole {', '.join(FORMATS)} file",
        fix="download it again, or remove it",
    )


def _enough(
    shape: tuple[int, int], size: int, fit: Fit, cleaning: Cleaning | None
) -> tuple[int, int]:
    """Width and height from which resizing to ``size`` looks like from the full image's."""
    # Twice the size; and as much again where a crop of the rim may leave half of each side.
    wanted = (4 if cleaning and cleaning.border_crop else 2) * size
    if fit != "letterbox":
        return (wanted, wanted)
    # Only the longer side becomes as long as that.
    width, height = shape
    longer = max(shape)
    return (max(1, wanted * width // longer), max(1, wanted * height // longer))


def _square(
    picture: Image.Image, size: int, fit: Fit, cleaning: Cleaning | None, orientation: int
) -> np.ndarray:
    """Crop, resize, turn upright, clean, pad: each where the fewest pixels have to be moved."""
    box = _box(picture, fit, cleaning)
    width, height = box[2] - box[0], box[3] - box[1]
    target = (size, size)
    if fit == "letterbox":
        longer = max(width, height)
        target = (max(1, round(size * width / longer)), max(1, round(size * height / longer)))
    # Not resize(box=...), which mixes in what is just outside: a dark rim would shine through.
    if box != (0, 0, *picture.size):
        picture = picture.crop(box)
    if picture.size != target:
        picture = picture.resize(target, Image.Resampling.BILINEAR)
    if orientation in _UPRIGHT:
        picture = picture.transpose(_UPRIGHT[orientation])
    pixels = np.asarray(picture)
    if cleaning:
        pixels = retouch(pixels, cleaning)
    return _pad(pixels, size)


def _box(picture: Image.Image, fit: Fit, cleaning: Cleaning | None) -> tuple[int, int, int, int]:
    """The part of ``picture`` that is kept: left, top, right, bottom."""
    if cleaning and cleaning.border_crop:
        bright = bright_box(picture, proportions=1.0 if fit == "center_crop" else None)
        if bright is not None:
            return bright
    if fit != "center_crop":
        return (0, 0, *picture.size)
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return (left, top, left + side, top + side)


def _pad(pixels: np.ndarray, size: int) -> np.ndarray:
    """``pixels`` in the middle of a black square; those of a square themselves."""
    height, width = pixels.shape[:2]
    if (height, width) == (size, size):
        return pixels
    square = np.zeros((size, size, 3), dtype=np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def _refuse_size(path: Path | ImageBytes, size: tuple[int, int]) -> None:
    width, height = size
    if min(size) < MIN_SIDE or width * height > MAX_PIXELS:
        raise DataError(
            f"{path} has {width} x {height} pixels",
            expected=f"at least {MIN_SIDE} a side and at most {MAX_PIXELS} in all",
            fix="remove it",
        )


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where it is missing or cannot be read."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (*BROKEN, Warning):
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        levels = np.asarray(image).astype(np.float32) * (255 / 65535)
        return Image.fromarray(levels.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no known range")
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _reason(error: BaseException) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return f"its content is not that of a {', '.join(FORMATS)} file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
