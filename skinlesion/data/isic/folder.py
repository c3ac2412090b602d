"""RawFolder: what a download leaves on disk, what of it is finished, and whether it is intact."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from skinlesion.data.isic.fetch import discard, file_size
from skinlesion.errors import ConfigError, DataError
from skinlesion.runs import read_json, write_json
from skinlesion.tables import read_columns, write_rows

try:
    import fcntl
except ImportError:  # Windows: two downloads into one folder are not noticed there.
    fcntl = None  # type: ignore[assignment]

HEADER = ("file", "sha256", "bytes")
# What may differ when a download is taken up again: more of the same is no other download.
MAY_CHANGE = ("limit", "splits")


class Entry(NamedTuple):
    """One finished file; ``file`` is its path in the folder, with ``/``."""

    file: str
    sha256: str
    bytes: int


class RawFolder:
    """The layout of a download; the work in progress is in its hidden folder ``.partial``."""

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, path / ".partial"
        self.images = path / "images"
        self.metadata, self.attribution = path / "metadata.csv", path / "attribution.txt"
        self.licences = path / "licenses"
        self.manifest, self.failed = path / "manifest.csv", path / "failed.csv"
        self.description = path / "download.json"
        self._journal = self.partial / "journal.csv"
        self._lock = threading.Lock()
        self._known: dict[str, Entry] = {}
        self._finished: dict[str, Entry] = {}
        self._was_complete = False

    @property
    def listing(self) -> Path:
        """The archive's pages, kept until the download has finished."""
        return self.partial / "listing.jsonl"

    @property
    def finished(self) -> dict[str, Entry]:
        """The finished files, by path."""
        return dict(self._finished)

    @contextlib.contextmanager
    def opened(self, description: dict[str, Any]) -> Iterator[None]:
        """Begin, or go on with, the download of ``description``; no other process may.

        Raises:
            ConfigError: If the folder holds another download.
            DataError: If it holds something else, or another process downloads into it.
        """
        refuse_other(self.path, description)
        self._was_complete = self.manifest.exists() and not (
            self.partial.exists() or self.failed.exists()
        )
        self.partial.mkdir(parents=True, exist_ok=True)
        with (self.partial / "lock").open("w") as lock:
            _lock_or_refuse(lock, self.path)
            write_json(self.part(self.description.name), description)
            self._place(self.description)
            self._read_state()
            try:
                yield
            except BaseException:
                self._remove_if_empty()
                raise

    def _read_state(self) -> None:
        entries = [*_read_entries(self.manifest), *_read_entries(self._journal)]
        self._known = {entry.file: entry for entry in entries}
        self._finished = {
            file: entry
            for file, entry in self._known.items()
            if file_size(self.path / file) == entry.bytes
        }
        if self._journal.exists() and not self._journal.read_bytes().endswith(b"\n"):
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write("\n")

    def _remove_if_empty(self) -> None:
        """Leave nothing of a download that never began."""
        if not self._known and {path.name for path in self.partial.iterdir()} <= {"lock"}:
            shutil.rmtree(self.partial)
            self.description.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def is_unpacked(self, zip_name: str, folder: str) -> bool:
        """Whether all files of a zip, which go to ``folder``, are there."""
        files = {file for file in self._known if file.startswith(f"{folder}/")}
        said = self._was_complete or self._mark(zip_name).exists()
        return said and bool(files) and files <= self._finished.keys()

    def mark_unpacked(self, zip_name: str) -> None:
        """Remember that all files of a zip have been kept."""
        self._mark(zip_name).touch()

    def _mark(self, zip_name: str) -> Path:
        return self.partial / f"{zip_name}.unpacked"

    def part(self, name: str) -> Path:
        """Where a file is made that is not whole yet."""
        return self.partial / name

    def keep(self, part: Path, file: str) -> Entry:
        """Move the whole ``part`` to ``file`` of the folder; from then on it is finished.

        It is in the journal before it is in its place, so a kill between the two leaves a part
        that is whole.
        """
        with part.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            os.fsync(content.fileno())
        entry = Entry(file, digest, file_size(part))
        target = self.path / file
        with self._lock:
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._journal.open("a", encoding="utf-8", newline="") as journal:
                csv.writer(journal, lineterminator="\n").writerow(entry)
        part.replace(target)
        discard(part)
        with self._lock:
            self._finished[file] = entry
        return entry

    def finish(self, files: Iterable[str], failures: Sequence[tuple[str, str]]) -> None:
        """Write the manifest over ``files``, and what failed; without failures clean up."""
        entries = [self._finished[file] for file in sorted(files)]
        write_rows(self.part(self.manifest.name), HEADER, entries)
        self._place(self.manifest)
        if failures:
            write_rows(self.part(self.failed.name), ("name", "reason"), failures)
            self._place(self.failed)
        else:
            self.failed.unlink(missing_ok=True)
            shutil.rmtree(self.partial)

    def _place(self, path: Path) -> None:
        """Move a table that is whole: even a kill leaves nothing half-made beside the others."""
        self.part(path.name).replace(path)

    def unlisted(self) -> list[str]:
        """Files in the folder that the manifest does not have; the tool's own are no news."""
        known = {entry.file for entry in _read_entries(self.manifest)}
        own = {self.manifest, self.failed, self.description}
        found = []
        for parent, folders, names in os.walk(self.path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = Path(parent, name)
                file = path.relative_to(self.path).as_posix()
                if path not in own and file not in known and not name.startswith("."):
                    found.append(file)
        return sorted(found)

    def problems(self) -> Iterator[tuple[int, str]]:
        """Compare every file with the manifest: yields (bytes read, problem or "").

        Raises:
            DataError: If there is no manifest, or it has a path that leads out of the folder.
        """
        entries = list(_read_entries(self.manifest, strict=True))
        for entry in entries:
            path = self.path / entry.file
            if not path.is_file():
                yield 0, f"{entry.file} (missing)"
                continue
            with path.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            yield file_size(path), "" if digest == entry.sha256 else f"{entry.file} (changed)"
        for file in self.unlisted():
            yield 0, f"{file} (not in the manifest)"

    def bytes_listed(self) -> int:
        """Sum over the manifest."""
        return sum(entry.bytes for entry in _read_entries(self.manifest))


def write_metadata(path: Path, rows: Sequence[dict[str, str]], first: Sequence[str]) -> None:
    """Write one row an image, the columns ``first`` and then the others by name."""
    others = sorted({key for row in rows for key in row} - set(first))
    header = [*first, *others]
    write_rows(path, header, ([row.get(name, "") for name in header] for row in rows))


def attribution_text(attributions: Iterable[str]) -> str:
    """Whom to name, by number of images, the anonymous last: the archive's own order."""
    counts = Counter(attributions)
    names = sorted(counts, key=lambda name: (name == "Anonymous", -counts[name], name))
    return "\n\n".join(names) + "\n"


def refuse_other(path: Path, description: dict[str, Any]) -> None:
    """Raise an error if ``path`` holds something else than the download of ``description``."""
    raw = RawFolder(path)
    if not raw.description.exists():
        if path.exists() and (not path.is_dir() or {*path.iterdir()} - {raw.partial}):
            raise DataError(
                f"{path} is there already, and is not a download",
                expected="a folder that does not exist, or one of the same download to go on with",
                fix="choose another --out",
            )
        return
    before = read_json(raw.description)
    changed = [
        f"{key}: {before.get(key)} there, {description.get(key)} asked for"
        for key in sorted({*before, *description} - {*MAY_CHANGE})
        if before.get(key) != description.get(key)
    ]
    if changed:
        raise ConfigError(
            f"{path} holds another download:\n" + "\n".join(f"    {line}" for line in changed),
            expected="the same source and settings: a folder holds one download",
            fix="choose another --out",
        )


def _lock_or_refuse(lock: IO[str], folder: Path) -> None:
    """Hold ``lock`` until its process ends, however it ends."""
    if fcntl is None:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(
            f"another process downloads into {folder}",
            fix="wait until it has finished, or choose another --out",
        ) from None


def _read_entries(path: Path, *, strict: bool = False) -> Iterator[Entry]:
    """The rows of a manifest or journal; what a kill left of the last one is not a row."""
    if not strict and not path.exists():
        return
    if strict:
        read_columns(path, required=HEADER)
    for row in csv.reader(path.read_text(encoding="utf-8").splitlines()):
        if len(row) != len(HEADER) or not row[2].isdigit() or len(row[1]) != 64:
            continue
        file = PurePosixPath(row[0])
        if file.is_absolute() or ".." in file.parts:
            raise DataError(f"{path}: {row[0]} leads out of the folder")
        yield Entry(row[0], row[1], int(row[2]))
