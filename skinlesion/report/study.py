"""The pages that evaluate writes: one on a model, one on all models of the leaderboard."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skinlesion.config import EvaluateConfig, to_yaml
from skinlesion.metrics.intervals import Estimate
from skinlesion.report import checklist, curves, diagrams, explorer, leaderboard, mistakes
from skinlesion.report.curves import Model
from skinlesion.report.decisions import reliability_to_json
from skinlesion.report.facts import Facts
from skinlesion.report.pages import Table, render, script
from skinlesion.report.sources import provenance_tables
from skinlesion.report.subjects import Subject
from skinlesion.report.values import estimate, row_of_metrics

SHOWN = 8  # models in one chart at most
FILE = "report.html"


@dataclass(frozen=True)
class Scored:
    """One model, all that the pages say of it.

    Attributes:
        subject: What was scored.
        row: In the leaderboard.
        metrics: As in its ``metrics.json``.
        marks: Thresholds fitted on val, and 0.5.
        folder: Of its evaluation.
    """

    subject: Subject
    row: leaderboard.Row
    metrics: Mapping[str, Any]
    marks: Sequence[explorer.Mark]
    folder: Path

    @property
    def model(self) -> Model:
        """What is drawn of it."""
        test = self.subject.test
        return Model(self.metrics, test.y_true, test.y_prob, self.subject.classes)


@dataclass(frozen=True)
class Cell:
    """A cell of the leaderboard: what is shown, and the number that it is sorted by."""

    text: str
    interval: str = ""
    number: float | None = None
    link: str = ""


def model_page(
    scored: Scored, facts: Facts, *, baseline: leaderboard.Row, config: EvaluateConfig
) -> str:
    """The page on one model.

    Args:
        scored: The model.
        facts: What is recorded of it.
        baseline: The constant answer, to stand beside it.
        config: What it was scored with.
    """
    metrics, subject = scored.metrics, scored.subject
    bins = (metrics.get("reliability") or reliability_to_json(subject.test, config.confidence))[
        "bins"
    ]
    charts = curves.of_all([scored.model])
    charts += [
        diagrams.reliability_diagram(bins, positive=subject.classes[1]),
        diagrams.histogram(scored.model),
    ]
    forests = [
        diagrams.forest(column, score, parts, number=1000 * place + number)
        for place, (column, parts) in enumerate(metrics.get("subgroups", {}).items())
        for number, score in enumerate(parts["gaps"])
    ]
    return render(
        "model.html",
        metrics=metrics,
        classes=subject.classes,
        glance=glance_table(metrics, baseline),
        scores=score_table(metrics),
        points=points_table(scored.marks, split=metrics["split"]),
        charts=charts,
        forests=forests,
        mistakes=mistakes.pictured(subject, facts, threshold=metrics["threshold"], config=config),
        provenance=provenance_tables(facts, metrics["split"]),
        facts=facts,
        settings=to_yaml(config),
        checklist=checklist.fill(facts, metrics),
        sources=checklist.SOURCES,
        explorer=_explorer([scored], config),
        script=script("report.js"),
    )


def overview_page(
    scored: Sequence[Scored],
    rows: Sequence[leaderboard.Row],
    notes: Sequence[str],
    *,
    config: EvaluateConfig,
    folder: Path,
) -> str:
    """The page on all models.

    Args:
        scored: The models, in any order.
        rows: The leaderboard.
        notes: What a reader must know beside it.
        config: What they were scored with.
        folder: Where the page will be; links to the models' pages start there.
    """
    of_row = {id(one.row): one for one in scored}
    ranked = [of_row[id(row)] for row in rows if id(row) in of_row]
    columns = leaderboard.columns_of(rows)
    links = {
        key: Path(os.path.relpath(one.folder / FILE, folder)).as_posix()
        for key, one in of_row.items()
    }
    return render(
        "overview.html",
        split=config.split,
        n=rows[0].n,
        positives=rows[0].positives,
        classes=scored[0].subject.classes,
        header=["Model", "Kind", *(column.heading for column in columns), "Threshold", "From"],
        rows=[_cells(row, columns, links.get(id(row), "")) for row in rows],
        notes=notes,
        charts=curves.of_all([one.model for one in ranked[:SHOWN]]),
        left_out=[one.metrics["name"] for one in ranked[SHOWN:]],
        explorer=_explorer(ranked, config),
        script=script("report.js"),
    )


def glance_table(metrics: Mapping[str, Any], baseline: leaderboard.Row) -> Table:
    """The leaderboard's scores of the model, beside those of the constant answer."""
    scores = row_of_metrics(metrics)
    rows = [
        [
            column.heading,
            leaderboard.with_interval(scores[column.score]),
            leaderboard.with_interval(baseline.scores[column.score]),
        ]
        for column in leaderboard.columns_of([baseline])
    ]
    interval = f"with {metrics['config']['confidence']:.0%} intervals"
    title = f"Scores on {metrics['split']}, {interval}"
    return Table(title, ["score", metrics["name"], baseline.name], rows)


def score_table(metrics: Mapping[str, Any]) -> Table:
    """Every score with its interval."""
    row = row_of_metrics(metrics)
    rows = [
        [name.replace("_", " "), leaderboard.with_interval(value)] for name, value in row.items()
    ]
    rows += [
        [f"calibration {name}", leaderboard.with_interval(estimate(value))]
        for name, value in metrics["calibration"].items()
    ]
    interval = f"value ({metrics['config']['confidence']:.0%} interval)"
    return Table(f"Scores on {metrics['split']}", ["score", interval], rows)


def points_table(marks: Sequence[explorer.Mark], *, split: str) -> Table:
    """What each of the thresholds gives on the split."""
    names = ("sensitivity", "specificity", "ppv", "npv")
    return Table(
        f"{explorer.origin(split)}, and what they give on it",
        ["from", "threshold", "TP", "FN", "FP", "TN", *(_heading(name) for name in names)],
        [
            [
                mark.rule,
                f"{mark.threshold:.4g}",
                *(f"{mark.counts[name]:,}" for name in ("tp", "fn", "fp", "tn")),
                *(_value(mark.scores[name]) for name in names),
            ]
            for mark in marks
        ],
    )


def _explorer(scored: Sequence[Scored], config: EvaluateConfig) -> dict[str, Any]:
    models = explorer.data([one.subject for one in scored], [one.marks for one in scored])
    observed = float(scored[0].subject.test.y_true.mean())
    prevalence = observed if config.prevalence is None else config.prevalence
    return {
        "models": models,
        "classes": list(scored[0].subject.classes),
        "prevalence": prevalence,
        "origin": explorer.origin(config.split),
        "left_out": [one.metrics["name"] for one in scored[len(models) :]],
    }


def _cells(row: leaderboard.Row, columns: Sequence[leaderboard.Column], link: str) -> list[Cell]:
    scores = [_score_cell(row.scores[column.score]) for column in columns]
    threshold = "" if row.threshold is None else f"{row.threshold:.3f}"
    return [
        Cell(row.name, link=link),
        Cell(row.kind),
        *scores,
        Cell(threshold, number=row.threshold),
        Cell(row.threshold_rule),
    ]


def _heading(name: str) -> str:
    return name.upper() if len(name) == 3 else name


def _value(value: float) -> str:
    return leaderboard.UNDEFINED if value != value else f"{value:.3f}"


def _score_cell(score: Estimate) -> Cell:
    value, _, interval = leaderboard.with_interval(score).partition(" ")
    return Cell(value, interval, leaderboard.none_if_nan(score.value))
