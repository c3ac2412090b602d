"""What measures of many images say of a data set: artefacts by split and by class, and outliers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skinlesion.data.parallel import ordered_map
from skinlesion.data.quality.artefacts import DETECTORS
from skinlesion.data.quality.exposure import is_blank
from skinlesion.data.quality.measures import measure

TINY_SIDE = 224  # pixels; a shorter side is enlarged for every network here
PERCENTILES = (5, 50, 95)


@dataclass(frozen=True)
class Measured:
    """Measures of k images.

    Attributes:
        rows: Which images, shape (k,).
        blank: Whether nothing can be seen, shape (k,).
        columns: By measure, each of shape (k,).
    """

    rows: np.ndarray
    blank: np.ndarray
    columns: Mapping[str, np.ndarray]

    def has(self, artefact: str) -> np.ndarray:
        """Which images have it, shape (k,)."""
        return self.columns[artefact] >= DETECTORS[artefact].threshold


@dataclass(frozen=True)
class QualitySummary:
    """Statistics of the measured images.

    Attributes:
        measured: Number of images.
        sharpness: By split, the ``PERCENTILES`` over images that are not blank; nan for none.
        artefacts: By artefact and split, the share of images that have it.
        malignant: By artefact, the share of malignant images among those with it and without it;
            nan where there is none. Far apart, a model may learn the artefact.
        blank: Ids of images that show nothing.
        tiny: Ids of images whose file has a side below ``TINY_SIDE``.
        least_sharp: Rows of the least sharp images that are not blank, the worst first.
    """

    measured: int
    sharpness: dict[str, tuple[float, ...]]
    artefacts: dict[str, dict[str, float]]
    malignant: dict[str, tuple[float, float]]
    blank: list[str]
    tiny: list[str]
    least_sharp: list[int]


def measure_rows(
    read: Callable[[int], np.ndarray],
    rows: Sequence[int],
    *,
    workers: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Measured:
    """Measure images, a few at a time.

    Args:
        read: From a row to its RGB pixels, uint8, shape (s, s, 3).
        rows: Which; at least one.
        workers: Threads; 0: one a core.
        advance: Called with 1 after each image.
    """
    found, blank = [], []

    def look(row: int) -> tuple[dict[str, float], bool]:
        pixels = read(row)
        return measure(pixels), is_blank(pixels)

    for measures, empty in ordered_map(look, rows, workers=workers):
        found.append(measures)
        blank.append(empty)
        if advance:
            advance(1)
    columns = {name: np.array([one[name] for one in found]) for name in found[0]}
    return Measured(np.array(rows), np.array(blank), columns)


def summarize(
    measured: Measured,
    *,
    image_id: np.ndarray,
    split: np.ndarray,
    label: np.ndarray,
    width: np.ndarray,
    height: np.ndarray,
    shown: int = 12,
) -> QualitySummary:
    """Statistics over the measured images; ``tiny`` over all.

    Args:
        measured: From ``measure_rows``.
        image_id: Of all n images.
        split: Shape (n,).
        label: 0 or 1, shape (n,).
        width: Of the files, in pixels, shape (n,).
        height: Likewise.
        shown: How many of the least sharp to name.
    """
    own_split, own_label = split[measured.rows], label[measured.rows]
    seen = ~measured.blank
    sharpness = measured.columns["sharpness"]
    worst = np.flatnonzero(seen)[np.argsort(sharpness[seen], kind="stable")[:shown]]
    return QualitySummary(
        measured=len(measured.rows),
        sharpness={
            str(name): _percentiles(sharpness[seen & (own_split == name)])
            for name in np.unique(own_split)
        },
        artefacts={
            artefact: {
                str(name): float(measured.has(artefact)[own_split == name].mean())
                for name in np.unique(own_split)
            }
            for artefact in DETECTORS
        },
        malignant={
            artefact: (
                _mean(own_label[measured.has(artefact)]),
                _mean(own_label[~measured.has(artefact)]),
            )
            for artefact in DETECTORS
        },
        blank=image_id[measured.rows[measured.blank]].tolist(),
        tiny=image_id[np.minimum(width, height) < TINY_SIDE].tolist(),
        least_sharp=measured.rows[worst].tolist(),
    )


def _percentiles(values: np.ndarray) -> tuple[float, ...]:
    if not len(values):
        return (float("nan"),) * len(PERCENTILES)
    return tuple(np.percentile(values, PERCENTILES).tolist())


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
