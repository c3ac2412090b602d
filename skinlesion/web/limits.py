"""What one server, one client and one request may use."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """All are refusals, never truncations.

    Attributes:
        file_bytes: Of one file.
        files: In one request.
        request_bytes: Of one request's body.
        held_bytes: Of all uploads that are in memory at a time.
        pixels: Of one picture, by its header.
        queue: Requests that wait for the model.
        rate: Pictures a minute and client; as many may come at once. 0: no limit.
        upload_seconds: Until a request's body must be there.
        stop_seconds: For answers in flight when the server is stopped.
        connections: Open at a time.
    """

    file_bytes: int = 20 * MIB
    files: int = 32
    request_bytes: int = 100 * MIB
    held_bytes: int = 300 * MIB
    pixels: int = 50_000_000
    queue: int = 16
    rate: int = 300
    upload_seconds: float = 60.0
    stop_seconds: int = 60
    connections: int = 512
