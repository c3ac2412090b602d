"""ArchiveDownload: images that a query of the ISIC Archive finds, with their metadata."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from skinlesion.data.isic.answers import HttpError
from skinlesion.data.isic.archive import Archive, Item
from skinlesion.data.isic.fetch import fetch_file, file_size
from skinlesion.data.isic.folder import RawFolder, attribution_text, write_metadata
from skinlesion.data.isic.keeping import fetch_licences, keep_image, keep_text
from skinlesion.data.isic.listing import Listing, read_listing
from skinlesion.data.isic.outcome import Estimate, Outcome, Progress
from skinlesion.data.isic.parallel import each
from skinlesion.errors import DataError

LOOK_PAGES = 20
# What a server answers when a signed URL has expired, or a file has moved.
STALE = (400, 401, 403, 404, 410)


@dataclass
class ArchiveDownload:
    """Images of the ISIC Archive.

    Attributes:
        archive: Whom to ask, and for what.
        licences: The only ones that are wanted; () is all.
        limit: At most so many images.
        max_pixels: Larger images are stored reduced.
        connections: Number of threads.
    """

    archive: Archive
    licences: tuple[str, ...]
    limit: int | None
    max_pixels: int | None
    connections: int
    listing: Listing = field(default_factory=Listing)
    name: str = "archive"

    def describe(self) -> dict[str, Any]:
        """The query and what changes its files."""
        return {
            "source": self.name,
            "api_url": self.archive.api_url,
            "query": self.archive.query,
            "collections": list(self.archive.collections),
            "image": self.archive.variant,
            "licences": sorted(self.licences),
            "limit": self.limit,
            "max_pixels": self.max_pixels,
        }

    def check(self) -> None:
        """See that the collections exist."""
        self.archive.refuse_unknown_collections()

    def estimate(self) -> Estimate:
        """Exact where the query has few pages; else by the archive's sums and its first pages."""
        self.check()
        listing = read_listing(
            self.archive, licences=self.licences, limit=self.limit, max_pages=LOOK_PAGES
        )
        looked_at = sum(item.size for item in listing.items)
        if listing.complete:
            return Estimate(self.name, len(listing.items), looked_at, listing.licences)
        share = len(listing.items) / max(listing.seen, 1)
        images = round((listing.announced or listing.seen) * share)
        images = min(images, self.limit or images)
        size = round(looked_at / max(len(listing.items), 1) * images)
        if not self.licences and not self.limit and self.archive.variant == "full":
            size = self.archive.total_bytes() or size
        return Estimate(self.name, images, size, listing.licences, listing.seen)

    def plan(self, raw: RawFolder, *, progress: Progress) -> tuple[int, int]:
        """Read the listing, as far as an earlier run has not."""
        self.listing = read_listing(
            self.archive,
            licences=self.licences,
            limit=self.limit,
            cache=raw.listing,
            progress=progress,
        )
        if not self.listing.items and not self.listing.refused:
            raw.listing.unlink(missing_ok=True)
            left_out = self.listing.other_licences
            raise DataError(
                "no image of the archive matches",
                expected="a query that finds images",
                fix="try it in the archive's gallery, or loosen licences"
                if left_out
                else "try it in the archive's gallery: values are case-sensitive",
                which=[f"{count} under {licence}" for licence, count in left_out.items()],
            )
        missing = sum(
            item.size - file_size(raw.part(_image_name(item)))
            for item in self.listing.items
            if f"images/{_image_name(item)}" not in raw.finished
        )
        return missing, missing

    def fetch(
        self,
        raw: RawFolder,
        *,
        advance: Callable[[int], object],
        note: Callable[[str], object],
    ) -> Outcome:
        """Fetch the missing images; then write the tables over those that are there."""
        items = self.listing.items
        missing = [item for item in items if f"images/{_image_name(item)}" not in raw.finished]
        failures = [(refused.name, refused.reason) for refused in self.listing.refused]
        done = len(items) - len(missing)

        def get(item: Item) -> None:
            self._fetch_image(raw, item, advance)

        for item, error in each(get, missing, threads=self.connections):
            if error:
                failures.append((item.isic_id, error.what))
            done += not error
            note(f"{done} of {len(items)} images")
        present = [item for item in items if f"images/{_image_name(item)}" in raw.finished]
        licences = Listing(present).licences
        _write_tables(raw, present)
        failures += fetch_licences(self.archive, raw, licences)
        texts = [file for file in raw.finished if not file.startswith("images/")]
        return Outcome(
            [*texts, *(f"images/{_image_name(item)}" for item in present)],
            len(present),
            licences,
            sorted(failures),
            fetched=len(present) - (len(items) - len(missing)),
            notes=self._notes(),
        )

    def _fetch_image(self, raw: RawFolder, item: Item, advance: Callable[[int], object]) -> None:
        part = raw.part(_image_name(item))
        try:
            fetch_file(
                self.archive.client, item.url, part, size=item.size, cap=item.size, advance=advance
            )
        except HttpError as error:
            fresh = self.archive.again(item.isic_id) if error.status in STALE else item
            if fresh.url == item.url:
                raise
            fetch_file(
                self.archive.client,
                fresh.url,
                part,
                size=fresh.size,
                cap=fresh.size,
                advance=advance,
            )
        keep_image(raw, part, f"images/{_image_name(item)}", self.max_pixels)

    def _notes(self) -> list[str]:
        notes = []
        announced, seen = self.listing.announced, self.listing.seen
        if self.listing.other_licences:
            counts = self.listing.other_licences
            notes.append(
                "left out by licences: "
                + ", ".join(f"{name} {counts[name]}" for name in sorted(counts))
            )
        limited = self.limit is not None and len(self.listing.items) >= self.limit
        if announced is not None and seen < announced and not limited:
            notes.append(f"the archive announced {announced} images and listed {seen}")
        return notes


def _image_name(item: Item) -> str:
    return f"{item.isic_id}.jpg"


def _write_tables(raw: RawFolder, items: Sequence[Item]) -> None:
    """metadata.csv, by ISIC id, and attribution.txt."""
    rows = [
        {
            "isic_id": item.isic_id,
            "copyright_license": item.licence,
            "attribution": item.attribution,
            **item.metadata,
        }
        for item in sorted(items, key=lambda item: item.isic_id)
    ]
    part = raw.part(raw.metadata.name)
    write_metadata(part, rows, ("isic_id", "copyright_license", "attribution"))
    raw.keep(part, raw.metadata.name)
    keep_text(raw, attribution_text(item.attribution for item in items), raw.attribution)
