"""Hair removal in the manner of DullRazor: find thin dark lines, interpolate across them.

Lee, Ng, Gallagher, Coldman and McLean, Comput. Biol. Med. 1997. As there: a closing with line
elements of several directions, a threshold, a length that a line must have, and interpolation
from both sides. Different: the closing must fill a pixel in most directions, not in one, so that
ragged lesions are no hair; only the red channel counts, where vessels and pigment network are
faint; and a line is a straight or slightly bent run of candidates, in surroundings where few
candidates are off such runs: crossing hairs are, the meshes of a pigment network are not. Light
hair is not found; a ruler's line is taken for hair.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from PIL import Image

# Lengths are in pixels of an image of SIDE pixels; chosen by eye on ISIC 2017.
SIDE = 256  # larger images are searched at this size
WIDTH = 9  # of the line elements: thicker lines are no hair
ELEMENTS, UNFILLED = 8, 2  # directions of the closing, and how many of them may leave it dark
CONTRAST, MEAN_CONTRAST = 7, 11  # grey levels of a candidate, and on average over a line
LENGTH, FILLED = 25, 0.85  # of a run, and the share of candidates in it
DIRECTIONS, BENDS = 16, (-2.5, 0.0, 2.5)  # of the runs, and how far their middle bulges
SURROUNDINGS, TEXTURE = 19, 0.12  # side of a square, and the share of candidates off the runs
EDGE = 4  # a line within this distance of the image's edge is its frame
REACH = 16  # how far the interpolation looks for skin

Offsets = np.ndarray  # steps (down, right), shape (n, 2)


def remove_hair(pixels: np.ndarray) -> np.ndarray:
    """Paint skin over dark hair; every pixel outside ``hair_mask`` stays as it is.

    A pixel becomes a mean over ``ELEMENTS`` directions of the linear interpolation between the
    nearest skin on both sides; narrow crossings weigh most. That smooths where it paints, and
    only there. About 35 ms at 256 pixels, and not much more for larger images, which are searched
    and painted at 256 pixels and get the paint scaled up.

    Args:
        pixels: RGB, shape (height, width, 3), uint8; not changed.

    Returns:
        The same shape, uint8; ``pixels`` itself where there is no hair.
    """
    small = _shrink(pixels)
    mask = _find(small)
    if not mask.any():
        return pixels
    paint = _interpolate(small, mask)
    height, width = pixels.shape[:2]
    paint = np.asarray(Image.fromarray(paint).resize((width, height), Image.Resampling.BILINEAR))
    return np.where(_enlarge(mask, pixels.shape)[..., None], paint, pixels)


def hair_mask(pixels: np.ndarray) -> np.ndarray:
    """Where ``remove_hair`` paints: bool, shape (height, width).

    Args:
        pixels: RGB, shape (height, width, 3), uint8.
    """
    return _enlarge(_find(_shrink(pixels)), pixels.shape)


def _shrink(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _enlarge(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if mask.shape == shape[:2]:
        return mask
    size = (shape[1], shape[0])
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def _find(pixels: np.ndarray) -> np.ndarray:
    """Hair and the pixels beside it, which have half its colour."""
    scale = max(0.5, max(pixels.shape[:2]) / SIDE)
    depth = _valley_depth(pixels[..., 0], max(3, round(WIDTH * scale)))
    candidates = depth >= CONTRAST
    lines = candidates & _on_a_run(candidates, scale)
    stray = (candidates & ~lines).astype(np.float32)
    lines &= scipy.ndimage.uniform_filter(stray, round(SURROUNDINGS * scale)) < TEXTURE
    labels, count = scipy.ndimage.label(lines, np.ones((3, 3)))
    hair = np.zeros(count + 1, dtype=bool)
    if count:
        hair[1:] = _are_hair(labels, depth, count, scale)
    return scipy.ndimage.binary_dilation(hair[labels])


def _are_hair(labels: np.ndarray, depth: np.ndarray, count: int, scale: float) -> np.ndarray:
    """Which of the connected lines are long, dark enough and not the image's frame."""
    numbers = np.arange(1, count + 1)
    extent = np.array(
        [
            np.hypot(y.stop - y.start, x.stop - x.start)
            for y, x in scipy.ndimage.find_objects(labels)
        ]
    )
    edge = np.ones(labels.shape)
    edge[EDGE:-EDGE, EDGE:-EDGE] = 0
    dark = scipy.ndimage.mean(depth, labels, numbers) >= MEAN_CONTRAST
    return dark & (extent >= LENGTH * scale) & (scipy.ndimage.mean(edge, labels, numbers) < 0.5)


