"""serve: a model behind a page and an API on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skinlesion.cli.options import reporter


def serve(
    model: Annotated[
        Path | None,
        typer.Option("--model", help="Run, bundle or export; default the package's own."),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address; one that others reach needs a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")
    ] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="SKINLESION_TOKEN",
            help="That API and metrics ask for; ps does not show SKINLESION_TOKEN.",
        ),
    ] = None,
    max_file_mib: Annotated[
        int, typer.Option("--max-file-mib", min=1, max=1024, help="Of one file.")
    ] = 20,
    max_files: Annotated[
        int, typer.Option("--max-files", min=1, max=1000, help="In one request.")
    ] = 32,
    max_megapixels: Annotated[
        float, typer.Option("--max-megapixels", min=0.01, max=89, help="Of one picture.")
    ] = 50,
    queue: Annotated[
        int, typer.Option("--queue", min=1, max=10000, help="Requests that wait for the model.")
    ] = 16,
    rate: Annotated[
        int, typer.Option("--rate", min=0, help="Pictures a minute and client; 0: no limit.")
    ] = 300,
) -> None:
    """Serve a page and an API that predict and explain. For research only: not a medical device."""
    from skinlesion.commands import serve as command

    command.run(
        model,
        host=host,
        port=port,
        token=token,
        max_file_mib=max_file_mib,
        max_files=max_files,
        max_megapixels=max_megapixels,
        queue=queue,
        rate=rate,
        reporter=reporter(),
    )
