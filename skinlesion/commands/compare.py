"""compare: which of several models is better on a split, pair by pair, with tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from skinlesion.config import CompareConfig
from skinlesion.errors import ConfigError
from skinlesion.folders import write_text
from skinlesion.metrics.comparison import ROC_AUC, compare
from skinlesion.metrics.scores import canonical
from skinlesion.progress import Reporter
from skinlesion.report import comparison
from skinlesion.report.subjects import (
    Aligned,
    Foreign,
    Subject,
    align,
    fitted_threshold,
    foreign_subject,
    guarantee_notes,
    run_subjects,
)
from skinlesion.runs import expand, write_json
from skinlesion.tables import VAL


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        report: Models, pairs and notes.
        files: Paths of what was written.
    """

    report: comparison.Report
    files: list[Path]

    def to_json(self) -> dict[str, Any]:
        """Every score, difference and test, plain values."""
        return comparison.to_json(self.report)

    def print(self, console: Console) -> None:
        """The pairs as a table, then what was written."""
        console.print(comparison.to_rich(self.report, width=console.width))
        for file in self.files:
            console.print(str(file), soft_wrap=True, highlight=False, markup=False)


def run(config: CompareConfig, *, reports: Path = Path("reports"), reporter: Reporter) -> Outcome:
    """Compare every pair of ``config.members`` on ``config.split`` and write the comparison.

    Args:
        config: Members, score, threshold rule and bootstrap.
        reports: Where the comparison goes, in a folder named by the split.
        reporter: Told of what is skipped.

    Raises:
        ConfigError: If there is no such score, or fewer than two members.
        DataError: If members were predicted on different images or labels.
        IntegrityError: If a run learnt from images of the split.
    """
    score = canonical(config.score)
    subjects = _subjects(config, reporter)
    aligned = align(subjects)
    operating = [fitted_threshold(config.threshold, subject.val) for subject in subjects]
    found = compare(
        aligned.y_true,
        aligned.y_probs,
        aligned.group,
        thresholds=[threshold for threshold, _ in operating],
        score=score,
        resamples=config.resamples,
        confidence=config.confidence,
        rng=np.random.default_rng(config.seed),
        method=config.interval,
    )
    report = comparison.Report(
        split=config.split,
        score=score,
        n=len(aligned.y_true),
        positives=int(aligned.y_true.sum()),
        positive=subjects[0].classes[1],
        models=[
            comparison.Model(subject.name, subject.kind, threshold, rule)
            for subject, (threshold, rule) in zip(subjects, operating, strict=True)
        ],
        found=found,
        notes=_notes(config, score, subjects, aligned),
    )
    return Outcome(report, _write(report, config, reports))


def _subjects(config: CompareConfig, reporter: Reporter) -> list[Subject]:
    """Runs first, then CSV files, each in the order given; names told apart."""
    if not config.members:
        raise ConfigError(
            "nothing to compare", expected="two or more run folders or CSV files of predictions"
        )
    tables: list[Path] = []
    for path in config.members:
        if _is_table(path):
            found = [path] if not set(str(path)) & set("*?[") else expand(path)
            tables += [table for table in found if table not in tables]
    folders = [path for path in config.members if not _is_table(path)]
    subjects = run_subjects(config.split, folders, reporter) if folders else []
    subjects += [foreign_subject(config.split, Foreign(path)) for path in tables]
    if len(subjects) < 2:
        raise ConfigError(
            f"a comparison needs at least 2 models, found {len(subjects)}",
            expected=f"run folders or CSV files with predictions on {config.split}",
            which=[subject.name for subject in subjects],
        )
    places = [subject.run.path if subject.run else None for subject in subjects]
    paths = [*(str(place) for place in places if place), *map(str, tables)]
    count = Counter(subject.name for subject in subjects)
    return [
        replace(subject, name=path) if count[subject.name] > 1 else subject
        for subject, path in zip(subjects, paths, strict=True)
    ]


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".csv" or path.is_file()


def _notes(
    config: CompareConfig, score: str, subjects: Sequence[Subject], aligned: Aligned
) -> list[str]:
    test = "DeLong's test" if score == ROC_AUC else "the paired bootstrap"
    groups = len(np.unique(aligned.group))
    notes = [
        f"Difference: first minus second, {config.confidence:.0%} interval by paired"
        f" {'BCa' if config.interval == 'bca' else config.interval} bootstrap over {groups:,}"
        f" groups, stratified by class, {config.resamples} resamples, seed {config.seed}.",
        f"Verdicts: p of {test} for {score}, corrected by Holm over all pairs, below"
        f" {1 - config.confidence:.2g}. No evidence of a difference is not evidence of none.",
        "McNemar's test compares how many calls are right at each model's own threshold.",
    ]
    if groups < len(aligned.y_true):
        notes.append(
            "McNemar's test takes images to be independent; as groups hold several, its p may be"
            " too small. DeLong's test and the bootstrap respect the groups."
        )
    if aligned.group_source:
        notes.append(
            f"The tables divide the images into different groups; those of {aligned.group_source}"
            " were used, the coarsest."
        )
    if config.split == VAL:
        notes.append("Thresholds and best epochs were chosen on val: these scores are optimistic.")
    notes += guarantee_notes(config.threshold, subjects)
    if config.threshold.rule != "fixed" and any(subject.val is None for subject in subjects):
        notes.append("Without val predictions the threshold is 0.5.")
    return notes


def _write(report: comparison.Report, config: CompareConfig, reports: Path) -> list[Path]:
    folder = reports / config.split
    folder.mkdir(parents=True, exist_ok=True)
    markdown, json_file = folder / "comparison.md", folder / "comparison.json"
    write_text(markdown, comparison.to_markdown(report))
    write_json(json_file, {"config": config.model_dump(mode="json"), **comparison.to_json(report)})
    return [markdown, json_file]
