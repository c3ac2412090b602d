"""preprocess: from folders of images to ``dataset/`` with labels, splits and packed pixels."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skinlesion.config import PreprocessConfig
from skinlesion.data.evidence import write_evidence
from skinlesion.data.planning import Candidates, Counts, Plan, gather, make_plan
from skinlesion.data.protected import NAMES, load
from skinlesion.data.shards import SHARD_IMAGES, Decoded, decode_shards, read_pixels
from skinlesion.data.sources import Source, read_sources
from skinlesion.data.store import INFO, is_dataset, write_dataset
from skinlesion.errors import MAX_LISTED, DataError
from skinlesion.folders import new_folder, refuse_existing
from skinlesion.wording import counted

SPACE_MARGIN = 64 * 2**20


@dataclass(frozen=True)
class Summary:
    """What ``run`` did.

    Attributes:
        path: The dataset.
        read: Number of images found by official split ("" for none) and diagnosis.
        counts: Number of images kept, by split and diagnosis.
        excluded: Number of indeterminate images left out, by diagnosis.
        dropped: Images left out because a copy or their patient is held out, with the reason.
        unbalanced: Number of images that undersampling left out, by split.
        unlabelled: Number of image files that their source's table does not mention.
        contradictory: Number of byte-identical files with different labels.
        seconds: Of wall time.
    """

    path: Path
    read: Counts
    counts: Counts
    excluded: dict[str, int]
    dropped: list[dict[str, str]]
    unbalanced: dict[str, int]
    unlabelled: int
    contradictory: int
    seconds: float

    def to_text(self) -> str:
        """A line for each split and for whatever was left out."""
        kept, read = (sum(map(_total, c.values())) for c in (self.counts, self.read))
        lines = [f"{self.path}: {kept:,} of {counted(read, 'image')} in {self.seconds:.1f} s"]
        lines += [
            f"  {name}: {_kept(_total(counts), _total(self.read.get(name, {})))}"
            f" ({_listed(counts, self.read.get(name, {}))})"
            for name, counts in self.counts.items()
        ]
        if self.excluded:
            lines.append(f"  excluded as indeterminate: {_listed(self.excluded)}")
        if self.unbalanced:
            lines.append(f"  left out by undersampling: {_listed(self.unbalanced)}")
        details = f"listed in {self.path / INFO}"
        if self.dropped:
            lines.append(f"  dropped, as they would leak: {len(self.dropped)}, {details}")
            lines += [
                f"    {row['image_id']} of {row['split'] or 'no split'}: {row['reason']}"
                for row in self.dropped[:MAX_LISTED]
            ]
        if self.unlabelled:
            lines.append(f"  without a label, not used: {self.unlabelled}, {details}")
        if self.contradictory:
            lines.append(f"  identical but labelled otherwise: {self.contradictory}, {details}")
        return "\n".join(lines)


def run(
    config: PreprocessConfig,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Read all sources and write the dataset ``out``, whole or not at all.

    Args:
        config: What to read and how to split it.
        out: The folder to make.
        overwrite: Replace a dataset that stands at ``out``.
        progress: Called with (images decoded, images in all).

    Raises:
        ConfigError: If there is no source, or ``classes`` contradicts itself.
        DataError: If a source, a table or an image is missing or broken, a class is empty, ``out``
            is taken or cannot be written, or the disk is too small.
        IntegrityError: If official splits divide a group.
    """
    started = time.perf_counter()
    sources = read_sources(config.sources)
    _refuse_target(out, sources, overwrite=overwrite)
    candidates = gather(config, sources)
    # Twice: the decoded shards, and the store made of them.
    _refuse_full_disk(out, 2 * len(candidates.files) * config.image_size**2 * 3)
    try:
        with (
            new_folder(out, overwrite=overwrite) as folder,
            _unfinished(out) as shards,
        ):
            decoded = decode_shards(
                shards,
                candidates.files,
                config.image_size,
                fit=config.fit,
                cleaning=config.cleaning,
                workers=config.workers,
                shard_images=SHARD_IMAGES,
                progress=progress,
            )
            plan = make_plan(config, candidates, decoded, [load(name) for name in NAMES])
            _write(folder, shards, config, sources, candidates, decoded, plan)
    except OSError as error:
        raise DataError(
            f"{out} cannot be written: {error.strerror or error}",
            expected="a place that is writable and has room",
            fix="free some space, or choose another --out",
        ) from error
    return Summary(
        path=out,
        read=candidates.read,
        counts=plan.counts(),
        excluded=candidates.excluded,
        dropped=plan.dropped,
        unbalanced=plan.unbalanced,
        unlabelled=sum(len(source.unlabelled) for source in sources),
        contradictory=sum(map(len, plan.contradictory)),
        seconds=time.perf_counter() - started,
    )


