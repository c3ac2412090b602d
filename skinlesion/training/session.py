"""From a model and a recipe to a finished run folder; and from a run folder back to its model."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from skinlesion import models, provenance, runtime
from skinlesion.config import Balanced, ModelConfig, Recipe, Trainable
from skinlesion.data.augment import Ranges
from skinlesion.data.order import Balance
from skinlesion.data.pipeline import FeatureBatches, ImageBatches
from skinlesion.data.sampling import Images
from skinlesion.data.store import Dataset
from skinlesion.errors import DataError
from skinlesion.folders import atomic_path
from skinlesion.losses import fitted_loss
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir, read_json, write_json
from skinlesion.tables import TRAIN, VAL, write_rows
from skinlesion.training.checkpoint import Checkpoints, History
from skinlesion.training.examples import Examples
from skinlesion.training.fit import Batches, chosen_epoch, fit
from skinlesion.training.predict import cache_features, forward, predict_logits, sigmoid
from skinlesion.training.tracking import Follow, followed
from skinlesion.training.unfreezing import Stage

MODEL_SCHEMA = 1
PREDICT_BATCH = 32

Validate = Callable[[], tuple[np.ndarray, np.ndarray]]


def train_model(
    model: keras.Model,
    run: RunDir,
    examples: Examples,
    *,
    config: ModelConfig,
    recipe: Recipe,
    trainable: Trainable,
    stages: Sequence[Stage],
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
        stages: Of the whole model, see ``make_stages``.
        seed: Of order and augmentation; dropout has the model's.
        feature_views: Views cached for a head.
        reporter: Told of the progress.

    Returns:
        One row an epoch.
    """
    started = time.perf_counter()
    reporter.say(_introduction(model, examples))
    job = _Job(model, run, examples, config.image_size, recipe, seed, reporter)
    is_head = trainable == "head"
    trained, batches, validate = job.head(feature_views) if is_head else job.whole()
    with followed(recipe, run, reporter) as follow, contextlib.closing(_Log(run, follow)) as log:
        history = fit(
            trained,
            batches,
            validate,
            loss=_loss(recipe, batches.order.shown_labels),
            recipe=recipe,
            checkpoints=Checkpoints(run.state),
            reporter=reporter,
            on_epoch=log.write,
            stages=None if is_head else stages,
            depths=models.depths(model),
        )
    write_history(run, history)  # a run killed after its last epoch may not have come to it
    write_model(model, run, config=config, dataset=examples.dataset)
    write_predictions(
        model,
        run,
        examples,
        splits=[VAL] if recipe.predict == VAL else None,
        image_size=config.image_size,
        reporter=reporter,
    )
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


@dataclass(frozen=True)
class _Job:
    """What both ways of training have in common; each returns (model, batches, validate)."""

    model: keras.Model
    run: RunDir
    examples: Examples
    image_size: int
    recipe: Recipe
    seed: int
    reporter: Reporter

    def whole(self) -> tuple[keras.Model, Batches, Validate]:
        """The whole model on augmented images."""
        val = self.examples.images(VAL)
        call = forward(self.model)

        def validate() -> tuple[np.ndarray, np.ndarray]:
            logits = predict_logits(call, val, image_size=self.image_size, batch_size=PREDICT_BATCH)
            return val.labels, logits

        train = self.examples.images(TRAIN)
        batches = image_batches(train, self.recipe, image_size=self.image_size, seed=self.seed)
        return self.model, batches, validate

    def head(self, views: int) -> tuple[keras.Model, Batches, Validate]:
        """The head on features: one pass over the pixels for each view, then none."""
        train, val = self.examples.images(TRAIN), self.examples.images(VAL)
        extractor, head = models.feature_extractor(self.model), models.head(self.model)
        with self.reporter.counting("features", len(train.rows) * views + len(val.rows)) as counter:

            def cache(images: Images, name: str, views: int) -> np.ndarray:
                return cache_features(
                    extractor,
                    images,
                    self.run.state / f"features-{name}.npy",
                    views=views,
                    image_size=self.image_size,
                    batch_size=PREDICT_BATCH,
                    seed=self.seed,
                    ranges=_ranges(self.recipe),
                    advance=counter.advance,
                )

            train_features, val_features = cache(train, TRAIN, views), cache(val, VAL, 1)[0]
        call = forward(head)

        def validate() -> tuple[np.ndarray, np.ndarray]:
            return val.labels, call(tf.constant(val_features)).numpy()[:, 0]

        batches = FeatureBatches(
            train_features, train.labels, self.recipe.batch_size, self.seed, _balance(self.recipe)
        )
        return head, batches, validate


def image_batches(images: Images, recipe: Recipe, *, image_size: int, seed: int) -> ImageBatches:
    """What ``recipe`` trains a whole model on."""
    return ImageBatches(
        images, image_size, recipe.batch_size, seed, _ranges(recipe), _balance(recipe)
    )


def _ranges(recipe: Recipe) -> Ranges:
    return Ranges(**recipe.augment.model_dump())


def _balance(recipe: Recipe) -> Balance | None:
    if isinstance(recipe.sampling, Balanced):
        return Balance(**recipe.sampling.model_dump(exclude={"name"}))
    return None


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


def _loss(recipe: Recipe, labels: np.ndarray) -> keras.losses.Loss:
    return fitted_loss(labels, **recipe.loss.model_dump())


def write_model(model: keras.Model, run: RunDir, *, config: ModelConfig, dataset: Dataset) -> None:
    """Write the weights, what is needed to build a model around them, and how its images are made.

    Later images are to be fitted into a square and cleaned as those of ``dataset`` were.
    """
    write_weights(model, run)
    record = {
        "schema": MODEL_SCHEMA,
        **config.model_dump(mode="json", exclude={"weights"}),
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
        # A compiled model would add its optimiser, twice the size of the weights.
        keras.Model(model.inputs, model.outputs).save_weights(temporary)


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
    return models.build_model(**config.model_dump(), seed=seed), config


def write_predictions(
    model: keras.Model,
    run: RunDir,
    examples: Examples,
    *,
    splits: Sequence[str] | None = None,
    image_size: int,
    reporter: Reporter,
) -> None:
    """Write predictions on ``splits``; None: on every split but train."""
    call = forward(model)
    splits = examples.predicted_splits() if splits is None else splits
    total = sum(len(examples.images(split).rows) for split in splits)
    with reporter.counting("predictions", total) as bar:
        for split in splits:
            images = examples.images(split)
            logits = predict_logits(
                call,
                images,
                image_size=image_size,
                batch_size=PREDICT_BATCH,
                advance=bar.advance,
            )
            path = run.predictions(split)
            path.parent.mkdir(exist_ok=True)
            examples.predictions(split, sigmoid(logits)).write_csv(path)
