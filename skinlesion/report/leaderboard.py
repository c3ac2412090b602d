"""One table over all evaluated models: for Markdown, for machines, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from skinlesion.metrics.intervals import Estimate

CONSTANT = "constant"
UNDEFINED, SHORT_UNDEFINED = "undefined", "undef."
ROC_AUC = "roc_auc"


@dataclass(frozen=True)
class Row:
    """One model's scores on one split.

    Attributes:
        name: The run's name.
        kind: Its backbone, such as ``efficientnet_lite0`` or ``efficientnet_lite0, 8 views``, or
            ``ensemble (mean)``, or ``CONSTANT`` for always answering benign.
        threshold: Malignant from this probability on; None for a constant answer.
        threshold_rule: Where the threshold is from, such as ``youden on val``.
        scores: By name, such as ``roc_auc``.
        n: Number of images.
        positives: Number of them of the positive class.
        positive: That class.
    """

    name: str
    kind: str
    threshold: float | None
    threshold_rule: str
    scores: dict[str, Estimate]
    n: int
    positives: int
    positive: str = "malignant"


@dataclass(frozen=True)
class Column:
    """How one score is headed, and the narrowest terminal that shows it."""

    score: str
    heading: str
    short: str
    min_width: int


COLUMNS = (
    Column(ROC_AUC, "ROC AUC", "ROC AUC", 0),
    Column("average_precision", "Average precision", "AP", 0),
    Column("balanced_accuracy", "Balanced accuracy", "Bal.acc", 0),
    Column("sensitivity", "Sensitivity", "Sens.", 0),
    Column("specificity", "Specificity", "Spec.", 0),
    Column("accuracy", "Accuracy", "Acc.", 0),
    Column("ppv", "Precision (PPV)", "PPV", 110),
    Column("f1", "F1", "F1", 110),
    Column("brier", "Brier score", "Brier", 110),
)
AT_PREVALENCE = (
    Column("ppv_at_prevalence", "PPV at the given prevalence", "PPV at p.", 110),
    Column("npv_at_prevalence", "NPV at the given prevalence", "NPV at p.", 110),
)
THRESHOLD_MIN_WIDTH = 110


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Highest ROC AUC first, then undefined ones, then constant answers; ties by name."""

    def place(row: Row) -> tuple[bool, bool, float, str]:
        auc = _score(row, ROC_AUC).value
        undefined = math.isnan(auc)
        return row.kind == CONSTANT, undefined, 0.0 if undefined else -auc, row.name

    return sorted(rows, key=place)


def to_markdown(rows: Iterable[Row], *, title: str, notes: Sequence[str] = ()) -> str:
    """A Markdown table under a heading, each score with its interval, and a list of notes."""
    rows = ranked(rows)
    columns = columns_of(rows)
    headings = ["Model", "Kind", *(column.heading for column in columns), "Threshold", "Images"]
    lines = [f"# {title}", "", markdown_row(headings), markdown_row(["---"] * len(headings))]
    for row in rows:
        scores = [with_interval(_score(row, column.score)) for column in columns]
        images = f"{row.n:,} ({row.positives:,} {row.positive})"
        lines.append(markdown_row([row.name, row.kind, *scores, _threshold(row), images]))
    if notes:
        lines += ["", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"


def to_json(rows: Iterable[Row], *, split: str, notes: Sequence[str] = ()) -> dict[str, Any]:
    """All rows and all their scores as plain values; nan becomes None."""
    return {
        "split": split,
        "notes": list(notes),
        "rows": [row_to_json(row) for row in ranked(rows)],
    }


def to_rich(rows: Iterable[Row], *, title: str, width: int, notes: Sequence[str] = ()) -> Table:
    """A table for a terminal ``width`` columns wide: ROC AUC with interval, others as values.

    Narrower than 110 columns, the scores with a larger ``Column.min_width`` are left out.
    """
    rows = ranked(rows)
    shown = [column for column in columns_of(rows) if column.min_width <= width]
    table = Table(
        title=Text(title, style="bold"),
        caption=Text("\n".join(notes)) if notes else None,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("Model", overflow="fold", min_width=12)
    for column in shown:
        table.add_column(column.short, justify="right", no_wrap=True)
    if width >= THRESHOLD_MIN_WIDTH:
        table.add_column("Thresh.", justify="right", no_wrap=True)
    for row in rows:
        cells = [_terminal_score(row, column.score) for column in shown]
        if width >= THRESHOLD_MIN_WIDTH:
            cells.append("-" if row.threshold is None else f"{row.threshold:.3f}")
        style = "dim" if row.kind == CONSTANT else ""
        table.add_row(*(Text(cell) for cell in [row.name, *cells]), style=style)
    return table


def with_interval(estimate: Estimate) -> str:
    """Like ``0.842 (0.801-0.879)``; without the interval where that is undefined."""
    if math.isnan(estimate.value):
        return UNDEFINED
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"


def markdown_row(cells: Iterable[str]) -> str:
    """One line of a table; bars in cells are escaped."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def columns_of(rows: Iterable[Row]) -> tuple[Column, ...]:
    """``COLUMNS``, and predictive values at a prevalence where one was given."""
    given = any(column.score in row.scores for row in rows for column in AT_PREVALENCE)
    return COLUMNS + AT_PREVALENCE if given else COLUMNS


def _terminal_score(row: Row, name: str) -> str:
    estimate = _score(row, name)
    if name == ROC_AUC:
        return with_interval(estimate)
    return SHORT_UNDEFINED if math.isnan(estimate.value) else f"{estimate.value:.3f}"


def _score(row: Row, name: str) -> Estimate:
    """The row's score; undefined if it was not computed."""
    return row.scores.get(name, Estimate(math.nan, math.nan, math.nan))


def _threshold(row: Row) -> str:
    if row.threshold is None:
        return row.threshold_rule
    return f"{row.threshold:.3f} ({row.threshold_rule})"


def row_to_json(row: Row) -> dict[str, Any]:
    """One row with all its scores as plain values; nan becomes None."""
    return {
        "name": row.name,
        "kind": row.kind,
        "threshold": row.threshold,
        "threshold_rule": row.threshold_rule,
        "n": row.n,
        "positives": row.positives,
        "scores": {name: estimate_to_json(estimate) for name, estimate in row.scores.items()},
    }


def estimate_to_json(estimate: Estimate) -> dict[str, float | None]:
    """Value, low and high as plain values; nan becomes None."""
    return {
        "value": none_if_nan(estimate.value),
        "low": none_if_nan(estimate.low),
        "high": none_if_nan(estimate.high),
    }


def none_if_nan(value: float) -> float | None:
    """A number as JSON can hold it."""
    return None if math.isnan(value) else float(value)
