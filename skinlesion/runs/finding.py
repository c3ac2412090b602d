"""How runs are found and named."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from skinlesion.errors import DataError
from skinlesion.runs.folder import RunDir


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


def named_run(path: str, *, near: RunDir) -> RunDir:
    """The run that ``near`` names: as it was called then, or beside ``near``.

    Raises:
        DataError: If it is in neither place.
    """
    beside = near.path.resolve().parent / Path(path).name
    for place in (Path(path), beside):
        if RunDir(place).is_run():
            return RunDir(place)
    raise DataError(
        f"{near.path} was made of {path}, which is not there",
        expected=f"that folder, or {beside}",
        fix="put it back, or run from the folder where it was made",
    )
