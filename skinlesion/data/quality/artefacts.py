"""Detectors of dark corners, rulers, hair, ink and colour patches, chosen on ISIC 2017.

Image processing by rule, nothing trained: each gives a score in a plain unit and decides by a
threshold. ``benchmarks/artefacts.py`` measures how often they are right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy

from skinlesion.data.quality.lines import line_sums
from skinlesion.data.quality.planes import RIDGE_UNIT, WORKING_SIZE, Planes
from skinlesion.data.quality.ruler import beside_bar, find_bar, ruler_score

_CORNER = 0.05  # legs of the triangles at the corners, as a share of the side
_DARK = 0.4  # of the median luminance
_RULER_WIDTH = 9  # pixels to each side of the bar
_HAIR_DIRECTIONS, _HAIR_DOUBLINGS = 16, 4  # 16 pixels long
_HAIR = 0.9  # how far the best direction must exceed the mean of all
_FRAME = 8  # pixels
_RIM = 0.45  # of the median luminance
_INKED = 8  # of blueness
_INK_SHARE = 0.003  # of the pixels must be at least this blue
_INK_LEVEL = 50  # grey levels; the colour of darker pixels is noise
_INK_CENTRE = 0.45  # of half the side; blue within is a lesion's veil
_OFF_COLOUR = 0.15
_PATCH = 0.4  # of a neighbourhood of 31 x 31 pixels off colour: a patch, wider than any pen
_RING = 16  # pixels


def artefact_scores(pixels: np.ndarray) -> dict[str, float]:
    """The score of every detector, by its name in ``DETECTORS``.

    Args:
        pixels: RGB, uint8, shape (s, s, 3). Judged at 256 x 256: what is too thin to survive in a
            smaller image is not found.
    """
    planes = Planes(pixels)
    bar = find_bar(planes.ridge)
    ruler = ruler_score(planes.ridge, bar)
    skin = _skin(planes)
    if ruler >= DETECTORS["ruler"].threshold:
        skin &= ~beside_bar(bar, _RULER_WIDTH)
    return {
        "dark_corner": _dark_corner(planes),
        "ruler": ruler,
        "hair": _hair(planes, skin),
        "ink": _ink(planes),
        "patches": _patches(planes),
    }


def artefacts_in(scores: Mapping[str, float]) -> dict[str, bool]:
    """Which artefacts there are by the default thresholds, from ``artefact_scores``."""
    return {name: scores[name] >= detector.threshold for name, detector in DETECTORS.items()}


@dataclass(frozen=True)
class Detector:
    """What a score means.

    Attributes:
        unit: Of the score.
        threshold: Present from this score on.
    """

    unit: str
    threshold: float


DETECTORS = {
    "dark_corner": Detector("share of the corners that is dark, 0 to 1", 0.065),
    "ruler": Detector("strength of a bar with even ticks", 0.64),
    "hair": Detector("share of the skin under thin dark lines, 0 to 1", 0.0044),
    "ink": Detector("blueness over the surroundings, in grey levels", 10.5),
    "patches": Detector("share of the rim that is not of skin colour, 0 to 1", 0.024),
}


def _dark_corner(planes: Planes) -> float:
    """The black rim of the dermatoscope's round field."""
    inward = np.arange(WORKING_SIZE) + 0.5
    inward = np.minimum(inward, WORKING_SIZE - inward)
    corners = np.add.outer(inward, inward) < _CORNER * WORKING_SIZE
    return float((planes.luminance[corners] < _DARK * planes.typical_luminance).mean())


def _hair(planes: Planes, skin: np.ndarray) -> float:
    """Thin dark lines, straight over 16 pixels; where ``skin`` is."""
    if not skin.any():
        return 0.0
    best = np.zeros_like(planes.ridge)
    total = np.zeros(best.shape, dtype=np.int32)
    for sums in line_sums(planes.ridge, directions=_HAIR_DIRECTIONS, doublings=_HAIR_DOUBLINGS):
        np.maximum(best, sums, out=best)
        total += sums
    excess = best - total / np.float32(_HAIR_DIRECTIONS)
    return float((excess > _HAIR * 2**_HAIR_DOUBLINGS / RIDGE_UNIT)[skin].mean())


def _skin(planes: Planes) -> np.ndarray:
    """Neither frame nor rim nor ink, whose edges are lines too."""
    skin = scipy.ndimage.uniform_filter(planes.luminance, 15) > _RIM * planes.typical_luminance
    skin &= scipy.ndimage.uniform_filter(planes.blueness, 5) < _INKED
    inner = np.zeros_like(skin)
    inner[_FRAME:-_FRAME, _FRAME:-_FRAME] = True
    return skin & inner


def _ink(planes: Planes) -> float:
    """Violet and blue pen: bluer and darker than around, not in the middle."""
    middle = (np.arange(WORKING_SIZE) + 0.5) * 2 / WORKING_SIZE - 1
    outer = np.hypot(*np.meshgrid(middle, middle)) > _INK_CENTRE
    outer &= (planes.luminance > _INK_LEVEL) & (planes.shade > 0)
    crowd = scipy.ndimage.uniform_filter((planes.off_colour > _OFF_COLOUR).astype(np.float32), 31)
    outer &= crowd < _PATCH
    blue, share = planes.blueness[outer], int(_INK_SHARE * planes.blueness.size)
    return float(np.partition(blue, -share)[-share]) if len(blue) >= share else 0.0


def _patches(planes: Planes) -> float:
    """Coloured stickers of the photographer's, which reach the image's rim."""
    rim = np.ones((WORKING_SIZE, WORKING_SIZE), dtype=bool)
    rim[_RING:-_RING, _RING:-_RING] = False
    coloured = (planes.off_colour > _OFF_COLOUR) & (planes.luminance > _INK_LEVEL)
    return float(coloured[rim].mean())
