"""evaluate: scores with intervals for runs or a foreign table; the only reader of test labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from skinlesion.config import EvaluateConfig, FixedThreshold
from skinlesion.errors import ConfigError, QualityGateError
from skinlesion.folders import write_text
from skinlesion.metrics.intervals import bootstrap
from skinlesion.metrics.scores import LOWER_IS_BETTER, canonical
from skinlesion.progress import Reporter
from skinlesion.report import decisions, evaluation, facts, leaderboard, study, subgroups
from skinlesion.report.subjects import (
    NO_CALIBRATION,
    Foreign,
    Subject,
    calibrated,
    fitted_threshold,
    foreign_subject,
    guarantee_notes,
    refuse_different_images,
    run_subjects,
)
from skinlesion.runs import write_json
from skinlesion.tables import TARGETS, VAL
from skinlesion.wording import counted

INTERVALS = {"percentile": "percentile", "bca": "BCa"}


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        rows: The leaderboard, best first, the constant answer last.
        notes: What a reader must know beside the table.
        files: Paths of what was written.
        split: What was scored on.
    """

    rows: list[leaderboard.Row]
    notes: list[str]
    files: list[Path]
    split: str

    def to_json(self) -> dict[str, Any]:
        """The leaderboard with every score, plain values."""
        return leaderboard.to_json(self.rows, split=self.split, notes=self.notes)

    def print(self, console: Console) -> None:
        """The leaderboard as a table, then what was written."""
        first = self.rows[0]
        title = f"{self.split}: {first.n:,} images, {first.positives:,} {first.positive}"
        console.print(
            leaderboard.to_rich(self.rows, title=title, width=console.width, notes=self.notes)
        )
        for file in self.files:
            console.print(str(file), soft_wrap=True, highlight=False, markup=False)


def run(
    config: EvaluateConfig,
    *,
    runs: Sequence[Path] = (),
    foreign: Foreign | None = None,
    reports: Path = Path("reports"),
    note: str = "",
    reporter: Reporter,
) -> Outcome:
    """Score every subject on ``config.split`` and write its evaluation and the leaderboard.

    Args:
        config: Split, threshold rule and bootstrap.
        runs: Run folders; globs are expanded, folders that are no finished run are skipped.
        foreign: Another program's tables instead of runs.
        reports: Where the leaderboard goes, in a folder named by the split.
        note: A sentence of the user's, put first below the leaderboard.
        reporter: Told of what is skipped.

    Raises:
        ConfigError: If an option would have no effect.
        DataError: If there is nothing to score, or subjects were predicted on different images.
        IntegrityError: If a run learnt from images of the split.
    """
    if foreign and runs:
        raise ConfigError("--run and --predictions exclude each other", fix="drop one of them")
    if foreign:
        subjects = [foreign_subject(config.split, foreign)]
    else:
        subjects = run_subjects(config.split, runs, reporter)
    refuse_different_images(subjects)
    subjects = [calibrated(subject, config.calibration) for subject in subjects]
    names = subgroups.read_names(config.subgroups, subjects[0].test.image_id.tolist())
    rows, files, scored = [], [], []
    parts: subgroups.Found = {}
    baseline = _always_benign(subjects[0], config)
    open_once = facts.opener()
    for subject in subjects:
        row = _score(subject, config)
        rows.append(row)
        folder = _folder(subject, config, reports)
        parts = subgroups.score(subject, names, config=config)
        found = facts.gather(subject, config.split, foreign, open_once)
        scored.append(
            evaluation.write(
                *(folder, subject, row),
                config=config,
                parts=parts,
                facts=found,
                baseline=baseline,
            )
        )
        files.append(folder)
    rows = leaderboard.ranked([*rows, baseline])
    notes = ([note] if note else []) + _notes(subjects, config)
    notes += subgroups.warnings(parts)  # of sizes: they are the same for all subjects
    files += _write_leaderboard(rows, notes, config, reports)
    page = reports / config.split / study.FILE
    write_text(page, study.overview_page(scored, rows, notes, config=config, folder=page.parent))
    files.append(page)
    return Outcome(rows, notes, files, config.split)


def foreign_tables(
    path: Path | None,
    val_path: Path | None,
    dataset: Path | None,
    *,
    target: str = "malignant",
    score_column: str = "y_prob",
) -> Foreign | None:
    """What the options on another program's predictions mean together; None if there are none.

    Raises:
        ConfigError: If an option would have no effect, or there is no such target.
    """
    if target not in TARGETS:
        raise ConfigError(f"there is no target {target!r}", expected=f"one of {', '.join(TARGETS)}")
    if path:
        return Foreign(path, val_path, dataset, target, score_column)
    if val_path or dataset:
        raise ConfigError(
            "--val-predictions and --dataset say more about a foreign table",
            expected="--predictions FILE with them",
        )
    return None


