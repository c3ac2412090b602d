"""audit: what a data set holds, and whether copies stand on two sides of a split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from skinlesion.data.audit import (
    Finding,
    copies_between,
    copies_within,
    facets,
    label_conflicts,
    leaks,
)
from skinlesion.data.evidence import Evidence, read_evidence
from skinlesion.data.protected import NAMES, load
from skinlesion.data.quality.summary import QualitySummary, measure_rows, summarize
from skinlesion.data.store import Dataset, PixelStore, open_dataset
from skinlesion.errors import IntegrityError
from skinlesion.folders import write_text
from skinlesion.progress import Reporter
from skinlesion.report.audit import AuditReport, Pictures, describe, to_html
from skinlesion.runs import write_json
from skinlesion.tables import Manifest


def run(
    path: Path,
    *,
    against: Path | None = None,
    sample: int | None = None,
    out: Path,
    reporter: Reporter,
) -> tuple[AuditReport, list[Path]]:
    """Audit the data set ``path``, or what it shares with ``against``; write JSON and HTML.

    Copies are found anew, so that a data set whose splits were changed by hand is caught too.

    Args:
        path: What preprocess wrote.
        against: Another data set: is any image of ``path`` in it?
        sample: Measure the quality of at most so many images, evenly spread; None: of all.
        out: The folder for ``audit.json`` and ``audit.html``; those in it are replaced.
        reporter: Told of the progress.

    Returns:
        The findings, and the files written.

    Raises:
        DataError: If a data set is missing or broken.
        IntegrityError: If its files do not belong together.
    """
    dataset, evidence = open_dataset(path), read_evidence(path)
    if against:
        report, pictures = _compare(dataset, evidence, against)
    else:
        report, pictures = _inspect(dataset, evidence, sample, reporter)
    out.mkdir(parents=True, exist_ok=True)
    files = [out / "audit.json", out / "audit.html"]
    write_json(files[0], report.to_json())
    write_text(files[1], to_html(report, pictures))
    return report, files


def refuse_leaks(report: AuditReport) -> None:
    """Raise IntegrityError if the audit has found a leak."""
    if report.leaks:
        raise IntegrityError(
            report.verdict.rstrip("."),
            expected="no copy of an image on two sides",
            fix="run skinlesion preprocess again from the sources: it leaves such images out",
            which=[describe(pair) for pair in report.leaks],
        )


def _inspect(
    dataset: Dataset, evidence: Evidence, sample: int | None, reporter: Reporter
) -> tuple[AuditReport, Pictures]:
    manifest, metadata = dataset.manifest, evidence.metadata
    found = copies_within(manifest, evidence, [load(name) for name in NAMES])
    crossing = leaks(found)
    inside = [pair for pair in found if pair not in crossing]
    named = [pair for pair in inside if _same_by_source(pair, metadata)]
    report = AuditReport(
        name=str(dataset.path),
        fingerprint=dataset.fingerprint,
        images=len(manifest),
        leaks=crossing,
        copies=[pair for pair in inside if pair not in named],
        expected_copies=len(named),
        dropped=evidence.dropped,
        conflicts=label_conflicts(manifest, found),
        counts=facets(manifest, metadata),
        quality=_measure(dataset, evidence, sample, reporter),
    )
    return report, Pictures(
        manifest,
        pixels=_reader(dataset.pixels),
        dropped_pixels=_reader(evidence.dropped_pixels),
        partner_of=_partners(evidence, manifest),
    )


def _measure(
    dataset: Dataset, evidence: Evidence, sample: int | None, reporter: Reporter
) -> QualitySummary | None:
    manifest = dataset.manifest
    count = len(manifest)
    wanted = count if sample is None else min(sample, count)
    if not wanted:
        return None
    rows = np.linspace(0, count - 1, wanted).round().astype(int).tolist()
    with reporter.counting("quality", len(rows)) as counter:
        measured = measure_rows(_reader(dataset.pixels), rows, advance=counter.advance)
    return summarize(
        measured,
        image_id=manifest.image_id,
        split=manifest.split,
        label=manifest.label,
        width=np.array(evidence.metadata["width"], dtype=np.int64),
        height=np.array(evidence.metadata["height"], dtype=np.int64),
    )


def _compare(dataset: Dataset, evidence: Evidence, against: Path) -> tuple[AuditReport, Pictures]:
    other, other_evidence = open_dataset(against), read_evidence(against)
    report = AuditReport(
        name=str(dataset.path),
        against=str(other.path),
        fingerprint=dataset.fingerprint,
        images=len(dataset.manifest),
        leaks=copies_between((dataset.manifest, evidence), (other.manifest, other_evidence)),
    )
    return report, Pictures(
        dataset.manifest,
        pixels=_reader(dataset.pixels),
        dropped_pixels=_reader(evidence.dropped_pixels),
        partner_of={},
        other_pixels=_reader(other.pixels),
    )


def _same_by_source(pair: Finding, metadata: Mapping[str, Sequence[str]]) -> bool:
    """Whether the source itself names both images of a pair as one lesion's or one patient's."""
    if pair.second_row is None:
        return False
    return any(
        metadata[name][pair.first_row]
        and metadata[name][pair.first_row] == metadata[name][pair.second_row]
        for name in ("lesion", "patient")
    )


def _partners(evidence: Evidence, manifest: Manifest) -> dict[str, str]:
    """Of each dropped image that is a copy of one that is kept, that one's id."""
    kept, dropped = set(manifest.image_id.tolist()), set(evidence.dropped["image_id"])
    partners: dict[str, str] = {}
    for first, second in zip(evidence.copies["first"], evidence.copies["second"], strict=True):
        for gone, stays in ((first, second), (second, first)):
            if gone in dropped and stays in kept:
                partners.setdefault(gone, stays)
    return partners


def _reader(store: PixelStore) -> Callable[[int], np.ndarray]:
    return lambda row: store.read(np.array([row]))[0]
