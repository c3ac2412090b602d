"""A kilobyte of an image that tells it from others, and what of it is compared."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image
from scipy.fft import dct
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit

from skinlesion.data.duplicates.symmetries import Frequencies
from skinlesion.errors import DataError

SIDE = 32
SIGNATURE_SHAPE = (SIDE, SIDE)

# Below this contrast of the fine details, in grey levels, there is nothing to compare. Of 12,765
# images of ISIC 2017 and HAM10000 the flattest has 0.88.
MIN_CONTRAST = 0.5

# Pixels over which details and shapes are told from their surroundings.
DETAIL_SCALE, SHAPE_SCALE = 1, 3
# Contrast is made even, except that what has less than this share of the image's own contrast,
# or of a grey level (rounding), is left faint.
FAINT_SHARE, FAINT_LEVELS = 0.3, 0.3
# The corners are not compared: dermatoscopes are round, and their rims look all the same.
RIM_RADIUS, RIM_SOFTNESS = 0.95, 0.05
# Nor is a rim that is farther inside: pixels so dark, as a share of the luminance that nine
# tenths of the pixels stay below, and what is near them.
SKIN_RANK = SIDE * SIDE * 9 // 10
DARK, DARK_SOFTNESS, DARK_REACH = 0.18, 0.036, 3

SHAPES = Frequencies(below=8)


def signature(pixels: np.ndarray) -> np.ndarray:
    """What is kept of an image: its luminance at 32 x 32.

    Args:
        pixels: RGB, shape (s, s, 3), s at least 32, uint8.

    Returns:
        Shape ``SIGNATURE_SHAPE``, uint8.

    Raises:
        DataError: If the image is smaller.
    """
    if min(pixels.shape[:2]) < SIDE:
        raise DataError(
            f"an image of {pixels.shape[1]} x {pixels.shape[0]} pixels is too small to be compared",
            expected=f"at least {SIDE} a side",
            fix="keep the images larger",
        )
    # In floating point: bytes would be rounded after each direction, so that a turned image
    # would not have the turned signature.
    grey = Image.fromarray(pixels).convert("L").convert("F")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX)).round().astype(np.uint8)


def signatures(images: Iterable[np.ndarray]) -> np.ndarray:
    """The signatures of many images, shape (n, *SIGNATURE_SHAPE), uint8."""
    found = [signature(pixels) for pixels in images]
    return np.stack(found) if found else np.empty((0, *SIGNATURE_SHAPE), np.uint8)


def has_structure(signatures: np.ndarray) -> np.ndarray:
    """Which images have enough contrast to be compared; blank and even ones look like any other.

    Args:
        signatures: Shape (n, *SIGNATURE_SHAPE), uint8.

    Returns:
        Mask, shape (n,).
    """
    luminance = signatures.astype(np.float32)
    visible = _visible(luminance)
    raised = (luminance - _smooth(luminance, _BLUR_DETAIL)) * visible
    return np.sqrt((raised**2).mean((1, 2)) / _WINDOW.mean()) >= MIN_CONTRAST


def details(signatures: np.ndarray) -> np.ndarray:
    """Fine structure at even contrast, without corners and darkness, as unit vectors.

    Args:
        signatures: Shape (n, *SIGNATURE_SHAPE), uint8.

    Returns:
        Shape (n, 32, 32), float32, each of norm 1 (or all 0).
    """
    luminance = signatures.astype(np.float32)
    even = _even_contrast(luminance, _BLUR_DETAIL) * _visible(luminance)
    return _unit(even.reshape(len(even), -1)).reshape(even.shape)


def shapes(signatures: np.ndarray) -> np.ndarray:
    """Coarse structure at even contrast, as unit vectors of cosine coefficients.

    Args:
        signatures: Shape (n, *SIGNATURE_SHAPE), uint8.

    Returns:
        Coefficients in the order of ``SHAPES``, shape (n, len(SHAPES)), float32.
    """
    even = _even_contrast(signatures.astype(np.float32), _BLUR_SHAPE) * _WINDOW
    coefficients = _COSINES @ even @ _COSINES.T
    return _unit(coefficients[:, SHAPES.u, SHAPES.v])


def _even_contrast(luminance: np.ndarray, blur: np.ndarray) -> np.ndarray:
    raised = luminance - _smooth(luminance, blur)
    local = np.sqrt(_smooth(raised**2, blur))
    whole = np.sqrt((raised**2 * _WINDOW).mean((1, 2), keepdims=True) / _WINDOW.mean())
    return raised / (local + FAINT_SHARE * whole + FAINT_LEVELS)


def _visible(luminance: np.ndarray) -> np.ndarray:
    """1 where an image is compared, down to 0 in the corners and near darkness."""
    flat = luminance.reshape(len(luminance), -1)
    skin = np.maximum(np.partition(flat, SKIN_RANK, axis=1)[:, SKIN_RANK, None, None], 1)
    dark = expit((DARK - luminance / skin) / DARK_SOFTNESS)
    return _WINDOW * (1 - np.minimum(3 * _smooth(dark, _BLUR_DARK), 1))


def _smooth(images: np.ndarray, blur: np.ndarray) -> np.ndarray:
    return blur @ images @ blur.T


def _unit(vectors: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norm, 1e-9)).astype(np.float32)


def _blur(scale: float) -> np.ndarray:
    """The matrix that smooths a column of pixels by a Gaussian."""
    matrix = gaussian_filter1d(np.eye(SIDE), scale, axis=0, mode="nearest")
    return matrix.astype(np.float32)


def _window() -> np.ndarray:
    across = (np.arange(SIDE) + 0.5) * 2 / SIDE - 1
    radius = np.hypot(across, across[:, None])
    return expit((RIM_RADIUS - radius) / RIM_SOFTNESS).astype(np.float32)


_WINDOW = _window()
_BLUR_DETAIL, _BLUR_SHAPE, _BLUR_DARK = map(_blur, (DETAIL_SCALE, SHAPE_SCALE, DARK_REACH))
_COSINES = dct(np.eye(SIDE), axis=0, norm="ortho")[: int(SHAPES.u.max()) + 1].astype(np.float32)