@contextlib.contextmanager
def _unfinished(out: Path) -> Iterator[Path]:
    """Where images are decoded to: beside ``out``, kept only if the command is interrupted."""
    folder = out.with_name(f".{out.name}.unfinished")
    try:
        yield folder
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _write(
    folder: Path,
    shards: Path,
    config: PreprocessConfig,
    sources: Sequence[Source],
    candidates: Candidates,
    decoded: Decoded,
    plan: Plan,
) -> None:
    size = config.image_size
    evidence = write_evidence(
        folder,
        metadata=plan.metadata,
        signatures=decoded.signature[plan.rows],
        copies=plan.copies,
        dropped=plan.dropped,
        dropped_pixels=read_pixels(shards, plan.dropped_rows, shard_images=SHARD_IMAGES),
        size=size,
    )
    description = {**_description(config, sources, candidates, plan), "evidence_sha256": evidence}
    pixels = read_pixels(shards, plan.rows, shard_images=SHARD_IMAGES)
    write_dataset(folder, plan.manifest, pixels, size=size, description=description)


def _refuse_target(out: Path, sources: Sequence[Source], *, overwrite: bool) -> None:
    """Refuse to replace anything but a dataset, or to delete the sources."""
    refuse_existing(out, overwrite=overwrite)
    if not out.exists():
        return
    if any(out.iterdir()) and not is_dataset(out):
        raise DataError(
            f"{out} is not a dataset, so --overwrite does not delete it",
            fix="choose another --out",
        )
    parents = {
        (source.root / record.path).parent for source in sources for record in source.records
    }
    parents |= {source.root for source in sources}
    inside = sorted(str(path) for path in parents if path.resolve().is_relative_to(out.resolve()))
    if inside:
        raise DataError(
            f"overwriting {out} would delete a source", fix="choose another --out", which=inside
        )


def _refuse_full_disk(out: Path, pixel_bytes: int) -> None:
    needed = pixel_bytes + SPACE_MARGIN
    place = next(folder for folder in out.absolute().parents if folder.exists())
    available = shutil.disk_usage(place).free
    if available < needed:
        raise DataError(
            f"the disk of {out} has too little room: {needed / 2**20:.0f} MiB needed,"
            f" {available / 2**20:.0f} MiB available",
            fix="free some space, choose another --out, or a smaller image_size",
        )


def _description(
    config: PreprocessConfig, sources: Sequence[Source], candidates: Candidates, plan: Plan
) -> dict[str, Any]:
    """What ``dataset.json`` says besides the store's own facts; no time, no count of threads."""
    return {
        "settings": config.model_dump(mode="json", exclude={"workers"}),
        "sources": [
            {
                "name": source.name,
                "root": str(source.root.resolve()),
                "layout": source.layout,
                "count": len(source.records),
                "unlabelled": list(source.unlabelled),
            }
            for source in sources
        ],
        "read": candidates.read,
        "counts": plan.counts(),
        "excluded": candidates.excluded,
        "dropped": plan.dropped,
        "protected": list(NAMES),
        "copies": len(plan.copies),
        "unbalanced": plan.unbalanced,
        "contradictory": plan.contradictory,
    }


def _total(counts: dict[str, int]) -> int:
    return sum(counts.values())


def _listed(counts: dict[str, int], read: dict[str, int] | None = None) -> str:
    """Like ``melanoma 30, nevus 77 of 78``."""
    return ", ".join(f"{name} {_kept(n, (read or {}).get(name, n))}" for name, n in counts.items())


def _kept(kept: int, read: int) -> str:
    """How many are kept, and of how many where some of an official split are not."""
    return f"{kept} of {read}" if read > kept else str(kept)
