"""Charts as plain shapes, which a template writes as SVG in the colours of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skinlesion.report.pages import Table

WIDTH, HEIGHT = 480, 400
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 52
POINTS = 1500  # of a line at most: more cannot be seen at this size
COLOURS = 8  # classes c0 to c7 of the page's style sheet
UNIT_TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)

Attribute = str | float


@dataclass(frozen=True)
class Shape:
    """One SVG element without content, its place given in the units of the picture."""

    tag: str
    css: str
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True)
class Label:
    """A text in the picture."""

    x: float
    y: float
    text: str
    anchor: str = "middle"
    css: str = ""


@dataclass(frozen=True)
class Chart:
    """A picture, what it shows in words, and its numbers.

    Attributes:
        anchor: Its id in the page.
        title: Stands above it.
        summary: Its text alternative.
        x_label: Of the horizontal axis.
        y_label: Of the vertical axis.
        shapes: Painted in this order.
        labels: Of the ticks, and counts.
        key: Class and meaning of each line.
        table: The numbers.
        width: Of the picture.
        height: Likewise.
    """

    anchor: str
    title: str
    summary: str
    x_label: str
    y_label: str
    shapes: Sequence[Shape]
    labels: Sequence[Label]
    key: Sequence[tuple[str, str]]
    table: Table
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class Frame:
    """Where values stand in the picture.

    Attributes:
        x: Both ends of the horizontal axis, as values.
        y: Both ends of the vertical axis.
        left: Room for the labels of the vertical axis.
        height: Of the whole picture.
        bottom: Room below the axes.
    """

    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)
    left: int = LEFT
    height: int = HEIGHT
    bottom: int = BOTTOM

    def across(self, value: float) -> float:
        """Where a value of the horizontal axis stands."""
        share = (value - self.x[0]) / (self.x[1] - self.x[0])
        return round(self.left + share * (WIDTH - self.left - RIGHT), 2)

    def up(self, value: float) -> float:
        """Where a value of the vertical axis stands."""
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return round(self.height - self.bottom - share * (self.height - self.bottom - TOP), 2)

    def line(self, x: np.ndarray, y: np.ndarray, css: str) -> Shape:
        """A line through the points, thinned to ``POINTS``."""
        shown = thinned(len(x), POINTS)
        points = " ".join(
            f"{self.across(a):g},{self.up(b):g}" for a, b in zip(x[shown], y[shown], strict=True)
        )
        return Shape("polyline", f"line {css}", {"points": points})

    def band(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, css: str) -> Shape:
        """The area between two lines; points without both ends are left out."""
        known = ~(np.isnan(low) | np.isnan(high))
        ends = [*zip(x[known], low[known], strict=True)]
        ends += [*zip(x[known][::-1], high[known][::-1], strict=True)]
        points = " ".join(f"{self.across(a):g},{self.up(b):g}" for a, b in ends)
        return Shape("polygon", f"band {css}", {"points": points})

    def dot(self, x: float, y: float, css: str) -> Shape:
        """A point."""
        return Shape("circle", f"dot {css}", {"cx": self.across(x), "cy": self.up(y), "r": 5})

    def bar(self, left: float, right: float, height: float, css: str) -> Shape:
        """An upright bar from the lower axis."""
        x, top = self.across(left), self.up(height)
        size = {"width": round(self.across(right) - x, 2), "height": round(self.up(0) - top, 2)}
        return Shape("rect", f"bar {css}", {"x": x, "y": top, **size})

    def segment(self, start: tuple[float, float], end: tuple[float, float], css: str) -> Shape:
        """A straight line."""
        (x1, y1), (x2, y2) = start, end
        ends = {"x1": self.across(x1), "y1": self.up(y1), "x2": self.across(x2), "y2": self.up(y2)}
        return Shape("line", css, ends)

    def grid(self, *, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> list[Shape]:
        """A faint line at each tick."""
        upright = [self.segment((x, self.y[0]), (x, self.y[1]), "grid") for x in x_ticks]
        level = [self.segment((self.x[0], y), (self.x[1], y), "grid") for y in y_ticks]
        return upright + level

    def ticks(self, *, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> list[Label]:
        """The ticks' values beside the axes."""
        below = self.height - self.bottom + 18
        return [
            *(Label(self.across(x), below, f"{x:g}") for x in x_ticks),
            *(Label(self.left - 8, self.up(y) + 4, f"{y:g}", "end") for y in y_ticks),
        ]


def thinned(length: int, most: int) -> np.ndarray:
    """Row numbers, at most so many, evenly spaced, both ends among them."""
    return np.unique(np.linspace(0, max(length - 1, 0), min(length, most)).round().astype(int))


def nice_ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Round numbers within the range: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** np.floor(np.log10(rough))
    step = min((power * factor for factor in (1, 2, 5, 10)), key=lambda size: abs(size - rough))
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return [round(float(number * step), 10) + 0.0 for number in np.arange(first, last + 1)]
