"""The files inside a bundle's archive or folder, opened with suspicion: names, sizes, links."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from skinlesion.bundle.description import MAX_MEMBERS
from skinlesion.bundle.graphs import NAMES, SAVED_MODEL_FILES
from skinlesion.errors import DataError, IntegrityError
from skinlesion.wording import counted

MODEL = "model.json"
NAME = re.compile("|".join([r"model\.json", r"member-[0-9]{2}\.safetensors", *NAMES.values()]))
FOLDER = re.compile(r"member-[0-9]{2}(?:/variables)?")  # of a SavedModel
MAX_FILES = 1 + MAX_MEMBERS * len(SAVED_MODEL_FILES)
_END = struct.Struct("<4s4H2LH")  # the end of a zip's table of contents, without a comment
_MAX_TABLE_BYTES = 1 << 16
_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    KeyError,
    IndexError,
    OverflowError,
)

# From a file's name and the most bytes it may have to its content.
Reader = Callable[[str, int], bytes]


@contextmanager
def opened(path: Path) -> Iterator[tuple[list[str], Reader]]:
    """Names of the files in ``path``, and a function from a name and a largest size to bytes."""
    if path.is_dir():
        yield _folder_names(path), lambda name, limit: _read_file(path, name, limit)
        return
    _refuse_frame(path)
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise foreign(path, str(error)) from error
    with archive:
        _refuse_entries(path, archive.infolist())
        yield archive.namelist(), lambda name, limit: _read_entry(path, archive, name, limit)


def _refuse_frame(path: Path) -> None:
    """Refuse, before a library reads it, what has not a small table of contents at its very end.

    So nothing can be hidden before or after the archive, and its table cannot fill the memory.
    """
    if not path.is_file():
        raise foreign(path, "it is neither a file nor a folder")
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size))
        tail = file.read(_END.size)
    if len(tail) < _END.size:
        raise foreign(path, "it is too short")
    signature, _, _, entries, total, length, offset, comment = _END.unpack(tail)
    if signature != b"PK\x05\x06" or comment:
        raise foreign(path, "it is not a zip archive, or is cut short")
    if entries != total or total > MAX_FILES or length > _MAX_TABLE_BYTES:
        raise foreign(path, f"it holds {counted(total, 'file')}")
    if offset + length != size - _END.size:
        raise foreign(path, "there is something before, behind or missing in the archive")


def _folder_names(folder: Path) -> list[str]:
    names, left = [], [folder]
    while left:
        for item in sorted(left.pop().iterdir()):
            name = item.relative_to(folder).as_posix()
            if item.name.startswith("."):
                continue
            if FOLDER.fullmatch(name) and item.is_dir() and not item.is_symlink():
                left.append(item)
                continue
            if item.is_symlink():
                raise foreign(folder, f"{name!r} is a link")
            if not item.is_file() or not NAME.fullmatch(name):
                raise foreign(folder, f"it holds {name!r}")
            names.append(name)
            if len(names) > MAX_FILES:
                raise foreign(folder, "it holds too many files")
    return names


def _read_file(folder: Path, name: str, limit: int) -> bytes:
    with (folder / name).open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise changed(folder, name)
    return content


def _refuse_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive that holds anything but plain, whole, uncompressed files of ours."""
    if len(entries) > MAX_FILES:
        raise foreign(path, f"it holds {counted(len(entries), 'file')}")
    seen = set()
    for entry in entries:
        if not NAME.fullmatch(entry.orig_filename) or entry.filename != entry.orig_filename:
            raise foreign(path, f"it holds {entry.orig_filename!r}")
        if entry.filename in seen:
            raise foreign(path, f"it holds {entry.filename} twice")
        seen.add(entry.filename)
        is_plain = stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
        is_stored = entry.compress_type == zipfile.ZIP_STORED
        if not is_plain or not is_stored or entry.flag_bits & 1:
            raise foreign(path, f"{entry.filename} is compressed, encrypted or a link")
        if entry.file_size != entry.compress_size:
            raise foreign(path, f"{entry.filename} would unpack to another size")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise foreign(path, "its files would unpack to more than the file")


def _read_entry(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    if archive.getinfo(name).file_size > limit:
        raise changed(path, name)
    try:
        return archive.read(name)
    except _BROKEN as error:
        raise IntegrityError(
            f"{path}: {name} cannot be read: {error}", fix="get the bundle again"
        ) from error


def foreign(path: Path, why: str) -> DataError:
    """The error for what is no bundle."""
    return DataError(
        f"{path} is not a model bundle: {why}",
        expected=f"what skinlesion bundle or export writes: {MODEL} and its files, nothing else",
        fix="pass a run folder or a bundle; no other model file is ever opened",
    )


def changed(path: Path, name: str) -> IntegrityError:
    """The error for a bundle's file that is not as it was written."""
    return IntegrityError(
        f"{path}: {name} was changed after it was written", fix="get the bundle again"
    )
