"""RunDir: every path in a run folder, its record, and what that says of the run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skinlesion.runs.record import read_json, write_json

RUNNING, FINISHED = "running", "finished"
FOLDS = "folds"


@dataclass(frozen=True)
class RunDir:
    """The layout of ``runs/NAME``: the only place that knows its file names."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    @property
    def config(self) -> Path:
        """The resolved config with all defaults; feeding it back repeats the run."""
        return self.path / "config.yaml"

    @property
    def record_file(self) -> Path:
        """What was run, on what, by which versions, and whether it finished."""
        return self.path / "run.json"

    @property
    def split(self) -> Path:
        """Which image was in which split."""
        return self.path / "split.csv"

    @property
    def history(self) -> Path:
        """One row an epoch."""
        return self.path / "history.csv"

    @property
    def weights(self) -> Path:
        """The weights of the best epoch."""
        return self.path / "model.weights.h5"

    @property
    def model(self) -> Path:
        """What is needed to rebuild the model around its weights."""
        return self.path / "model.json"

    @property
    def state(self) -> Path:
        """Checkpoints of an unfinished run; gone when it has finished."""
        return self.path / "state"

    @property
    def views(self) -> Path:
        """Logits of views of images, cached by ``tta``; deleting them costs time only."""
        return self.path / "views"

    @property
    def tensorboard(self) -> Path:
        """Event files for ``tensorboard --logdir``."""
        return self.path / "tensorboard"

    @property
    def members(self) -> Path:
        """An ensemble's members."""
        return self.path / "members.json"

    @property
    def combiner(self) -> Path:
        """An ensemble's method, what it fitted on val, and how optimistic that is."""
        return self.path / "combiner.json"

    @property
    def diversity(self) -> Path:
        """How an ensemble's members differ on val."""
        return self.path / "diversity.json"

    def fold(self, number: int) -> RunDir:
        """The run of one fold of a cross-validation."""
        return RunDir(self.path / f"fold{number}")

    def predictions(self, split: str) -> Path:
        """Predictions on ``split``."""
        return self.path / "predictions" / f"{split}.csv"

    def predicted_splits(self) -> list[str]:
        """Names of the splits with predictions, sorted."""
        return sorted(path.stem for path in (self.path / "predictions").glob("[!.]*.csv"))

    def evaluation(self, split: str) -> Path:
        """What ``evaluate`` writes for ``split``."""
        return self.path / "eval" / split

    def is_run(self) -> bool:
        """Whether this folder was made by a command that makes runs."""
        return self.record_file.is_file()

    def is_finished(self) -> bool:
        """Whether the command that made it came to its end."""
        return self.is_run() and self.record().get("status") == FINISHED

    def record(self) -> dict[str, Any]:
        """The content of ``run.json``.

        Raises:
            DataError: If it is missing or is not a JSON object.
        """
        return read_json(self.record_file)

    def update_record(self, **changes: Any) -> None:
        """Set fields of ``run.json``, whole or not at all."""
        record = self.record() if self.record_file.exists() else {}
        write_json(self.record_file, {**record, **changes})

    def is_folds(self) -> bool:
        """Whether this is a cross-validation, whose folds are run folders inside it."""
        return self.is_run() and self.record().get("kind") == FOLDS

    def has_checkpoint(self) -> bool:
        """Whether at least one epoch is done, here or in a fold."""
        return any(self.state.glob("[!.]*.npz")) or self.fold(0).is_run()

    def finish(self, **results: Any) -> None:
        """Record ``results``, mark the run finished and drop its checkpoints."""
        self.update_record(status=FINISHED, **results)
        shutil.rmtree(self.state, ignore_errors=True)

    def summary(self) -> str:
        """One paragraph on a finished run of train or finetune: best epoch, time, place."""
        record = self.record()
        best = record["best"]
        scores = "  ".join(
            f"{name} {value:.4f}" for name, value in best.items() if name.startswith("val_")
        )
        return (
            f"{self.path}: best epoch {best['epoch']} of {record['epochs']},"
            f" {record['seconds']:.0f} s\n  {scores}\n"
            f"  predictions on {', '.join(self.predicted_splits())}"
        )

    def remove(self) -> None:
        """Delete the whole folder."""
        shutil.rmtree(self.path, ignore_errors=True)
