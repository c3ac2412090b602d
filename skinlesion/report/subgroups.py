"""Scores by sex, age or artefact: subgroups from a table, as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from skinlesion.config import EvaluateConfig, Subgroups
from skinlesion.errors import DataError, SkinlesionError
from skinlesion.metrics import subgroups as metric
from skinlesion.metrics.scores import canonical
from skinlesion.report import leaderboard
from skinlesion.report.subjects import Subject, fitted_threshold
from skinlesion.tables import read_columns, refuse_duplicates

MOST = 20  # more names than this are no subgroups but numbers or ids
FILE = "subgroups.md"

Found = Mapping[str, metric.Subgroups]


def read_names(settings: Subgroups | None, image_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """The subgroup of each image, by column: ``{column: {image_id: name}}``.

    An image that the table does not have is ``unknown``.

    Args:
        settings: The table, its columns and bands; None: nothing is read.
        image_ids: Of the split.

    Raises:
        ConfigError: If there is no such score, or the edges of bands do not ascend.
        DataError: If the table is missing, lacks a column or all the images, a cell of a banded
            column is no number, or a column has too many names to be subgroups.
    """
    if settings is None:
        return {}
    for name in settings.scores:
        canonical(name)
    table = read_columns(settings.file, required=["image_id", *settings.columns])
    refuse_duplicates(table["image_id"], where=str(settings.file))
    row_of = {image_id: row for row, image_id in enumerate(table["image_id"])}
    if not any(image_id in row_of for image_id in image_ids):
        raise DataError(
            f"{settings.file} has none of the {len(image_ids)} images that are scored",
            expected="their image_id as in the predictions",
            which=image_ids,
        )
    rows = [row_of.get(image_id) for image_id in image_ids]
    found = {}
    for column in settings.columns:
        cells = ["" if row is None else table[column][row] for row in rows]
        names = _names(settings, column, cells)
        found[column] = dict(zip(image_ids, names, strict=True))
    return found


def score(
    subject: Subject, names: Mapping[str, Mapping[str, str]], *, config: EvaluateConfig
) -> dict[str, metric.Subgroups]:
    """Each column's subgroups, bands ascending, with their scores, intervals and gaps.

    Args:
        subject: Predictions on the split, and on val for the threshold, the same for all.
        names: What ``read_names`` returned.
        config: Scores, threshold rule and bootstrap.
    """
    if config.subgroups is None:
        return {}
    test = subject.test
    threshold, _ = fitted_threshold(config.threshold, subject.val)
    found = {
        column: metric.score_subgroups(
            test.y_true,
            test.y_prob,
            test.group,
            [name_of[image_id] for image_id in test.image_id.tolist()],
            threshold=threshold,
            scores=config.subgroups.scores,
            resamples=config.resamples,
            confidence=config.confidence,
            rng=np.random.default_rng(config.seed),
        )
        for column, name_of in names.items()
    }
    for column, edges in config.subgroups.bands.items():
        ascending = [*metric.bands([edges[0] - 1, *edges], edges=edges), metric.UNKNOWN]
        rows = sorted(found[column].rows, key=lambda row: ascending.index(row.name))
        found[column] = replace(found[column], rows=rows)
    return found


def warnings(found: Found) -> list[str]:
    """One sentence for each subgroup that is too small to be judged."""
    return [
        f"Subgroup {column} = {sentence}."
        for column, parts in found.items()
        for sentence in parts.warnings
    ]


def to_json(found: Found) -> dict[str, Any]:
    """All subgroups and gaps as plain values, by column; nan becomes None."""
    to_plain = leaderboard.estimate_to_json
    return {
        column: {
            "rows": [
                {
                    **asdict(row),
                    "scores": {name: to_plain(value) for name, value in row.scores.items()},
                }
                for row in parts.rows
            ],
            "gaps": {
                name: gap
                and {
                    "higher": gap.higher,
                    "lower": gap.lower,
                    "difference": to_plain(gap.difference),
                    "p": leaderboard.none_if_nan(gap.p),
                }
                for name, gap in parts.gaps.items()
            },
        }
        for column, parts in found.items()
    }


def to_markdown(found: Found, *, title: str, confidence: float) -> str:
    """A table for each column, the widest gap in each score, and what to beware of."""
    lines = [f"# {title}: subgroups"]
    for column, parts in found.items():
        keys = list(parts.gaps)
        header = [column, "Images", "Malignant", "Groups", *keys]
        lines += ["", f"## {column}", "", leaderboard.markdown_row(header)]
        lines.append(leaderboard.markdown_row(["---"] * len(header)))
        for row in parts.rows:
            counts = [f"{count:,}" for count in (row.images, row.malignant, row.groups)]
            scores = [leaderboard.with_interval(row.scores[key]) for key in keys]
            lines.append(leaderboard.markdown_row([row.name, *counts, *scores]))
        lines += ["", *(f"- {_gap(key, gap)}" for key, gap in parts.gaps.items())]
    lines += ["", *(f"- {sentence}" for sentence in warnings(found))]
    lines += [
        f"- {confidence:.0%} intervals: percentile bootstrap over groups. Those of gaps, and their"
        " p, hold for all pairs of a column at once; they are not corrected for the number of"
        " columns and scores looked at.",
    ]
    return "\n".join(lines) + "\n"


def _gap(key: str, gap: metric.Gap | None) -> str:
    if gap is None:
        return f"{key}: fewer than two subgroups are large enough to be compared"
    return (
        f"{key}: {gap.higher} above {gap.lower} by {leaderboard.with_interval(gap.difference)},"
        f" p = {gap.p:.3g}"
    )


def _names(settings: Subgroups, column: str, cells: Sequence[str]) -> list[str]:
    """Of the cells, in bands if the column has some."""
    if column in settings.bands:
        try:
            return metric.bands(cells, edges=settings.bands[column])
        except SkinlesionError as error:
            where = f"{settings.file}, column {column}" if isinstance(error, DataError) else column
            raise type(error)(
                f"{where}: {error.what}", expected=error.expected, fix=error.fix
            ) from None
    names = [metric.known_or_unknown(cell) for cell in cells]
    distinct = sorted(set(names))
    if len(distinct) > MOST:
        raise DataError(
            f"{settings.file}: column {column} makes {len(distinct)} subgroups",
            expected=f"at most {MOST}",
            fix=f"subgroups.bands: {{{column}: [40, 60]}} for numbers, or another column",
            which=distinct,
        )
    return names
