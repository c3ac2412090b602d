"""What measures of many images say of a data set."""

import math

import numpy as np
import pytest

from skinlesion.data.quality import DETECTORS
from skinlesion.data.quality.summary import Measured, measure_rows, summarize


def measured(sharpness, ruler, blank=()):
    count = len(sharpness)
    columns = {name: np.zeros(count) for name in DETECTORS}
    columns["ruler"] = np.where(ruler, 1.0, 0.0)
    columns["sharpness"] = np.array(sharpness, dtype=float)
    return Measured(np.arange(count), np.isin(np.arange(count), blank), columns)


def summary(of, split, label, sides=None):
    count = len(of.rows)
    sides = np.array(sides or [300] * count)
    return summarize(
        of,
        image_id=np.array([f"i{row}" for row in range(count)]),
        split=np.array(split),
        label=np.array(label),
        width=sides,
        height=np.full(count, 400),
        shown=2,
    )


def test_artefacts_are_counted_by_split_and_by_class():
    of = measured([1, 2, 3, 4], [True, True, False, False])

    found = summary(of, ["train", "train", "train", "test"], [1, 0, 0, 0])

    assert found.artefacts["ruler"] == {"test": 0.0, "train": 2 / 3}
    assert found.malignant["ruler"] == (1 / 2, 0.0)
    with_hair, without_hair = found.malignant["hair"]
    assert math.isnan(with_hair)
    assert without_hair == 1 / 4


def test_blank_images_are_named_and_count_in_no_sharpness():
    of = measured([np.nan, 5, 1, 3], [False] * 4, blank=[0])

    found = summary(of, ["val", "train", "train", "train"], [0, 1, 0, 1], sides=[300, 223, 300, 9])

    assert found.blank == ["i0"]
    assert found.tiny == ["i1", "i3"]
    assert found.least_sharp == [2, 3]
    assert found.sharpness["train"][1] == 3
    assert all(math.isnan(value) for value in found.sharpness["val"])


def test_measures_are_those_of_the_rows_asked_for():
    flat = np.full((64, 64, 3), 90, np.uint8)
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, 32:] = 200
    done = []

    found = measure_rows({3: flat, 5: halves}.__getitem__, [5, 3], advance=done.append)

    assert found.rows.tolist() == [5, 3]
    assert found.blank.tolist() == [False, True]
    assert found.columns["brightness"][1] == pytest.approx(90, abs=1e-3)
    assert done == [1, 1]
