"""One subject's evaluation as a folder: metrics.json, its page, its model card and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skinlesion.config import EvaluateConfig, read_yaml
from skinlesion.errors import DataError
from skinlesion.folders import new_folder, write_text
from skinlesion.metrics.delong import delong_interval
from skinlesion.metrics.intervals import Estimate
from skinlesion.metrics.proportions import wilson_all
from skinlesion.metrics.recalibration import recalibrate
from skinlesion.metrics.scores import confusion
from skinlesion.report import (
    decisions,
    explorer,
    figures,
    leaderboard,
    model_card,
    study,
    subgroups,
)
from skinlesion.report.facts import Facts
from skinlesion.report.subjects import Subject, fitted_threshold
from skinlesion.runs import RunDir, write_json
from skinlesion.tables import Predictions, floats, read_columns


def write(
    target: Path,
    subject: Subject,
    row: leaderboard.Row,
    *,
    config: EvaluateConfig,
    parts: subgroups.Found,
    facts: Facts,
    baseline: leaderboard.Row,
) -> study.Scored:
    """Write the evaluation in ``target``, whole or not at all; an older one is replaced.

    Args:
        target: Folder to make.
        subject: What was scored.
        row: Its scores.
        config: What it was scored with.
        parts: Its scores by subgroup; empty: none were asked for.
        facts: What is recorded of it beside its predictions.
        baseline: The scores of the constant answer.

    Returns:
        What the page on all models needs of it.

    Raises:
        DataError: If ``target`` is a folder of something else.
    """
    _refuse_other_folder(target)
    test = subject.test
    threshold, _ = fitted_threshold(config.threshold, subject.val)
    counts = confusion(test.y_true, test.y_prob, threshold=threshold)
    title = f"{subject.name} on {config.split}"
    metrics = {
        "split": config.split,
        "config": config.model_dump(mode="json"),
        **leaderboard.row_to_json(row),
        "confusion": counts,
        **_beside_the_bootstrap(test, counts, config.confidence),
        **({"calibrator": subject.calibrator} if subject.calibrator else {}),
        **decisions.to_json(subject, threshold=threshold, config=config),
        **({"subgroups": subgroups.to_json(parts)} if parts else {}),
    }
    marks = explorer.marks(subject, config.threshold)
    scored = study.Scored(subject, row, metrics, marks, target)
    with new_folder(target, overwrite=True) as folder:
        write_json(folder / "metrics.json", metrics)
        page = study.model_page(scored, facts, baseline=baseline, config=config)
        write_text(folder / study.FILE, page)
        write_text(folder / model_card.FILE, _card(scored, facts, parts, config))
        if parts:
            tables = subgroups.to_markdown(parts, title=title, confidence=config.confidence)
            write_text(folder / subgroups.FILE, tables)
        (folder / "figures").mkdir()
        _write_figures(subject, row, counts, title, folder / "figures")
    return scored


def _refuse_other_folder(target: Path) -> None:
    if target.exists() and not (target / "metrics.json").exists():
        raise DataError(
            f"{target} was not written by evaluate, so it is not replaced",
            fix="choose another --reports folder",
        )


def _beside_the_bootstrap(
    test: Predictions, counts: dict[str, int], confidence: float
) -> dict[str, Any]:
    """Intervals by formula, and how the probabilities are calibrated: plain values."""
    delong = delong_interval(test.y_true, test.y_prob, confidence=confidence, group=test.group)
    wilson = wilson_all(counts, confidence=confidence)
    calibration = recalibrate(test.y_true, test.y_prob, test.group, confidence=confidence)
    to_json = leaderboard.estimate_to_json
    return {
        "intervals": {
            "delong": {"roc_auc": to_json(delong)},
            "wilson": {name: to_json(estimate) for name, estimate in wilson.items()},
        },
        "calibration": {
            "slope": to_json(calibration.slope),
            "intercept": to_json(calibration.intercept),
        },
    }


def _card(
    scored: study.Scored, facts: Facts, parts: subgroups.Found, config: EvaluateConfig
) -> str:
    return model_card.to_markdown(
        scored.metrics,
        facts,
        classes=scored.subject.classes,
        points=study.points_table(scored.marks, split=config.split),
        parts=parts,
    )


def _write_figures(
    subject: Subject, row: leaderboard.Row, counts: dict[str, int], title: str, folder: Path
) -> None:
    confusion_figure = figures.confusion_figure(counts, title=title, classes=subject.classes)
    figures.save(confusion_figure, folder / "confusion.png")
    if 0 < row.positives < row.n:
        _write_curves(subject.test, row, title, folder)
    if subject.run and subject.run.history.exists():
        _write_training_curves(subject.run, folder)


def _write_curves(test: Predictions, row: leaderboard.Row, title: str, folder: Path) -> None:
    roc = figures.roc_figure(
        test.y_true,
        test.y_prob,
        threshold=row.threshold,
        auc=_triple(row.scores["roc_auc"]),
        title=title,
    )
    precision_recall = figures.precision_recall_figure(
        test.y_true,
        test.y_prob,
        threshold=row.threshold,
        average_precision=_triple(row.scores["average_precision"]),
        title=title,
    )
    figures.save(roc, folder / "roc.png")
    figures.save(precision_recall, folder / "precision_recall.png")


def _write_training_curves(run: RunDir, folder: Path) -> None:
    table = read_columns(run.history, required=["epoch", "loss"])
    history: Mapping[str, Sequence[float]] = {
        name: floats(run.history, name, cells).tolist() for name, cells in table.items()
    }
    monitor = read_yaml(run.config)["monitor"]
    figure = figures.training_figure(history, monitor=monitor, title=run.name)
    figures.save(figure, folder / "training.png")


def _triple(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high
