"""One image as the planes that the measures share, each computed when it is first asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy
from PIL import Image

WORKING_SIZE = 256  # the side at which the artefact detectors were chosen and measured
RIDGE_UNIT = 1 / 32
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as in JPEG
_MARGIN = 6  # pixels at each side where a ridge may be the frame's
_RIDGE_SCALES = (0.6, 1.5)  # standard deviations of the two blurs, in pixels
_RIDGE_LIMIT = 6.0  # grey levels: a strong ridge counts no more than a clear one
_TEXTURE = 41  # pixels a side; what a ridge must stand out of
_SURROUNDINGS = 61  # pixels a side; what ink must stand out of


class Planes:
    """Planes of an image at the working size, each of shape (256, 256).

    Args:
        pixels: RGB, uint8, shape (s, s, 3); resized if s is not 256.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        if len(pixels) != WORKING_SIZE:
            image = Image.fromarray(pixels)
            side = (WORKING_SIZE, WORKING_SIZE)
            pixels = np.asarray(image.resize(side, Image.Resampling.BICUBIC))
        self._channels = np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)

    @cached_property
    def luminance(self) -> np.ndarray:
        """Grey levels, 0 to 255."""
        return np.tensordot(LUMINANCE, self._channels, axes=1)

    @cached_property
    def typical_luminance(self) -> float:
        """The median."""
        return _median(self.luminance)

    @cached_property
    def blueness(self) -> np.ndarray:
        """Blue less green, less the same of the neighbourhood: high in violet and blue ink."""
        _, green, blue = self._smooth
        difference = blue - green
        return difference - scipy.ndimage.uniform_filter(difference, _SURROUNDINGS)

    @cached_property
    def shade(self) -> np.ndarray:
        """How much darker than the neighbourhood, in grey levels."""
        smooth = np.tensordot(LUMINANCE, self._smooth, axes=1)
        return scipy.ndimage.uniform_filter(smooth, _SURROUNDINGS) - smooth

    @cached_property
    def off_colour(self) -> np.ndarray:
        """Distance of the chromaticity from the image's median; skin and lesion are below 0.15."""
        red, green, blue = self._smooth
        total = red + green + blue + 30  # in the dark the colour is noise
        reddish, bluish = (red - green) / total, (blue - green) / total
        return np.hypot(reddish - _median(reddish), bluish - _median(bluish))

    @cached_property
    def ridge(self) -> np.ndarray:
        """Thin dark lines positive, thin bright ones negative, relative to the texture around.

        In ``RIDGE_UNIT``, int16: whole numbers add up several times faster.
        """
        fine, coarse = (
            scipy.ndimage.gaussian_filter(self.luminance, scale, truncate=2.5)
            for scale in _RIDGE_SCALES
        )
        inner = (slice(_MARGIN, -_MARGIN),) * 2
        ridge = np.zeros_like(fine)
        ridge[inner] = np.clip(coarse - fine, -_RIDGE_LIMIT, _RIDGE_LIMIT)[inner]
        # A running sum may fall a rounding error below zero.
        power = np.maximum(scipy.ndimage.uniform_filter(ridge * ridge, _TEXTURE), 0)
        return np.rint(ridge / (np.sqrt(power) + 1) / RIDGE_UNIT).astype(np.int16)

    @cached_property
    def _smooth(self) -> np.ndarray:
        return scipy.ndimage.uniform_filter(self._channels, (1, 3, 3))


def _median(plane: np.ndarray) -> float:
    """Of a quarter of the pixels: enough, and four times faster."""
    return float(np.median(plane[::2, ::2]))
