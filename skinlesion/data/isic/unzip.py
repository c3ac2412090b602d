"""Unpacking a zip that a stranger wrote: its whole directory is judged before the first byte."""

from __future__ import annotations

import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from skinlesion.data.isic.urls import printable
from skinlesion.errors import DataError

MAX_MEMBERS = 200_000
MAX_UNPACKED_BYTES = 200 * 2**30
# Text shrinks to a tenth, photographs not at all.
MAX_RATIO = 100
# Below it a ratio is no danger.
HARMLESS_BYTES = 2**20

IMAGES = (".jpg", ".jpeg")
TEXTS = (".csv", ".txt")
JUNK = ("__MACOSX",)


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip, after a look at its directory.

    Raises:
        DataError: If it is no zip, or a member has an absolute name or one with ``..``, is a link
            or encrypted, comes twice, or they are too many, too large, or packed like a bomb.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path.name} is not a readable zip: {error}") from error
    with archive:
        _refuse_unsafe(path, archive.infolist())
        yield archive


def wanted(archive: zipfile.ZipFile) -> tuple[dict[str, zipfile.ZipInfo], list[str]]:
    """Images and tables by file name, without their folders, and the names of the other members.

    Left out are superpixel and mask PNGs and what operating systems leave behind.

    Raises:
        DataError: If two of them have the same file name.
    """
    chosen: dict[str, zipfile.ZipInfo] = {}
    left_out, twice = [], []
    for info in archive.infolist():
        name = PurePosixPath(info.filename)
        if info.is_dir():
            continue
        if (
            name.suffix.lower() not in IMAGES + TEXTS
            or name.name[0] == "."
            or name.parts[0] in JUNK
        ):
            left_out.append(info.filename)
        elif name.name in chosen:
            twice.append(name.name)
        else:
            chosen[name.name] = info
    if twice:
        raise DataError(
            f"{Path(str(archive.filename)).name} has two files of one name", which=sorted(twice)
        )
    return dict(sorted(chosen.items())), left_out


def unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    """Write one member to the file ``target``; several threads may do so at once.

    Raises:
        DataError: If it is broken.
    """
    try:
        with archive.open(info) as source, target.open("wb") as file:
            # Never more than the directory says: zipfile stops there.
            shutil.copyfileobj(source, file, 2**20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{info.filename}: broken in its zip: {error}") from error
    if target.stat().st_size != info.file_size:
        raise DataError(f"{info.filename}: broken in its zip: it ends too early")


def _refuse_unsafe(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    problems = [
        f"{printable(info.filename)[:80]} ({problem})"
        for info in members
        if (problem := _problem(info))
    ]
    counts = Counter(_folded(info.filename) for info in members)
    problems += [f"{printable(name)[:80]} (twice)" for name, n in counts.items() if n > 1]
    total = sum(info.file_size for info in members)
    if len(members) > MAX_MEMBERS:
        problems.append(f"{len(members)} members")
    if total > MAX_UNPACKED_BYTES:
        problems.append(f"{total} bytes unpacked")
    if _is_bomb(total, path.stat().st_size):
        problems.append(f"{total} bytes unpacked from {path.stat().st_size}")
    if problems:
        raise DataError(
            f"{path.name} is not a safe zip, nothing of it was unpacked",
            expected="plain files with relative names, each once, packed by at most"
            f" {MAX_RATIO} to 1",
            which=problems,
        )


def _problem(info: zipfile.ZipInfo) -> str:
    # zipfile cuts names at a null byte and turns backslashes on Windows only: look at what was
    # written.
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        return "absolute"
    if set(name) & set("\\:\0") or not name.isprintable():
        return "a character that is not allowed"
    if ".." in PurePosixPath(name).parts or not PurePosixPath(name).parts:
        return "leads out"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link" if kind == stat.S_IFLNK else "not a file"
    if info.flag_bits & 0x1:
        return "encrypted"
    if _is_bomb(info.file_size, info.compress_size):
        return "packed like a bomb"
    return ""


def _is_bomb(unpacked: int, packed: int) -> bool:
    return unpacked > HARMLESS_BYTES and unpacked > MAX_RATIO * max(packed, 1)


def _folded(name: str) -> str:
    """Equal for names that a file system may take for the same."""
    return unicodedata.normalize("NFC", name).casefold().rstrip("/")
