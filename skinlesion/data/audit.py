"""What there is to say of a data set: counts, copies across splits, labels that contradict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skinlesion.data.copies import (
    Link,
    Photos,
    clusters,
    find_copies,
    find_copies_between,
    find_protected,
)
from skinlesion.data.evidence import Evidence
from skinlesion.data.guard import held_out_rank
from skinlesion.data.protected import Protected
from skinlesion.tables import Manifest

AGE_BAND, UNKNOWN = 10, "unknown"

# value of a facet: split: (images, malignant ones)
Facet = dict[str, dict[str, tuple[int, int]]]


@dataclass(frozen=True)
class Finding:
    """A pair of copies.

    Attributes:
        first: Image id.
        second: Image id.
        first_split: Its split.
        second_split: Its split.
        kind: As ``copies.Link``.
        similarity: As ``copies.Link``.
        symmetry: As ``copies.Link``.
        first_row: Row of the first in its data set.
        second_row: Row of the second in its data set; None: a protected image that is not at hand.
    """

    first: str
    second: str
    first_split: str
    second_split: str
    kind: str
    similarity: float
    symmetry: int
    first_row: int
    second_row: int | None


def facets(manifest: Manifest, metadata: Mapping[str, Sequence[str]]) -> dict[str, Facet]:
    """Numbers of images and of malignant ones, by facet, value and split.

    Args:
        manifest: One row an image.
        metadata: As ``Evidence.metadata``, the same rows.
    """
    columns: dict[str, Sequence[str]] = {
        "label": ["malignant" if label else "benign" for label in manifest.label.tolist()],
        "diagnosis": manifest.diagnosis.tolist(),
        "source": manifest.source.tolist(),
        "sex": metadata["sex"],
        "age": [age_band(cell) for cell in metadata["age"]],
        "site": metadata["site"],
        "resolution": [
            f"{width} x {height}"
            for width, height in zip(metadata["width"], metadata["height"], strict=True)
        ],
    }
    return {name: _facet(cells, manifest) for name, cells in columns.items()}


def age_band(cell: str) -> str:
    """Like ``40-49`` for ``"45.0"``; ``unknown`` for what is no age."""
    try:
        age = float(cell)
    except ValueError:
        return UNKNOWN
    if not 0 <= age < math.inf:
        return UNKNOWN
    low = int(age // AGE_BAND * AGE_BAND)
    return f"{low:02d}-{low + AGE_BAND - 1:02d}"


def copies_within(
    manifest: Manifest, evidence: Evidence, protected: Sequence[Protected] = ()
) -> list[Finding]:
    """Every pair of copies among the images of a data set, and of them with protected ones.

    Found anew from ids, hashes and signatures: what preprocess says of them is not believed.
    """
    photos = _photos(manifest, evidence)
    beyond, more = find_protected(photos, manifest.split, protected)
    ids = np.concatenate([manifest.image_id, beyond.image_id])
    split = np.concatenate([manifest.split, beyond.split])
    own = len(manifest)
    return [
        _finding(
            link,
            (ids, split),
            (ids, split),
            first_row=link.first,
            second_row=link.second if link.second < own else None,
        )
        for link in find_copies(photos) + more
    ]


def copies_between(
    first: tuple[Manifest, Evidence], second: tuple[Manifest, Evidence]
) -> list[Finding]:
    """Every pair of copies of which one image is in each of two data sets."""
    one, other = first[0], second[0]
    return [
        _finding(
            link,
            (one.image_id, one.split),
            (other.image_id, other.split),
            first_row=link.first,
            second_row=link.second,
        )
        for link in find_copies_between(_photos(*first), _photos(*second))
    ]


def leaks(findings: Sequence[Finding]) -> list[Finding]:
    """Those of a data set's own pairs that stand in splits of which one is held out from the other.

    Two test sets may share images: neither is learnt from.
    """
    return [
        finding
        for finding in findings
        if held_out_rank(finding.first_split) != held_out_rank(finding.second_split)
    ]


def label_conflicts(manifest: Manifest, findings: Sequence[Finding]) -> list[list[str]]:
    """Image ids of each cluster of copies that are labelled differently."""
    links = [
        Link(finding.first_row, finding.second_row, finding.kind)
        for finding in findings
        if finding.second_row is not None
    ]
    number = clusters(len(manifest), links)
    labels = Counter(zip(number.tolist(), manifest.label.tolist(), strict=True))
    mixed = sorted(name for name, label in labels if label == 0 and (name, 1) in labels)
    return [manifest.image_id[number == name].tolist() for name in mixed]


def _facet(cells: Sequence[str], manifest: Manifest) -> Facet:
    images: Counter[tuple[str, str]] = Counter()
    malignant: Counter[tuple[str, str]] = Counter()
    for cell, split, label in zip(
        cells, manifest.split.tolist(), manifest.label.tolist(), strict=True
    ):
        images[cell or UNKNOWN, split] += 1
        malignant[cell or UNKNOWN, split] += label
    return {
        value: {
            split: (images[value, split], malignant[value, split])
            for split in sorted({name for cell, name in images if cell == value})
        }
        for value in sorted({cell for cell, _ in images})
    }


def _finding(
    link: Link,
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
    *,
    first_row: int,
    second_row: int | None,
) -> Finding:
    """The finding of a link; ``first`` and ``second`` are ids and splits that its rows index."""
    return Finding(
        first=str(first[0][link.first]),
        second=str(second[0][link.second]),
        first_split=str(first[1][link.first]),
        second_split=str(second[1][link.second]),
        kind=link.kind,
        similarity=link.similarity,
        symmetry=link.symmetry,
        first_row=first_row,
        second_row=second_row,
    )


def _photos(manifest: Manifest, evidence: Evidence) -> Photos:
    digest = np.array(evidence.metadata["sha256"], dtype=np.str_)
    return Photos(manifest.image_id, digest, evidence.signatures)
