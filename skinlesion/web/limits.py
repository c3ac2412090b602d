"""What one server, one client and one request may use."""

from __future__ import annotations

from dataclasses import dataclass

from skinlesion.serving import Serving

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

    file_bytes: int = Serving.max_file_mib * MIB
    files: int = Serving.max_files
    request_bytes: int = 100 * MIB
    held_bytes: int = 300 * MIB
    pixels: int = round(Serving.max_megapixels * 1e6)
    queue: int = Serving.queue
    rate: int = Serving.rate
    upload_seconds: float = 60.0
    stop_seconds: int = 60
    connections: int = 512
