"""What a data set will hold, settled from tables and file hashes before any image is decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from skinlesion.config import PreprocessConfig
from skinlesion.data import splits
from skinlesion.data.groups import resolve_groups
from skinlesion.data.labels import read_labels
from skinlesion.data.sources import Source, file_digests, with_diagnoses
from skinlesion.errors import DataError
from skinlesion.tables import TEST, TRAIN, UNKNOWN, VAL, Manifest

Columns = dict[str, np.ndarray]
Counts = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Plan:
    """Everything that is known before the first image is opened.

    Attributes:
        manifest: One row an image that is kept.
        files: The rows' image files.
        read: Number of images found, by official split ("" for none) and diagnosis.
        excluded: Number of indeterminate images left out, by diagnosis.
        dropped: Images left out because they would leak, with the reason.
        unbalanced: Number of images that undersampling left out, by split.
        contradictory: Ids of byte-identical files with different labels.
    """

    manifest: Manifest
    files: list[Path]
    read: Counts
    excluded: dict[str, int]
    dropped: list[dict[str, str]]
    unbalanced: dict[str, int]
    contradictory: list[list[str]]

    def counts(self) -> Counts:
        """Number of images kept, by split and diagnosis."""
        return _by_split(self.manifest.split, self.manifest.diagnosis)


def make_plan(config: PreprocessConfig, sources: Sequence[Source]) -> Plan:
    """Decide which images of ``sources`` go into which split.

    Raises:
        DataError: If a label is unknown, a file is missing or a class is empty.
        IntegrityError: If official splits divide a group.
    """
    rng = np.random.default_rng(config.seed)
    every = _columns(config, sources)
    included = every["label"] != UNKNOWN
    table = _take(every, included)
    _refuse_empty_class(table, "all sources together", np.full(len(table["label"]), True))
    table["digest"] = np.array(file_digests(table["file"].tolist()), dtype=np.str_)
    contradictory = [
        table["image_id"][rows].tolist()
        for rows in splits.identical(table["digest"])
        if len(set(table["label"][rows].tolist())) > 1
    ]
    table, dropped = _without_leaks(table)
    table["split"] = _choose_splits(table, config, rng)
    for name in (TRAIN, VAL):
        # A dataset of test sets alone is for evaluation; it needs neither.
        if np.isin(table["split"], [TRAIN, VAL]).any():
            _refuse_empty_class(table, f"split {name}", table["split"] == name)
    unbalanced: dict[str, int] = {}
    if config.balance == "undersample":
        keep = splits.undersample(table["label"], table["split"], rng=rng)
        unbalanced = _count(table["split"][~keep])
        table = _take(table, keep)
    manifest = Manifest(**{field.name: table[field.name] for field in fields(Manifest)})
    excluded = _count(every["diagnosis"][~included])
    read = _by_split(every["split"], every["diagnosis"])
    return Plan(
        manifest, table["file"].tolist(), read, excluded, dropped, unbalanced, contradictory
    )


def _columns(config: PreprocessConfig, sources: Sequence[Source]) -> Columns:
    """One row an image, by source and then image_id; ``group`` is the image where none is given.

    A group's name means the same in all sources: two sources with one patient must not leak.
    """
    sources = with_diagnoses(sources, config.diagnoses)
    rows = [(source, record) for source in sources for record in sorted(source.records)]
    ids = [record.image_id for _, record in rows]
    labels = read_labels(
        [record.diagnosis for _, record in rows],
        ids,
        classes=config.classes,
        indeterminate=config.indeterminate,
    )
    return {
        "image_id": _texts(ids),
        "path": _texts(record.path for _, record in rows),
        "file": np.array([source.root / record.path for source, record in rows], dtype=object),
        "label": labels.label,
        "melanoma": labels.melanoma,
        "group": resolve_groups(
            _texts(ids),
            _texts(record.patient for _, record in rows),
            _texts(record.lesion for _, record in rows),
        ),
        "split": _texts(record.split for _, record in rows),
        "diagnosis": labels.diagnosis,
        "source": _texts(source.name for source, _ in rows),
    }


def _without_leaks(table: Columns) -> tuple[Columns, list[dict[str, str]]]:
    """Leave out what would leak, join the groups of copies, and settle official splits."""
    ids, official = table["image_id"], table["split"]
    copies = splits.leaking_copies(table["digest"], official)
    reasons = {
        int(row): f"byte-identical to {ids[kept]} of {official[kept]}"
        for row, kept in copies.items()
    }
    rest = np.setdiff1d(np.arange(len(ids)), list(copies))
    # The same file in two test sets stays in both.
    test_set = np.where(splits.is_held_out(official), official, "")
    link = np.where(table["digest"] == "", "", np.char.add(table["digest"], test_set))
    group = splits.connected_groups(table["group"][rest], link[rest])
    settled = splits.join_official(group, official[rest])
    # A benchmark keeps its own images: others of its patients can go nowhere.
    stray = (official[rest] == "") & splits.is_held_out(settled) & (settled != TEST)
    for row, name, place in zip(rest[stray], group[stray], settled[stray], strict=True):
        reasons[int(row)] = f"its group {name} is in {place}"
    dropped = [
        {
            **{name: str(table[name][row]) for name in ("image_id", "split", "diagnosis")},
            "reason": why,
        }
        for row, why in sorted(reasons.items())
    ]
    return _take({**_take(table, rest), "group": group, "split": settled}, ~stray), dropped


def _choose_splits(
    table: Columns, config: PreprocessConfig, rng: np.random.Generator
) -> np.ndarray:
    """Split what has no official split, and take val from train where there is no other."""
    chosen = table["split"].astype(object)
    val, test = config.val_fraction, config.test_fraction
    rounds = [("", {TRAIN: 1 - val - test, VAL: val, TEST: test})]
    rounds += [(TRAIN, {TRAIN: 1 - val, VAL: val})]
    for current, fractions in rounds:
        rows = np.flatnonzero(chosen == current)
        if len(rows) and (current == "" or not (chosen == VAL).any()):
            stratum = splits.strata(table["label"][rows], table["diagnosis"][rows])
            group = table["group"][rows]
            chosen[rows] = splits.split_by_group(group, stratum, fractions, rng=rng)
    return chosen.astype(np.str_)


def _refuse_empty_class(table: Columns, where: str, rows: np.ndarray) -> None:
    for name, value in (("benign", 0), ("malignant", 1)):
        if not (table["label"][rows] == value).any():
            raise DataError(
                f"there is no {name} image in {where}",
                expected=f"both classes in all; here {int(rows.sum())} images:"
                f" {_count(table['diagnosis'][rows]) or 'none'}",
                fix="add a source with such images, or change val_fraction, classes or"
                " indeterminate in the config",
            )


def _take(table: Columns, rows: np.ndarray) -> Columns:
    return {name: column[rows] for name, column in table.items()}


def _texts(values: Iterable[str]) -> np.ndarray:
    return np.array(list(values), dtype=np.str_)


def _by_split(split: np.ndarray, diagnosis: np.ndarray) -> Counts:
    return {name: _count(diagnosis[split == name]) for name in _count(split)}


def _count(values: np.ndarray) -> dict[str, int]:
    return dict(sorted(Counter(values.tolist()).items()))
