"""ChallengeDownload: one year of the ISIC challenge, unpacked in its own layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skinlesion.data.isic.archive import Archive
from skinlesion.data.isic.challenges import CHALLENGES, ChallengeFile
from skinlesion.data.isic.client import Client
from skinlesion.data.isic.fetch import discard, fetch_file, file_size
from skinlesion.data.isic.folder import RawFolder, attribution_text
from skinlesion.data.isic.keeping import check_table, fetch_licences, keep_image, keep_text
from skinlesion.data.isic.outcome import Estimate, Outcome, Progress
from skinlesion.data.isic.parallel import each
from skinlesion.data.isic.unzip import IMAGES, open_zip, unpack, wanted
from skinlesion.errors import DataError

MAX_ZIP_BYTES = 100 * 2**30
MAX_TABLE_BYTES = 256 * 2**20


@dataclass
class ChallengeDownload:
    """One year of the ISIC challenge, in its own layout.

    Attributes:
        client: Whom to ask with.
        challenge_url: Where the folders of the years are.
        archive: Has the text of the licence.
        year: 2016 to 2020.
        splits: Of train, val and test.
        max_pixels: Larger images are stored reduced.
        connections: Number of threads.
    """

    client: Client
    challenge_url: str
    archive: Archive
    year: int
    splits: tuple[str, ...]
    max_pixels: int | None
    connections: int
    sizes: dict[str, int | None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Like isic2017."""
        return f"isic{self.year}"

    @property
    def files(self) -> list[ChallengeFile]:
        """Those of the wanted splits."""
        return [file for file in CHALLENGES[self.year].files if file.split in self.splits]

    def describe(self) -> dict[str, Any]:
        """The year and what changes its files."""
        return {
            "source": self.name,
            "challenge_url": self.challenge_url,
            "splits": [name for name in ("train", "val", "test") if name in self.splits],
            "max_pixels": self.max_pixels,
        }

    def check(self) -> None:
        """See that the year has such a split."""
        if not self.files:
            raise DataError(
                f"ISIC {self.year} has no split {', '.join(self.splits)}",
                expected=", ".join(dict.fromkeys(f.split for f in CHALLENGES[self.year].files)),
            )

    def estimate(self) -> Estimate:
        """The sizes that the server announces; how many images are in a zip it does not say."""
        self.check()
        sizes = [self.client.size(self._url(file)) or 0 for file in self.files]
        return Estimate(self.name, None, sum(sizes), {CHALLENGES[self.year].licence: None})

    def plan(self, raw: RawFolder, *, progress: Progress) -> tuple[int, int]:
        """Ask for the sizes of what is missing."""
        missing = self._missing(raw)
        # Also what was finished before this run stays so if the run is killed.
        for file in self.files:
            if file.is_zip and file not in missing:
                raw.mark_unpacked(file.name)
        for number, file in enumerate(missing, 1):
            self.sizes[file.name] = self.client.size(self._url(file))
            progress(number, len(missing))
        sizes = {file: self.sizes[file.name] or 0 for file in missing}
        to_fetch = sum(sizes.values()) - sum(file_size(raw.part(file.name)) for file in missing)
        # Photographs do not shrink: unpacked they take about the room of their zip once more.
        return to_fetch, to_fetch + sum(size for file, size in sizes.items() if file.is_zip)

    def fetch(
        self,
        raw: RawFolder,
        *,
        advance: Callable[[int], object],
        note: Callable[[str], object],
    ) -> Outcome:
        """Fetch, and unpack, what is missing."""
        year, before = CHALLENGES[self.year], _count_images(raw)
        failures: list[tuple[str, str]] = []
        left_out: list[str] = []

        def get(file: ChallengeFile) -> None:
            part = raw.part(file.name)
            cap = MAX_ZIP_BYTES if file.is_zip else MAX_TABLE_BYTES
            size = self.sizes[file.name]
            fetch_file(self.client, self._url(file), part, size=size, cap=cap, advance=advance)
            if file.is_zip:
                note(f"unpacking {file.name}")
                others, broken = self._unpack(raw, file, part)
                left_out.extend(others)
                failures.extend(broken)
            else:
                check_table(part)
                raw.keep(part, file.name)

        missing = self._missing(raw)
        done = len(self.files) - len(missing)
        for file, error in each(get, missing, threads=self.connections):
            done += not error
            note(f"{done} of {len(self.files)} files")
            if error:
                failures.append((file.name, "; ".join([error.what, *map(str, error.which)])))
        images = _count_images(raw)
        keep_text(raw, attribution_text([year.attribution]), raw.attribution)
        failures += fetch_licences(self.archive, raw, [year.licence])
        outcome = Outcome(
            list(raw.finished), images, {year.licence: images}, sorted(failures), images - before
        )
        if left_out:
            outcome.notes.append(f"not unpacked: {len(left_out)} superpixel images and the like")
        return outcome

    def _missing(self, raw: RawFolder) -> list[ChallengeFile]:
        return [
            file
            for file in self.files
            if not (
                raw.is_unpacked(file.name, file.folder)
                if file.is_zip
                else file.name in raw.finished
            )
        ]

    def _unpack(
        self, raw: RawFolder, file: ChallengeFile, part: Path
    ) -> tuple[list[str], list[tuple[str, str]]]:
        """Unpack what is missing; returns the members not wanted, and the broken images.

        Raises:
            DataError: If the zip is broken or unsafe; then it is fetched again next time.
        """
        broken: list[tuple[str, str]] = []
        try:
            with open_zip(part) as archive:
                members, left_out = wanted(archive)
                for name, info in members.items():
                    target = f"{file.folder}/{name}"
                    if target in raw.finished:
                        continue
                    member = raw.part(f"{file.folder}-{name}")
                    unpack(archive, info, member)
                    if member.suffix.lower() not in IMAGES:
                        raw.keep(member, target)
                    elif reason := self._keep_image(raw, member, target):
                        broken.append((target, reason))
        except DataError:
            discard(part)
            raise
        # With a broken image the zip stays, to be looked at again without fetching it.
        if not broken:
            raw.mark_unpacked(file.name)
            discard(part)
        return left_out, broken

    def _keep_image(self, raw: RawFolder, member: Path, target: str) -> str:
        """Keep an image that is whole; else say why it is not."""
        try:
            keep_image(raw, member, target, self.max_pixels)
        except DataError as error:
            return error.what
        return ""

    def _url(self, file: ChallengeFile) -> str:
        return f"{self.challenge_url}{self.year}/{file.name}"


def _count_images(raw: RawFolder) -> int:
    return sum(Path(file).suffix.lower() in IMAGES for file in raw.finished)
