"""Where the data and the model of a report come from, as tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skinlesion.report.facts import Facts
from skinlesion.report.pages import Table

REASON = re.compile(r" (?:of|to) ")  # what stands before it is a kind, behind it an image
LICENCES, ATTRIBUTION = "licenses", "attribution.txt"


def provenance_tables(facts: Facts, split: str) -> list[Table]:
    """Data set, its sources and counts, what was left out, the leak guard, the environment."""
    info = facts.info
    tables = [Table("Data and leak guard", ["what", "recorded"], _data(facts, split))]
    if info:
        tables.append(_sources(info))
        tables.append(_counts(info))
        tables.append(_left_out(info))
    elif facts.splits:
        rows = [[name, f"{count:,}"] for name, count in sorted(facts.splits.items())]
        tables.append(Table("Images by split", ["split", "images"], rows))
    if facts.members:
        rows = [[one.name, one.backbone or "not recorded"] for one in facts.members]
        tables.append(Table("Members", ["member", "architecture"], rows))
    if facts.record:
        tables.append(Table("Training", ["what", "recorded"], _environment(facts.record)))
    tables.append(Table("This evaluation", ["what", "recorded"], _environment(facts.evaluation)))
    return tables


def guard(facts: Facts, split: str) -> str:
    """What is known of images that the model learnt from and is judged on."""
    if facts.learnt_from_split is None:
        return f"not checked: what this model learnt from is not recorded ({split})"
    return (
        f"{facts.learnt_from_split:,} images of {split} are among those that the model learnt from"
    )


def licences(info: Mapping[str, Any]) -> dict[str, str]:
    """The licence files beside each source, by its name; "" if none is at hand."""
    found = {}
    for source in info.get("sources", ()):
        root = Path(str(source.get("root", "")))
        folder = root / LICENCES
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        if (root / ATTRIBUTION).is_file():
            names.append(ATTRIBUTION)
        found[str(source["name"])] = ", ".join(names)
    return found


def _data(facts: Facts, split: str) -> list[list[str]]:
    info = facts.info
    fingerprint = info.get("fingerprint") or facts.record.get("dataset") or "not recorded"
    rows = [["data set fingerprint", str(fingerprint)], ["leak guard", guard(facts, split)]]
    if facts.dataset_note:
        rows.append(["data set", facts.dataset_note])
    if info:
        protected = ", ".join(info.get("protected", ())) or "none"
        rows.append(["test sets kept out of training, whatever the source", protected])
        rows.append(["copies found among all images", f"{info.get('copies', 0):,}"])
        contradictory = len(info.get("contradictory", ()))
        rows.append(["copies with different labels", f"{contradictory:,}"])
    return rows


def _sources(info: Mapping[str, Any]) -> Table:
    known = licences(info)
    return Table(
        "Sources",
        ["source", "layout", "images", "licence files"],
        [
            [one["name"], one["layout"], f"{one['count']:,}", known[one["name"]] or "not recorded"]
            for one in info.get("sources", ())
        ],
    )


def _counts(info: Mapping[str, Any]) -> Table:
    counts = info.get("counts", {})
    diagnoses = sorted({name for of in counts.values() for name in of})
    rows = [[name, *(f"{of.get(name, 0):,}" for of in counts.values())] for name in diagnoses]
    rows.append(["all", *(f"{sum(of.values()):,}" for of in counts.values())])
    return Table("Images by diagnosis and split", ["diagnosis", *counts], rows)


def _left_out(info: Mapping[str, Any]) -> Table:
    """Excluded diagnoses, and images dropped as they would leak, by kind of reason."""
    rows = [
        [f"excluded by diagnosis: {name}", f"{count:,}"]
        for name, count in info.get("excluded", {}).items()
    ]
    reasons = Counter(
        (one["split"] or "no split", REASON.split(one["reason"])[0])
        for one in info.get("dropped", ())
    )
    rows += [
        [f"dropped from {where}, as it would leak: {why}", f"{count:,}"]
        for (where, why), count in sorted(reasons.items())
    ]
    return Table("Left out of the data set", ["why", "images"], rows or [["nothing", "0"]])


def _environment(record: Mapping[str, Any]) -> list[list[str]]:
    packages = record.get("packages", {})
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())
    names = ("kind", "backbone", "method", "target", "seed", "skinlesion", "python", "platform")
    rows = [[name, str(record[name])] for name in names if record.get(name) is not None]
    if versions:
        rows.append(["packages", versions])
    if record.get("devices"):
        rows.append(["devices", ", ".join(map(str, record["devices"]))])
    if record.get("seconds") is not None:
        rows.append(["seconds", f"{record['seconds']:,.1f}"])
    if record.get("epochs"):
        best = record.get("best", {}).get("epoch", "not recorded")
        rows.append(["epochs", f"{record['epochs']}, best {best}"])
    if record.get("command"):
        rows.append(["command", " ".join(map(str, record["command"]))])
    return rows
