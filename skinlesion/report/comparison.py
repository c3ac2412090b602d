"""Pairwise differences between models: for Markdown, for machines, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from skinlesion.metrics import comparison as metrics
from skinlesion.metrics.intervals import Estimate
from skinlesion.report.leaderboard import (
    UNDEFINED,
    estimate_to_json,
    markdown_row,
    none_if_nan,
    with_interval,
)

NO_EVIDENCE = "no evidence of a difference"
WIDE = 110
HEADINGS = ("First", "Second", "Difference", "p", "p, Holm", "DeLong p", "McNemar p", "Verdict")
ALWAYS = (0, 1, 2, 4, 7)  # columns that a narrow terminal shows too


@dataclass(frozen=True)
class Model:
    """One of the compared models.

    Attributes:
        name: As the table shows it.
        kind: Its architecture, or the ensemble's method.
        threshold: Malignant from this probability on.
        threshold_rule: Where the threshold is from.
    """

    name: str
    kind: str
    threshold: float
    threshold_rule: str


@dataclass(frozen=True)
class Report:
    """A comparison with the names of what was compared.

    Attributes:
        split: What the models were scored on.
        score: The score that was compared.
        n: Number of images.
        positives: Number of them of the positive class.
        positive: That class.
        models: In the order of ``found``.
        found: Scores, differences and tests.
        notes: What a reader must know beside the table.
    """

    split: str
    score: str
    n: int
    positives: int
    positive: str
    models: Sequence[Model]
    found: metrics.Comparison
    notes: Sequence[str]

    @property
    def title(self) -> str:
        """Like ``isic2017-test: roc_auc on 600 images, 117 malignant``."""
        return (
            f"{self.split}: {self.score} on {self.n:,} images, {self.positives:,} {self.positive}"
        )


def verdict(report: Report, pair: metrics.Pair) -> str:
    """In words: ``a is better``, ``no evidence of a difference`` or ``undefined``."""
    if pair.better is not None:
        return f"{report.models[pair.better].name} is better"
    return UNDEFINED if math.isnan(pair.adjusted_p) else NO_EVIDENCE


def sentences(report: Report) -> list[str]:
    """One a pair, with the difference and the corrected p."""
    written = []
    for pair in report.found.pairs:
        names = [report.models[index].name for index in (pair.first, pair.second)]
        p = p_value(pair.adjusted_p)
        compared = p.replace("<", "< ") if p.startswith("<") else f"= {p}"
        written.append(
            f"{names[0]} against {names[1]}: {verdict(report, pair)}"
            f" ({report.score} {signed(pair.difference)}, p {compared})."
        )
    return written


def to_markdown(report: Report) -> str:
    """The models, the pairs and the notes under one heading."""
    lines = [f"# {report.title}", "", markdown_row(["Model", "Kind", report.score, "Threshold"])]
    lines.append(markdown_row(["---"] * 4))
    for model, estimate in zip(report.models, report.found.models, strict=True):
        threshold = f"{model.threshold:.3f} ({model.threshold_rule})"
        lines.append(markdown_row([model.name, model.kind, with_interval(estimate), threshold]))
    lines += ["", markdown_row(HEADINGS), markdown_row(["---"] * len(HEADINGS))]
    lines += [markdown_row(_cells(report, pair)) for pair in report.found.pairs]
    lines += ["", *(f"- {sentence}" for sentence in sentences(report))]
    lines += ["", *(f"- {note}" for note in report.notes)]
    return "\n".join(lines) + "\n"


def to_json(report: Report) -> dict[str, Any]:
    """Everything as plain values; nan becomes None."""
    return {
        "split": report.split,
        "score": report.score,
        "n": report.n,
        "positives": report.positives,
        "notes": list(report.notes),
        "models": [
            {**vars(model), report.score: estimate_to_json(estimate)}
            for model, estimate in zip(report.models, report.found.models, strict=True)
        ],
        "pairs": [_pair_to_json(report, pair) for pair in report.found.pairs],
    }


def to_rich(report: Report, *, width: int) -> Table:
    """A table of the pairs for a terminal ``width`` columns wide."""
    table = Table(
        title=Text(report.title, style="bold"),
        caption=Text("\n".join(report.notes)),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    shown = range(len(HEADINGS)) if width >= WIDE else ALWAYS
    for index in shown:
        number = 2 <= index < len(HEADINGS) - 1
        table.add_column(
            HEADINGS[index],
            justify="right" if number else "left",
            no_wrap=number,
            overflow="fold",
        )
    for pair in report.found.pairs:
        cells = _cells(report, pair)
        style = "" if pair.better is not None else "dim"
        table.add_row(*(Text(cells[index]) for index in shown), style=style)
    return table


def signed(estimate: Estimate) -> str:
    """Like ``+0.034 (-0.012 to +0.080)``; without the interval where that is undefined."""
    if math.isnan(estimate.value):
        return UNDEFINED
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return f"{estimate.value:+.3f}"
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


def p_value(p: float) -> str:
    """Like ``0.027``; ``<0.001`` below that."""
    if math.isnan(p):
        return UNDEFINED
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _cells(report: Report, pair: metrics.Pair) -> list[str]:
    return [
        report.models[pair.first].name,
        report.models[pair.second].name,
        signed(pair.difference),
        p_value(pair.p),
        p_value(pair.adjusted_p),
        p_value(pair.delong.p),
        p_value(pair.mcnemar.p),
        verdict(report, pair),
    ]


def _pair_to_json(report: Report, pair: metrics.Pair) -> dict[str, Any]:
    return {
        "first": report.models[pair.first].name,
        "second": report.models[pair.second].name,
        "difference": estimate_to_json(pair.difference),
        "p": none_if_nan(pair.p),
        "p_holm": none_if_nan(pair.adjusted_p),
        "bootstrap_p": none_if_nan(pair.bootstrap_p),
        "delong": {
            "difference": estimate_to_json(pair.delong.difference),
            "z": none_if_nan(pair.delong.z),
            "p": none_if_nan(pair.delong.p),
        },
        "mcnemar": vars(pair.mcnemar),
        "better": None if pair.better is None else report.models[pair.better].name,
        "verdict": verdict(report, pair),
    }