def _valley_depth(channel: np.ndarray, length: int) -> np.ndarray:
    """By how much closing fills each pixel in all but ``UNFILLED`` directions, uint8."""
    closed = []
    for direction in range(ELEMENTS):
        line = _arc(length, np.pi * direction / ELEMENTS)
        closed.append(_over(np.minimum, _over(np.maximum, channel, line), -line))
    return np.sort(closed, axis=0)[UNFILLED] - channel


def _on_a_run(candidates: np.ndarray, scale: float) -> np.ndarray:
    """Whether a pixel is on a run, straight or bent, that is nearly all candidates."""
    ones = candidates.astype(np.uint8)
    found = np.zeros_like(ones)
    for direction in range(DIRECTIONS):
        for bend in BENDS:
            run = _arc(round(LENGTH * scale), np.pi * direction / DIRECTIONS, bend=bend * scale)
            middles = (_over(np.add, ones, run) >= FILLED * len(run)).astype(np.uint8)
            np.maximum(found, _over(np.maximum, middles, -run), out=found)
    return found.astype(bool)


def _arc(length: int, angle: float, *, bend: float = 0.0) -> Offsets:
    """The pixels of a line through the origin, its ends ``bend`` to the side of its middle."""
    along = np.arange(length) - (length - 1) / 2
    aside = bend * (2 * along / length) ** 2
    aside -= aside.mean()
    down = along * np.sin(angle) + aside * np.cos(angle)
    right = along * np.cos(angle) - aside * np.sin(angle)
    return np.unique(np.round(np.stack([down, right], axis=1)).astype(int), axis=0)


def _over(operation: Callable[..., np.ndarray], values: np.ndarray, steps: Offsets) -> np.ndarray:
    """``operation`` over the neighbours at ``steps``; the edge goes on outside the image."""
    margin = int(np.abs(steps).max())
    height, width = values.shape
    padded = np.pad(values, margin, mode="edge")
    # Rows end to end, as one long row a neighbour is the fastest: what wraps is cut off below.
    stride = width + 2 * margin
    flat = padded.ravel()
    length = height * stride - 2 * margin
    first, *others = (margin + steps[:, 0]) * stride + margin + steps[:, 1]
    total = np.empty(height * stride, dtype=values.dtype)
    total[:length] = flat[first : first + length]
    for start in others:
        operation(total[:length], flat[start : start + length], out=total[:length])
    return total.reshape(height, stride)[:, :width]


def _interpolate(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``pixels`` with those of ``mask`` interpolated; those without skin in reach stay."""
    margin = ((REACH, REACH), (REACH, REACH))
    covered = np.pad(mask, margin, constant_values=True)
    colours = np.pad(pixels, (*margin, (0, 0))).reshape(-1, 3).astype(np.float64)
    places = np.flatnonzero(np.pad(mask, margin))
    total, weights = np.zeros((len(places), 3)), np.zeros((len(places), 1))
    for direction in range(ELEMENTS):
        angle = np.pi * direction / ELEMENTS
        steps = np.arange(1, REACH + 1)[:, None] * [np.sin(angle), np.cos(angle)]
        offsets = np.round(steps).astype(int) @ [covered.shape[1], 1]
        near, one = _nearest_skin(covered.ravel(), places, offsets)
        far, other = _nearest_skin(covered.ravel(), places, -offsets)
        # The nearer side counts more. Where there is one only, the crossing may be much wider.
        share = (1 / near) / np.maximum(1 / near + 1 / far, 1e-9)
        width = np.minimum(near + far, 4 * np.minimum(near, far))
        weight = width**-3.0
        total += weight * (share * colours[one] + (1 - share) * colours[other])
        weights += weight
    known = weights[:, 0] > 0
    painted = pixels.copy()
    rows, columns = np.divmod(places[known], covered.shape[1])
    means = np.round(total[known] / weights[known]).astype(np.uint8)
    painted[rows - REACH, columns - REACH] = means
    return painted


def _nearest_skin(
    covered: np.ndarray, places: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The first step from each place that leads to an uncovered pixel.

    Returns:
        Steps, shape (n, 1), infinite where none does, and the pixels they lead to, shape (n,).
    """
    distance, pixel = np.full((len(places), 1), np.inf), places.copy()
    looking = np.arange(len(places))
    for steps, offset in enumerate(offsets, 1):
        reached = places[looking] + offset
        bare = ~covered[reached]
        distance[looking[bare]] = steps
        pixel[looking[bare]] = reached[bare]
        looking = looking[~bare]
    return distance, pixel
