"""Which images explain is about: files, or those of a split that a run gets most wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skinlesion.asking import Asked
from skinlesion.bundle import Preprocessing
from skinlesion.config import ExplainConfig
from skinlesion.data.finding import image_paths
from skinlesion.data.images import decode, raise_broken
from skinlesion.data.store import Dataset, open_dataset
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.metrics.mistakes import worst_mistakes
from skinlesion.metrics.thresholds import youden
from skinlesion.runs import RunDir
from skinlesion.tables import VAL, Predictions


@dataclass(frozen=True)
class Subject:
    """An image to be explained.

    Attributes:
        name: Its id, or its path.
        label: The true class in words; "" if unknown.
        mistake: What the run makes of it: ``false negative``, ``false positive``; "" if unknown.
    """

    name: str
    label: str = ""
    mistake: str = ""


def with_files(config: ExplainConfig) -> ExplainConfig:
    """``config`` with the images that its files, folders and globs mean."""
    if not config.images:
        return config
    given = [str(path) for path in config.images]
    found = tuple(map(Path, image_paths(given)))
    if not found:
        raise DataError(
            "there is no image to explain",
            expected="JPEG, PNG, BMP or TIFF files, or folders of them",
            which=given,
        )
    return config.model_copy(update={"images": found})


def chosen(
    config: ExplainConfig, whole: Asked
) -> tuple[list[Subject], list[np.ndarray], dict[str, str]]:
    """The images, their stored pixels for each member, and why others could not be read."""
    if config.images:
        return _decoded(config.images, [member.preprocessing for member in whole.members])
    subjects = _mistaken(config, whole)
    return subjects, [_stored_pixels(one.run, config, subjects) for one in whole.members], {}


def _decoded(
    paths: Sequence[Path], members: Sequence[Preprocessing]
) -> tuple[list[Subject], list[np.ndarray], dict[str, str]]:
    """Files fitted into a square and cleaned as the images that each member learnt from were."""
    subjects, images, broken = [], [], {}
    for path in paths:
        try:
            images.append(
                [
                    decode(path, how.stored_size, fit=how.fit, cleaning=how.cleaning)
                    for how in members
                ]
            )
            subjects.append(Subject(str(path)))
        except DataError as error:
            broken[str(path)] = error
    if not subjects:
        raise_broken(list(broken.values()), total=len(paths))
    reasons = {path: error.what for path, error in broken.items()}
    return subjects, [np.stack(squares) for squares in zip(*images, strict=True)], reasons


def _mistaken(config: ExplainConfig, whole: Asked) -> list[Subject]:
    """The images of a split that the run gets most wrong."""
    run = whole.run
    if run is None:
        raise ConfigError(
            f"{whole.path} is a bundle: it knows no images",
            expected="image files: skinlesion explain photo.jpg",
            fix="pass files, or --run with the run itself",
        )
    split = config.split or VAL
    if split not in run.predicted_splits():
        raise DataError(
            f"{run.path} has no predictions on {split}",
            expected=f"one of {', '.join(run.predicted_splits())}",
        )
    table = Predictions.read_csv(run.predictions(split))
    val = Predictions.read_csv(run.predictions(VAL)) if VAL in run.predicted_splits() else table
    mistakes = worst_mistakes(
        table.image_id,
        table.y_true,
        table.y_prob,
        threshold=youden(val.y_true, val.y_prob),
        most=config.worst,
    )
    negative, positive = run.record()["classes"]
    missed = [Subject(one.image_id, positive, "false negative") for one in mistakes.false_negatives]
    alarms = [Subject(one.image_id, negative, "false positive") for one in mistakes.false_positives]
    if not missed + alarms:
        raise DataError(f"{run.path} makes no mistake on {split}: there is nothing to explain")
    return missed + alarms


def _stored_pixels(
    run: RunDir | None, config: ExplainConfig, subjects: list[Subject]
) -> np.ndarray:
    """The images as the data set of ``run`` stores them, shape (n, S, S, 3), uint8."""
    assert run is not None, "a bundle has no mistakes"
    from skinlesion.training.examples import dataset_of

    dataset = open_dataset(config.dataset or dataset_of(run))
    _refuse_other(run, dataset)
    row_of = {image_id: row for row, image_id in enumerate(dataset.manifest.image_id.tolist())}
    missing = [one.name for one in subjects if one.name not in row_of]
    if missing:
        raise DataError(f"{dataset.path} lacks {len(missing)} of the images", which=missing)
    return dataset.pixels.read(np.array([row_of[one.name] for one in subjects]))


def _refuse_other(run: RunDir, dataset: Dataset) -> None:
    if run.record()["dataset"] != dataset.fingerprint:
        raise IntegrityError(
            f"{run.path} was made on another data set than {dataset.path} holds now",
            expected="the pixels that its predictions were made of",
            fix="pass --set dataset=FOLDER, or explain files",
        )
