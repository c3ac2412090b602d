"""The ways one image is shown to a model: flipped or turned, and nearer or farther."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skinlesion.config import TtaConfig, ViewAverage, read_yaml, validate
from skinlesion.data.symmetry import apply_symmetry
from skinlesion.runs import RunDir, named_run

# What becomes of the image, by the number of the symmetry: see ``data.symmetry``.
# The first 1, 2, 4 and 8 are groups: an image and its image under one of them are shown alike.
SYMMETRY_NAMES = (
    "upright",
    "mirrored",
    "upside-down",
    "half-turned",
    "transposed",
    "turned-right",
    "turned-left",
    "anti-transposed",
)


@dataclass(frozen=True)
class View:
    """One way to show an image.

    Attributes:
        symmetry: 0 to 7; 0 changes nothing.
        scale: How many times larger the lesion appears, about the centre of the image.
    """

    symmetry: int
    scale: float

    @property
    def name(self) -> str:
        """Like ``mirrored@1.2``."""
        return f"{SYMMETRY_NAMES[self.symmetry]}@{float(self.scale)!r}"

    def turned(self, pixels: np.ndarray) -> np.ndarray:
        """``pixels``, shape (b, s, s, ...), flipped and turned, not scaled: values are moved."""
        last = np.moveaxis(pixels, 0, -1)
        return np.ascontiguousarray(np.moveaxis(apply_symmetry(last, self.symmetry), -1, 0))


def choose_views(count: int, scales: Sequence[float]) -> list[View]:
    """The first ``count`` symmetries at each of ``scales``, in that order."""
    return [View(symmetry, scale) for scale in scales for symmetry in range(count)]


def shown_by(run: RunDir) -> tuple[RunDir, list[View], ViewAverage]:
    """Whose model ``run`` is, the views that it is shown, and what of them is averaged.

    Raises:
        DataError: If it is a run of tta whose parent is gone.
    """
    record = run.record()
    if record["kind"] != "tta":
        return run, choose_views(1, (1.0,)), "logit"
    config = validate(read_yaml(run.config), TtaConfig, where=str(run.config))
    views = choose_views(config.views, config.scales)
    return named_run(str(record["parent"]), near=run), views, config.average
