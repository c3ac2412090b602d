"""Sums along straight lines in all directions: long thin things stand out of noise and spots.

A sum along 2n pixels is two sums along n pixels, so that a direction costs log2(length) additions
of whole images (the approximate discrete Radon transform of Brady, SIAM J. Comput. 27(1), 1998).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Line:
    """A straight segment.

    Attributes:
        total: Sum of the image along it.
        angle: Of its direction, in radians, 0 along the rows and growing clockwise.
        row: Of one of its ends.
        column: Of the same end.
    """

    total: int
    angle: float
    row: int
    column: int

    def distance(self, shape: tuple[int, int]) -> np.ndarray:
        """Pixels from the line, continued beyond its ends, for every pixel of ``shape``."""
        down = np.arange(shape[0], dtype=np.float32)[:, None] - self.row
        right = np.arange(shape[1], dtype=np.float32)[None, :] - self.column
        return np.abs(
            right * np.float32(np.sin(self.angle)) - down * np.float32(np.cos(self.angle))
        )


def line_sums(image: np.ndarray, *, directions: int, doublings: int) -> Iterator[np.ndarray]:
    """Sums along lines of ``2 ** doublings`` pixels centred on each pixel, a direction a time.

    Args:
        image: Shape (h, w), whole numbers that do not overflow when they are summed along a line;
            outside there is zero.
        directions: How many, evenly spread over half a turn.
        doublings: Length of the lines, as a power of two.

    Yields:
        Shape (h, w).
    """
    length = 2**doublings
    padded, width, first = _padded(image, length)
    rows, columns = image.shape
    for angle in _angles(directions):
        sums, shift = _sums(padded, width, angle, doublings)
        begin = first - _offset(angle, (length - 1) // 2, width) + shift
        yield sums[begin : begin + rows * width].reshape(rows, width)[:, :columns]


def strongest_line(image: np.ndarray, *, directions: int, doublings: int) -> Line:
    """The line of ``3 * 2 ** doublings`` pixels with the largest sum, if any is above zero.

    Args:
        image: As for ``line_sums``.
        directions: How many, evenly spread over half a turn.
        doublings: A third of the line's length, as a power of two.
    """
    third = 2**doublings
    padded, width, first = _padded(image, 3 * third)
    best, best_angle, best_place = 0, 0.0, first
    for angle in _angles(directions):
        sums, shift = _sums(padded, width, angle, doublings)
        step = _offset(angle, third, width)
        apart = abs(step)
        whole = sums[: -2 * apart] + sums[apart:-apart] + sums[2 * apart :]
        place = int(whole.argmax())
        if whole[place] > best:
            best, best_angle = int(whole[place]), angle
            best_place = place - shift - 2 * min(step, 0)
    row, column = divmod(best_place - first, width)
    if column > image.shape[1] + third:  # it begins left of the image
        row, column = row + 1, column - width
    return Line(best, best_angle, row, column)


def _angles(directions: int) -> list[float]:
    return [float(angle) for angle in np.arange(directions) * np.pi / directions]


def _padded(image: np.ndarray, length: int) -> tuple[np.ndarray, int, int]:
    """The image in a frame of zeros, flat; the frame's width; the place of the first pixel.

    The zeros between the end of a row and the next row are as many as the line is long, so that
    a line that leaves at one side does not come in at the other.
    """
    pad = length // 2 + 1
    width = image.shape[1] + 2 * pad
    return np.pad(image, pad).ravel(), width, pad * width + pad


def _offset(angle: float, steps: int, width: int) -> int:
    """Places between a pixel and the one ``steps`` pixels along the line, in the flat frame."""
    across, down = np.cos(angle), np.sin(angle)
    scale = steps / max(abs(across), abs(down))
    return int(np.rint(scale * down)) * width + int(np.rint(scale * across))


def _sums(flat: np.ndarray, width: int, angle: float, doublings: int) -> tuple[np.ndarray, int]:
    """Sums along the line that starts at each place, and how far the places have moved.

    The sum of the line that starts at ``place`` of ``flat`` is at ``place + shift``.
    """
    shift = 0
    for doubling in range(doublings):
        step = _offset(angle, 2**doubling, width)
        shift += min(step, 0)
        flat = flat[: -abs(step)] + flat[abs(step) :]
    return flat, shift
