"""A data set seen through one target: what a run trains on, validates on and predicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skinlesion.config import Fold, Target, read_yaml
from skinlesion.data.sampling import Images, limit_rows
from skinlesion.data.splits import deal_folds
from skinlesion.data.store import INFO, Dataset
from skinlesion.errors import DataError, IntegrityError
from skinlesion.runs import RunDir, read_json
from skinlesion.tables import OUT_OF_FOLD, TRAIN, VAL, Predictions, write_rows

LEVELS_ABOVE = 4  # runs/cross-validated/fold-0 beside data


@dataclass(frozen=True)
class Examples:
    """The rows of a data set that a run uses.

    Attributes:
        dataset: What preprocess wrote.
        target: Name of the target.
        train_rows: Rows trained on, ascending.
    """

    dataset: Dataset
    target: Target
    train_rows: np.ndarray

    def images(self, split: str) -> Images:
        """The images of ``split`` with the target's labels."""
        manifest = self.dataset.manifest
        rows = self.train_rows if split == TRAIN else manifest.rows(split)
        return Images(self.dataset.pixels, rows, manifest.target(self.target)[rows])

    def predicted_splits(self) -> list[str]:
        """Every split but train, sorted."""
        return sorted(set(self.dataset.manifest.split.tolist()) - {TRAIN})

    def ids(self, split: str) -> np.ndarray:
        """Image ids of ``split``."""
        return self.dataset.manifest.image_id[self.images(split).rows]

    def predictions(self, split: str, y_prob: np.ndarray) -> Predictions:
        """The table of ``y_prob``, shape (k,), of the images of ``split`` in row order."""
        images, manifest = self.images(split), self.dataset.manifest
        return Predictions(
            manifest.image_id[images.rows], manifest.group[images.rows], images.labels, y_prob
        )

    def record(self, run: RunDir) -> None:
        """Write which images the run uses for what, and what its outputs mean.

        Raises:
            IntegrityError: If the run was begun on another data set.
        """
        fingerprint = self.dataset.fingerprint
        if run.record().get("dataset", fingerprint) != fingerprint:
            raise IntegrityError(
                f"{run.path} was begun on another data set than {self.dataset.path} holds now",
                expected="the same images and splits: a resumed run equals an uninterrupted one",
                fix="restore that data set, or start again with --overwrite",
            )
        manifest = self.dataset.manifest
        rows = np.sort(
            np.concatenate([self.train_rows, *(manifest.rows(s) for s in self.predicted_splits())])
        )
        write_rows(
            run.split,
            ["image_id", "group", "split"],
            zip(manifest.image_id[rows], manifest.group[rows], manifest.split[rows], strict=True),
        )
        negative = "benign" if self.target == "malignant" else f"not {self.target}"
        run.update_record(
            target=self.target,
            classes=[negative, self.target],
            dataset=fingerprint,
        )


def choose_examples(
    dataset: Dataset, *, target: Target, limit: int | None, seed: int, fold: Fold | None = None
) -> Examples:
    """What a run on ``dataset`` uses, checked.

    Args:
        dataset: What preprocess wrote.
        target: Name of the target.
        limit: At most so many training images; None: all.
        seed: Decides which, where there are more.
        fold: Which of the images of train and val are val; None: as the data set has it.

    Raises:
        DataError: If train or val, or one of the folds, is empty or lacks a class.
    """
    if fold is not None:
        dataset = held_out(dataset, fold, target=target)
    labels = dataset.manifest.target(target)
    for split in (TRAIN, VAL):
        _refuse_missing_class(dataset, target, split)
    rows = dataset.manifest.rows(TRAIN)
    if limit is not None:
        rows = limit_rows(rows, labels[rows], limit=limit, rng=np.random.default_rng(seed))
    return Examples(dataset, target, rows)


