"""Charts that can show several models over each other: ROC, precision-recall, decision curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skinlesion.metrics.decision_curve import net_benefit
from skinlesion.report.charts import COLOURS, UNIT_TICKS, Chart, Frame, Shape, nice_ticks
from skinlesion.report.figures import precision_recall_points, roc_points
from skinlesion.report.leaderboard import with_interval
from skinlesion.report.pages import Table
from skinlesion.report.values import estimate

GRID = np.linspace(0, 1, 21)
AT = np.linspace(0.01, 0.5, 50)


@dataclass(frozen=True)
class Model:
    """What is drawn of a model.

    Attributes:
        metrics: As in its ``metrics.json``.
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,).
        classes: Names of label 0 and label 1.
    """

    metrics: Mapping[str, Any]
    y_true: np.ndarray
    y_prob: np.ndarray
    classes: tuple[str, str] = ("benign", "malignant")

    @property
    def name(self) -> str:
        """As the leaderboard shows it."""
        return str(self.metrics["name"])

    @property
    def threshold(self) -> float:
        """Malignant from this probability on."""
        return float(self.metrics["threshold"])

    def score(self, name: str) -> str:
        """A score with its interval."""
        return with_interval(estimate(self.metrics["scores"].get(name)))

    def value(self, name: str) -> float:
        """A score without it; nan if it is undefined."""
        return estimate(self.metrics["scores"].get(name)).value


def of_all(models: Sequence[Model]) -> list[Chart]:
    """The charts that can show several models over each other; none with one class only."""
    if not 0 < models[0].y_true.sum() < len(models[0].y_true):
        return []
    return [roc(models), precision_recall(models), decision(models)]


def roc(models: Sequence[Model]) -> Chart:
    """ROC curves with the operating points."""
    frame = Frame()
    shapes = [frame.segment((0, 0), (1, 1), "chance")]
    key, columns = [("chance", "chance (AUC 0.5)")], []
    for model, css in zip(models, _classes(models), strict=True):
        false, true, _ = roc_points(model.y_true, model.y_prob)
        shapes.append(frame.line(false, true, css))
        key.append((css, f"{model.name}: AUC {model.score('roc_auc')}"))
        columns.append([true[false <= x + 1e-12].max() for x in GRID])
    for model, css in zip(models, _classes(models), strict=True):
        point = 1 - model.value("specificity"), model.value("sensitivity")
        shapes.append(frame.dot(*point, css))
    rows = [[f"{x:.2f}", *map(_short, values)] for x, *values in zip(GRID, *columns, strict=True)]
    return _unit_chart(
        frame,
        "roc",
        "ROC curve",
        " ".join(
            f"{model.name}: area {model.score('roc_auc')}; at its threshold"
            f" {model.threshold:.3g} sensitivity {model.score('sensitivity')}, specificity"
            f" {model.score('specificity')}."
            for model in models
        ),
        labels=("1 - specificity", "sensitivity"),
        shapes=shapes,
        key=key,
        table=_grid_table(
            "Highest sensitivity at this 1 - specificity", "1 - specificity", models, rows
        ),
    )


def precision_recall(models: Sequence[Model]) -> Chart:
    """Precision-recall curves with the operating points and the prevalence."""
    frame, prevalence = Frame(), float(models[0].y_true.mean())
    shapes = [frame.segment((0, prevalence), (1, prevalence), "chance")]
    key, columns = [("chance", f"chance: the prevalence, {prevalence:.1%}")], []
    for model, css in zip(models, _classes(models), strict=True):
        recall, precision, _ = precision_recall_points(model.y_true, model.y_prob)
        # Average precision is the area under these steps.
        x = np.repeat(np.r_[0, recall], 2)[1:]
        y = np.repeat(np.r_[precision[:1], precision], 2)[:-1]
        shapes.append(frame.line(x, np.r_[y[1:], y[-1:]], css))
        key.append((css, f"{model.name}: average precision {model.score('average_precision')}"))
        columns.append([precision[recall >= x - 1e-12].max() for x in GRID])
    for model, css in zip(models, _classes(models), strict=True):
        point = model.value("sensitivity"), model.value("ppv")
        if not math.isnan(point[1]):
            shapes.append(frame.dot(*point, css))
    rows = [[f"{x:.2f}", *map(_short, values)] for x, *values in zip(GRID, *columns, strict=True)]
    return _unit_chart(
        frame,
        "precision-recall",
        "Precision-recall curve",
        f"Chance is the prevalence, {prevalence:.1%}. "
        + " ".join(
            f"{model.name}: average precision {model.score('average_precision')}; at its threshold"
            f" recall {model.score('sensitivity')}, precision {model.score('ppv')}."
            for model in models
        ),
        labels=("recall (sensitivity)", "precision (PPV)"),
        shapes=shapes,
        key=key,
        table=_grid_table("Highest precision at this recall or more", "recall", models, rows),
    )


def decision(models: Sequence[Model]) -> Chart:
    """Net benefit of acting on each model, on everybody and on nobody."""
    curves = [_net_benefit(model) for model in models]
    at, share = curves[0]["at"], float(curves[0]["prevalence"])
    treat_all = share - (1 - share) * at / (1 - at)
    values = np.concatenate([np.r_[curve["model"], curve["high"]] for curve in curves])
    top = max(float(np.nanmax(values, initial=0)), share) * 1.05
    low = -top / 6
    frame = Frame(x=(0, float(at[-1])), y=(low, top))
    # Treating everybody falls far below what matters: it is cut where it leaves the picture.
    inside = treat_all >= low
    shapes = [
        frame.segment((0, 0), (float(at[-1]), 0), "nobody"),
        frame.line(at[inside], treat_all[inside], "everybody"),
    ]
    key = [("everybody", "act on everybody"), ("nobody", "act on nobody")]
    for model, curve, css in zip(models, curves, _classes(models), strict=True):
        if "band" in curve and len(models) == 1:
            shapes.append(
                frame.band(at, np.maximum(curve["low"], low), np.maximum(curve["high"], low), css)
            )
        shapes.append(
            frame.line(at[curve["model"] >= low], curve["model"][curve["model"] >= low], css)
        )
        key.append((css, model.name))
    rows = [
        [f"{at[i]:.2f}", f"{treat_all[i]:.4f}", *(f"{curve['model'][i]:.4f}" for curve in curves)]
        for i in range(0, len(at), max(1, len(at) // 12))
    ]
    better = [
        f"{model.name} is better than acting on everybody and on nobody at"
        f" {int((curve['model'] > np.maximum(treat_all, 0) + 1e-12).sum())} of {len(at)}"
        " threshold probabilities shown."
        for model, curve in zip(models, curves, strict=True)
    ]
    ticks = {"x_ticks": nice_ticks(0, float(at[-1])), "y_ticks": nice_ticks(low, top)}
    return Chart(
        "decision",
        "Decision curve",
        f"Net benefit at a prevalence of {share:.1%}. " + " ".join(better),
        "threshold probability",
        "net benefit",
        [*frame.grid(**ticks), *shapes],
        frame.ticks(**ticks),
        key,
        Table(
            "Net benefit (true positives an image)",
            ["threshold probability", "everybody", *(model.name for model in models)],
            rows,
        ),
    )


def _net_benefit(model: Model) -> dict[str, Any]:
    """The decision curve in ``metrics.json``, or the same without intervals."""
    found = model.metrics.get("decision_curve")
    if found:
        names = ("at", "model", "low", "high")
        numbers = {name: np.array(found[name], dtype=float) for name in names}
        return {**numbers, "prevalence": found["prevalence"], "band": True}
    prevalence = model.metrics["config"]["prevalence"]
    values = net_benefit(model.y_true, model.y_prob, at=AT, prevalence=prevalence)
    share = float(model.y_true.mean()) if prevalence is None else prevalence
    return {"at": AT, "model": values, "high": values, "prevalence": share}


def _unit_chart(
    frame: Frame,
    anchor: str,
    title: str,
    summary: str,
    *,
    labels: tuple[str, str],
    shapes: Sequence[Shape],
    key: Sequence[tuple[str, str]],
    table: Table,
) -> Chart:
    grid = frame.grid(x_ticks=UNIT_TICKS, y_ticks=UNIT_TICKS)
    ticks = frame.ticks(x_ticks=UNIT_TICKS, y_ticks=UNIT_TICKS)
    return Chart(anchor, title, summary, *labels, [*grid, *shapes], ticks, key, table)


def _grid_table(
    title: str, first: str, models: Sequence[Model], rows: Sequence[Sequence[str]]
) -> Table:
    return Table(title, [first, *(model.name for model in models)], rows)


def _classes(models: Sequence[Model]) -> list[str]:
    return [f"c{number % COLOURS}" for number in range(len(models))]


def _short(value: float) -> str:
    return f"{value:.3f}"
