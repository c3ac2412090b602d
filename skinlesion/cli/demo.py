"""demo: the whole chain at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skinlesion.cli.options import Overwrite, reporter


def demo(
    source: Annotated[
        Path | None, typer.Option("--source", help="Real images; default: synthetic lesions.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder to make.")] = Path("demo"),
    overwrite: Overwrite = False,
) -> None:
    """The whole chain in minutes: preprocess, train, finetune, ensemble, evaluate."""
    from skinlesion.commands import demo as command

    try:
        made = command.run(out, source=source, overwrite=overwrite, reporter=reporter())
    except command.StepFailedError as error:
        raise typer.Exit(error.exit_code) from error
    print(f"\n{made.to_text()}")
