"""Colours, fonts and axes that all figures share."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by colour-blind readers.
BLUE, ORANGE, INK, GREY = "#0072B2", "#D55E00", "#222222", "#8A8A8A"
LINES = (BLUE, ORANGE, "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
FONT, SMALL_FONT, TITLE_FONT = 11, 10, 12.5


def blank_figure(width: float, height: float) -> Figure:
    """Of so many inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def label_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Title and axis labels in our fonts, and a grid where there is a frame."""
    axes.set_title(title, size=TITLE_FONT, color=INK, pad=10)
    axes.set_xlabel(x, size=FONT, color=INK)
    axes.set_ylabel(y, size=FONT, color=INK)
    axes.tick_params(colors=INK, labelsize=SMALL_FONT)
    if axes.spines["top"].get_visible():
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#E4E4E4", linewidth=0.8)
        axes.set_axisbelow(True)


def legend_below(axes: Axes) -> None:
    """Beside the curves, so that it never hides one."""
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.13), fontsize=SMALL_FONT, frameon=False)
