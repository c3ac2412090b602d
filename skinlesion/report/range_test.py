"""The figure of a learning rate range test."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from skinlesion.report.figures import BLUE, GREY, LINES, blank_figure, label_axes, legend_below

HEADROOM = 0.15  # of the height that is shown, above and below


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
    # What diverges would press the rest flat.
    low, high = float(smoothed.min()), float(max(smoothed[: max(len(smoothed) // 4, 1)].max(), 0))
    space = HEADROOM * max(high - low, 1e-3 * max(abs(high), 1e-12))
    axes.set_ylim(low - 2 * space, high + 4 * space)
    label_axes(axes, title, "learning rate", "training loss")
    legend_below(axes)
    return figure
