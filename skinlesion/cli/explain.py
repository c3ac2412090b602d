"""explain: why a run's model says what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from skinlesion.cli.options import ConfigFile, Overrides, Overwrite, reporter


def explain(
    images: Annotated[
        list[Path] | None, typer.Argument(help="Image files, folders or globs.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--run", "--model", help="Run or bundle that is asked; default the package's own."
        ),
    ] = None,
    config: ConfigFile = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="gradcam, gradcam++, occlusion or integrated_gradients.",
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Instead of files: val, test, ...")
    ] = None,
    worst: Annotated[
        int | None,
        typer.Option("--worst", help="So many false negatives of the split, and false positives."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to make; default explained/NAME-METHOD.")
    ] = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Show where a run's model sees what it says, on files or on its worst mistakes."""
    from skinlesion.commands import explain as command
    from skinlesion.config import ExplainConfig, load_config
    from skinlesion.errors import ConfigError
    from skinlesion.places import explained_folder

    given = [
        f"{name}={json.dumps(value)}"
        for name, value in (
            ("images", [str(path) for path in images or []]),
            ("run", run and str(run)),
            ("method", method),
            ("split", split),
            ("worst", worst),
        )
        if value is not None and value != []
    ]
    if images and worst is not None:
        raise ConfigError("--worst is of a split, not of files", fix="leave one of them out")
    settings = load_config(config, ExplainConfig, [*given, *(overrides or [])])
    path = out or explained_folder(settings.run, settings.method.name)
    print(command.run(settings, path, overwrite=overwrite, reporter=reporter()).to_text())
