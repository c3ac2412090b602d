"""A bundle on disk: a zip that is not compressed, or a folder; read with suspicion."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from skinlesion.bundle.description import MAX_MEMBERS, SCHEMA, Description, WeightsFile
from skinlesion.errors import DataError, IntegrityError, MissingExtraError
from skinlesion.folders import atomic_path, new_folder

SUFFIX = ".skinlesion"
DEFAULT = Path(__file__).parents[1] / "weights" / f"default{SUFFIX}"
MODEL = "model.json"
CHECKSUM = "checksum"
MAX_MODEL_BYTES = 8 << 20
NAME = re.compile(r"model\.json|member-[0-9]{2}\.safetensors")
_END = struct.Struct("<4s4H2LH")  # the end of a zip's table of contents, without a comment
_MAX_TABLE_BYTES = 1 << 16
_EPOCH = (1980, 1, 1, 0, 0, 0)
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


@dataclass(frozen=True)
class Bundle:
    """What is in it, checked but for the weights, which are checked as they are read.

    Attributes:
        path: Where it is.
        description: The content of model.json.
        checksum: Of model.json, which names all files by SHA-256: it names the bundle.
    """

    path: Path
    description: Description
    checksum: str

    def weights(self) -> Iterator[bytes]:
        """The bytes of each member's weights in turn, of the length and SHA-256 promised."""
        with _opened(self.path) as (_, read):
            for member in self.description.members:
                assert member.weights is not None  # read_bundle saw to it
                content = read(member.weights.name, member.weights.bytes)
                received = hashlib.sha256(content).hexdigest()
                if received != member.weights.sha256 or len(content) != member.weights.bytes:
                    raise _changed(self.path, member.weights.name)
                yield content


def default_bundle() -> Path:
    """The bundle that comes with the package; MissingExtraError if none does."""
    if not DEFAULT.exists():
        raise MissingExtraError(
            "no model came with this installation",
            expected=f"{DEFAULT}, or a model of your own",
            fix="pass --model with a run folder, or with what skinlesion bundle wrote",
        )
    return DEFAULT


def write_bundle(
    path: Path,
    description: Description,
    weights: Iterable[tuple[WeightsFile, bytes]],
    *,
    overwrite: bool = False,
) -> Description:
    """Write a bundle, whole or not at all; the same content gives the same bytes.

    Args:
        path: A file if it ends in ``.skinlesion``, else a folder.
        description: Its members' weights are filled in.
        weights: Of each member in order; one at a time is in memory.
        overwrite: Replace what stands there.

    Returns:
        The description with the members' files.

    Raises:
        DataError: If ``path`` exists and ``overwrite`` is false.
    """
    if path.suffix != SUFFIX:
        with new_folder(path, overwrite=overwrite) as folder:
            return _write(
                description, weights, lambda name, content: (folder / name).write_bytes(content)
            )
    if path.exists() and (path.is_dir() or not overwrite):
        raise DataError(
            f"{path} exists already",
            fix="choose another --out, or pass --overwrite to replace the file",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        return _write(
            description, weights, lambda name, content: archive.writestr(_entry(name), content)
        )


def _write(
    description: Description,
    weights: Iterable[tuple[WeightsFile, bytes]],
    put: Callable[[str, bytes], object],
) -> Description:
    """``put`` the weights, then model.json, which names their SHA-256."""
    members = []
    for member, (file, content) in zip(description.members, weights, strict=True):
        put(file.name, content)
        members.append(member.model_copy(update={"weights": file}))
    whole = description.model_copy(update={"members": tuple(members)})
    values = whole.model_dump(mode="json")
    text = json.dumps({**values, CHECKSUM: _checksum(values)}, indent=2, ensure_ascii=False)
    put(MODEL, text.encode())
    return whole


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def read_bundle(path: Path) -> Bundle:
    """Open a bundle and check all of it but the weights.

    Raises:
        DataError: If it is missing, is something else, or of another version.
        IntegrityError: If it was changed, or its parts are not what a bundle may hold.
    """
    if not path.exists():
        raise DataError(
            f"there is no model {path}", expected=f"a run folder, or a {SUFFIX} file or folder"
        )
    with _opened(path) as (names, read):
        if MODEL not in names:
            raise _foreign(path, f"it holds no {MODEL}")
        values = _parse(path, read(MODEL, MAX_MODEL_BYTES))
    checksum = values.pop(CHECKSUM, None)
    if values.get("schema_version") != SCHEMA:
        raise DataError(
            f"{path} is a bundle of version {values.get('schema_version')!r}",
            expected=f"version {SCHEMA}",
            fix="install the skinlesion that wrote it, or bundle the run again",
        )
    if checksum != _checksum(values):
        raise _changed(path, MODEL)
    try:
        description = Description.model_validate(values)
    except ValidationError as error:
        raise IntegrityError(
            f"{path}: {MODEL} does not describe a model",
            which=[_problem(problem) for problem in error.errors()],
            fix="bundle the run again",
        ) from error
    listed = [member.weights.name for member in description.members if member.weights]
    if sorted([MODEL, *listed]) != sorted(names) or len(listed) != len(description.members):
        raise IntegrityError(
            f"{path} does not hold the files that its {MODEL} lists",
            expected=", ".join([MODEL, *listed]),
            which=sorted(names),
        )
    return Bundle(path, description, str(checksum))


Reader = Callable[[str, int], bytes]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Reader]]:
    """Names of the files in ``path``, and a function from a name and a largest size to bytes."""
    if path.is_dir():
        yield _folder_names(path), lambda name, limit: _read_file(path, name, limit)
        return
    _refuse_frame(path)
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise _foreign(path, str(error)) from error
    with archive:
        _refuse_entries(path, archive.infolist())
        yield archive.namelist(), lambda name, limit: _read_entry(path, archive, name, limit)


