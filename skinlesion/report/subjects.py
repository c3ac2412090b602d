"""What is evaluated: finished runs, or another program's tables of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skinlesion import provenance
from skinlesion.config import Threshold
from skinlesion.data.store import open_dataset
from skinlesion.errors import DataError
from skinlesion.metrics.calibration import CALIBRATORS
from skinlesion.metrics.thresholds import OPERATING_POINTS
from skinlesion.progress import Reporter
from skinlesion.report.by_path import PROBABILITY, is_of_predict, read_answers
from skinlesion.runs import FOLDS, RunDir, find_runs
from skinlesion.tables import VAL, Predictions, floats, read_columns, refuse_duplicates
from skinlesion.wording import counted

NO_CALIBRATION = "none"
GUARANTEE = "guaranteed_sensitivity"
CAVEAT = (
    "val chose the best epoch (and ensemble weights); the promise takes it as untouched, so it is"
    " slightly optimistic. Where the images are drawn otherwise than val's, no promise holds."
)


@dataclass(frozen=True)
class Subject:
    """One thing to be scored.

    Attributes:
        name: As the leaderboard shows it.
        kind: Its architecture, with views, folds or soup; or the ensemble's method.
        test: Predictions on the split.
        val: Predictions on val, where the threshold is fitted; None: there are none.
        classes: Names of label 0 and label 1.
        run: Where it comes from; None for a foreign table.
        calibrator: Method, parameters and the split they were fitted on, if its probabilities were
            calibrated: plain values.
    """

    name: str
    kind: str
    test: Predictions
    val: Predictions | None
    classes: tuple[str, str]
    run: RunDir | None = None
    calibrator: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Foreign:
    """Another program's tables.

    Attributes:
        path: Of the predictions on the split.
        val_path: Of those on val, to fit the threshold; None: there are none.
        dataset: Where labels come from if the tables have no ``y_true``.
        target: Which of the data set's labels.
        score_column: The column of probabilities.

    A table of ``predict``, which names files, is one, too: see ``report.by_path``.
    """

    path: Path
    val_path: Path | None = None
    dataset: Path | None = None
    target: str = "malignant"
    score_column: str = "y_prob"


def run_subjects(split: str, paths: Sequence[Path], reporter: Reporter) -> list[Subject]:
    """The finished runs among ``paths`` that predict ``split``; the reporter hears of the others.

    Raises:
        DataError: If there is none.
        IntegrityError: If a run learnt from images of the split.
    """
    found, skipped = find_runs(paths)
    for sentence in skipped:
        reporter.say(f"skipped {sentence}")
    with_split = [run for run in found if run.predictions(split).exists()]
    if not with_split:
        there = sorted({name for run in found for name in run.predicted_splits()})
        raise DataError(
            f"no finished run has predictions on {split}",
            expected=f"one of the splits {', '.join(there)}" if there else "a finished run",
            fix="choose another --split" if there else "skinlesion train --config NAME.yaml",
            which=[str(run.path) for run in found],
        )
    for run in found:
        if run not in with_split:
            reporter.say(f"skipped {run.path}: no predictions on {split}")
    return [_subject(run, split) for run in with_split]


def _subject(run: RunDir, split: str) -> Subject:
    test = Predictions.read_csv(run.predictions(split))
    provenance.refuse_leak(run, test.image_id.tolist(), split=split)
    record = run.record()
    val_file = run.predictions(VAL)
    val = Predictions.read_csv(val_file) if val_file.exists() else None
    negative, positive = record["classes"]
    return Subject(run.name, kind_of(record), test, val, (negative, positive), run)


def kind_of(record: Mapping[str, Any]) -> str:
    """What predicted, in a few words, by the content of ``run.json``."""
    backbone = record.get("backbone")
    if not backbone:
        return f"ensemble ({record.get('method')})"
    if record.get("kind") == "tta":
        count = len(record["views"])
        return f"{backbone}, {counted(count, 'view')}"
    if record.get("kind") == FOLDS:
        return f"{backbone}, {record['k']} folds"
    if record.get("kind") == "soup":
        return f"{backbone}, soup"
    return str(backbone)


def foreign_subject(split: str, table: Foreign) -> Subject:
    """Another program's model on ``split``.

    Raises:
        DataError: If its tables lack columns, labels or images.
    """
    val = _predictions(table.val_path, VAL, table) if table.val_path else None
    test = _predictions(table.path, split, table)
    negative = "benign" if table.target == "malignant" else f"not {table.target}"
    return Subject(table.path.stem, "predictions", test, val, (negative, table.target))


def _predictions(path: Path, split: str, table: Foreign) -> Predictions:
    """A table of scores; labels and groups from the data set's manifest where it has none."""
    names_files, column = is_of_predict(path), table.score_column
    if names_files:
        column = PROBABILITY if column == Foreign.score_column else column
    else:
        columns = read_columns(path, required=["image_id", column])
        if "y_true" in columns:
            return Predictions.read_csv(path, score_column=column)
    if table.dataset is None:
        raise DataError(
            f"{path} has no labels: no column y_true",
            fix="add y_true, or pass --dataset DIR to take the labels from its manifest",
        )
    manifest = open_dataset(table.dataset).manifest
    if names_files:
        columns = read_answers(path, manifest, column=column)
    refuse_duplicates(columns["image_id"], where=str(path))
    rows = manifest.rows(split)
    ids = manifest.image_id[rows].tolist()
    position = {image_id: row for row, image_id in enumerate(columns["image_id"])}
    missing = sorted(set(ids) - set(position))
    if missing or not ids:
        raise DataError(
            f"{path} lacks {len(missing):,} of the {len(ids):,} images of {split}",
            expected=f"a row for each image of split {split} in {table.dataset}",
            which=missing,
        )
    scores = floats(path, column, columns[column])
    return Predictions(
        manifest.image_id[rows],
        manifest.group[rows],
        manifest.target(table.target)[rows],
        scores[[position[image_id] for image_id in ids]],
    )


