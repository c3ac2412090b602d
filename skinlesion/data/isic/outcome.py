"""What a download promises, brings, and is asked: the same three steps for both kinds of source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from skinlesion.data.isic.folder import RawFolder

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Estimate:
    """What a download would bring.

    Attributes:
        name: Of the source.
        images: Number of images; None if nobody says.
        bytes: To fetch.
        licences: Number of images by licence, of those looked at; None if nobody says.
        looked_at: Number of images looked at, if they are not all.
    """

    name: str
    images: int | None
    bytes: int
    licences: Mapping[str, int | None]
    looked_at: int | None = None


@dataclass
class Outcome:
    """What a download brought.

    Attributes:
        files: Paths of the finished files that the manifest is to have.
        images: How many of them are images.
        licences: Number of images by licence.
        failures: Names and reasons.
        fetched: Number of images that were not there before.
        notes: Sentences for the reader.
    """

    files: list[str]
    images: int
    licences: dict[str, int]
    failures: list[tuple[str, str]] = field(default_factory=list)
    fetched: int = 0
    notes: list[str] = field(default_factory=list)


class Download(Protocol):
    """A source of images."""

    @property
    def name(self) -> str:
        """Short, and a folder's name."""

    def describe(self) -> dict[str, Any]:
        """What makes it this download and no other; no times."""

    def estimate(self) -> Estimate:
        """What it would bring."""

    def check(self) -> None:
        """Raise DataError if it cannot be had, before anything is written."""

    def plan(self, raw: RawFolder, *, progress: Progress) -> tuple[int, int]:
        """Find out what is missing: bytes to fetch, and bytes of disk that this takes."""

    def fetch(
        self,
        raw: RawFolder,
        *,
        advance: Callable[[int], object],
        note: Callable[[str], object],
    ) -> Outcome:
        """Fetch what is missing."""
