"""Where a command writes if nobody says: the same from the command line and from Python."""

from __future__ import annotations

from pathlib import Path

from skinlesion.runs import free_run_path, latest_run_path

RUNS = Path("runs")


def new_run(name: str, *, resume: bool = False, overwrite: bool = False, root: Path = RUNS) -> Path:
    """``root/name``; else the next free number, or, to resume or overwrite, the newest."""
    return latest_run_path(root, name) if resume or overwrite else free_run_path(root, name)


def beside(run: Path, suffix: str, *, resume: bool = False, overwrite: bool = False) -> Path:
    """The run folder ``run-suffix``, numbered like ``new_run``'s."""
    return new_run(f"{run.name}-{suffix}", resume=resume, overwrite=overwrite, root=run.parent)


def audit_folder(*, is_against: bool) -> Path:
    """The folder of audit's page."""
    return Path("reports") / ("audit-against" if is_against else "audit")


def bundle_file(run: Path) -> Path:
    """The bundle of ``run``."""
    return run.with_name(f"{run.resolve().name}.skinlesion")


def export_file(model: Path | None, format: str) -> Path:
    """The export of ``model``, a run or a bundle; of the package's own if it is None."""
    if model is None:
        return Path(f"default-{format}")
    return model.with_name(f"{model.resolve().name.removesuffix('.skinlesion')}-{format}")


def explained_folder(model: Path | None, method: str) -> Path:
    """The folder of explain's pictures; of the package's own model if ``model`` is None."""
    name = model.name.removesuffix(".skinlesion") if model else "default"
    return Path("explained") / f"{name}-{method}"
