"""The learning rate range test: short training at a rate that grows until the loss diverges.

Smith, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186; the stop and the
valley are those of fastai's lr_find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from skinlesion import models
from skinlesion.config import ModelConfig, Recipe, Trainable
from skinlesion.errors import DataError
from skinlesion.progress import Counter, Reporter
from skinlesion.runs import RunDir
from skinlesion.training.compiling import compile_model
from skinlesion.training.devices import shared_batches
from skinlesion.training.examples import Examples
from skinlesion.training.fit import Batches
from skinlesion.training.optimizers import Exponential
from skinlesion.training.session import loss_of
from skinlesion.training.tasks import Job

DIVERGED = 4.0  # times the best smoothed loss
LEFT_OUT_FIRST, LEFT_OUT_LAST = 1 / 10, 5  # of the curve, before a rate is read off: fastai's
SHORTEST = 3  # points of a fall


@dataclass(frozen=True)
class Sweep:
    """What rates are tried.

    Attributes:
        start: The first, above 0.
        stop: The last, above ``start``.
        steps: Of the optimiser, from one to the other; at least 2.
        smoothing: Share of the past in the smoothed loss, in [0, 1).
    """

    start: float = 1e-7
    stop: float = 1e-1
    steps: int = 100
    smoothing: float = 0.9


@dataclass(frozen=True)
class RangeTest:
    """What came out.

    Attributes:
        rates: The rate of each step taken, rising, shape (n,).
        losses: The mean loss of each step's images before it, shape (n,).
        smoothed: ``smooth(losses)``.
        has_diverged: Whether the loss grew so much that the rest was not tried.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    has_diverged: bool

    def suggestions(self) -> dict[str, float]:
        """Rates by what they are; nan where the curve says nothing."""
        first = int(len(self.rates) * LEFT_OUT_FIRST)
        part = slice(first, max(len(self.rates) - LEFT_OUT_LAST, first))
        rates, smoothed = self.rates[part], self.smoothed[part]
        return {"valley": valley(rates, smoothed), "steepest": steepest(rates, smoothed)}


def find_rate(
    model: keras.Model,
    scratch: RunDir,
    examples: Examples,
    *,
    config: ModelConfig,
    recipe: Recipe,
    trainable: Trainable,
    freeze_batch_norm: bool,
    seed: int,
    feature_views: int = 1,
    sweep: Sweep,
    reporter: Reporter,
) -> RangeTest:
    """Train ``model``, which is worth nothing afterwards, at growing rates.

    Optimiser, batches, loss, precision and what is trained are those of a run; warm-up and decay
    are replaced by the sweep, and with ``unfreeze`` all is open that is open in the end.

    Args:
        model: From ``models.build_model``.
        scratch: An empty folder that is thrown away.
        examples: Whose training images are used.
        config: What ``model`` was built from.
        recipe: How to train.
        trainable: If "head", the head is trained on cached features.
        freeze_batch_norm: As in ``models.set_trainable``.
        seed: Of order and augmentation; dropout has the model's.
        feature_views: Views cached for a head.
        sweep: The rates.
        reporter: Told of the progress.

    Raises:
        DataError: If the first loss is no number.
    """
    models.set_trainable(model, trainable, freeze_batch_norm=freeze_batch_norm)
    scratch.update_record()
    job = Job(model, scratch, examples, config, recipe, seed, reporter)
    task = job.head(feature_views, judged_splits=()) if trainable == "head" else job.whole()
    each = recipe.optimizer.accumulate_steps
    stepped = compile_model(
        task.trained,
        loss_of(recipe, task.batches.order.shown_labels),
        recipe,
        steps=task.batches.order.steps,
        depths=models.depths(model),
        rate=Exponential(sweep.start, sweep.stop, sweep.steps, each),
    )
    with reporter.counting("range test", sweep.steps, unit="steps") as counter:
        watch = _Watch(sweep, each, counter)
        _train(stepped, task.batches, sweep.steps * each, watch)
    if not watch.losses:
        raise DataError(
            f"the loss is no number at the first learning rate, {sweep.start:.2g}",
            expected="a finite loss of the network as it is",
            fix="pass a lower --start",
        )
    losses = np.array(watch.losses)
    rates = np.geomspace(sweep.start, sweep.stop, sweep.steps)[: len(losses)]
    return RangeTest(rates, losses, smooth(losses, sweep.smoothing), watch.has_diverged)


