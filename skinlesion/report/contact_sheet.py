"""A contact sheet: a row of pictures for each image, with a line above it, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TILE, GAP, LINE = 160, 6, 20  # pixels
INK, PAPER, FAINT = (20, 20, 20), (255, 255, 255), (105, 105, 105)


@dataclass(frozen=True)
class SheetRow:
    """One row.

    Attributes:
        text: The line above it.
        pictures: RGB, uint8, each of shape (height, width, 3), drawn square.
        notes: A short text above each picture but the first; "" for none.
    """

    text: str
    pictures: Sequence[np.ndarray]
    notes: Sequence[str]


def contact_sheet(titles: Sequence[str], rows: Sequence[SheetRow]) -> Image.Image:
    """The sheet.

    Args:
        titles: Of the columns.
        rows: Each with as many pictures as there are titles, and one note less.
    """
    width = GAP + len(titles) * (TILE + GAP)
    height = LINE + len(rows) * (LINE + TILE + GAP)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)

    def write(text: str, column: int, y: int, ink: tuple[int, int, int]) -> None:
        draw.text((_left(column), y + LINE // 2), text, fill=ink, font=font, anchor="lm")

    for column, title in enumerate(titles):
        write(title, column, 0, FAINT)
    for number, row in enumerate(rows):
        top = LINE + number * (LINE + TILE + GAP)
        write(row.text, 0, top, INK)
        for column, note in enumerate(row.notes, 1):
            write(note, column, top, FAINT)
        for column, pixels in enumerate(row.pictures):
            picture = Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(picture, (_left(column), top + LINE))
    return sheet


def _left(column: int) -> int:
    return GAP + column * (TILE + GAP)
