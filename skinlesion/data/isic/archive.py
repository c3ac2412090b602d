"""The ISIC Archive's API, version 2: pages of images, every field of them checked.

Shapes as in the archive's own source (github.com/ImageMarkup/isic: core/api/image.py,
core/pagination.py, zip_download/api.py).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from skinlesion.data.isic.client import Client
from skinlesion.data.isic.urls import host_of, printable, refuse_url, shown
from skinlesion.errors import DataError

PAGE_SIZE = 100
MAX_IMAGE_BYTES = 512 * 2**20
MAX_LICENCE_BYTES = 2**20

Variant = Literal["full", "thumbnail_256"]
Page = dict[str, Any]

_ISIC_ID = re.compile(r"ISIC_[0-9]{7}")
_LICENCE = re.compile(r"CC-(0|BY(-NC)?(-SA|-ND)?)")


class EndlessError(DataError):
    """Pages lead on and on."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the archive's pages do not end: {reason}",
            expected="pages that lead from one to the next",
            fix="try again later, or narrow the query",
        )


@dataclass(frozen=True, slots=True)
class Item:
    """One image of the archive.

    Attributes:
        isic_id: Like ISIC_0000000.
        licence: Like CC-BY.
        attribution: Whom to name.
        url: Of the file that is wanted; it may be signed, and then it expires.
        size: Of that file, in bytes.
        metadata: Acquisition and clinical fields by name, as text.
    """

    isic_id: str
    licence: str
    attribution: str
    url: str
    size: int
    metadata: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class Refused:
    """An item that was not taken, by its own name, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Archive:
    """The API at ``api_url``.

    Attributes:
        client: Whom to ask with.
        api_url: Ends with a slash.
        query: In the archive's search language; "" is everything.
        collections: Numbers of collections; () is all.
        variant: Which file of an image is wanted.
    """

    client: Client
    api_url: str
    query: str
    collections: tuple[int, ...]
    variant: Variant

    def pages(self, *, after: list[Page]) -> Iterator[Page]:
        """The pages of the listing that follow ``after``, those already had.

        Raises:
            DataError: If a page is not of the known shape, or leads to another host.
            EndlessError: If an address comes twice, a page has nothing new, or there are more
                images than were announced.
        """
        guard = _EndlessGuard()
        for page in after:
            guard.watch(page)
        url = after[-1]["next"] if after else f"{self.api_url}images/search/"
        first = not after
        while url:
            page = self.client.get_json(url, self._search(PAGE_SIZE) if first else None)
            first = False
            self._refuse_page(page, url)
            guard.watch(page)
            yield page
            url = page["next"]

    def items(self, page: Page) -> Iterator[Item | Refused]:
        """The images on a page, checked."""
        for raw in page["results"]:
            yield self.item(raw)

    def item(self, raw: Any) -> Item | Refused:
        """One image of a page, or why it is not taken."""
        name = printable(str(raw.get("isic_id") if isinstance(raw, dict) else raw)[:40])
        try:
            return self._item(raw)
        except (KeyError, TypeError, AttributeError):
            return Refused(name, "its entry is not of the known shape")
        except DataError as error:
            return Refused(name, error.what)

    def again(self, isic_id: str) -> Item:
        """The image, asked for by itself: with a fresh URL."""
        item = self.item(self.client.get_json(f"{self.api_url}images/{isic_id}/"))
        if isinstance(item, Refused) or item.isic_id != isic_id:
            raise DataError(f"{isic_id}: the archive no longer has it")
        return item

    def total_bytes(self) -> int | None:
        """Bytes of all full-size images of the query; None if the archive does not say."""
        page = self.client.get_json(f"{self.api_url}images/search/size/", self._search())
        size = page.get("size")
        return size if _is_count(size) else None

    def refuse_unknown_collections(self) -> None:
        """Raise DataError if a collection does not exist: the search would just find nothing."""
        if not self.collections:
            return
        known: dict[int, str] = {}
        url, seen = f"{self.api_url}collections/", set[str]()
        while url and url not in seen:
            seen.add(url)
            page = self.client.get_json(url)
            self._refuse_page(page, url)
            known |= {
                one["id"]: str(one.get("name"))
                for one in page["results"]
                if isinstance(one, dict) and _is_count(one.get("id"))
            }
            url = page["next"]
        unknown = [number for number in self.collections if number not in known]
        if unknown:
            raise DataError(
                f"the archive has no collection {', '.join(map(str, unknown))}",
                expected="numbers of public collections",
                which=[f"{number} {name}" for number, name in sorted(known.items())],
            )

    def licence_text(self, licence: str) -> bytes:
        """The full text of a licence."""
        url = f"{self.api_url}zip-download/license-file/{licence}/"
        return self.client.get_bytes(url, cap=MAX_LICENCE_BYTES)

    def _search(self, limit: int | None = None) -> dict[str, str | int]:
        chosen: dict[str, str | int] = {"query": self.query} if self.query else {}
        if self.collections:
            chosen["collections"] = ",".join(map(str, self.collections))
        return {**chosen, "limit": limit} if limit else chosen

    def _refuse_page(self, page: Page, url: str) -> None:
        following = page.setdefault("next", None)
        if not isinstance(page.get("results"), list) or not isinstance(following, str | None):
            raise DataError(f"{shown(url)} is not a page of results", expected="results and next")
        if following:
            refuse_url(following, frozenset({host_of(self.api_url)}))

    def _item(self, raw: dict[str, Any]) -> Item:
        isic_id, licence = raw["isic_id"], raw["copyright_license"]
        if not isinstance(isic_id, str) or not _ISIC_ID.fullmatch(isic_id):
            raise DataError("its name is not an ISIC id")
        if not isinstance(licence, str) or not _LICENCE.fullmatch(licence):
            raise DataError(f"its licence {printable(str(licence)[:40])} is not a known one")
        file, attribution = raw["files"][self.variant], raw["attribution"]
        url, size = file["url"], file["size"]
        if not isinstance(url, str) or not isinstance(attribution, str) or not _is_count(size):
            raise TypeError
        refuse_url(url, self.client.hosts)
        if not 0 < size <= MAX_IMAGE_BYTES:
            raise DataError(f"its size of {size} bytes is not one of an image")
        return Item(isic_id, licence, sys.intern(attribution), url, size, flatten(raw["metadata"]))


def flatten(metadata: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Fields by name, acquisition first; a name that both parts have is clinical's.

    True and false are written in small letters, null is left out, and what is nested is JSON.
    """
    acquisition, clinical = metadata.get("acquisition", {}), metadata.get("clinical", {})
    shared = {f"acquisition_{key}": acquisition[key] for key in acquisition if key in clinical}
    merged = {**acquisition, **shared, **clinical}
    return {
        sys.intern(str(key)): _text(value) for key, value in merged.items() if value is not None
    }


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return sys.intern(text)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class _EndlessGuard:
    """Notices pages that do not end."""

    def __init__(self) -> None:
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.count: int | None = None

    def watch(self, page: Page) -> None:
        """Raise DataError if this page shows that there will be no end."""
        ids = {str(raw.get("isic_id")) for raw in page["results"] if isinstance(raw, dict)}
        fresh, link = ids - self.ids, page["next"]
        self.ids |= ids
        if self.count is None and _is_count(page.get("count")):
            self.count = page["count"]
        if link and (link in self.links or not fresh):
            raise EndlessError("a page leads to one that was there, or holds nothing new")
        # The archive counts in another place than it lists: a page more is no alarm.
        if self.count is not None and len(self.ids) > self.count + PAGE_SIZE:
            raise EndlessError(f"{len(self.ids)} images were listed and {self.count} announced")
        if link:
            self.links.add(link)
