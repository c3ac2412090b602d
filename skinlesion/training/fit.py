"""The training loop: Keras's fit, with validation, best weights, checkpoints and early stopping."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from skinlesion.config import LastEpochs, Monitor, Recipe
from skinlesion.data.order import Order
from skinlesion.errors import DataError
from skinlesion.metrics.scores import SCORES
from skinlesion.odds import sigmoid
from skinlesion.progress import Counter, Reporter
from skinlesion.training.averaging import Average, make_average
from skinlesion.training.checkpoint import Checkpoints, History
from skinlesion.training.compiling import carry_over, compile_model
from skinlesion.training.devices import shared_batches
from skinlesion.training.unfreezing import Stage, one_stage, stage_of


class Batches(Protocol):
    """What ``fit`` trains on: ImageBatches or FeatureBatches."""

    @property
    def order(self) -> Order:
        """How many images and batches an epoch has."""

    def epochs(self, start: int, stop: int) -> tf.data.Dataset:
        """Batches of these epochs."""


def fit(
    model: keras.Model,
    batches: Batches,
    validate: Callable[[], tuple[np.ndarray, np.ndarray]],
    *,
    loss: keras.losses.Loss,
    recipe: Recipe,
    checkpoints: Checkpoints,
    reporter: Reporter,
    on_epoch: Callable[[History], None],
    stages: Sequence[Stage] | None = None,
    depths: Mapping[str, int] | None = None,
) -> History:
    """Train ``model`` in place and leave it with the weights of its chosen epoch.

    Args:
        model: With one logit.
        batches: The training data.
        validate: Returns labels (k,) and logits (k,) of the validation data for the model as it is.
        loss: Of (labels, logits), each (b, 1).
        recipe: Optimiser, schedule, averaging, epochs, monitor and early stopping.
        checkpoints: Where a broken-off fit is taken up again, and where its state is kept.
        reporter: Told of every step.
        on_epoch: Called with the history after every epoch, once its checkpoint is written.
        stages: Which weights are trained when; None: those whose ``trainable`` flags are set.
        depths: Steps from the head by path of weight, for ``layer_decay``; None: all 0.

    Returns:
        One row an epoch: epoch, learning_rate, loss, val_*.

    Raises:
        DataError: If the loss or a validation logit stops being a number.
    """
    stages = stages or one_stage()
    average = make_average(model, recipe)
    history = checkpoints.history()
    stage = stage_of(stages, max(len(history) - 1, 0))
    steps, depths = batches.order.steps, depths or {}
    stage.open()
    stepped = compile_model(model, loss, recipe, steps=steps, depths=depths)
    if history:
        average.restore(checkpoints.restore_last(model))
    epochs = _Epochs(
        model, batches, validate, recipe, checkpoints, reporter, on_epoch, history, average
    )
    try:
        while len(history) < recipe.epochs and not _should_stop(history, recipe):
            if stage is not (stage := stage_of(stages, len(history))):
                before = model.optimizer
                stage.open()
                stepped = compile_model(model, loss, recipe, steps=steps, depths=depths)
                carry_over(before, model.optimizer)
            stop = min(stage.stop, recipe.epochs)
            _run(stepped, batches, start=len(history), stop=stop, callback=epochs)
    finally:
        epochs.close()
    checkpoints.restore_best(model)
    return history


def chosen_epoch(history: History, recipe: Recipe) -> int:
    """Index of the row whose weights a run ends with.

    Raises:
        ValueError: If there is no row.
    """
    if isinstance(recipe.averaging, LastEpochs):
        return len(history) - 1
    return best_epoch(history, recipe.monitor)


def best_epoch(history: History, monitor: Monitor) -> int:
    """Index of the row with the best ``monitor``; the earliest of equals.

    Raises:
        ValueError: If there is no row.
    """
    sign = -1.0 if monitor == "val_loss" else 1.0
    return int(np.argmax([sign * row[monitor] for row in history]))


def validation_scores(
    y_true: np.ndarray, logits: np.ndarray, loss: keras.losses.Loss
) -> dict[str, float]:
    """Every monitor there is: the loss, and scores at a threshold of 0.5 where one is needed."""
    y_prob = sigmoid(logits)
    value = loss(y_true[:, None].astype(np.float32), logits[:, None].astype(np.float32))
    return {
        "val_loss": float(value),
        "val_auc": SCORES["roc_auc"](y_true, y_prob, 0.5),
        "val_average_precision": SCORES["average_precision"](y_true, y_prob, 0.5),
        "val_balanced_accuracy": SCORES["balanced_accuracy"](y_true, y_prob, 0.5),
    }


def _run(
    stepped: keras.Model,
    batches: Batches,
    *,
    start: int,
    stop: int,
    callback: keras.callbacks.Callback,
) -> None:
    """Epochs ``start`` to ``stop``, or until ``callback`` stops."""
    stepped.fit(
        shared_batches(batches.epochs(start, stop), stepped.distribute_strategy),
        initial_epoch=start,
        epochs=stop,
        steps_per_epoch=batches.order.steps,
        shuffle=False,  # the batches are in their epoch's order already
        verbose=0,
        callbacks=[callback],
    )


def _should_stop(history: History, recipe: Recipe) -> bool:
    if not history or recipe.early_stop_epochs is None:
        return False
    return len(history) - 1 - best_epoch(history, recipe.monitor) >= recipe.early_stop_epochs


class _Epochs(keras.callbacks.Callback):
    """What happens around each epoch. State lives in ``history`` and in the checkpoint alone."""

    def __init__(
        self,
        trained: keras.Model,
        batches: Batches,
        validate: Callable[[], tuple[np.ndarray, np.ndarray]],
        recipe: Recipe,
        checkpoints: Checkpoints,
        reporter: Reporter,
        on_epoch: Callable[[History], None],
        history: History,
        average: Average,
    ) -> None:
        super().__init__()
        self.trained, self.batches, self.validate, self.recipe = trained, batches, validate, recipe
        self.checkpoints, self.reporter, self.on_epoch = checkpoints, reporter, on_epoch
        self.history, self.average = history, average
        self._bar: Any = None
        self._counter: Counter | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Put dropout where it would be without interruption, and open the epoch's bar."""
        for layer in every_layer(self.model):
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                own = int(generator.state.numpy()[0])
                generator.state.assign(np.array([own, (epoch * 2**20) % 2**32], np.uint32))
        self._bar = self.reporter.counting(
            f"epoch {epoch + 1}/{self.recipe.epochs}", self.batches.order.size
        )
        self._counter = self._bar.__enter__()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop at the first loss that is not a number; average; move the bar."""
        loss = float((logs or {})["loss"])
        if not np.isfinite(loss):
            raise _diverged(
                f"the loss is {loss} in epoch {len(self.history) + 1}, step {batch + 1}, at a"
                f" learning rate of {float(self.model.optimizer.learning_rate):.2g}"
            )
        self.average.after_batch()
        size = self.recipe.batch_size
        left = self.batches.order.size - batch * size
        self._counter_now().advance(min(size, left), f"loss {loss:.4f}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Validate, write the checkpoint, decide whether to stop."""
        self.average.after_epoch(epoch)
        with self.average.applied():
            row = self._validated(epoch, float((logs or {})["loss"]))
            self.history.append(row)
            is_best = chosen_epoch(self.history, self.recipe) == epoch
            if is_best:
                self.checkpoints.save_best(self.trained)
        self.checkpoints.save_last(self.trained, self.history, average=self.average.state)
        self.on_epoch(self.history)
        counter = self._counter_now()
        shown = f"loss {row['loss']:.4f}  val_loss {row['val_loss']:.4f}"
        shown += f"  val_auc {row['val_auc']:.4f}{'  *' if is_best else ''}"
        counter.advance(0, f"{counter.rate:.1f} img/s  {shown}")
        self.close()
        if _should_stop(self.history, self.recipe):
            self.reporter.say(
                f"stopped: no better {self.recipe.monitor} for"
                f" {self.recipe.early_stop_epochs} epochs"
            )
            self.model.stop_training = True

    def _validated(self, epoch: int, loss: float) -> dict[str, Any]:
        """The row of this epoch."""
        y_true, logits = self.validate()
        if not np.isfinite(logits).all():
            raise _diverged(f"validation gives logits that are no numbers in epoch {epoch + 1}")
        return {
            "epoch": epoch + 1,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "loss": loss,
            **validation_scores(y_true, logits, self.model.loss),
        }

    def _counter_now(self) -> Counter:
        if self._counter is None:
            raise RuntimeError("a batch ended outside an epoch")
        return self._counter

    def close(self) -> None:
        """Take an open bar off the terminal; a broken-off epoch is not summed up."""
        if self._bar:
            self._bar.__exit__(*sys.exc_info())
        self._bar = self._counter = None


def _diverged(what: str) -> DataError:
    return DataError(
        what,
        expected="finite numbers",
        fix="start a new run with a lower optimizer.learning_rate or a longer warm-up",
    )


def every_layer(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers of ``model`` and of the models inside it."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from every_layer(layer)
