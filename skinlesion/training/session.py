"""From a model and a recipe to a finished run folder; and from a run folder back to its model."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from skinlesion import models, provenance, runtime
from skinlesion.config import ModelConfig, Recipe, Trainable
from skinlesion.data.store import Dataset
from skinlesion.errors import DataError
from skinlesion.folders import atomic_path
from skinlesion.losses import fitted_loss
from skinlesion.odds import sigmoid
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir, read_json, write_json
from skinlesion.tables import TRAIN, VAL, write_rows
from skinlesion.training.checkpoint import Checkpoints, History
from skinlesion.training.examples import Examples
from skinlesion.training.fit import chosen_epoch, fit
from skinlesion.training.precision import copy_weights
from skinlesion.training.tasks import Job, Logits
from skinlesion.training.tracking import Follow, followed
from skinlesion.training.unfreezing import make_stages

MODEL_SCHEMA = 1


def train_model(
    model: keras.Model,
    run: RunDir,
    examples: Examples,
    *,
    config: ModelConfig,
    recipe: Recipe,
    trainable: Trainable,
    freeze_batch_norm: bool,
    seed: int,
    feature_views: int = 1,
    reporter: Reporter,
) -> History:
    """Fit ``model``, then write weights, history and predictions into ``run`` and finish it.

    Args:
        model: From ``models.build_model``.
        run: A run folder; its checkpoints are taken up if there are any.
        examples: What to train and validate on, and what to predict.
        config: What ``model`` was built from.
        recipe: How to train.
        trainable: If "head", the head is trained on cached features.
        freeze_batch_norm: As in ``models.set_trainable``.
        seed: Of order and augmentation; dropout has the model's.
        feature_views: Views cached for a head.
        reporter: Told of the progress.

    Returns:
        One row an epoch.
    """
    started = time.perf_counter()
    models.set_trainable(model, trainable, freeze_batch_norm=freeze_batch_norm)
    reporter.say(_introduction(model, examples))
    is_head = trainable == "head"
    job = Job(model, run, examples, config, recipe, seed, reporter)
    task = job.head(feature_views) if is_head else job.whole()
    stages = make_stages(
        task.trained, trainable, recipe.unfreeze, freeze_batch_norm=freeze_batch_norm
    )
    with followed(recipe, run, reporter) as follow, contextlib.closing(_Log(run, follow)) as log:
        history = fit(
            task.trained,
            task.batches,
            lambda: (examples.images(VAL).labels, task.logits(VAL, None)),
            loss=loss_of(recipe, task.batches.order.shown_labels),
            recipe=recipe,
            checkpoints=Checkpoints(run.state),
            reporter=reporter,
            on_epoch=log.write,
            stages=stages,
            depths=models.depths(model),
        )
    write_history(run, history)  # a run killed after its last epoch may not have come to it
    if not is_head:
        copy_weights(task.trained, model)
    write_model(model, run, config=config, dataset=examples.dataset)
    write_predictions(run, examples, task.logits, splits=task.splits, reporter=reporter)
    best = history[chosen_epoch(history, recipe)]
    run.finish(seconds=round(time.perf_counter() - started, 1), epochs=len(history), best=best)
    return history


def _introduction(model: keras.Model, examples: Examples) -> str:
    """What is about to be trained, on what, by what."""
    every = models.count_parameters(model)
    trained = models.count_parameters(model, trainable_only=True)
    sizes = [
        f"{len(images.rows):,} {split} images ({int(images.labels.sum()):,} {examples.target})"
        for split, images in ((split, examples.images(split)) for split in (TRAIN, VAL))
    ]
    return (
        f"{model.name}: {every:,} parameters, {trained:,} trained; {', '.join(sizes)};"
        f" {', '.join(runtime.devices())}"
    )


class _Log:
    """Writes the history after every epoch: the whole CSV, the new row for those who follow."""

    def __init__(self, run: RunDir, follow: Follow) -> None:
        self.run, self.follow = run, follow
        self._writer = tf.summary.create_file_writer(str(run.tensorboard))

    def write(self, history: History) -> None:
        write_history(self.run, history)
        with self._writer.as_default():
            for name, value in history[-1].items():
                if name != "epoch":
                    tf.summary.scalar(name, value, step=history[-1]["epoch"])
        self._writer.flush()
        self.follow(history)

    def close(self) -> None:
        self._writer.close()


def write_history(run: RunDir, history: History) -> None:
    """Write one row an epoch; of ``history`` there is at least one."""
    write_rows(run.history, list(history[0]), [list(row.values()) for row in history])


def loss_of(recipe: Recipe, labels: np.ndarray) -> keras.losses.Loss:
    """The loss of ``recipe``, fitted to training labels, shape (k,)."""
    return fitted_loss(labels, **recipe.loss.model_dump())


def write_model(model: keras.Model, run: RunDir, *, config: ModelConfig, dataset: Dataset) -> None:
    """Write the weights, what is needed to build a model around them, and how its images are made.

    Later images are to be fitted into a square and cleaned as those of ``dataset`` were.
    """
    write_weights(model, run)
    record = {
        "schema": MODEL_SCHEMA,
        **config.model_dump(mode="json", exclude={"weights"}),
        "precision": run.record()["precision"],
        "parameters": models.count_parameters(model),
        "preprocessing": {
            "stored_size": dataset.pixels.image_size,
            **{name: dataset.info["settings"][name] for name in ("fit", "cleaning")},
        },
    }
    write_json(run.model, record)


def write_weights(model: keras.Model, run: RunDir) -> None:
    """Write the weights alone."""
    with atomic_path(run.weights) as temporary:
        models.save_weights(model, temporary)


def inherit_weights(weights: str, run: RunDir, examples: Examples) -> None:
    """Where ``weights`` lie in another run's folder, inherit what that run learnt from.

    Raises:
        IntegrityError: If that run learnt from images that this run is to be judged on.
    """
    source = RunDir(Path(weights).parent)
    if weights in ("imagenet", "none") or not source.is_run():
        return
    for split in examples.predicted_splits():
        provenance.refuse_leak(source, examples.ids(split), split=split, parent=True)
    provenance.inherit(run, [source])
    run.update_record(parent=str(source.path))


def load_run_model(run: RunDir, *, seed: int = 0) -> tuple[keras.Model, ModelConfig]:
    """Rebuild the model of a finished run from our own code and load its weights.

    It computes in the precision that the run's predictions were made in.

    Args:
        run: Of train, finetune or soup.
        seed: Of dropout, if the model is trained further.

    Raises:
        DataError: If the run holds no model, or a file of it is missing or does not fit.
    """
    if not run.model.exists():
        raise DataError(
            f"{run.path} holds no model",
            expected="a run of train, finetune or soup; an ensemble has members instead",
        )
    record = read_json(run.model)
    fields = {name: record[name] for name in ModelConfig.model_fields if name in record}
    config = ModelConfig.model_validate({**fields, "weights": str(run.weights)})
    precision = record.get("precision", {}).get("prediction", "float32")
    return models.build_model(**config.model_dump(), seed=seed, precision=precision), config


def write_predictions(
    run: RunDir,
    examples: Examples,
    logits: Logits,
    *,
    splits: Sequence[str] | None = None,
    reporter: Reporter,
) -> None:
    """Write predictions from the ``logits`` of each of ``splits``; None: of all but train."""
    splits = examples.predicted_splits() if splits is None else splits
    total = sum(len(examples.images(split).rows) for split in splits)
    with reporter.counting("predictions", total) as bar:
        for split in splits:
            path = run.predictions(split)
            path.parent.mkdir(exist_ok=True)
            y_prob = sigmoid(logits(split, bar.advance))
            examples.predictions(split, y_prob).write_csv(path)
