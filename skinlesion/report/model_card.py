"""The model card, Markdown: what is recorded, and that the rest is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skinlesion.report import leaderboard, subgroups
from skinlesion.report.facts import Facts
from skinlesion.report.pages import Table
from skinlesion.report.sources import guard, licences
from skinlesion.report.values import row_of_metrics
from skinlesion.wording import counted

FILE = "model_card.md"
NOT_RECORDED = "not recorded"
SPECIAL = str.maketrans({**{mark: f"\\{mark}" for mark in "\\`*_[]#|~"}, "<": "&lt;"})


def to_markdown(
    metrics: Mapping[str, Any],
    facts: Facts,
    *,
    classes: tuple[str, str],
    points: Table,
    parts: subgroups.Found,
) -> str:
    """The card of one model on one split.

    Args:
        metrics: As in ``metrics.json``.
        facts: What is recorded of the model and its data.
        classes: Names of label 0 and label 1.
        points: What the thresholds chosen beforehand give on the split.
        parts: Scores by subgroup; empty: none were asked for.
    """
    name, split = plain(metrics["name"]), plain(metrics["split"])
    sections = [
        [f"# {name}", "", "**A research tool, not a medical device.**"],
        _section("Model", _model(metrics, facts, classes)),
        _section("Intended use", _use(classes)),
        _section("Out of scope", OUT_OF_SCOPE),
        _section("Training data", _data(facts, split)),
        _section(f"Scores on {split}", _scores(metrics)),
        _section("Operating points", [f"{points.title}.", "", *_table(points), "", WARNING]),
        _section("Subgroups", _subgroups(parts, metrics)),
        _section("Limitations", _limitations(metrics, facts)),
        _section("How to reproduce", _reproduce(facts)),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def plain(text: object) -> str:
    """The text as Markdown shows it letter by letter, on one line."""
    return " ".join(str(text).split()).translate(SPECIAL)


WARNING = (
    "A threshold that is picked by the numbers of this table is chosen on this split, and they are"
    " then optimistic."
)
OUT_OF_SCOPE = (
    "- Diagnosis, triage, or any decision on the care of a patient.",
    "- Photographs that are not dermoscopic, and lesions or patients unlike those of the"
    " training data below.",
    "- Populations for which the section on subgroups says nothing.",
)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines]


def _model(metrics: Mapping[str, Any], facts: Facts, classes: tuple[str, str]) -> list[str]:
    record, calibrator = facts.record, metrics.get("calibrator")
    rows = [
        ("architecture", metrics["kind"]),
        ("output", f"probability of {classes[1]}, against {classes[0]}"),
        ("parameters", facts.model.get("parameters")),
        ("input", facts.model.get("image_size")),
        ("made by", " ".join(map(str, [record.get("kind", ""), record.get("skinlesion", "")]))),
        ("seed", record.get("seed")),
        ("members", ", ".join(member.name for member in facts.members)),
        ("calibration", f"{calibrator['method']}, fitted on val" if calibrator else "none"),
    ]
    return [f"- {key}: {_known(value)}" for key, value in rows if key != "members" or value]


def _use(classes: tuple[str, str]) -> list[str]:
    return [
        f"Research on telling {plain(classes[1])} from {plain(classes[0])} in dermoscopic images:"
        " to compare methods, and to study errors."
    ]


def _data(facts: Facts, split: str) -> list[str]:
    info = facts.info
    fingerprint = info.get("fingerprint") or facts.record.get("dataset")
    lines = [
        f"- data set fingerprint: {_known(fingerprint)}",
        f"- leak guard: {guard(facts, split)}",
    ]
    if facts.splits:
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(facts.splits.items()))
        lines.append(f"- images by split: {plain(counts)}")
    known = licences(info)
    for source in info.get("sources", ()):
        lines.append(
            f"- source {plain(source['name'])}: layout {plain(source['layout'])},"
            f" {counted(source['count'], 'image')}; licence: {_known(known[source['name']])}"
        )
    if info:
        excluded = [f"{name} {count:,}" for name, count in info.get("excluded", {}).items()]
        lines.append(f"- excluded diagnoses: {plain(', '.join(excluded) or 'none')}")
        lines.append(
            f"- left out as they would leak: {counted(len(info.get('dropped', ())), 'image')}"
        )
    else:
        lines.append(f"- sources and licences: {NOT_RECORDED}. {plain(facts.dataset_note)}")
    return lines


def _scores(metrics: Mapping[str, Any]) -> list[str]:
    confidence = f"{metrics['config']['confidence']:.0%} interval"
    rows = [
        [name.replace("_", " "), leaderboard.with_interval(value)]
        for name, value in row_of_metrics(metrics).items()
    ]
    counts = metrics["confusion"]
    told = ", ".join(f"{key.upper()} {counts[key]:,}" for key in ("tp", "fn", "fp", "tn"))
    return [
        f"{metrics['n']:,} images, {metrics['positives']:,} positive; at the threshold"
        f" {metrics['threshold']:.4g} ({plain(metrics['threshold_rule'])}): {told}.",
        "",
        *_table(Table("", ["score", f"value ({confidence})"], rows)),
    ]


def _subgroups(parts: subgroups.Found, metrics: Mapping[str, Any]) -> list[str]:
    if not parts:
        return ["Not evaluated."]
    text = subgroups.to_markdown(parts, title="", confidence=metrics["config"]["confidence"])
    # Its title goes, its sections are one level below this one.
    lines = text.replace("<", "&lt;").strip().splitlines()[2:]
    return [f"#{line}" if line.startswith("## ") else line for line in lines]


def _limitations(metrics: Mapping[str, Any], facts: Facts) -> list[str]:
    positives, n = metrics["positives"], metrics["n"]
    lines = [
        f"- {positives:,} of {n:,} images of the split are positive ({positives / n:.1%}):"
        " PPV and NPV hold for that share only.",
        "- Skin tone, devices and centres: " + NOT_RECORDED + ".",
    ]
    if metrics["split"] == "val":
        lines.append("- Scored on val, which chose the epoch and the threshold: optimistic.")
    if facts.learnt_from_split is None:
        lines.append("- What the model learnt from is not recorded: leaks cannot be ruled out.")
    if "subgroups" not in metrics:
        lines.append("- Performance in subgroups was not evaluated.")
    lines.append("- Anything else that limits it is for its authors to add here.")
    return lines


def _reproduce(facts: Facts) -> list[str]:
    blocks = []
    for title, record in (("Training", facts.record), ("Evaluation", facts.evaluation)):
        command = record.get("command")
        if command:
            blocks += [f"{title}:", "", *_indented(" ".join(map(str, command))), ""]
        packages = record.get("packages", {})
        if packages:
            versions = ", ".join(f"{name} {version}" for name, version in packages.items())
            python = record.get("python", NOT_RECORDED)
            blocks += [f"{title} ran on Python {plain(python)}, {plain(versions)}.", ""]
    if facts.config:
        blocks += ["config.yaml of the training:", "", *_indented(facts.config)]
    return blocks or [NOT_RECORDED]


def _indented(text: str) -> list[str]:
    """As a code block, in which nothing is Markdown."""
    return [f"    {line}" for line in text.splitlines()]


def _table(table: Table) -> list[str]:
    rows = [[plain(cell).replace("\\|", "|") for cell in row] for row in table.rows]
    return [
        leaderboard.markdown_row(table.header),
        leaderboard.markdown_row(["---"] * len(table.header)),
        *(leaderboard.markdown_row(row) for row in rows),
    ]


def _known(value: object) -> str:
    text = "" if value is None else plain(value)
    return text or NOT_RECORDED
