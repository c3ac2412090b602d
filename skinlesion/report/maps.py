"""Maps of evidence as files: an overlay an image, a contact sheet of all, a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import ndimage

from skinlesion.report.contact_sheet import SheetRow, contact_sheet
from skinlesion.report.overlay import lay_over, overlay_picture, scale_of
from skinlesion.tables import write_rows

SHEET, TABLE = "contact_sheet.png", "images.csv"
COLUMNS = ["image", "label", "y_prob", "mistake", "completeness_gap", "picture", "error"]
# Of the side: by how much a map of single pixels is smoothed in pictures, or nothing is seen.
SMOOTHING = {"integrated_gradients": 1 / 56}


@dataclass(frozen=True)
class Mapped:
    """An image with what a model says of it, and why.

    Attributes:
        name: Id or path, as the table has it.
        short: The same for captions.
        stem: Of the files' names.
        label: The true class in words; "" if unknown.
        mistake: What the run makes of it; "" if unknown.
        y_prob: In [0, 1].
        pixels: Shape (s, s, 3), in [0, 255].
        values: The map, shape (s, s), in logits.
        gap: Sum of the map minus what it shares out; None if the method shares nothing out.
    """

    name: str
    short: str
    stem: str
    label: str
    mistake: str
    y_prob: float
    pixels: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    gap: float | None = None

    @property
    def said(self) -> str:
        """The caption."""
        parts = [self.short, self.label, f"p {self.y_prob:.3f}", self.mistake]
        return "  ".join(filter(None, parts))


def write_maps(
    folder: Path,
    images: Sequence[Mapped],
    *,
    method: str,
    caption: str,
    one_sided: bool,
    arrays: bool,
    broken: dict[str, str],
) -> None:
    """Write everything into ``folder``, which exists.

    Args:
        folder: Gets ``NNN_STEM.png`` an image, ``SHEET`` and ``TABLE``.
        images: At least one, in the table's order.
        method: What explained.
        caption: Below each overlay's first line.
        one_sided: Whether the maps have no values below 0.
        arrays: Also write each map as ``.npy``.
        broken: Why an image could not be read, by name: rows at the table's end.
    """
    shown = [_smoothed(image.values, method) for image in images]
    scale = max(map(scale_of, shown))
    rows, sheet = [], []
    for number, (image, values) in enumerate(zip(images, shown, strict=True), 1):
        name = f"{number:03d}_{image.stem}"
        pixels = np.round(image.pixels.clip(0, 255)).astype(np.uint8)
        lines = (image.said, caption)
        picture = overlay_picture(pixels, values, scale=scale, one_sided=one_sided, lines=lines)
        picture.save(folder / f"{name}.png")
        if arrays:
            np.save(folder / f"{name}.npy", image.values)
        sheet.append(SheetRow(image.said, [pixels, lay_over(pixels, values, scale=scale)], [""]))
        gap = "" if image.gap is None else f"{image.gap:.6g}"
        rows.append((image.name, image.label, repr(image.y_prob), image.mistake, gap, name, ""))
    rows += [(name, "", "", "", "", "", error) for name, error in broken.items()]
    contact_sheet(["original", method], sheet).save(folder / SHEET)
    write_rows(folder / TABLE, COLUMNS, rows)


def _smoothed(values: np.ndarray, method: str) -> np.ndarray:
    if method not in SMOOTHING:
        return values
    return ndimage.gaussian_filter(values, SMOOTHING[method] * len(values))
