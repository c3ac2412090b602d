"""The dark rim of a round view: where it is, and the largest rectangle that leaves it out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from PIL import Image

SIDE = 128  # pixels of the longer side in which the rim is looked for
# Chosen by eye on 2,450 images of ISIC 2017; grey levels and shares of the typical brightness.
DARK, DARK_SHARE, DIM_SHARE = 75, 0.45, 0.75
PATCH = 3  # pixels a side of the corners' patches: some images have a bright line around them
FADING = 4  # pixels over which a rim may fade into the skin
MIN_RIM = 0.001  # of the image: less is not worth the loss of its skin
MAX_INSIDE = 0.3  # of a rim inside the bright area's hull: more is a lesion
MIN_KEPT = 0.4  # of the sides: an image that is darker than that is left alone


class Box(NamedTuple):
    """Pixels from ``left`` and ``top`` to before ``right`` and ``bottom``."""

    left: int
    top: int
    right: int
    bottom: int


def crop_border(pixels: np.ndarray) -> np.ndarray:
    """``pixels`` inside ``bright_box``; ``pixels`` itself where there is no dark rim."""
    box = bright_box(Image.fromarray(pixels))
    return pixels if box is None else pixels[box.top : box.bottom, box.left : box.right]


def bright_box(image: Image.Image, *, proportions: float | None = None) -> Box | None:
    """The largest rectangle of given proportions that holds nothing of the dark rim.

    The rim is what is dark, reaches a corner and lies outside the convex hull of the largest
    bright area (a round view is convex; hair and lesions that reach a corner are inside its
    hull), and what fades from there into the skin. Of the largest rectangles the one nearest to
    the image's centre is taken. It is looked for at ``SIDE`` pixels, in 2 ms.

    Against the flag ``dark_corner`` of 2,450 images of ISIC 2017 (935 have it): found in 86 % of
    these, and in 3.5 % of the others, most of which have dark edges of a scan.

    Args:
        image: RGB.
        proportions: Width over height; None: the image's.

    Returns:
        Where it is, or None: there is no rim, or hardly anything else.
    """
    luma = _small(image)
    rim = _rim(luma)
    if rim is None:
        return None
    height, width = rim.shape
    found = _largest_free(rim, proportions or width / height)
    if found is None:
        return None
    if max((found.right - found.left) / width, (found.bottom - found.top) / height) < MIN_KEPT:
        return None
    x, y = image.width / width, image.height / height
    return Box(
        int(np.ceil(found.left * x)),
        int(np.ceil(found.top * y)),
        int(found.right * x),
        int(found.bottom * y),
    )


def _small(image: Image.Image) -> np.ndarray:
    """Brightness, uint8, the longer side at most ``SIDE``."""
    scale = min(1.0, SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.resize(size, Image.Resampling.BOX).convert("L"))


def _rim(luma: np.ndarray) -> np.ndarray | None:
    """Where the rim is, bool, of ``luma``'s shape; None where there is none."""
    height, width = luma.shape
    if min(height, width) < 4 * PATCH:
        return None
    middle = luma[height // 4 : height - height // 4, width // 4 : width - width // 4]
    typical = max(np.median(middle), np.median(luma))
    labels, _ = scipy.ndimage.label(luma < min(DARK, DARK_SHARE * typical))
    ends = [*range(PATCH), *range(-PATCH, 0)]
    rim = np.isin(labels, np.setdiff1d(labels[np.ix_(ends, ends)], 0))
    if rim.mean() < MIN_RIM:
        return None
    within = _within_hull(_largest_area(~rim), np.argwhere(rim))
    if within.mean() > MAX_INSIDE:
        return None
    rim[tuple(np.argwhere(rim)[within].T)] = False
    if rim.mean() < MIN_RIM:
        return None
    near = scipy.ndimage.binary_dilation(rim, iterations=FADING)
    faded = scipy.ndimage.binary_propagation(rim, mask=near & (luma < DIM_SHARE * typical) | rim)
    return scipy.ndimage.binary_dilation(faded)


def _largest_area(mask: np.ndarray) -> np.ndarray:
    labels, count = scipy.ndimage.label(mask)
    return labels == np.argmax(np.bincount(labels.ravel(), minlength=count + 1)[1:]) + 1


def _within_hull(area: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which of ``points``, shape (n, 2), lie half a pixel and more inside ``area``'s hull."""
    outline = np.argwhere(area & ~scipy.ndimage.binary_erosion(area))
    if (np.ptp(outline, axis=0) == 0).any() or len(outline) < 3:
        return np.ones(len(points), dtype=bool)
    planes = scipy.spatial.ConvexHull(outline, qhull_options="QJ").equations
    return (points @ planes[:, :2].T + planes[:, 2] <= -0.5).all(axis=1)


def _largest_free(mask: np.ndarray, proportions: float) -> Box | None:
    """The largest box without a set pixel; by bisection, as a smaller one fits where it does."""
    height, width = mask.shape
    sums = np.pad(mask.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    best, low, high = None, 0, min(height, int(width / proportions)) + 1
    while high - low > 1:
        tall = (low + high) // 2
        wide = max(1, min(width, round(tall * proportions)))
        inside = (
            sums[tall:, wide:] + sums[:-tall, :-wide] - sums[:-tall, wide:] - sums[tall:, :-wide]
        )
        top, left = np.nonzero(inside == 0)
        if not len(top):
            high = tall
            continue
        off_centre = (2 * top + tall - height) ** 2 + (2 * left + wide - width) ** 2
        nearest = int(np.argmin(off_centre))
        x, y = int(left[nearest]), int(top[nearest])
        best, low = Box(x, y, x + wide, y + tall), tall
    return best
