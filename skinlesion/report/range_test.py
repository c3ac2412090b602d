"""The figure of a learning rate range test."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from skinlesion.report.drawing import BLUE, GREY, LINES, blank_figure, label_axes, legend_below

HEADROOM = 0.6  # of the height of the fall, above and below it


def range_test_figure(
    rates: np.ndarray,
    losses: np.ndarray,
    smoothed: np.ndarray,
    marks: Mapping[str, float],
    *,
    title: str,
) -> Figure:
    """Loss against learning rate, cut off where it runs away, with rates marked.

    Args:
        rates: Rising, shape (n,).
        losses: Of each step, shape (n,).
        smoothed: Shape (n,).
        marks: Rates by what is written of them.
        title: Stands above the figure.
    """
    figure = blank_figure(7.2, 4.8)
    axes = figure.add_subplot()
    axes.plot(rates, losses, ".", color=GREY, markersize=4, alpha=0.6, label="loss of a step")
    axes.plot(rates, smoothed, color=BLUE, linewidth=2.2, label="smoothed")
    for (text, rate), colour, style in zip(marks.items(), LINES[1:], ("-", "--"), strict=False):
        axes.axvline(rate, color=colour, linestyle=style, linewidth=1.6, label=text)
    axes.set_xscale("log")
    axes.set_ylim(*_shown(smoothed))
    label_axes(axes, title, "learning rate", "training loss")
    legend_below(axes)
    return figure


def _shown(smoothed: np.ndarray) -> tuple[float, float]:
    """Ends of the vertical axis: the first steps are chance, and what diverges has no end."""
    later = smoothed[len(smoothed) // 10 :]
    fall = later[: int(later.argmin()) + 1]
    low, high = float(fall.min()), float(fall.max())
    space = HEADROOM * (high - low) or 1.0
    return max(low - space, 0.0), high + space  # no loss is negative
