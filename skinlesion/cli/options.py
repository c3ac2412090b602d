"""What commands share: option types, the reporter that --quiet silences, a run's default folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from skinlesion.progress import Reporter

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="YAML file, or the bare name of a preset.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="key=value, over the config; repeatable.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what stands there.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

_quiet = False


def be_quiet(quiet: bool) -> None:
    """Set what ``reporter`` returns from now on."""
    global _quiet
    _quiet = quiet


def reporter() -> Reporter:
    """Where a command's progress goes."""
    from skinlesion.progress import Reporter

    return Reporter(quiet=_quiet)


def set_by(overrides: list[str] | None, **places: Path | None) -> list[str]:
    """``--set`` with the fields that have an option of their own, which win."""
    own = [f"{name}={json.dumps(str(place))}" for name, place in places.items() if place]
    return [*(overrides or []), *own]
