"""What functions return: a run with its history and scores, an audit with its files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skinlesion.errors import DataError
from skinlesion.runs import RunDir, read_json
from skinlesion.tables import Predictions, read_columns

if TYPE_CHECKING:
    from skinlesion.report.audit import AuditReport


@dataclass(frozen=True)
class Run(os.PathLike[str]):
    """A finished run folder; every function that takes a run's path takes it, too.

    Attributes:
        path: The folder.
        kind: What made it: train, finetune, folds, tta, soup or ensemble.
        splits: What it has predictions on.
        best: Number (from 1) and scores of the epoch that was kept; empty if nothing was trained.
        history: By column of history.csv, a value an epoch, as Keras's ``History.history``; empty
            if nothing was trained.
        record: run.json: versions, data set, seconds, and what is particular to the kind.
        folds: The runs of a cross-validation.
    """

    path: Path
    kind: str
    splits: tuple[str, ...]
    best: dict[str, float]
    history: dict[str, list[float]] = field(repr=False)
    record: dict[str, Any] = field(repr=False)
    folds: tuple[Run, ...] = field(default=(), repr=False)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def predictions(self, split: str) -> Predictions:
        """``image_id``, ``group``, ``y_true`` and ``y_prob``, arrays of shape (n,).

        Raises:
            DataError: If there are none on ``split``.
        """
        if split not in self.splits:
            raise DataError(
                f"{self.path} has no predictions on {split}",
                expected=f"one of {', '.join(self.splits)}",
            )
        return Predictions.read_csv(RunDir(self.path).predictions(split))

    def metrics(self, split: str) -> dict[str, Any]:
        """The metrics.json that ``evaluate`` wrote of this run on ``split``.

        Raises:
            DataError: If it has not been evaluated on it.
        """
        path = RunDir(self.path).evaluation(split) / "metrics.json"
        if not path.exists():
            raise DataError(f"{self.path} is not evaluated on {split}", fix="call evaluate first")
        return read_json(path)


def load_run(path: str | os.PathLike[str]) -> Run:
    """The finished run in the folder ``path``.

    Raises:
        DataError: If there is none.
    """
    run = RunDir(Path(path))
    if not run.is_finished():
        raise DataError(
            f"{run.path} is not a finished run", expected="a run folder, come to its end"
        )
    record = run.record()
    return Run(
        path=run.path,
        kind=record["kind"],
        splits=tuple(run.predicted_splits()),
        best=record.get("best", {}),
        history=_history(run.history),
        record=record,
        folds=tuple(load_run(run.fold(number).path) for number in range(record.get("k", 0))),
    )


def _history(path: Path) -> dict[str, list[float]]:
    if not path.exists():
        return {}
    columns = read_columns(path, required=["epoch"])
    return {name: [float(cell) for cell in cells] for name, cells in columns.items()}


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        report: Leaks, copies, conflicts, counts and quality.
        files: The JSON and the page.
    """

    report: AuditReport
    files: list[Path]
