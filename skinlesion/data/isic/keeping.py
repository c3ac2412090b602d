"""From what has come to what is kept: the checks that images, texts and licences must pass."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from skinlesion.data.isic.archive import Archive
from skinlesion.data.isic.fetch import discard
from skinlesion.data.isic.folder import RawFolder
from skinlesion.data.isic.jpeg import check_jpeg, reduce_jpeg
from skinlesion.errors import DataError


def keep_image(raw: RawFolder, part: Path, file: str, max_pixels: int | None) -> None:
    """Check an image that has come, and move it, or a reduced one, to its place."""
    try:
        check_jpeg(part)
    except DataError:
        discard(part)
        raise
    # Under a name of its own: a reduced part must never be gone on with by Range.
    reduced = part.with_name(f"reduced-{part.name}")
    if max_pixels and reduce_jpeg(part, reduced, max_pixels):
        raw.keep(reduced, file)
        discard(part)
    else:
        raw.keep(part, file)


def check_table(part: Path) -> None:
    """Refuse what is no table: a web page, XML, something binary."""
    head = part.read_bytes()[:4096]
    if head.lstrip().startswith(b"<") or b"\0" in head or b"," not in head:
        discard(part)
        raise DataError(f"{part.name}: not a CSV table", fix="try again later")


def keep_text(raw: RawFolder, text: str, path: Path) -> None:
    """Write a text of our own to the file ``path`` of the folder."""
    part = raw.part(path.name)
    part.write_text(text, encoding="utf-8", newline="\n")
    raw.keep(part, path.name)


def fetch_licences(
    archive: Archive, raw: RawFolder, licences: Iterable[str]
) -> list[tuple[str, str]]:
    """Fetch the texts that are missing into licenses/; returns names and reasons of failures."""
    failures = []
    for licence in licences:
        file = f"{raw.licences.name}/{licence}.txt"
        if file in raw.finished:
            continue
        try:
            text = archive.licence_text(licence)
            if not text.strip() or text.lstrip().startswith(b"<"):
                raise DataError(f"the text of {licence} is empty or a web page")
        except DataError as error:
            failures.append((file, error.what))
            continue
        part = raw.part(f"{licence}.txt")
        part.write_bytes(text)
        raw.keep(part, file)
    return failures
