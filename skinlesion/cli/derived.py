"""tta, soup: from finished runs to runs, without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from skinlesion.cli.options import ConfigFile, Overrides, Overwrite, reporter, set_by


def tta(
    run: Annotated[Path | None, typer.Option("--run", help="Run whose model predicts.")] = None,
    config: ConfigFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder to make; default RUN-tta.")
    ] = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Average a run's predictions over flipped, turned and scaled views of each image."""
    from skinlesion.commands import tta as command
    from skinlesion.config import TtaConfig, load_config
    from skinlesion.errors import ConfigError
    from skinlesion.places import beside

    settings = load_config(config, TtaConfig, set_by(overrides, run=run))
    if settings.run is None:
        raise ConfigError("tta needs a run whose model predicts", fix="pass --run runs/NAME")
    path = out or beside(settings.run, "tta", overwrite=overwrite)
    try:
        outcome = command.run(settings, path, overwrite=overwrite, reporter=reporter())
    except KeyboardInterrupt:
        reporter().say(f"interrupted; {settings.run} keeps the finished views: repeat the line")
        raise
    print(outcome.to_text())


def soup(
    members: Annotated[
        list[Path] | None,
        typer.Option("--members", help="Finished runs of one architecture: runs/a runs/b"),
    ] = None,
    config: ConfigFile = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Run folder to make; default runs/soup.")
    ] = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Average the weights of finished runs into one model, if val says it is no worse."""
    from skinlesion.commands import soup as command
    from skinlesion.config import SoupConfig, load_config
    from skinlesion.places import new_run

    given = [f"members={json.dumps([str(path) for path in members])}"] if members else []
    settings = load_config(config, SoupConfig, [*(overrides or []), *given])
    path = run or new_run("soup", overwrite=overwrite)
    outcome = command.run(settings, path, overwrite=overwrite, reporter=reporter())
    print(outcome.to_text())
