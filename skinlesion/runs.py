"""RunDir: every path in a run folder, its record, and how runs are found and named."""

from __future__ import annotations

import contextlib
import difflib
import json
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skinlesion import __version__
from skinlesion.errors import ConfigError, DataError
from skinlesion.folders import alone_in, refuse_existing, write_text

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


@contextlib.contextmanager
def open_run(
    path: Path, config: str, *, kind: str, resume: bool = False, overwrite: bool = False
) -> Iterator[RunDir]:
    """Make or take up the folder of a run of ``kind`` and yield it.

    If the block raises before the first checkpoint, the new folder is removed and the one that was
    to be overwritten stands again: a run that never began leaves nothing. Ctrl-C leaves it, to be
    resumed. Other processes are kept out of the folder meanwhile.

    Args:
        path: The folder.
        config: The resolved config, YAML.
        kind: The command.
        resume: Go on with an unfinished run of the same config.
        overwrite: Replace a run.

    Raises:
        DataError: If the folder exists and may not be used as asked, or another process uses it.
        ConfigError: If a run is to be resumed with another config.
    """
    run = RunDir(path)
    before = RunDir(path.with_name(f".{path.name}.replaced"))
    is_resumed = resume and run.is_run()
    if not is_resumed:
        _make_run(run, before, config, kind=kind, overwrite=overwrite)
    with alone_in(path):
        if is_resumed:
            _refuse_changed(run, config)
        try:
            yield run
        except Exception:
            if not run.has_checkpoint():
                run.remove()
                if before.path.exists():
                    before.path.rename(path)
            raise
        finally:
            before.remove()


def _make_run(run: RunDir, before: RunDir, config: str, *, kind: str, overwrite: bool) -> None:
    """Make the folder, whole or not at all; what stood there is ``before`` until it has begun."""
    refuse_to_replace(run, overwrite=overwrite)
    if run.path.exists():
        with alone_in(run.path):
            before.remove()
            run.path.rename(before.path)
    new = RunDir(run.path.with_name(f".{run.name}.new"))
    new.remove()
    new.path.mkdir(parents=True)
    write_text(new.config, config)
    new.update_record(kind=kind, status=RUNNING, **environment())
    new.path.rename(run.path)


def refuse_to_replace(run: RunDir, *, overwrite: bool) -> None:
    """Raise DataError if ``run`` exists, unless ``overwrite`` is given and it is a run folder."""
    refuse_existing(run.path, overwrite=overwrite)
    if run.path.exists() and any(run.path.iterdir()) and not run.is_run():
        raise DataError(
            f"{run.path} is not a run folder, so --overwrite does not delete it",
            fix="choose another --run",
        )


def _refuse_changed(run: RunDir, config: str) -> None:
    """Raise if ``run`` is not as it was found, or was begun with another config."""
    if run.is_finished():
        raise DataError(
            f"{run.path} was finished by another process at this moment",
            fix="repeat the command to see its results",
        )
    before = run.config.read_text(encoding="utf-8").splitlines()
    changes = [
        line
        for line in difflib.unified_diff(before, config.splitlines(), lineterm="", n=0)
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    if changes:
        raise ConfigError(
            f"{run.path} was begun with another config (- then, + now):\n"
            + "\n".join(f"    {line}" for line in changes),
            expected="the same config: a resumed run equals an uninterrupted one",
            fix=f"use --config {run.config}, or start a new run",
        )


def free_run_path(root: Path, name: str) -> Path:
    """``root/name``, or ``root/name-2``, ``-3``, ... where that is taken."""
    path, number = root / name, 2
    while path.exists():
        path, number = root / f"{name}-{number}", number + 1
    return path


def latest_run_path(root: Path, name: str) -> Path:
    """The newest of ``root/name``, ``root/name-2``, ... : what --resume without --run means."""
    path, number = root / name, 2
    while (root / f"{name}-{number}").exists():
        path, number = root / f"{name}-{number}", number + 1
    return path


def find_runs(paths: Iterable[Path]) -> tuple[list[RunDir], list[str]]:
    """The finished runs among ``paths``, and a sentence for each path that is not one.

    A path with ``*``, ``?`` or ``[`` is expanded, so a quoted glob works as well as the shell's.

    Raises:
        DataError: If a path that is no glob does not exist: a mistyped name is not skipped.
    """
    runs: list[RunDir] = []
    skipped: list[str] = []
    for path in paths:
        found = expand(path)
        if not found:
            skipped.append(f"{path}: nothing there")
        for folder in found:
            run = RunDir(folder)
            if not run.is_run():
                skipped.append(f"{folder}: not a run folder")
            elif not run.is_finished():
                skipped.append(f"{folder}: not finished (see --resume)")
            elif all(run.path.resolve() != other.path.resolve() for other in runs):
                runs.append(run)
    return runs, skipped


def expand(path: Path) -> list[Path]:
    """What ``path`` stands for: itself, or, if it is a glob, what matches it, sorted.

    Raises:
        DataError: If it is no glob and does not exist.
    """
    if path.exists():
        return [path]
    if not set(str(path)) & set("*?["):
        raise DataError(f"there is no run {path}", expected="a run folder, or a glob of them")
    anchor = Path(path.anchor)
    found = sorted(anchor.glob(str(path.relative_to(anchor))))
    # As in the shell: a hidden folder is a run that is being made or replaced.
    return [one for one in found if one.name[0] != "." or path.name[0] == "."]


def environment() -> dict[str, Any]:
    """Versions and platform: what a reader needs to judge whether a run can be repeated."""
    from importlib import metadata  # slow, and seldom needed

    names = ["tensorflow", "keras", "numpy", "scikit-learn", "pillow"]
    return {
        "skinlesion": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: metadata.version(name) for name in names},
        "command": _command_line(),
    }


def _command_line() -> list[str]:
    """What was typed; of a script or a notebook that uses the package only its name."""
    program = Path(sys.argv[0])
    if program.stem == "skinlesion" or program.parts[-2:] == ("skinlesion", "__main__.py"):
        return ["skinlesion", *sys.argv[1:]]
    return ["python", program.name]


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        DataError: If it is missing, is not JSON, or is not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} is not a JSON object")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` indented; NaN must have become None before."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
