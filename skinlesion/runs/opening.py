"""A run folder is made, replaced or taken up again by one process at a time."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from pathlib import Path

from skinlesion.errors import ConfigError, DataError
from skinlesion.folders import alone_in, refuse_existing, write_text
from skinlesion.runs.folder import RUNNING, RunDir
from skinlesion.runs.record import environment


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
            _refuse_finished(run)
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


def finished_run(path: Path, config: str) -> RunDir | None:
    """The run in ``path`` if it is finished, so that there is nothing to resume; else None.

    Raises:
        ConfigError: If it was made with another config than ``config``.
    """
    run = RunDir(path)
    if not run.is_finished():
        return None
    _refuse_changed(run, config)
    return run


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


def _refuse_finished(run: RunDir) -> None:
    if run.is_finished():
        raise DataError(
            f"{run.path} was finished by another process at this moment",
            fix="repeat the command to see its results",
        )


def _refuse_changed(run: RunDir, config: str) -> None:
    """Raise if ``run`` was begun with another config."""
    changes = differences(run.config.read_text(encoding="utf-8"), config)
    if changes:
        raise ConfigError(
            f"{run.path} was begun with another config (- then, + now):\n{changes}",
            expected="the same config: a resumed run equals an uninterrupted one",
            fix=f"use --config {run.config}, or start a new run",
        )


def differences(then: str, now: str) -> str:
    """The lines that differ between two configs, with - or + and indented; "" if none do."""
    changes = difflib.unified_diff(then.splitlines(), now.splitlines(), lineterm="", n=0)
    return "\n".join(
        f"    {line}" for line in changes if line[:1] in "+-" and line[:3] not in ("+++", "---")
    )
