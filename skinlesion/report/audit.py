"""What an audit has found: as JSON, as lines for a terminal, and as one page with pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from skinlesion.data.audit import Facet, Finding
from skinlesion.data.copies import NEAR
from skinlesion.data.quality.summary import PERCENTILES, TINY_SIDE, QualitySummary
from skinlesion.errors import MAX_LISTED
from skinlesion.report.pages import Picture, Side, Table, render
from skinlesion.report.thumbnails import thumbnail_data_uri
from skinlesion.tables import Manifest
from skinlesion.wording import counted

THUMBNAIL = 128  # pixels a side
MAX_VALUES = 12  # rows of a facet's table; more are summed up

Pixels = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class AuditReport:
    """Findings on one data set, or on what it shares with another.

    Attributes:
        name: Of the data set's folder.
        against: Of the other's; "" if there is none.
        fingerprint: Of the data set.
        images: Number of images.
        leaks: Pairs on two sides of a split, or on both sides of ``against``.
        copies: Pairs inside a split that their source does not name as one lesion or patient.
        expected_copies: Number of pairs inside a split that it does.
        dropped: What preprocess left out, as ``Evidence.dropped``.
        conflicts: Ids of copies with different labels.
        counts: By facet, value and split: (images, malignant ones).
        quality: Statistics of image quality; None: not measured.
    """

    name: str
    fingerprint: str
    images: int
    leaks: list[Finding]
    against: str = ""
    copies: list[Finding] = field(default_factory=list)
    expected_copies: int = 0
    dropped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    conflicts: list[list[str]] = field(default_factory=list)
    counts: dict[str, Facet] = field(default_factory=dict)
    quality: QualitySummary | None = None

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.against:
            found = f"{len(self.leaks)} pairs of copies between {self.name} and {self.against}."
            none = f"No image of {self.name} is in {self.against}."
        else:
            found = f"{len(self.leaks)} leaks: copies on two sides of a split."
            none = "No leaks: no copy of an image is on another side of a split."
        return found if self.leaks else none

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {**_plain(asdict(self)), "verdict": self.verdict}

    def to_text(self) -> str:
        """The verdict, the first leaks, and a line for each thing worth a look."""
        lines = [f"{self.name}: {counted(self.images, 'image')}", f"  {self.verdict}"]
        lines += [f"    {describe(pair)}" for pair in self.leaks[:MAX_LISTED]]
        if len(self.leaks) > MAX_LISTED:
            lines.append(f"    and {len(self.leaks) - MAX_LISTED} more")
        if self.against:
            return "\n".join(lines)
        splits = self.counts["label"]
        for split in sorted({name for values in splits.values() for name in values}):
            of = {label: splits[label].get(split, (0, 0))[0] for label in splits}
            total = sum(of.values())
            malignant = of.get("malignant", 0)
            lines.append(
                f"  {split}: {total:,}, of them {malignant:,} malignant ({malignant / total:.1%})"
            )
        dropped = len(self.dropped["image_id"])
        lines += [
            f"  left out by preprocess, as they would leak: {dropped}",
            f"  copies inside a split: {len(self.copies)}, and {self.expected_copies} pairs that"
            " their source names as one lesion or patient",
            f"  copies with different labels: {len(self.conflicts)}",
        ]
        if self.quality:
            lines += [f"  {line}" for line in quality_lines(self.quality)]
        return "\n".join(lines)


def describe(pair: Finding) -> str:
    """Like ``A of train: near-duplicate of B of val (similarity 0.981)``."""
    how = f" (similarity {pair.similarity:.3f})" if pair.kind == NEAR else ""
    return (
        f"{pair.first} of {pair.first_split}: {pair.kind} {pair.second} of {pair.second_split}{how}"
    )


def quality_lines(quality: QualitySummary) -> list[str]:
    """What of the images' quality is worth a line on the terminal."""
    lines = [
        f"blank images: {len(quality.blank)}, with a side below {TINY_SIDE} pixels:"
        f" {len(quality.tiny)}"
    ]
    for artefact, (present, absent) in quality.malignant.items():
        shares = ", ".join(
            f"{split} {share:.0%}" for split, share in quality.artefacts[artefact].items()
        )
        lines.append(
            f"{artefact.replace('_', ' ')}: {shares}; malignant {_percent(present)} with it,"
            f" {_percent(absent)} without"
        )
    return lines


