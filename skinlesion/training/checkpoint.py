"""Checkpoints of an unfinished fit: the last epoch and the best one, each whole or not at all."""

from __future__ import annotations

import json
import zipfile
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

    ``best`` is written before ``last``. A run killed between the two repeats the epoch on resume,
    and, being deterministic, writes the same ``best`` again.
    """

    folder: Path

    @property
    def last(self) -> Path:
        """Weights, optimiser and history after the last finished epoch."""
        return self.folder / "last.npz"

    @property
    def best(self) -> Path:
        """Weights of the best epoch so far."""
        return self.folder / "best.npz"

    def save(self, model: keras.Model, history: History, *, is_best: bool) -> None:
        """Write the state after an epoch."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if is_best:
            _write(self.best, _named("weight", model.variables))
        arrays = {
            **_named("weight", model.variables),
            **_named("optimizer", model.optimizer.variables),
            "history": np.array(json.dumps(history)),
        }
        _write(self.last, arrays)

    def restore_last(self, model: keras.Model) -> History:
        """Set weights and optimiser to the last state; return its history, [] if there is none."""
        if not self.last.exists():
            return []
        arrays = _read(self.last)
        _assign(model.variables, "weight", arrays, self.last)
        _assign(model.optimizer.variables, "optimizer", arrays, self.last)
        return list(json.loads(str(arrays["history"])))

    def restore_best(self, model: keras.Model) -> None:
        """Set the weights to those of the best epoch."""
        _assign(model.variables, "weight", _read(self.best), self.best)


def _named(prefix: str, variables: list[keras.Variable]) -> dict[str, np.ndarray]:
    return {f"{prefix}{index}": value.numpy() for index, value in enumerate(variables)}


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
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