def refuse_different_images(subjects: list[Subject]) -> None:
    """Raise DataError unless all subjects were predicted on the same images and labels."""
    first = subjects[0]
    labels = dict(zip(first.test.image_id.tolist(), first.test.y_true.tolist(), strict=True))
    differing = []
    for subject in subjects[1:]:
        own = dict(zip(subject.test.image_id.tolist(), subject.test.y_true.tolist(), strict=True))
        if own != labels:
            differing.append(f"{subject.name} (n = {len(own)})")
    if differing:
        raise DataError(
            f"not all runs were predicted on the images and labels of {first.name}"
            f" (n = {len(labels)})",
            expected="one test set for all",
            fix="choose runs of one data set and one target",
            which=differing,
        )


@dataclass(frozen=True)
class Aligned:
    """Several subjects' predictions on the same images, row by row.

    Attributes:
        y_true: Labels, shape (n,).
        y_probs: Shape (subjects, n).
        group: Shape (n,): the coarsest of the subjects' groups.
        group_source: The subject that ``group`` is from, if they differ; else "".
    """

    y_true: np.ndarray
    y_probs: np.ndarray
    group: np.ndarray
    group_source: str


def align(subjects: Sequence[Subject]) -> Aligned:
    """Put every subject's rows into the order of the first.

    Raises:
        DataError: If they were predicted on different images or labels.
    """
    refuse_different_images(list(subjects))
    ids = subjects[0].test.image_id.tolist()
    y_probs, groups = [], []
    for subject in subjects:
        position = {image_id: row for row, image_id in enumerate(subject.test.image_id.tolist())}
        rows = np.array([position[image_id] for image_id in ids], dtype=int)
        y_probs.append(subject.test.y_prob[rows])
        groups.append(subject.test.group[rows])
    coarsest = min(range(len(groups)), key=lambda index: len(np.unique(groups[index])))
    differing = any((group != groups[0]).any() for group in groups)
    return Aligned(
        subjects[0].test.y_true,
        np.stack(y_probs),
        groups[coarsest],
        subjects[coarsest].name if differing else "",
    )


def calibrated(subject: Subject, method: str) -> Subject:
    """The subject with the probabilities of val and of the split calibrated, both as fitted on val.

    A threshold fitted on the calibrated val is where the one of the uncalibrated val would go, as
    calibration never turns the order round. Without val predictions nothing is changed.

    Args:
        subject: With probabilities as predicted.
        method: One of ``CALIBRATORS``.

    Raises:
        DataError: If val lacks a class.
    """
    if method == NO_CALIBRATION or subject.val is None:
        return subject
    calibrator = CALIBRATORS[method]
    params = calibrator.fit(subject.val.y_true, subject.val.y_prob)
    val, test = (
        replace(table, y_prob=calibrator.apply(params, table.y_prob))
        for table in (subject.val, subject.test)
    )
    found = {"method": method, "params": params, "fitted_on": VAL}
    return replace(subject, val=val, test=test, calibrator=found)


def fitted_threshold(rule: Threshold, val: Predictions | None) -> tuple[float, str]:
    """The threshold and in words where it comes from; never from the split that is scored.

    Raises:
        DataError: If val cannot support the rule.
    """
    point = OPERATING_POINTS[rule.rule]
    if val is None:
        if point.uses_labels:
            return 0.5, "fixed (no val predictions)"
        val = Predictions(*(np.empty(0) for _ in range(4)))
    params = point.fit(val.y_true, val.y_prob, val.group, **rule.model_dump(exclude={"rule"}))
    return params["threshold"], point.words(params)


def guarantee_notes(rule: Threshold, subjects: Sequence[Subject]) -> list[str]:
    """What must be printed beside a threshold that promises something."""
    if rule.rule != GUARANTEE or all(subject.val is None for subject in subjects):
        return []
    return [f"Guaranteed sensitivity: {CAVEAT}"]
