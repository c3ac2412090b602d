"""download-isic: images of the ISIC Archive or its challenges into ``raw/``, or a check of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skinlesion.config import DownloadConfig
from skinlesion.data.isic.folder import RawFolder, refuse_other
from skinlesion.data.isic.opening import open_downloads
from skinlesion.data.isic.outcome import Download, Estimate, Outcome
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.progress import Reporter, bytes_text
from skinlesion.wording import counted

SPACE_MARGIN = 64 * 2**20


@dataclass(frozen=True)
class Forecast:
    """What ``dry_run`` found.

    Attributes:
        sources: One an archive query or challenge year.
        free_bytes: On the disk of the folder.
    """

    sources: list[Estimate]
    free_bytes: int

    @property
    def bytes(self) -> int:
        """To fetch, in all."""
        return sum(source.bytes for source in self.sources)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "sources": [asdict(source) for source in self.sources],
            "bytes": self.bytes,
            "free_bytes": self.free_bytes,
        }

    def to_text(self) -> str:
        """A line for each source, its licences, and the room there is."""
        lines = []
        for source in self.sources:
            about = "about " if source.looked_at else ""
            images = "" if source.images is None else f"{about}{source.images} images, "
            lines.append(f"{source.name}: {images}{about}{bytes_text(source.bytes)}")
            among = f", among the first {source.looked_at}" if source.looked_at else ""
            lines.append(f"  licences: {_counts(source.licences)}{among}")
        room = f"{bytes_text(self.bytes)} to fetch, {bytes_text(self.free_bytes)} free on the disk"
        if self.bytes + SPACE_MARGIN > self.free_bytes:
            room += ": too little room"
        return "\n".join([*lines, f"{room}; nothing was written"])


@dataclass(frozen=True)
class Summary:
    """What ``run`` did: for each folder its outcome."""

    outcomes: dict[Path, Outcome]

    @property
    def failures(self) -> list[tuple[str, str]]:
        """Names and reasons, of all folders."""
        return [failure for outcome in self.outcomes.values() for failure in outcome.failures]

    def to_text(self) -> str:
        """A few lines for each folder."""
        lines = []
        for path, outcome in self.outcomes.items():
            lines.append(
                f"{path}: {counted(outcome.images, 'image')}, {outcome.fetched:,} of them new"
            )
            lines.append(f"  licences: {_counts(outcome.licences)}")
            lines += [f"  {note}" for note in outcome.notes]
            if not outcome.failures:
                lines.append(f"  next: skinlesion preprocess --source {path}")
        return "\n".join(lines)


def run(config: DownloadConfig, out: Path, *, reporter: Reporter) -> Summary:
    """Fetch what is missing in ``out``; run again after an interruption, it goes on.

    One source fills ``out`` itself, several a folder each inside it.

    Args:
        config: What to fetch.
        out: The folder to make, or to go on with.
        reporter: Tells how far it has come.

    Returns:
        What came, and what failed: files that could not be had do not stop the others.

    Raises:
        ConfigError: If there is no source, or ``out`` holds another download.
        DataError: If a server cannot be reached or answers nonsense, nothing matches, the disk is
            too small, or ``out`` holds something else.
    """
    outcomes = {}
    with open_downloads(config) as downloads:
        folders = _folders(out, downloads)
        for folder, download in zip(folders, downloads, strict=True):
            refuse_other(folder, download.describe())
            download.check()
        try:
            for folder, download in zip(folders, downloads, strict=True):
                outcomes[folder] = _fetch(download, RawFolder(folder), reporter)
        except KeyboardInterrupt:
            reporter.say(f"interrupted; {out} keeps what has come: repeat the command to go on")
            raise
    return Summary(outcomes)


def dry_run(config: DownloadConfig, out: Path) -> Forecast:
    """Ask what ``run`` would fetch; writes nothing.

    Raises:
        ConfigError: If there is no source.
        DataError: If a server cannot be reached or answers nonsense.
    """
    with open_downloads(config) as downloads:
        return Forecast([download.estimate() for download in downloads], _free(out))


def verify(out: Path, *, reporter: Reporter) -> str:
    """Compare every file of a download with its manifest; returns the line to print.

    Raises:
        DataError: If there is no download in ``out``.
        IntegrityError: If a file is missing, changed or unknown.
    """
    folders = [raw for raw in map(RawFolder, [out, *_subfolders(out)]) if raw.manifest.exists()]
    if not folders:
        raise DataError(
            f"{out} has no finished download",
            expected="a folder that download-isic has filled, with its manifest.csv",
        )
    problems: list[str] = []
    checked = 0
    with reporter.transferring("verify", sum(raw.bytes_listed() for raw in folders)) as transfer:
        for raw in folders:
            prefix = "" if raw.path == out else f"{raw.path.name}/"
            for size, problem in raw.problems():
                transfer.advance(size)
                checked += 1
                problems += [f"{prefix}{problem}"] if problem else []
    if problems:
        for problem in problems:
            reporter.say(f"differs: {problem}")
        raise IntegrityError(
            f"{out}: {counted(len(problems), 'file')} not as the manifest says",
            expected="every file of manifest.csv with its sha256, and no other",
            fix="delete those that changed or are unknown, and run the download again",
            which=problems,
        )
    failed = [str(raw.failed) for raw in folders if raw.failed.exists()]
    line = f"{out}: {counted(checked, 'file')} as the manifest says"
    return line + (f"; not complete, see {', '.join(failed)}" if failed else "")


def refuse_failures(summary: Summary) -> None:
    """Raise DataError if something could not be had."""
    if not summary.failures:
        return
    tables = [str(RawFolder(path).failed) for path, o in summary.outcomes.items() if o.failures]
    raise DataError(
        f"{counted(len(summary.failures), 'file')} could not be had, listed in {', '.join(tables)}",
        expected="every file",
        fix="repeat the command: it fetches only what is missing",
        which=[f"{name} ({reason})" for name, reason in summary.failures],
    )


def _fetch(download: Download, raw: RawFolder, reporter: Reporter) -> Outcome:
    with raw.opened(download.describe()):
        with reporter.counting(f"{download.name}: listing", 0, unit="entries") as counter:
            to_fetch, needed = download.plan(raw, progress=counter.reach)
        _refuse_full_disk(raw.path, needed)
        with reporter.transferring(download.name, to_fetch) as transfer:
            outcome = download.fetch(raw, advance=transfer.advance, note=transfer.tell)
        raw.finish(outcome.files, outcome.failures)
    for name, reason in outcome.failures:
        reporter.say(f"failed: {name}: {reason}")
    unlisted = raw.unlisted()
    if unlisted:
        outcome.notes.append(
            f"not of this download, remove them: {', '.join(unlisted[:3])}"
            + (f" and {len(unlisted) - 3} more" if len(unlisted) > 3 else "")
        )
    return outcome


def _folders(out: Path, downloads: Sequence[Download]) -> list[Path]:
    if len(downloads) == 1:
        return [out]
    if RawFolder(out).description.exists():
        raise ConfigError(f"{out} holds one download, not several", fix="choose another --out")
    return [out / download.name for download in downloads]


def _subfolders(out: Path) -> list[Path]:
    return sorted(path for path in out.iterdir() if path.is_dir()) if out.is_dir() else []


def _free(out: Path) -> int:
    place = next(path for path in [out.absolute(), *out.absolute().parents] if path.exists())
    return shutil.disk_usage(place).free


def _refuse_full_disk(out: Path, needed: int) -> None:
    available = _free(out)
    if available < needed + SPACE_MARGIN:
        raise DataError(
            f"the disk of {out} has too little room: {bytes_text(needed + SPACE_MARGIN)} needed,"
            f" {bytes_text(available)} available",
            fix="free some space, choose another --out, or fetch less: --limit, --thumbnails",
        )


def _counts(counts: Mapping[str, int | None]) -> str:
    """Like ``CC-0 12, CC-BY 3``; a count that nobody knows is left out."""
    return ", ".join(name if n is None else f"{name} {n}" for name, n in counts.items())