def _refuse_frame(path: Path) -> None:
    """Refuse, before a library reads it, what has not a small table of contents at its very end.

    So nothing can be hidden before or after the archive, and its table cannot fill the memory.
    """
    if not path.is_file():
        raise _foreign(path, "it is neither a file nor a folder")
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size))
        tail = file.read(_END.size)
    if len(tail) < _END.size:
        raise _foreign(path, "it is too short")
    signature, _, _, entries, total, length, offset, comment = _END.unpack(tail)
    if signature != b"PK\x05\x06" or comment:
        raise _foreign(path, "it is not a zip archive, or is cut short")
    if entries != total or total > MAX_MEMBERS + 1 or length > _MAX_TABLE_BYTES:
        raise _foreign(path, f"it holds {total} files")
    if offset + length != size - _END.size:
        raise _foreign(path, "there is something before, behind or missing in the archive")


def _folder_names(folder: Path) -> list[str]:
    names = []
    for item in sorted(folder.iterdir()):
        if item.name.startswith("."):
            continue
        if item.is_symlink() or not item.is_file() or not NAME.fullmatch(item.name):
            raise _foreign(folder, f"it holds {item.name!r}")
        names.append(item.name)
        if len(names) > MAX_MEMBERS + 1:
            raise _foreign(folder, "it holds too many files")
    return names


def _read_file(folder: Path, name: str, limit: int) -> bytes:
    with (folder / name).open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise _changed(folder, name)
    return content


def _refuse_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive that holds anything but plain, whole, uncompressed files of ours."""
    if len(entries) > MAX_MEMBERS + 1:
        raise _foreign(path, f"it holds {len(entries)} files")
    seen = set()
    for entry in entries:
        if not NAME.fullmatch(entry.orig_filename) or entry.filename != entry.orig_filename:
            raise _foreign(path, f"it holds {entry.orig_filename!r}")
        if entry.filename in seen:
            raise _foreign(path, f"it holds {entry.filename} twice")
        seen.add(entry.filename)
        is_plain = stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
        is_stored = entry.compress_type == zipfile.ZIP_STORED
        if not is_plain or not is_stored or entry.flag_bits & 1:
            raise _foreign(path, f"{entry.filename} is compressed, encrypted or a link")
        if entry.file_size != entry.compress_size:
            raise _foreign(path, f"{entry.filename} would unpack to another size")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise _foreign(path, "its files would unpack to more than the file")


def _read_entry(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    if archive.getinfo(name).file_size > limit:
        raise _changed(path, name)
    try:
        return archive.read(name)
    except _BROKEN as error:
        raise IntegrityError(
            f"{path}: {name} cannot be read: {error}", fix="get the bundle again"
        ) from error


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _foreign(path, f"its {MODEL} is not JSON") from error
    if not isinstance(values, dict):
        raise _foreign(path, f"its {MODEL} is not an object")
    return values


def _checksum(values: dict[str, Any]) -> str:
    """SHA-256 of the values, however they are laid out."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _problem(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}"


def _foreign(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} is not a model bundle: {why}",
        expected=f"what skinlesion bundle writes: {MODEL} and safetensors files, nothing else",
        fix="pass a run folder or a bundle; no other model file is ever opened",
    )


def _changed(path: Path, name: str) -> IntegrityError:
    return IntegrityError(
        f"{path}: {name} was changed after it was written", fix="get the bundle again"
    )
