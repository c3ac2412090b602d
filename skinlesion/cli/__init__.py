"""The command line: parse, load the config, call the command's run, print. No work here.

``COMMANDS`` says which module parses each command; its work is in ``skinlesion.commands``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from skinlesion import __version__
from skinlesion.arguments import hoist, spread
from skinlesion.cli import (
    config,
    data,
    demo,
    derived,
    doctor,
    evidence,
    explain,
    serve,
    training,
    use,
    weights,
)
from skinlesion.cli.options import be_quiet
from skinlesion.errors import DataError, SkinlesionError

app = typer.Typer(
    name="skinlesion",
    help="Classify dermoscopic skin-lesion images as benign or malignant."
    " A research tool, not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# In the order of --help; those of ``config`` and ``weights`` are in files of their own.
COMMANDS: dict[str, Callable[..., None]] = {
    "download-isic": data.download_isic,
    "preprocess": data.preprocess,
    "audit": data.audit,
    "preview": data.preview,
    "find-lr": training.find_lr,
    "train": training.train,
    "finetune": training.finetune,
    "search": training.search,
    "tta": derived.tta,
    "soup": derived.soup,
    "ensemble": evidence.ensemble,
    "evaluate": evidence.evaluate,
    "compare": evidence.compare,
    "bundle": use.bundle,
    "predict": use.predict,
    "export": use.export,
    "explain": explain.explain,
    "serve": serve.serve,
    "demo": demo.demo,
    "doctor": doctor.doctor,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(config.app, name="config")
app.add_typer(weights.app, name="weights")

# Options that take several values after one name: --members runs/*
SEVERAL = {
    "download-isic": ("--challenge", "--licence"),
    "preprocess": ("--source",),
    "ensemble": ("--members",),
    "soup": ("--members",),
    "evaluate": ("--run", "--fail-under"),
}
# Options that may stand anywhere on the line.
ANYWHERE = ("-q", "--quiet", "--debug", "--offline")


def print_block(error: SkinlesionError) -> None:
    """Say on stderr what went wrong."""
    print(f"error: {error}", file=sys.stderr)


def main(tell: Callable[[SkinlesionError], None] = print_block) -> None:
    """Run the command line; every error a user can cause ends in one block and its exit code."""
    arguments = sys.argv[1:]
    try:
        app(hoist(spread(arguments, SEVERAL), ANYWHERE))
    except SkinlesionError as error:
        _fail(error, arguments, tell)
    except OSError as error:
        if not error.filename and not error.strerror:
            raise
        where = error.filename or "the disk"
        _fail(
            DataError(
                f"{where}: {error.strerror}",
                expected="a place that can be read and written, with space left",
                fix="choose another place, free some space, or change its permissions",
            ),
            arguments,
            tell,
        )


def _fail(
    error: SkinlesionError, arguments: list[str], tell: Callable[[SkinlesionError], None]
) -> None:
    if "--debug" in arguments:
        raise error
    tell(error)
    sys.exit(error.exit_code)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"skinlesion {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, results only.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback for every error.")
    ] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Never use the network, as SKINLESION_OFFLINE=1."),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    be_quiet(quiet)
    if offline:
        from skinlesion.offline import go_offline

        go_offline()
