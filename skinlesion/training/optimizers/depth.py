"""Discriminative learning rates: an optimiser whose rate differs from variable to variable."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import keras


def scale_by_variable(
    kind: type[keras.optimizers.Optimizer], multiplier: Callable[[keras.Variable], float]
) -> type[keras.optimizers.Optimizer]:
    """``kind`` with ``multiplier(variable)`` times the rate, and so times the decay, of each.

    Scaling gradients would do nothing for Adam or Lion, whose steps do not depend on their size.
    """

    class Scaled(kind):
        def build(self, variables: list[keras.Variable]) -> None:
            super().build(variables)
            # A tuple: Keras would track a dict, and save it.
            self._factors = tuple((self._var_key(one), multiplier(one)) for one in variables)

        def _factor(self, variable: Any) -> float:
            return dict(self._factors)[self._var_key(variable)]

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            super().update_step(gradient, variable, learning_rate * self._factor(variable))

        def _apply_weight_decay(self, variables: list[keras.Variable]) -> None:
            groups = defaultdict(list)
            for variable in variables:
                groups[self._factor(variable)].append(variable)
            for factor, group in groups.items():
                with _weight_decay_times(self, factor):
                    super()._apply_weight_decay(group)

    Scaled.__name__ = kind.__name__  # names its variables
    return Scaled


@contextlib.contextmanager
def _weight_decay_times(optimizer: keras.optimizers.Optimizer, factor: float) -> Iterator[None]:
    before = optimizer.weight_decay
    optimizer.weight_decay = None if before is None else before * factor
    try:
        yield
    finally:
        optimizer.weight_decay = before
