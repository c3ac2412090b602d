"""Which images of the archive are wanted: pages read once, kept on disk, and filtered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skinlesion.data.isic.answers import HttpError
from skinlesion.data.isic.archive import Archive, EndlessError, Item, Page, Refused


@dataclass
class Listing:
    """What the archive has for a query.

    Attributes:
        items: The wanted images, in the archive's order, each once.
        refused: Entries that cannot be taken.
        other_licences: Number of images that the licence filter left out, by licence.
        announced: How many images the query has, by the archive's own count.
        complete: Whether all pages that matter were read.
    """

    items: list[Item] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    other_licences: Counter[str] = field(default_factory=Counter)
    announced: int | None = None
    complete: bool = False

    @property
    def seen(self) -> int:
        """Number of entries read."""
        return len(self.items) + len(self.refused) + self.other_licences.total()

    @property
    def licences(self) -> dict[str, int]:
        """Number of wanted images by licence."""
        return dict(sorted(Counter(item.licence for item in self.items).items()))


def read_listing(
    archive: Archive,
    *,
    licences: Sequence[str] = (),
    limit: int | None = None,
    cache: Path | None = None,
    max_pages: int | None = None,
    progress: Callable[[int, int], object] = max,
) -> Listing:
    """Page through the archive until the query, ``limit`` or ``max_pages`` ends.

    Args:
        archive: Whom to ask.
        licences: The only ones that are wanted; () is all.
        limit: At most so many images.
        cache: Where pages are kept, so that a later call goes on after the last of them.
        max_pages: For a look at the beginning.
        progress: Called with (entries read, entries in all).

    Raises:
        DataError: As ``Archive.pages``.
    """
    listing, taken = Listing(), set[str]()
    number = 0
    for number, page in enumerate(_pages(archive, cache), 1):
        if number == 1 and isinstance(page.get("count"), int):
            listing.announced = page["count"]
        for item in archive.items(page):
            _take(listing, item, taken, licences)
            if limit and len(listing.items) == limit:
                listing.complete = True
                break
        progress(listing.seen, max(listing.announced or 0, listing.seen))
        if listing.complete:
            return listing
        if page["next"] and number == max_pages:
            return listing
    listing.complete = True
    return listing


def _take(listing: Listing, item: Item | Refused, taken: set[str], licences: Sequence[str]) -> None:
    if isinstance(item, Refused):
        listing.refused.append(item)
    elif item.isic_id in taken:
        return
    elif licences and item.licence not in licences:
        taken.add(item.isic_id)
        listing.other_licences[item.licence] += 1
    else:
        taken.add(item.isic_id)
        listing.items.append(item)


def _pages(archive: Archive, cache: Path | None) -> Iterator[Page]:
    """Pages of the cache first, then those of the archive, which the cache gets."""
    if cache is None:
        yield from archive.pages(after=[])
        return
    kept = _read_cache(cache)
    yield from kept
    if kept and not kept[-1]["next"]:
        return
    try:
        for page in archive.pages(after=kept):
            with cache.open("a", encoding="utf-8") as file:
                file.write(json.dumps(page) + "\n")
            yield page
    except (EndlessError, HttpError):
        # What was kept leads nowhere: the next run begins anew.
        cache.unlink(missing_ok=True)
        raise


def _read_cache(cache: Path) -> list[Page]:
    """The pages that were kept whole; what a kill left of another is cut off."""
    if not cache.exists():
        return []
    text = cache.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        cache.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]