def refuse_low_scores(outcome: Outcome, gates: Sequence[str]) -> None:
    """Raise QualityGateError if any row but the constant answer is below a gate.

    Args:
        outcome: What ``run`` returned.
        gates: Like ``roc_auc=0.8``; an upper bound where less is better, as for ``brier``.
    """
    wanted = parse_gates(gates)
    failures = []
    for row in outcome.rows:
        if row.kind == leaderboard.CONSTANT:
            continue
        for name, bound in wanted.items():
            value = row.scores[name].value
            met = value <= bound if name in LOWER_IS_BETTER else value >= bound
            if not met:
                failures.append(f"{row.name}: {name} {value:.4f}, wanted {bound:g}")
    if failures:
        raise QualityGateError(
            f"--fail-under is not met by {counted(len(failures), 'score')}", which=failures
        )


def parse_gates(gates: Sequence[str]) -> dict[str, float]:
    """``["auc=0.8"]`` to ``{"roc_auc": 0.8}``; ConfigError if one is not of that form."""
    wanted = {}
    for gate in gates:
        name, _, text = gate.partition("=")
        try:
            wanted[canonical(name)] = float(text)
        except ValueError:
            raise ConfigError(
                f"--fail-under {gate}", expected="SCORE=VALUE, such as roc_auc=0.8"
            ) from None
    return wanted


# --- scores -------------------------------------------------------------------------------


def _score(subject: Subject, config: EvaluateConfig) -> leaderboard.Row:
    threshold, rule = fitted_threshold(config.threshold, subject.val)
    test = subject.test
    scores = bootstrap(
        test.y_true,
        test.y_prob,
        test.group,
        threshold=threshold,
        resamples=config.resamples,
        confidence=config.confidence,
        rng=np.random.default_rng(config.seed),
        method=config.interval,
        prevalence=config.prevalence,
    )
    return leaderboard.Row(
        name=subject.name,
        kind=subject.kind,
        threshold=threshold,
        threshold_rule=rule,
        scores=scores,
        n=len(test),
        positives=int(test.y_true.sum()),
        positive=subject.classes[1],
    )


def _always_benign(like: Subject, config: EvaluateConfig) -> leaderboard.Row:
    """The row that any accuracy must be read against."""
    test = replace(like.test, y_prob=np.zeros(len(like.test)))
    subject = Subject("always benign", leaderboard.CONSTANT, test, None, like.classes)
    fixed = config.model_copy(update={"threshold": FixedThreshold(rule="fixed")})
    return _score(subject, fixed)


def _notes(subjects: list[Subject], config: EvaluateConfig) -> list[str]:
    notes = [
        f"{config.confidence:.0%} intervals: {INTERVALS[config.interval]} bootstrap over groups,"
        f" stratified by class, {config.resamples} resamples, seed {config.seed}."
    ]
    if config.prevalence is not None:
        notes.append(
            f"PPV and NPV at a prevalence of {config.prevalence:.2%} are restated by Bayes' theorem"
            " from the sensitivity and specificity measured here."
        )
    if config.split == VAL:
        notes.append("Thresholds and best epochs were chosen on val: these scores are optimistic.")
    notes += guarantee_notes(config.threshold, subjects) + _calibration_notes(subjects, config)
    notes += decisions.notes(subjects, config)
    if config.threshold.rule != "fixed" and any(subject.val is None for subject in subjects):
        notes.append("Without val predictions the threshold is 0.5; see --val-predictions.")
    return notes


def _calibration_notes(subjects: list[Subject], config: EvaluateConfig) -> list[str]:
    if config.calibration == NO_CALIBRATION:
        return []
    notes = [
        f"Probabilities are calibrated ({config.calibration}), each model's on its val: thresholds,"
        " fixed ones too, and scores are of calibrated probabilities."
    ]
    if config.split == VAL:
        notes.append("Calibration was fitted on val as well: here it looks better than it is.")
    as_they_are = [subject.name for subject in subjects if not subject.calibrator]
    if as_they_are:
        notes.append(f"Not calibrated, for want of val predictions: {', '.join(as_they_are)}.")
    return notes


# --- files --------------------------------------------------------------------------------


def _folder(subject: Subject, config: EvaluateConfig, reports: Path) -> Path:
    """Of its evaluation: in the run's folder or, for a foreign table, in ``reports``."""
    if subject.run:
        return subject.run.evaluation(config.split)
    return reports / config.split / subject.name


def _write_leaderboard(
    rows: list[leaderboard.Row], notes: list[str], config: EvaluateConfig, reports: Path
) -> list[Path]:
    folder = reports / config.split
    folder.mkdir(parents=True, exist_ok=True)
    markdown, json_file = folder / "leaderboard.md", folder / "leaderboard.json"
    write_text(markdown, leaderboard.to_markdown(rows, title=config.split, notes=notes))
    write_json(json_file, leaderboard.to_json(rows, split=config.split, notes=notes))
    return [markdown, json_file]