def smooth(losses: np.ndarray, share: float) -> np.ndarray:
    """Exponential moving average, shape (n,), divided by the weight it has gathered so far.

    Args:
        losses: Shape (n,).
        share: Of the past, in [0, 1).
    """
    average, found = 0.0, []
    for number, loss in enumerate(losses, start=1):
        average = share * average + (1 - share) * float(loss)
        found.append(average / (1 - share**number))
    return np.array(found)


def steepest(rates: np.ndarray, losses: np.ndarray) -> float:
    """The rate at which the loss falls fastest by the logarithm of the rate; nan if it never falls.

    The slope is that of a straight line through a fifth of the points: from one step to the next
    it is chance. What comes after the lowest loss does not count.

    Args:
        rates: Rising, shape (n,).
        losses: Smoothed, shape (n,).
    """
    reach = max(len(losses) // 10, 1)
    last = int(np.argmin(losses)) if len(losses) else 0
    slopes = {}
    for middle in range(reach, last - reach + 1):
        window = slice(middle - reach, middle + reach + 1)
        slopes[middle] = np.polyfit(np.log(rates[window]), losses[window], 1)[0]
    at = min(slopes, key=lambda middle: slopes[middle], default=None)
    return float(rates[at]) if at is not None and slopes[at] < 0 else float("nan")


def valley(rates: np.ndarray, losses: np.ndarray) -> float:
    """The rate in the middle of the longest fall, as fastai's valley; nan if there is none.

    The longest fall is the longest falling subsequence, so a bump does not end it. As in fastai
    it is taken to begin as many points before its end as it has.

    Args:
        rates: Rising, shape (n,).
        losses: Smoothed, shape (n,).
    """
    lengths = np.ones(len(losses), np.int64)
    for end in range(1, len(losses)):
        before = lengths[:end][losses[:end] > losses[end]]
        lengths[end] = 1 + before.max(initial=0)
    longest = int(lengths.max(initial=0))
    if longest < SHORTEST:
        return float("nan")
    begin = int(np.argmax(lengths)) - longest
    return float(rates[begin + longest // 3 + longest // 6])


def _train(model: keras.Model, batches: Batches, count: int, watch: _Watch) -> None:
    """As ``fit``: all ``count`` batches as one epoch of Keras's, over as many of ours as needed."""
    epochs = -(-count // batches.order.steps)
    model.fit(
        shared_batches(batches.epochs(0, epochs).take(count), model.distribute_strategy),
        steps_per_epoch=count,
        shuffle=False,
        verbose=0,
        callbacks=[watch],
    )


class _Watch(keras.callbacks.Callback):
    """Notes the loss of each step and stops where it diverges."""

    def __init__(self, sweep: Sweep, each: int, counter: Counter) -> None:
        super().__init__()
        self.sweep, self.each, self.counter = sweep, each, counter
        self.losses: list[float] = []
        self.has_diverged = False
        self._gathered: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Keras's loss is the mean since the last reset."""
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """A step is over with the last of its batches."""
        self._gathered.append(float((logs or {})["loss"]))
        if len(self._gathered) < self.each:
            return
        loss, self._gathered = float(np.mean(self._gathered)), []
        if np.isfinite(loss):
            self.losses.append(loss)
            self.counter.advance(1, f"loss {loss:.4f}")
        if not np.isfinite(loss) or is_diverging(self.losses, self.sweep.smoothing):
            self.has_diverged = True
            self.model.stop_training = True


def is_diverging(losses: Sequence[float], share: float) -> bool:
    """Whether the last smoothed loss is above ``DIVERGED`` times the best.

    The first averages are of fewer losses than the ``1 / (1 - share)`` that later ones remember,
    and one batch that is easy by chance makes them low: they do not count.
    """
    settled = smooth(np.array(losses), share)[round(1 / (1 - share)) - 1 :]
    return bool(len(settled) and settled[-1] > DIVERGED * settled.min())