def held_out(dataset: Dataset, fold: Fold, *, target: Target) -> Dataset:
    """``dataset`` with the images of ``fold`` as val and those of the other folds as train.

    Where ``fold`` is each in turn, all of them are ``OUT_OF_FOLD``.

    Raises:
        DataError: If a fold would lack a class.
    """
    manifest, labels = dataset.manifest, dataset.manifest.target(target)
    rows = np.flatnonzero(np.isin(manifest.split, [TRAIN, VAL]))
    if not len(rows):
        raise DataError(f"{dataset.path} holds no image in train or val: there is nothing to fold")
    folds = deal_folds(
        manifest.group[rows],
        labels[rows],
        manifest.diagnosis[rows],
        count=fold.count,
        rng=np.random.default_rng(fold.seed),
    )
    for label, name in ((0, f"not {target}"), (1, target)):
        lacking = sorted(set(range(fold.count)) - set(folds[labels[rows] == label].tolist()))
        if lacking:
            groups = len(set(manifest.group[rows][labels[rows] == label].tolist()))
            raise DataError(
                f"{len(lacking)} of {fold.count} folds hold no image that is {name}",
                expected="both classes in every fold; no group is divided between two",
                fix=f"use at most {groups} folds: so many groups are {name}",
                which=[f"fold {number}" for number in lacking],
            )
    split = manifest.split.astype(f"<U{max(manifest.split.dtype.itemsize // 4, len(OUT_OF_FOLD))}")
    if fold.index is None:
        split[rows] = OUT_OF_FOLD
    else:
        split[rows] = np.where(folds == fold.index, VAL, TRAIN)
    return replace(dataset, manifest=replace(manifest, split=split))


def fold_of(run: RunDir, dataset: Dataset) -> Fold | None:
    """The fold that ``run`` held out, if it was made on this very ``dataset``; else None."""
    if run.record().get("dataset") != dataset.fingerprint:
        return None
    values = read_yaml(run.config).get("fold")
    return Fold.model_validate(values) if values else None


def held_out_examples(
    dataset: Dataset, *, target: Target, judged: bool, fold: Fold | None = None
) -> Examples:
    """What a run uses that trains on nothing: every split but train.

    Args:
        dataset: What preprocess wrote.
        target: Name of the target.
        judged: Whether val decides something, so that it must hold both classes.
        fold: As in ``choose_examples``.

    Raises:
        DataError: If there is no such split, or val lacks a class and is needed.
    """
    if fold is not None:
        dataset = held_out(dataset, fold, target=target)
    examples = Examples(dataset, target, np.empty(0, dtype=np.int64))
    if not examples.predicted_splits():
        raise DataError(
            f"{dataset.path} holds no image outside train: there is nothing to predict",
            expected="a split val, or a test split",
            fix="choose another dataset",
        )
    if judged:
        _refuse_missing_class(dataset, target, VAL)
    return examples


def dataset_of(run: RunDir) -> Path:
    """Where the data set is that ``run`` was made on: as its config names it, or above the run.

    A relative name is that of the folder where the run was made; elsewhere, one of the run's
    fingerprint is looked for beside the run and in the folders above, three at most.
    """
    path = read_yaml(run.config).get("dataset")
    if path is None:
        raise DataError(f"{run.config} names no data set", fix="pass --set dataset=FOLDER")
    named = Path(path)
    above = [] if named.is_absolute() else run.path.resolve().parents[:LEVELS_ABOVE]
    for place in (named, *(folder / named for folder in above)):
        info = place / INFO
        if info.is_file() and read_json(info).get("fingerprint") == run.record().get("dataset"):
            return place
    return named


def _refuse_missing_class(dataset: Dataset, target: Target, split: str) -> None:
    labels = dataset.manifest.target(target)[dataset.manifest.rows(split)]
    for label, name in ((0, f"not {target}"), (1, target)):
        if not (labels == label).any():
            raise DataError(
                f"split {split} holds no image that is {name}",
                expected="both classes in train and in val",
                fix="preprocess more images, or change val_fraction",
            )
