"""One file from one URL, resumed where it broke off, never larger than it should be."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import requests

from skinlesion.data.isic.answers import PassingError, header_number
from skinlesion.data.isic.client import Client
from skinlesion.data.isic.urls import shown
from skinlesion.errors import DataError

# Where a gain of so many bytes has been made, the retries of a large file begin anew.
GAIN = 2**20

_EXTENT = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e]*"')


def fetch_file(
    client: Client,
    url: str,
    part: Path,
    *,
    size: int | None,
    cap: int,
    advance: Callable[[int], object] = bool,
) -> None:
    """Bring what is at ``url`` into ``part``.

    A ``part`` that an earlier run left is gone on with by Range, if the server says by its ETag
    that the file is the same one. The caller moves the whole file to its place.

    Args:
        client: Whom to ask.
        url: What to fetch.
        part: The file to make, in a folder that exists; its ETag is kept beside it.
        size: How many bytes it must have; None if nobody announced it.
        cap: How many bytes it may have.
        advance: Called with the number of bytes that came (negative where some were given up);
            those that were there before are not among them.

    Raises:
        DataError: If it cannot be had, or has another size.
    """
    fetching = _Fetching(client, url, part, size, cap, advance)
    client.retrying(fetching.attempt, progress=lambda: file_size(part) // GAIN)


def discard(part: Path) -> None:
    """Remove an unfinished file and what belongs to it."""
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def file_size(path: Path) -> int:
    """In bytes; 0 where there is no file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class _Fetching:
    """The attempts at one file."""

    def __init__(
        self,
        client: Client,
        url: str,
        part: Path,
        size: int | None,
        cap: int,
        advance: Callable[[int], object],
    ) -> None:
        self.client, self.url, self.part = client, url, part
        self.size, self.cap, self.advance = size, cap, advance
        self.counted = file_size(part)

    def attempt(self) -> None:
        """Get the rest; PassingError if it was not all of it."""
        present = file_size(self.part)
        if present and present == self.size:
            return
        tag = _tag_file(self.part).read_text("ascii") if _tag_file(self.part).exists() else ""
        offset = present if tag else 0
        headers = {"Range": f"bytes={offset}-", "If-Range": tag} if offset else {}
        accept = (200, 206, 416) if offset else (200,)
        with self.client.open(self.url, headers=headers, accept=accept) as response:
            start, total = self._extent(response, offset, tag)
            self._refuse_size(total)
            self._write(response, start, total)

    def _extent(self, response: requests.Response, offset: int, tag: str) -> tuple[int, int | None]:
        """Where the body begins in the file, and how large the file is."""
        if response.status_code == 200:
            return 0, header_number(response, "Content-Length")
        found = _EXTENT.fullmatch(response.headers.get("Content-Range", ""))
        same = response.headers.get("ETag", tag) == tag
        if response.status_code == 416 or not found or int(found[1]) != offset or not same:
            self._count(0)
            discard(self.part)
            raise PassingError(f"{shown(self.url)}: the rest of the file was not to be had")
        return offset, None if found[3] == "*" else int(found[3])

    def _refuse_size(self, total: int | None) -> None:
        if total is None:
            return
        if self.size is not None and total != self.size:
            raise DataError(
                f"{shown(self.url)} has {total} bytes, and {self.size} were announced",
                fix="try again later",
            )
        if total > self.cap:
            raise self._too_large()

    def _write(self, response: requests.Response, start: int, total: int | None) -> None:
        expected = total if self.size is None else self.size
        most = self.cap if expected is None else expected
        # Not buffered: after kill -9 all that came is there.
        with self.part.open("ab" if start else "wb", buffering=0) as file:
            if not start:
                _keep_tag(self.part, response.headers.get("ETag", ""))
            self._count(start)
            for chunk in self.client.chunks(response):
                start += len(chunk)
                if start > most:
                    discard(self.part)
                    raise self._too_large()
                file.write(chunk)
                self._count(start)
        if expected is not None and start < expected:
            raise PassingError(
                f"{shown(self.url)}: the body ended after {start} of {expected} bytes"
            )

    def _too_large(self) -> DataError:
        most = self.cap if self.size is None else self.size
        return DataError(f"{shown(self.url)} is larger than the {most} bytes it may have")

    def _count(self, present: int) -> None:
        self.advance(present - self.counted)
        self.counted = present


def _tag_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _keep_tag(part: Path, tag: str) -> None:
    """Keep the file's ETag, if it is one that Range can rely on."""
    if _STRONG_TAG.fullmatch(tag):
        _tag_file(part).write_text(tag, "ascii")
    else:
        _tag_file(part).unlink(missing_ok=True)
