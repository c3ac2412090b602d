"""serve: a model behind a page and an API on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skinlesion.cli.options import reporter
from skinlesion.serving import Serving


def serve(
    model: Annotated[
        Path | None,
        typer.Option("--model", help="Run, bundle or export; default the package's own."),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address; one that others reach needs a token.")
    ] = Serving.host,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")
    ] = Serving.port,
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
    ] = Serving.max_file_mib,
    max_files: Annotated[
        int, typer.Option("--max-files", min=1, max=1000, help="In one request.")
    ] = Serving.max_files,
    max_megapixels: Annotated[
        float, typer.Option("--max-megapixels", min=0.01, max=89, help="Of one picture.")
    ] = Serving.max_megapixels,
    queue: Annotated[
        int, typer.Option("--queue", min=1, max=10000, help="Requests that wait for the model.")
    ] = Serving.queue,
    rate: Annotated[
        int, typer.Option("--rate", min=0, help="Pictures a minute and client; 0: no limit.")
    ] = Serving.rate,
) -> None:
    """Serve a page and an API that predict and explain. For research only: not a medical device."""
    from skinlesion.commands import serve as command

    asked = Serving(
        host=host,
        port=port,
        token=token,
        max_file_mib=max_file_mib,
        max_files=max_files,
        max_megapixels=max_megapixels,
        queue=queue,
        rate=rate,
    )
    command.run(model, asked, reporter=reporter())
