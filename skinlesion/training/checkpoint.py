"""Checkpoints of an unfinished fit: the last epoch and the best one, each whole or not at all."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from skinlesion.errors import DataError
from skinlesion.folders import atomic_path

History = list[dict[str, Any]]


@dataclass(frozen=True)
class Checkpoints:
    """Two files: ``last.npz`` to go on from, ``best.npz`` to end with.

    ``best`` is to be written before ``last``. A run killed between the two repeats the epoch on
    resume, and, being deterministic, writes the same ``best`` again.
    """

    folder: Path

    @property
    def last(self) -> Path:
        """Weights, optimiser, average and history after the last finished epoch."""
        return self.folder / "last.npz"

    @property
    def best(self) -> Path:
        """Weights of the best epoch so far."""
        return self.folder / "best.npz"

    def save_best(self, model: keras.Model) -> None:
        """Write the weights as those to end with."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.best, _named("weight", model.variables))

    def save_last(
        self, model: keras.Model, history: History, *, average: Sequence[np.ndarray] = ()
    ) -> None:
        """Write the state after an epoch, with that of an average of weights."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {
            **_named("weight", model.variables),
            **_named("optimizer", model.optimizer.variables),
            **{f"average{index}": array for index, array in enumerate(average)},
            "history": np.array(json.dumps(history)),
        }
        _write(self.last, arrays)

    def history(self) -> History:
        """The epochs that are done, [] if none is."""
        if not self.last.exists():
            return []
        return list(json.loads(str(_read(self.last, only="history")["history"])))

    def restore_last(self, model: keras.Model) -> list[np.ndarray]:
        """Set weights and optimiser to the last state; return the average's state."""
        arrays = _read(self.last)
        _assign(model.variables, "weight", arrays, self.last)
        _assign(model.optimizer.variables, "optimizer", arrays, self.last)
        count = sum(name.startswith("average") for name in arrays)
        return [arrays[f"average{index}"] for index in range(count)]

    def restore_best(self, model: keras.Model) -> None:
        """Set the weights to those of the best epoch."""
        _assign(model.variables, "weight", _read(self.best), self.best)


def _named(prefix: str, variables: list[keras.Variable]) -> dict[str, np.ndarray]:
    return {f"{prefix}{index}": value.numpy() for index, value in enumerate(variables)}


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _read(path: Path, *, only: str | None = None) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {only: arrays[only]} if only else dict(arrays)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"the checkpoint {path} cannot be read: {error}",
            fix="start the run again with --overwrite",
        ) from error


def _assign(
    variables: list[keras.Variable], prefix: str, arrays: dict[str, np.ndarray], path: Path
) -> None:
    for index, variable in enumerate(variables):
        value = arrays.get(f"{prefix}{index}")
        if value is None or value.shape != tuple(variable.shape):
            raise DataError(
                f"the checkpoint {path} does not fit the model",
                expected=f"{variable.path} of shape {tuple(variable.shape)}",
                fix="start the run again with --overwrite",
            )
        variable.assign(value)
