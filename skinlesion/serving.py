"""What serve may be told: its defaults stand once, for the command line and the library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Serving:
    """Where to serve, to whom, and how much.

    Attributes:
        host: To bind to; one that others reach needs a token.
        port: 0: any that is free.
        token: That API and metrics ask for; None: none.
        max_file_mib: Of one file, MiB.
        max_files: In one request.
        max_megapixels: Of one picture.
        queue: Requests that wait for the model.
        rate: Pictures a minute and client; 0: no limit.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    max_file_mib: int = 20
    max_files: int = 32
    max_megapixels: float = 50
    queue: int = 16
    rate: int = 300
