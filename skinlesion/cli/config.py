"""config show, validate, schema and init."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skinlesion.cli.options import Overrides

app = typer.Typer(no_args_is_help=True, help="Show, check, describe or copy configs.")


@app.command("show")
def config_show(
    name: Annotated[Path, typer.Argument(help="A file or the bare name of a preset.")],
    command: Annotated[
        str | None, typer.Option("--command", help="Whose config it is, if it is unclear.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Print a config with all its defaults."""
    from skinlesion.commands import config as module

    print(module.show(name, command, overrides or []), end="")


@app.command("validate")
def config_validate(
    names: Annotated[list[Path], typer.Argument(help="Files or bare names of presets.")],
    command: Annotated[
        str | None, typer.Option("--command", help="Whose configs they are, if unclear.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Check configs; exit 2 with the paths of wrong keys."""
    from skinlesion.commands import config as module

    for name in names:
        print(module.check(name, command, overrides or []))


@app.command("schema")
def config_schema(
    command: Annotated[str, typer.Argument(help="preprocess, train, finetune, ...")],
) -> None:
    """Print the JSON schema of a command's config."""
    from skinlesion.commands import config as module

    print(module.schema(command))


@app.command("init")
def config_init(
    name: Annotated[Path, typer.Argument(help="A preset, such as resnet50.yaml.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; default: its own name.")
    ] = None,
) -> None:
    """Copy a preset into the working directory, to change it."""
    from skinlesion.commands import config as module

    print(f"wrote {module.init(name, out)}")
