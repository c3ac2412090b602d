"""A bundle on disk: a zip that is not compressed, or a folder; read with suspicion."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from skinlesion.bundle.description import SCHEMA, Description, Member, WeightsFile
from skinlesion.bundle.files import MODEL, Reader, changed, foreign, opened
from skinlesion.bundle.graphs import GraphFile
from skinlesion.errors import ConfigError, DataError, IntegrityError, MissingExtraError
from skinlesion.folders import atomic_path, new_folder, refuse_existing
from skinlesion.wording import reason

SUFFIX = ".skinlesion"
DEFAULT = Path(__file__).parents[1] / "weights" / f"default{SUFFIX}"
CHECKSUM = "checksum"
MAX_MODEL_BYTES = 8 << 20
FILES_OF_OTHERS = {
    *(".onnx", ".tflite", ".pb", ".keras", ".h5", ".hdf5", ".pt", ".pth", ".pkl", ".safetensors"),
    *(".zip", ".tar", ".gz", ".json"),
}
_EPOCH = (1980, 1, 1, 0, 0, 0)


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
        return (content for files in self.contents() for content in files.values())

    def contents(self) -> Iterator[dict[str, bytes]]:
        """As ``weights``: each member's files by name; a graph may have several."""
        with opened(self.path) as (_, read):
            for member in self.description.members:
                yield {file.name: self._checked(read, file) for file in member.files}

    def _checked(self, read: Reader, file: WeightsFile | GraphFile) -> bytes:
        content = read(file.name, file.bytes)
        received = hashlib.sha256(content).hexdigest()
        if received != file.sha256 or len(content) != file.bytes:
            raise changed(self.path, file.name)
        return content


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
    """Write a bundle of weights: ``write_members``.

    Args:
        path: A file if it ends in ``.skinlesion``, else a folder.
        description: Its members' weights are filled in.
        weights: Of each member in order; one at a time is in memory.
        overwrite: Replace what stands there.
    """
    members = (
        (member.model_copy(update={"weights": file}), {file.name: content})
        for member, (file, content) in zip(description.members, weights, strict=True)
    )
    return write_members(path, description, members, overwrite=overwrite)


def write_members(
    path: Path,
    description: Description,
    members: Iterable[tuple[Member, Mapping[str, bytes]]],
    *,
    overwrite: bool = False,
) -> Description:
    """Write a bundle, whole or not at all; the same content gives the same bytes.

    Args:
        path: A file if it ends in ``.skinlesion``, else a folder.
        description: Its members are replaced.
        members: Each with its files by name; one at a time is in memory.
        overwrite: Replace what stands there.

    Returns:
        The description with these members.

    Raises:
        ConfigError: If ``path`` is named like a file of another program.
        DataError: If ``path`` exists and ``overwrite`` is false.
    """
    refuse_out(path, overwrite=overwrite)
    if path.suffix != SUFFIX:
        with new_folder(path, overwrite=overwrite) as folder:
            return _write(description, members, lambda name, content: _put(folder, name, content))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        return _write(
            description, members, lambda name, content: archive.writestr(_entry(name), content)
        )


def refuse_out(path: Path, *, overwrite: bool = False) -> None:
    """Refuse, before any work, what ``write_members`` could not write to.

    Raises:
        ConfigError: If ``path`` is named like a file of another program: a folder would get it.
        DataError: If ``path`` exists and may not be replaced, as a folder of something else.
    """
    if path.suffix.lower() in FILES_OF_OTHERS:
        raise ConfigError(
            f"--out {path}: a bundle is no {path.suffix} file",
            expected=f"a folder, or a name that ends in {SUFFIX}",
            fix=f"--out {path.with_suffix('')}",
        )
    if path.suffix != SUFFIX:
        refuse_existing(path, overwrite=overwrite)
        if path.exists() and not _is_bundle(path):
            raise DataError(
                f"{path} is not a model bundle, so --overwrite does not delete it",
                fix="choose another --out",
            )
    elif path.exists() and (path.is_dir() or not overwrite):
        raise DataError(
            f"{path} exists already",
            fix="choose another --out, or pass --overwrite to replace the file",
        )


def _is_bundle(folder: Path) -> bool:
    """Whether nothing but files of a bundle is in it; an empty one is."""
    try:
        with opened(folder):
            return True
    except (DataError, IntegrityError):
        return False


def _write(
    description: Description,
    members: Iterable[tuple[Member, Mapping[str, bytes]]],
    put: Callable[[str, bytes], object],
) -> Description:
    """``put`` the members' files, then model.json, which names their SHA-256."""
    written = []
    for member, files in members:
        for name, content in files.items():
            put(name, content)
        written.append(member)
    whole = description.model_copy(update={"members": tuple(written)})
    values = whole.model_dump(mode="json")
    text = json.dumps({**values, CHECKSUM: _checksum(values)}, indent=2, ensure_ascii=False)
    put(MODEL, text.encode())
    return whole


def _put(folder: Path, name: str, content: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


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
    with opened(path) as (names, read):
        if MODEL not in names:
            raise foreign(path, f"it holds no {MODEL}")
        values = _parse(path, read(MODEL, MAX_MODEL_BYTES))
    checksum = values.pop(CHECKSUM, None)
    if values.get("schema_version") != SCHEMA:
        raise DataError(
            f"{path} is a bundle of version {values.get('schema_version')!r}",
            expected=f"version {SCHEMA}",
            fix="install the skinlesion that wrote it, or bundle the run again",
        )
    if checksum != _checksum(values):
        raise changed(path, MODEL)
    try:
        description = Description.model_validate(values)
    except ValidationError as error:
        raise IntegrityError(
            f"{path}: {MODEL} does not describe a model",
            which=_problems(error),
            fix="bundle the run again",
        ) from error
    listed = [file.name for member in description.members for file in member.files]
    is_whole = all(member.files for member in description.members)
    if sorted([MODEL, *listed]) != sorted(names) or not is_whole:
        raise IntegrityError(
            f"{path} does not hold the files that its {MODEL} lists",
            expected=", ".join([MODEL, *listed]),
            which=sorted(names),
        )
    return Bundle(path, description, str(checksum))


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise foreign(path, f"its {MODEL} is not JSON") from error
    if not isinstance(values, dict):
        raise foreign(path, f"its {MODEL} is not an object")
    return values


def _checksum(values: dict[str, Any]) -> str:
    """SHA-256 of the values, however they are laid out."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _problems(error: ValidationError) -> list[str]:
    """What is wrong, but not the containers that are so for what is wrong inside them."""
    found = error.errors()
    places = [problem["loc"] for problem in found]
    return [
        f"{'.'.join(map(str, where))}: {reason(problem['msg'])}"
        for where, problem in zip(places, found, strict=True)
        if not any(other != where and other[: len(where)] == where for other in places)
    ]
