"""A ruler's bar: a long straight dark line with evenly spaced ticks beside it."""

from __future__ import annotations

import numpy as np
import scipy

from skinlesion.data.quality.lines import Line, strongest_line
from skinlesion.data.quality.planes import RIDGE_UNIT, WORKING_SIZE

LENGTH = 96  # pixels; longer than most hair is straight
_DIRECTIONS, _DOUBLINGS = 72, 5
_BESIDE = np.array([3, 4, 5, 6])  # pixels from the bar, where only ticks are
_BEYOND = 8  # pixels of the profile beyond each end
_PERIODS = (5, 14)  # pixels from tick to tick
_SPECTRUM = 512  # points


def find_bar(ridge: np.ndarray) -> Line:
    """The strongest straight line of ``LENGTH`` pixels, whatever it is."""
    return strongest_line(ridge, directions=_DIRECTIONS, doublings=_DOUBLINGS)


def ruler_score(ridge: np.ndarray, bar: Line) -> float:
    """The bar's strength times the root of the amplitude of its ticks.

    The strength counts most: a pigment network has rows with even gaps, but they are faint.

    Args:
        ridge: As in ``Planes``.
        bar: As found in it.

    Returns:
        At least 0; a bar without ticks, such as hair, and ticks without a bar are near 0.
    """
    strength = max(bar.total, 0) * RIDGE_UNIT / LENGTH
    return float(strength * np.sqrt(max(_ticks(ridge, bar, side) for side in (1, -1))))


def beside_bar(bar: Line, width: int) -> np.ndarray:
    """Whether a pixel is at most ``width`` from the bar's line, shape (256, 256)."""
    return bar.distance((WORKING_SIZE, WORKING_SIZE)) <= width


def _ticks(ridge: np.ndarray, bar: Line, side: int) -> float:
    """Largest amplitude of a regular pattern along one side of the bar."""
    across, down = np.cos(bar.angle), np.sin(bar.angle)
    along = np.arange(-_BEYOND, LENGTH + _BEYOND) / max(abs(across), abs(down))
    away = side * _BESIDE[:, None]
    rows = bar.row + along * down + away * across
    columns = bar.column + along * across - away * down
    profile = scipy.ndimage.map_coordinates(ridge, [rows, columns], output=np.float32, order=1)
    profile = profile.mean(axis=0) * RIDGE_UNIT
    profile -= profile.mean()
    limit = 2 * profile.std()  # one crossing hair must not pass for a pattern
    window = np.hanning(len(profile))
    spectrum = np.fft.rfft(np.clip(profile, -limit, limit) * window, _SPECTRUM)
    frequency = np.arange(len(spectrum)) / _SPECTRUM
    regular = (frequency > 1 / _PERIODS[1]) & (frequency < 1 / _PERIODS[0])
    return float(np.abs(spectrum[regular]).max() * 2 / window.sum())
