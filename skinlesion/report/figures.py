"""The figures of a report: confusion matrix, ROC and precision-recall curves, training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from skinlesion.errors import DataError
from skinlesion.folders import atomic_path
from skinlesion.report.drawing import (
    BLUE,
    FONT,
    GREY,
    INK,
    LINES,
    ORANGE,
    TITLE_FONT,
    blank_figure,
    label_axes,
    legend_below,
)

DPI = 150
SHADES = LinearSegmentedColormap.from_list("shades", ["#F4F8FB", "#9CC7E3", "#0072B2"])
LOSSES = ("loss", "val_loss")
SMALLER_IS_BETTER = "loss"


def confusion_figure(
    counts: Mapping[str, int], *, title: str, classes: tuple[str, str] = ("benign", "malignant")
) -> Figure:
    """Confusion matrix: counts, and their share of the true class.

    Args:
        counts: ``tn``, ``fp``, ``fn`` and ``tp``.
        title: Stands above the figure.
        classes: Names of label 0 and label 1.
    """
    table = np.array([[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]])
    totals = table.sum(axis=1, keepdims=True)
    shares = table / np.where(totals, totals, 1)
    figure = blank_figure(4.8, 4.6)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        ink = "white" if shares[row, column] > 0.6 else INK
        share = f"{shares[row, column]:.1%}" if totals[row, 0] else "undefined"
        axes.text(column, row - 0.07, f"{count:,}", color=ink, size=21, ha="center", va="center")
        axes.text(column, row + 0.2, share, color=ink, size=FONT, ha="center", va="center")
    axes.set_xticks([0, 1], classes)
    axes.set_yticks(
        [0, 1], [f"{name}\nn = {n:,}" for name, n in zip(classes, totals[:, 0], strict=True)]
    )
    axes.set_xticks([0.5], minor=True)
    axes.set_yticks([0.5], minor=True)
    axes.grid(which="minor", color="white", linewidth=3)
    axes.tick_params(which="both", length=0, labelsize=FONT)
    axes.spines[:].set_visible(False)
    label_axes(axes, title, "predicted class", "true class (percent of each row)")
    return figure


def roc_figure(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    *,
    threshold: float | None,
    auc: tuple[float, float, float],
    title: str,
) -> Figure:
    """ROC curve with the operating point.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        threshold: Malignant from this probability on; None: no point is marked.
        auc: ROC AUC and the ends of its interval; ends that are nan are left out.
        title: Stands above the figure.

    Raises:
        DataError: If one of the classes is absent.
    """
    false_positive_rate, sensitivity, _ = roc_points(y_true, y_prob)
    figure = blank_figure(5.2, 6.2)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2, label="chance (AUC 0.5)")
    axes.plot(
        false_positive_rate, sensitivity, color=BLUE, linewidth=2.2, label=f"AUC {_interval(auc)}"
    )
    if threshold is not None:
        called = y_prob >= threshold
        x, y = called[y_true == 0].mean(), called[y_true == 1].mean()
        text = f"threshold {threshold:.3g}: sensitivity {y:.3f}, specificity {1 - x:.3f}"
        _mark(axes, x, y, text)
    _unit_square(axes)
    label_axes(
        axes, title, "1 - specificity (false positive rate)", "sensitivity (true positive rate)"
    )
    legend_below(axes)
    return figure


def precision_recall_figure(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    *,
    threshold: float | None,
    average_precision: tuple[float, float, float],
    title: str,
) -> Figure:
    """Precision-recall curve with the operating point and the prevalence, chance's precision.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        threshold: Malignant from this probability on; None: no point is marked.
        average_precision: Value and the ends of its interval; ends that are nan are left out.
        title: Stands above the figure.

    Raises:
        DataError: If one of the classes is absent.
    """
    recall, precision, _ = precision_recall_points(y_true, y_prob)
    prevalence = float(np.mean(y_true))
    figure = blank_figure(5.2, 6.2)
    axes = figure.add_subplot()
    baseline = f"chance: the prevalence, {prevalence:.1%}"
    axes.axhline(prevalence, color=GREY, linestyle="--", linewidth=1.2, label=baseline)
    label = f"average precision {_interval(average_precision)}"
    # Average precision is the area under these steps (scikit-learn's definition).
    axes.step(
        np.r_[0, recall],
        np.r_[precision[:1], precision],
        where="pre",
        color=BLUE,
        linewidth=2.2,
        label=label,
    )
    called = y_prob >= (np.inf if threshold is None else threshold)
    if called.any():
        x, y = called[y_true == 1].mean(), y_true[called].mean()
        _mark(axes, x, y, f"threshold {threshold:.3g}: recall {x:.3f}, precision {y:.3f}")
    _unit_square(axes)
    label_axes(axes, title, "recall (sensitivity)", "precision (positive predictive value)")
    legend_below(axes)
    return figure


def training_figure(history: Mapping[str, Sequence[float]], *, monitor: str, title: str) -> Figure:
    """Training curves: losses to the left, validation scores to the right, best epoch marked.

    Args:
        history: ``epoch`` and columns of the same length; ``loss`` and ``val_*`` are drawn.
        monitor: The column that chose the best epoch; a loss is best where smallest.
        title: Stands above the figure.

    Raises:
        DataError: If the history has no epochs or lacks ``monitor``.
    """
    columns = {name: np.asarray(values, dtype=float) for name, values in history.items()}
    best = _best_epoch(columns, monitor)
    scores = [name for name in columns if name.startswith("val_") and name not in LOSSES]
    figure = blank_figure(9.6, 5.2)
    figure.suptitle(title, size=TITLE_FONT, color=INK)
    left, right = figure.subplots(1, 2)
    _draw_columns(left, columns, [name for name in LOSSES if name in columns], best)
    label_axes(left, "", "epoch", "loss")
    _draw_columns(right, columns, scores, best)
    label_axes(right, "", "epoch", "validation score")
    if scores:
        right.set_ylim(top=min(right.get_ylim()[1], 1.005))
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write ``figure`` as PNG, whole or not at all; the same figure gives the same bytes."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def roc_points(y_true: np.ndarray, y_prob: np.ndarray) -> tuple[np.ndarray, ...]:
    """False positive rate, sensitivity and threshold, from (0, 0) at inf to (1, 1).

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Scores, shape (n,).

    Returns:
        Three arrays of shape (distinct scores + 1,).

    Raises:
        DataError: If one of the classes is absent.
    """
    true, false, thresholds = _counts_above(y_true, y_prob)
    return np.r_[0, false / false[-1]], np.r_[0, true / true[-1]], np.r_[np.inf, thresholds]


def precision_recall_points(y_true: np.ndarray, y_prob: np.ndarray) -> tuple[np.ndarray, ...]:
    """Recall, precision and threshold, thresholds falling; each of shape (distinct scores,).

    Raises:
        DataError: If one of the classes is absent.
    """
    true, false, thresholds = _counts_above(y_true, y_prob)
    return true / true[-1], true / (true + false), thresholds


def _counts_above(y_true: np.ndarray, y_prob: np.ndarray) -> tuple[np.ndarray, ...]:
    """True and false positives at each distinct score taken as threshold, falling."""
    absent = [name for name, label in (("benign", 0), ("malignant", 1)) if label not in y_true]
    if absent:
        raise DataError(f"a curve is undefined: no {' and no '.join(absent)} image")
    order = np.argsort(-y_prob, kind="stable")
    scores, labels = y_prob[order], y_true[order]
    last_of_ties = np.r_[np.flatnonzero(np.diff(scores)), len(scores) - 1]
    true = np.cumsum(labels)[last_of_ties]
    return true, last_of_ties + 1 - true, scores[last_of_ties]


def _best_epoch(columns: Mapping[str, np.ndarray], monitor: str) -> int:
    """Row of the best epoch."""
    values = columns.get(monitor, np.array([]))
    if not np.isfinite(values).any():
        raise DataError(
            f"the history has no values of {monitor}",
            expected="a column of the monitored score, a row an epoch",
            which=sorted(columns),
        )
    smaller = monitor.endswith(SMALLER_IS_BETTER)
    return int(np.nanargmin(values) if smaller else np.nanargmax(values))


def _draw_columns(
    axes: Axes, columns: Mapping[str, np.ndarray], names: Sequence[str], best: int
) -> None:
    epochs = columns["epoch"]
    for name, colour, marker in zip(names, cycle(LINES), cycle("osD^v"), strict=False):
        label = _plain(name)
        axes.plot(
            epochs,
            columns[name],
            color=colour,
            marker=marker,
            markersize=4,
            linewidth=2,
            label=label,
        )
    axes.axvline(
        epochs[best],
        color=GREY,
        linestyle=":",
        linewidth=1.6,
        label=f"best epoch: {epochs[best]:g}",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(axes)


def _plain(column: str) -> str:
    """``val_auc`` is labelled "validation auc", ``loss`` "training loss"."""
    name = column.removeprefix("val_").replace("_", " ").replace("auc", "AUC")
    return f"{'validation' if column.startswith('val_') else 'training'} {name}"


def _mark(axes: Axes, x: float, y: float, text: str) -> None:
    axes.plot(x, y, "o", color=ORANGE, markersize=9, markeredgecolor="white", zorder=5, label=text)


def _interval(estimate: tuple[float, float, float]) -> str:
    value, low, high = estimate
    if np.isnan([low, high]).any():
        return f"{value:.3f}"
    return f"{value:.3f} ({low:.3f}-{high:.3f})"


def _unit_square(axes: Axes) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(np.linspace(0, 1, 6))
