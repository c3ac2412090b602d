"""Charts of one model: reliability, scores by class, and a score of each subgroup."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skinlesion.report.charts import (
    BOTTOM,
    TOP,
    UNIT_TICKS,
    Chart,
    Frame,
    Label,
    Shape,
    nice_ticks,
)
from skinlesion.report.curves import Model
from skinlesion.report.leaderboard import with_interval
from skinlesion.report.pages import Table
from skinlesion.report.values import estimate

BINS = 20
ROW = 30  # height of a row of a forest plot
NAMES = 210  # room for the names of its subgroups
STRIP = 0.16  # height of the counts below a reliability diagram, of the whole


def reliability_diagram(bins: Sequence[Mapping[str, Any]], *, positive: str) -> Chart:
    """Observed against predicted frequency of the class ``positive``, with counts below."""
    frame = Frame(y=(-STRIP * 1.3, 1))
    most = max((one["images"] for one in bins), default=0) or 1
    shapes, labels, rows, points = [frame.segment((0, 0), (1, 1), "chance")], [], [], []
    for one in bins:
        observed = estimate(one["observed"])
        mean = one["mean_prob"]
        rows.append(
            [
                f"{one['low']:.3f}-{one['high']:.3f}",
                f"{one['images']:,}",
                f"{one['malignant']:,}",
                "undefined" if mean is None else f"{mean:.3f}",
                with_interval(observed),
            ]
        )
        if not one["images"]:
            continue
        points.append((mean, observed.value))
        shapes.append(frame.segment((mean, observed.low), (mean, observed.high), "whisker c0"))
        shapes.append(frame.dot(mean, observed.value, "c0"))
        shapes.append(_count_bar(frame, one, most))
        middle = (one["low"] + one["high"]) / 2
        labels.append(
            Label(frame.across(middle), frame.up(-STRIP * 1.3) - 3, f"{one['images']}", css="count")
        )
    x, y = np.array(points, dtype=float).reshape(-1, 2).T
    return Chart(
        "reliability",
        "Reliability diagram",
        f"{sum(one['images'] > 0 for one in bins)} of {len(bins)} bins hold images. On the diagonal"
        f" the fraction of {positive} is what the model says; below it the model says too much."
        f" {int((y < x).sum())} bins lie below the diagonal, {int((y > x).sum())} above.",
        "mean predicted probability; below: images in the bin",
        f"fraction of {positive}",
        [*frame.grid(x_ticks=UNIT_TICKS, y_ticks=UNIT_TICKS), *shapes],
        [*frame.ticks(x_ticks=UNIT_TICKS, y_ticks=UNIT_TICKS), *labels],
        [("chance", "perfect calibration"), ("c0", "images of a bin, with Wilson's interval")],
        Table(
            "Bins of predicted probability",
            ["probability", "images", positive, "mean probability", "fraction"],
            rows,
        ),
    )


def histogram(model: Model) -> Chart:
    """How the scores of both classes are distributed, and the threshold."""
    benign_name, malignant_name = model.classes
    edges = np.linspace(0, 1, BINS + 1)
    counts = [np.histogram(model.y_prob[model.y_true == label], edges)[0] for label in (0, 1)]
    shares = [one / max(one.sum(), 1) for one in counts]
    top = max(float(np.max(shares)), 0.05) * 1.05
    frame = Frame(y=(0, top))
    shapes: list[Shape] = []
    for left, right, *heights in zip(edges[:-1], edges[1:], *shares, strict=True):
        middle = (left + right) / 2
        shapes.append(frame.bar(left + 0.004, middle, heights[0], "c0"))
        shapes.append(frame.bar(middle, right - 0.004, heights[1], "c1"))
    cut = frame.segment((model.threshold, 0), (model.threshold, top), "cut")
    ends = {"data-cut": f"{frame.across(0):g} {frame.across(1):g}"}  # the explorer moves it
    shapes.append(replace(cut, attributes={**cut.attributes, **ends}))
    ticks = {"x_ticks": UNIT_TICKS, "y_ticks": nice_ticks(0, top)}
    totals = [int(one.sum()) for one in counts]
    return Chart(
        "histogram",
        "Scores by class",
        f"Distribution of the predicted probabilities of {totals[0]:,} images of {benign_name}"
        f" and {totals[1]:,} of {malignant_name}; the threshold is {model.threshold:.3g}.",
        f"predicted probability of {malignant_name}",
        "share of the class",
        [*frame.grid(**ticks), *shapes],
        frame.ticks(**ticks),
        [("c0", benign_name), ("c1", malignant_name), ("cut", f"threshold {model.threshold:.3g}")],
        Table(
            "Images by predicted probability",
            ["probability", *model.classes],
            [
                [f"{left:.2f}-{right:.2f}", f"{benign:,}", f"{malignant:,}"]
                for left, right, benign, malignant in zip(
                    edges[:-1], edges[1:], *counts, strict=True
                )
            ],
        ),
    )


def forest(column: str, score: str, parts: Mapping[str, Any], *, number: int) -> Chart:
    """One score of each subgroup with its interval.

    Args:
        column: Of the table of subgroups.
        score: Its name.
        parts: Of the column, as in ``metrics.json``.
        number: Tells its anchor from the others'.
    """
    named = score.replace("_", " ")
    rows, gap = parts["rows"], parts["gaps"][score]
    height = TOP + BOTTOM + ROW * len(rows)
    values = [estimate(row["scores"][score]) for row in rows]
    ends = [end for one in values for end in (one.low, one.value, one.high) if not math.isnan(end)]
    x = (min([0, *ends]), max([1, *ends]))
    frame = Frame(x=x, y=(len(rows), 0), left=NAMES, height=height)
    ticks = {"x_ticks": nice_ticks(*x), "y_ticks": ()}
    shapes, labels, cells = [], [], []
    for place, row in enumerate(rows):
        found = values[place]
        text = f"{row['name']} (n = {row['images']:,})"
        short = text if len(text) <= 30 else text[:29] + "…"
        labels.append(Label(NAMES - 10, frame.up(place + 0.5) + 4, short, "end"))
        cells.append([row["name"], f"{row['images']:,}", f"{row['malignant']:,}"])
        cells[-1].append(with_interval(found))
        if math.isnan(found.value):
            continue
        if not math.isnan(found.low):
            low, high = (found.low, place + 0.5), (found.high, place + 0.5)
            shapes.append(frame.segment(low, high, "whisker c0"))
        shapes.append(frame.dot(found.value, place + 0.5, "c0"))
    words = "Fewer than two subgroups are large enough to be compared."
    if gap:
        words = (
            f"Widest gap: {gap['higher']} above {gap['lower']} by"
            f" {with_interval(estimate(gap['difference']))}"
        )
        words += "." if gap["p"] is None else f", p = {gap['p']:.3g}."
    return Chart(
        f"forest-{number}",
        f"{named} by {column}",
        words,
        named,
        "",
        [*frame.grid(**ticks), *shapes],
        [*frame.ticks(**ticks), *labels],
        [],
        Table(f"{named} by {column}", [column, "images", "malignant", named], cells),
        height=height,
    )


def _count_bar(frame: Frame, one: Mapping[str, Any], most: int) -> Shape:
    """How many images a bin holds, in the strip below the diagram."""
    base, room = frame.up(-STRIP * 1.3), frame.up(-STRIP * 0.3)
    height = round((base - room) * 0.6 * one["images"] / most, 2)
    x = frame.across(one["low"] + 0.005)
    width = round(frame.across(one["high"] - 0.005) - x, 2)
    place = {"x": x, "y": round(base - 14 - height, 2), "width": width, "height": height}
    return Shape("rect", "bar counts", place)