def to_html(report: AuditReport, pictures: Pictures) -> str:
    """The page: every pair that the report tells of with both its images."""
    return render(
        "audit.html",
        report=report,
        pictured={
            "leaks": [pictures.pair(pair) for pair in report.leaks],
            "copies": [pictures.pair(pair) for pair in report.copies],
            "dropped": pictures.dropped(report.dropped),
            "blurred": [
                Picture([pictures.side(row)])
                for row in (report.quality.least_sharp if report.quality else ())
            ],
        },
        quality_tables=quality_tables(report.quality) if report.quality else [],
        count_tables=[count_table(name, facet) for name, facet in report.counts.items()],
    )


@dataclass(frozen=True)
class Pictures:
    """Where the images of a page come from.

    Attributes:
        manifest: Of the data set.
        pixels: Of a row of it, uint8 RGB.
        dropped_pixels: Of a row of ``Evidence.dropped``.
        partner_of: Of a dropped image's id the id of the image it is a copy of; of those only.
        other_pixels: Of a row of the other data set, where two are compared.
    """

    manifest: Manifest
    pixels: Pixels
    dropped_pixels: Pixels
    partner_of: Mapping[str, str]
    other_pixels: Pixels | None = None

    def side(self, row: int) -> Side:
        """One image of the data set."""
        note = f"{self.manifest.diagnosis[row]}, {self.manifest.split[row]}"
        return Side(str(self.manifest.image_id[row]), _uri(self.pixels(row)), note)

    def pair(self, pair: Finding) -> Picture:
        """Both images of a pair."""
        row = pair.second_row
        if row is None:
            other = Side(pair.second, "", pair.second_split)
        elif self.other_pixels:
            other = Side(pair.second, _uri(self.other_pixels(row)), pair.second_split)
        else:
            other = self.side(row)
        return Picture([self.side(pair.first_row), other], describe(pair))

    def dropped(self, table: Mapping[str, Sequence[str]]) -> list[Picture]:
        """What preprocess left out, each beside the image it is a copy of."""
        row_of = {name: row for row, name in enumerate(self.manifest.image_id.tolist())}
        made = []
        for index, image_id in enumerate(table.get("image_id", ())):
            note = f"{table['diagnosis'][index]}, {table['split'][index] or 'no split'}"
            sides = [Side(image_id, _uri(self.dropped_pixels(index)), note)]
            partner = self.partner_of.get(image_id, "")
            if partner in row_of:
                sides.append(self.side(row_of[partner]))
            made.append(Picture(sides, table["reason"][index]))
        return made


def count_table(name: str, facet: Facet) -> Table:
    """A row a value, most frequent first; a column a split."""
    splits = sorted({split for cells in facet.values() for split in cells})

    def total(value: str) -> int:
        return sum(images for images, _ in facet[value].values())

    values = sorted(facet, key=lambda value: (-total(value), value))
    rows = [
        [value, *(_cell(facet[value].get(split)) for split in splits), f"{total(value):,}"]
        for value in values[:MAX_VALUES]
    ]
    if len(values) > MAX_VALUES:
        rest = sum(map(total, values[MAX_VALUES:]))
        rows.append([f"{len(values) - MAX_VALUES} more", *([""] * len(splits)), f"{rest:,}"])
    return Table(name, [name, *splits, "all"], rows)


def quality_tables(quality: QualitySummary) -> list[Table]:
    """Artefacts by split and by class, and sharpness by split."""
    splits = list(quality.sharpness)
    artefacts = [
        [
            name.replace("_", " "),
            *(f"{quality.artefacts[name][split]:.1%}" for split in splits),
            *map(_percent, quality.malignant[name]),
        ]
        for name in quality.artefacts
    ]
    sharpness = [
        [split, *(f"{value:.2f}" for value in values)]
        for split, values in quality.sharpness.items()
    ]
    return [
        Table(
            "images with an artefact, by split, and the share of malignant images with and without"
            " it (far apart: a model may learn the artefact)",
            ["artefact", *splits, "malignant with", "malignant without"],
            artefacts,
        ),
        Table(
            "sharpness in radians a pixel",
            ["split", *(f"percentile {number}" for number in PERCENTILES)],
            sharpness,
        ),
    ]


def _plain(value: Any) -> Any:
    """Without nan, which JSON does not know."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.1%}"


def _cell(counts: tuple[int, int] | None) -> str:
    return f"{counts[0]:,} ({counts[1]:,})" if counts else "0"


def _uri(pixels: np.ndarray) -> str:
    return thumbnail_data_uri(pixels, THUMBNAIL)
