"""What a data set will hold: from tables first, then from what the opened images have shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from skinlesion.config import PreprocessConfig
from skinlesion.data import guard, splits
from skinlesion.data.copies import Link, Photos, clusters, find_copies, find_protected, pairs_of
from skinlesion.data.evidence import DROPPED_COLUMNS, METADATA_COLUMNS
from skinlesion.data.groups import resolve_groups
from skinlesion.data.labels import read_labels
from skinlesion.data.protected import Protected
from skinlesion.data.shards import Decoded
from skinlesion.data.sources import Source, with_diagnoses
from skinlesion.errors import DataError, IntegrityError
from skinlesion.tables import TEST, TRAIN, UNKNOWN, VAL, Manifest
from skinlesion.wording import counted

Columns = dict[str, np.ndarray]
Counts = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Candidates:
    """The labelled images of all sources, before any is opened.

    Attributes:
        table: One row an image that is benign or malignant.
        read: Number of images found, by official split ("" for none) and diagnosis.
        excluded: Number of indeterminate images left out, by diagnosis.
    """

    table: Columns
    read: Counts
    excluded: dict[str, int]

    @property
    def files(self) -> list[Path]:
        """The rows' image files."""
        return list(self.table["file"])


@dataclass(frozen=True)
class Plan:
    """Which candidates go where.

    Attributes:
        manifest: One row an image that is kept.
        metadata: As many rows, columns ``evidence.METADATA_COLUMNS``.
        rows: The kept rows among the candidates, ascending.
        dropped: A row for each image left out because it would leak, as in ``Evidence``.
        dropped_rows: Their rows among the candidates.
        copies: A row for each pair of copies found, as in ``Evidence``.
        contradictory: Ids of copies with different labels, a list a cluster.
        unbalanced: Number of images that undersampling left out, by split.
    """

    manifest: Manifest
    metadata: Columns
    rows: np.ndarray
    dropped: list[dict[str, str]]
    dropped_rows: np.ndarray
    copies: list[dict[str, object]]
    contradictory: list[list[str]]
    unbalanced: dict[str, int]

    def counts(self) -> Counts:
        """Number of images kept, by split and diagnosis."""
        return _by_split(self.manifest.split, self.manifest.diagnosis)


def gather(config: PreprocessConfig, sources: Sequence[Source]) -> Candidates:
    """Read labels and refuse what can be refused before an image is opened.

    Raises:
        DataError: If a label is unknown, a lesion has two patients, or a class is empty.
    """
    every = _columns(config, sources)
    included = every["label"] != UNKNOWN
    table = _take(every, included)
    _refuse_empty_class(table, "all sources together", np.full(len(table["label"]), True))
    # Whether groups can be resolved at all is known now; copies join them later.
    resolve_groups(table["image_id"], table["patient"], table["lesion"])
    return Candidates(
        table,
        read=_by_split(every["split"], every["diagnosis"]),
        excluded=_count(every["diagnosis"][~included]),
    )


def make_plan(
    config: PreprocessConfig,
    candidates: Candidates,
    decoded: Decoded,
    protected: Sequence[Protected] = (),
) -> Plan:
    """Decide which candidates are kept and which split each goes to.

    Args:
        config: Fractions, seed, balance, and whether a leak is dropped or refused.
        candidates: From ``gather``.
        decoded: What opening their files has told, in the same order.
        protected: Benchmarks that nothing may leak from, whether they are among the sources or not.

    Raises:
        DataError: If a class is empty in train or val.
        IntegrityError: If ``config.strict`` and an image would leak.
    """
    rng = np.random.default_rng(config.seed)
    table = dict(candidates.table)
    count = len(table["image_id"])
    photos = Photos(table["image_id"], decoded.digest, decoded.signature)
    links = find_copies(photos)
    verdict, reasons = _judge(table, photos, links, protected)
    dropped = _dropped(table, reasons)
    if config.strict and dropped:
        raise IntegrityError(
            f"{counted(len(dropped), 'image')} would leak between splits",
            expected="strict: true allows none",
            fix="remove these images from their source, or set strict: false to leave them out",
            which=[f"{row['image_id']} of {row['split'] or 'no split'}" for row in dropped],
        )
    rows = np.setdiff1d(np.arange(count), list(reasons))
    table["split"], table["group"] = verdict.split[:count], verdict.group[:count]
    kept = _take(table, rows)
    kept["split"] = _choose_splits(kept, config, rng)
    for name in (TRAIN, VAL):
        # A data set of test sets alone is for evaluation; it needs neither.
        if np.isin(kept["split"], [TRAIN, VAL]).any():
            _refuse_empty_class(kept, f"split {name}", kept["split"] == name)
    unbalanced: dict[str, int] = {}
    if config.balance == "undersample":
        keep = splits.undersample(kept["label"], kept["split"], rng=rng)
        unbalanced = _count(kept["split"][~keep])
        kept, rows = _take(kept, keep), rows[keep]
    facts = {"width": decoded.width, "height": decoded.height, "sha256": decoded.digest}
    return Plan(
        manifest=Manifest(**{field.name: kept[field.name] for field in fields(Manifest)}),
        metadata={
            name: (facts[name][rows] if name in facts else kept[name]) for name in METADATA_COLUMNS
        },
        rows=rows,
        dropped=dropped,
        dropped_rows=np.array(sorted(reasons), dtype=np.int64),
        copies=[_describe(link, table, candidates.table["split"]) for link in links],
        contradictory=_contradictory(table, links),
        unbalanced=unbalanced,
    )


