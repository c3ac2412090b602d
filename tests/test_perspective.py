"""Laws of the perspective: which edge comes nearer, and what stays straight."""

import numpy as np
import pytest

from skinlesion.data.augment import COLUMNS, Ranges, augment
from skinlesion.data.augment import draws as columns

pytestmark = pytest.mark.tensorflow


def tilt(image, x, y, near):
    """Grey values of ``image`` with its perspective's random numbers ``x`` and ``y``."""
    table = np.full((1, COLUMNS), 0.5, "float32")
    table[0, [columns.PERSPECTIVE_X, columns.PERSPECTIVE_Y]] = x, y
    return augment(image, table, Ranges(perspective=near)).numpy()[0, ..., 0]


def test_perspective_brings_one_edge_nearer_and_its_opposite_farther():
    size, near = 64, 0.2
    lines = np.zeros((1, size, size, 3), "float32")
    lines[0, :, size // 4] = lines[0, :, -size // 4] = 255

    tilted = tilt(lines, 0.5, 1.0, near)

    def apart(row):
        """Distance of the two lines in one row, from the centres of their grey."""
        left, right = tilted[row, : size // 2], tilted[row, size // 2 :]
        at = np.arange(size // 2)
        return (right @ at / right.sum() + size // 2) - left @ at / left.sum()

    assert apart(0) / (size // 2) == pytest.approx(1 - near, rel=0.03)
    assert apart(-1) / (size // 2) == pytest.approx(1 + near, rel=0.03)


def test_a_line_through_the_centre_stays_if_it_is_tilted_along_itself():
    size = 33
    image = np.zeros((1, size, size, 3), "float32")
    image[0, size // 2, :] = 255

    tilted = tilt(image, 1.0, 0.5, 0.3)

    assert tilted[size // 2].min() > 200
