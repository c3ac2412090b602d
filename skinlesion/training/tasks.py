"""What is fitted: the whole model on images, or its head on features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from skinlesion import models, runtime
from skinlesion.config import Balanced, ModelConfig, Precision, Recipe
from skinlesion.data.augment import Ranges
from skinlesion.data.order import Balance
from skinlesion.data.pipeline import FeatureBatches, ImageBatches
from skinlesion.data.sampling import Images
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir
from skinlesion.tables import TRAIN, VAL
from skinlesion.training.examples import Examples
from skinlesion.training.features import FeatureCache, View
from skinlesion.training.fit import Batches
from skinlesion.training.precision import (
    copy_weights,
    forward_step,
    settle_precision,
    training_step,
    twin,
)
from skinlesion.training.predict import Forward, feature_logits, forward, predict_logits

PREDICT_BATCH = 32

Advance = Callable[[int], None]
Logits = Callable[[str, Advance | None], np.ndarray]


@dataclass(frozen=True)
class Task:
    """What is to be fitted.

    Attributes:
        trained: The model or a copy of it that computes otherwise, or its head.
        batches: What it is trained on.
        logits: Of a split, in row order, for the weights as they are; tells how many are done.
        splits: Those that are predicted at the end.
    """

    trained: keras.Model
    batches: Batches
    logits: Logits
    splits: list[str]


@dataclass(frozen=True)
class Job:
    """What both ways of training have in common."""

    model: keras.Model
    run: RunDir
    examples: Examples
    config: ModelConfig
    recipe: Recipe
    seed: int
    reporter: Reporter

    def whole(self) -> Task:
        """The whole model on augmented images, which all devices share."""
        devices = runtime.replicas(self.recipe.devices)
        share = -(-self.recipe.batch_size // len(devices))

        def step(precision: Precision) -> Callable[[], object]:
            thrown_away = self._twin(precision, copy=True)
            return training_step(thrown_away, self.recipe, batch_size=share)

        precision = settle_precision(self.run, self.recipe, step, reporter=self.reporter)
        trained = self._twin(precision, devices)
        judged = self._twin(self.recipe.prediction_precision)
        predict = logits_by_split(judged, self.examples)

        def logits(split: str, advance: Advance | None) -> np.ndarray:
            copy_weights(trained, judged)
            return predict(split, advance)

        batches = image_batches(
            self.examples.images(TRAIN),
            self.recipe,
            image_size=self.config.image_size,
            seed=self.seed,
        )
        return Task(trained, batches, logits, self._splits())

    def head(self, views: int, judged_splits: Sequence[str] | None = None) -> Task:
        """The head on features: one pass over the pixels for each new view, then none.

        Args:
            views: Of each training image.
            judged_splits: Whose logits can be asked for; None: those that are predicted.
        """

        def extractor(precision: Precision) -> keras.Model:
            return models.feature_extractor(self._twin(precision))

        def step(precision: Precision) -> Callable[[], object]:
            return forward_step(extractor(precision), batch_size=PREDICT_BATCH)

        precision = settle_precision(self.run, self.recipe, step, reporter=self.reporter)
        dataset = self.examples.dataset
        cache = FeatureCache(
            folder=self.recipe.feature_cache or dataset.path / "features",
            own=self.run.state / "features",
            dataset=dataset.fingerprint,
            config=self.config,
            seed=self.seed,
            ranges=_ranges(self.recipe),
            extractor=extractor,
            batch_size=PREDICT_BATCH,
        )
        train = self.examples.images(TRAIN)
        others = self._splits() if judged_splits is None else list(judged_splits)
        wanted = [View(TRAIN, train, number, precision) for number in range(views)]
        wanted += [
            View(split, self.examples.images(split), 0, self.recipe.prediction_precision)
            for split in others
        ]
        features = cache.collect(wanted, reporter=self.reporter)
        judged = dict(zip(others, features[views:], strict=True))
        head = models.head(self.model)
        call = forward(head)

        def logits(split: str, advance: Advance | None) -> np.ndarray:
            values = feature_logits(call, judged[split])
            if advance:
                advance(len(values))
            return values

        batches = FeatureBatches(
            features[:views],
            train.labels,
            self.recipe.batch_size,
            self.seed,
            _balance(self.recipe),
        )
        return Task(head, batches, logits, others)

    def _splits(self) -> list[str]:
        return [VAL] if self.recipe.predict == VAL else self.examples.predicted_splits()

    def _twin(
        self, precision: Precision, devices: Sequence[str] = (), *, copy: bool = False
    ) -> keras.Model:
        return twin(
            self.model,
            self.config,
            seed=self.seed,
            precision=precision,
            devices=devices,
            copy=copy,
        )


def logits_by_split(model: keras.Model, examples: Examples) -> Logits:
    """What ``model``, with the weights it has then, says of the images of a split."""
    prepared = Forward(model)

    def logits(split: str, advance: Advance | None) -> np.ndarray:
        images = examples.images(split)
        return predict_logits(
            prepared.for_images(len(images.rows)),
            images,
            image_size=model.input_shape[1],
            batch_size=PREDICT_BATCH,
            advance=advance,
        )

    return logits


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
