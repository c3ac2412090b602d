"""Averages of a model's weights over a run: what is validated, kept and predicted with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from skinlesion.config import Ema, LastEpochs, Recipe


class Average(Protocol):
    """A running average; its state is a list of arrays, so that a checkpoint can hold it."""

    def after_batch(self) -> None:
        """Take note of the weights after a batch."""

    def after_epoch(self, epoch: int) -> None:
        """Take note of the weights after an epoch, counted from 0."""

    def applied(self) -> contextlib.AbstractContextManager[None]:
        """Inside the block the model has the averaged weights, afterwards its own again."""

    @property
    def state(self) -> list[np.ndarray]:
        """What ``restore`` takes."""

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Go on from ``state``."""


def make_average(model: keras.Model, recipe: Recipe) -> Average:
    """The average that ``recipe`` asks for over ``model``'s weights."""
    if isinstance(recipe.averaging, Ema):
        return _Moving(model, recipe.averaging.decay)
    if isinstance(recipe.averaging, LastEpochs):
        return _Last(model, first=recipe.epochs - recipe.averaging.epochs)
    return _Nothing()


class _Nothing:
    """No average: the model's own weights."""

    state: list[np.ndarray] = []  # noqa: RUF012 - never changed

    def after_batch(self) -> None:
        """Do nothing."""

    def after_epoch(self, epoch: int) -> None:
        """Do nothing."""

    def applied(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Do nothing."""


class _Moving:
    """Exponential moving average; statistics of normalisation are weights, too.

    The decay of batch t, from 0, is min(decay, (1 + t) / (10 + t)), as in TensorFlow's
    ExponentialMovingAverage: otherwise a short run would be averaged with its random start. Batches
    count, not the optimiser's steps, of which there are fewer with ``accumulate_steps``.
    """

    def __init__(self, model: keras.Model, decay: float) -> None:
        self._weights = [weight.value for weight in model.weights]
        self._average = [tf.Variable(weight, trainable=False) for weight in self._weights]
        self._batch = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._decay = decay
        self._update = tf.function(self._take, jit_compile=False)

    def _take(self) -> None:
        batch = tf.cast(self._batch, tf.float32)
        keep = tf.minimum(self._decay, (1.0 + batch) / (10.0 + batch))
        for average, weight in zip(self._average, self._weights, strict=True):
            # As a difference: weights that do not change are not touched by rounding.
            average.assign_add((1.0 - keep) * (weight - average))
        self._batch.assign_add(1)

    def after_batch(self) -> None:
        self._update()

    def after_epoch(self, epoch: int) -> None:
        """Nothing more than after each batch."""

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        with _swapped(self._weights, [average.numpy() for average in self._average]):
            yield

    @property
    def state(self) -> list[np.ndarray]:
        return [self._batch.numpy(), *(average.numpy() for average in self._average)]

    def restore(self, state: Sequence[np.ndarray]) -> None:
        for variable, value in zip([self._batch, *self._average], state, strict=True):
            variable.assign(value)


class _Last:
    """Mean of the weights after each epoch from ``first`` on; before that, the model's own."""

    def __init__(self, model: keras.Model, *, first: int) -> None:
        self._weights = [weight.value for weight in model.weights]
        self._first = first
        self._count = 0
        self._sums = [np.zeros(weight.shape) for weight in self._weights]  # float64

    def after_batch(self) -> None:
        """Nothing: epochs count here."""

    def after_epoch(self, epoch: int) -> None:
        if epoch >= self._first:
            self._count += 1
            for total, weight in zip(self._sums, self._weights, strict=True):
                total += weight.numpy()

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        if not self._count:
            yield
            return
        means = [(total / self._count).astype(np.float32) for total in self._sums]
        with _swapped(self._weights, means):
            yield

    @property
    def state(self) -> list[np.ndarray]:
        return [np.array(self._count), *self._sums] if self._count else []

    def restore(self, state: Sequence[np.ndarray]) -> None:
        if state:
            self._count, self._sums = int(state[0]), [array.copy() for array in state[1:]]


@contextlib.contextmanager
def _swapped(weights: Sequence[tf.Variable], values: Sequence[np.ndarray]) -> Iterator[None]:
    own = [weight.numpy() for weight in weights]
    _assign(weights, values)
    try:
        yield
    finally:
        _assign(weights, own)


def _assign(weights: Sequence[tf.Variable], values: Sequence[np.ndarray]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.assign(value)