# --- before an image is opened ------------------------------------------------------------


def _columns(config: PreprocessConfig, sources: Sequence[Source]) -> Columns:
    """One row an image, by source and then image_id."""
    sources = with_diagnoses(sources, config.diagnoses)
    rows = [(source, record) for source in sources for record in sorted(source.records)]
    ids = [record.image_id for _, record in rows]
    labels = read_labels(
        [record.diagnosis for _, record in rows],
        ids,
        classes=config.classes,
        indeterminate=config.indeterminate,
    )
    named = ("image_id", "path", "patient", "lesion", "split", "sex", "age", "site")
    return {
        **{name: _texts(getattr(record, name) for _, record in rows) for name in named},
        "file": np.array([source.root / record.path for source, record in rows], dtype=object),
        "label": labels.label,
        "melanoma": labels.melanoma,
        "diagnosis": labels.diagnosis,
        "source": _texts(source.name for source, _ in rows),
    }


# --- leaks --------------------------------------------------------------------------------


def _judge(
    table: Columns, photos: Photos, links: Sequence[Link], protected: Sequence[Protected]
) -> tuple[guard.Verdict, dict[int, str]]:
    """The guard's verdict, and why a row is left out."""
    ids, split = table["image_id"], table["split"]
    beyond, more = find_protected(photos, split, protected)
    every = [*links, *more]
    unknown = np.full(len(beyond.image_id), "")
    # An image beyond the table may have the id of one in it.
    names = np.concatenate([ids, np.char.add("protected ", beyond.image_id)])
    group = resolve_groups(
        names,
        np.concatenate([table["patient"], unknown]),
        np.concatenate([table["lesion"], unknown]),
        links=pairs_of(every),
    )
    verdict = guard.judge(
        np.concatenate([ids, beyond.image_id]), np.concatenate([split, beyond.split]), group, every
    )
    reasons = {row: why for row, why in verdict.reasons.items() if row < len(ids)}
    kept = np.isin(np.arange(len(ids)), list(reasons), invert=True)
    reasons |= guard.repeated_ids(ids, table["source"], kept)
    return verdict, dict(sorted(reasons.items()))


def _dropped(table: Columns, reasons: Mapping[int, str]) -> list[dict[str, str]]:
    names = [name for name in DROPPED_COLUMNS if name != "reason"]
    return [
        {**{name: str(table[name][row]) for name in names}, "reason": why}
        for row, why in reasons.items()
    ]


def _describe(link: Link, table: Columns, split: np.ndarray) -> dict[str, object]:
    return {
        "first": str(table["image_id"][link.first]),
        "second": str(table["image_id"][link.second]),
        "kind": link.kind,
        "similarity": round(link.similarity, 4),
        "symmetry": link.symmetry,
        "first_split": str(split[link.first]),
        "second_split": str(split[link.second]),
    }


def _contradictory(table: Columns, links: Sequence[Link]) -> list[list[str]]:
    number = clusters(len(table["label"]), links)
    labels_of: dict[int, set[int]] = {}
    for name, label in zip(number.tolist(), table["label"].tolist(), strict=True):
        labels_of.setdefault(name, set()).add(label)
    mixed = [name for name, labels in labels_of.items() if len(labels) > 1]
    return [table["image_id"][number == name].tolist() for name in mixed]


# --- splits -------------------------------------------------------------------------------


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
