"""Scores of parts of a test set, such as by sex, age or artefact, and how far they are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from skinlesion.errors import ConfigError, DataError
from skinlesion.metrics.arrays import checked
from skinlesion.metrics.intervals import PERCENTILE, Distribution, Estimate, resample_counts
from skinlesion.metrics.scores import FORMULAS, canonical, rank

UNKNOWN = "unknown"
MISSING = frozenset({"", "nan", "na", "n/a", "none", "null", "unknown"})
FEWEST = 10  # with fewer images of a class, scores that need it say little
# What a score is a proportion of; all others need both classes.
NEEDS = {"sensitivity": ("malignant",), "specificity": ("benign",)}


@dataclass(frozen=True)
class Subgroup:
    """One part of the images.

    Attributes:
        name: Its value in the column; ``unknown`` where the column says nothing.
        images: How many.
        malignant: How many of them are malignant.
        groups: How many patients or lesions they are of.
        scores: By name, with intervals.
        warning: What is wrong with its size; "" if nothing is.
    """

    name: str
    images: int
    malignant: int
    groups: int
    scores: dict[str, Estimate]
    warning: str

    @property
    def benign(self) -> int:
        """How many of its images are benign."""
        return self.images - self.malignant


@dataclass(frozen=True)
class Gap:
    """The two subgroups that are farthest apart in a score, of those that are large enough.

    Attributes:
        higher: The subgroup with the higher value.
        lower: The one with the lower.
        difference: Higher minus lower; the interval holds for all pairs at once, so it may be
            read although this pair was picked for its difference.
        p: Of no difference, likewise corrected for the number of pairs.
    """

    higher: str
    lower: str
    difference: Estimate
    p: float


@dataclass(frozen=True)
class Subgroups:
    """All parts of the images by one column.

    Attributes:
        rows: By name, ``unknown`` last.
        gaps: By score; None where fewer than two subgroups are large enough.
    """

    rows: list[Subgroup]
    gaps: dict[str, Gap | None]

    @property
    def warnings(self) -> list[str]:
        """One sentence for each subgroup that is too small."""
        return [f"{row.name}: {row.warning}" for row in self.rows if row.warning]


def score_subgroups(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    group: np.ndarray,
    subgroup: np.ndarray | Sequence[object],
    *,
    threshold: float,
    scores: Sequence[str],
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Subgroups:
    """Score each subgroup, with bootstrap intervals over groups of all images together.

    The gap's interval is difference -+ c times its bootstrap standard error, with c the quantile
    of the largest studentised deviation over all pairs of subgroups (Romano and Wolf,
    Econometrica 73:1237, 2005). Subgroups with fewer than ``FEWEST`` images of a class that the
    score needs are scored but stay out of its gap.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        group: Patient or lesion of each image, shape (n,).
        subgroup: Name for each image, shape (n,); what means nothing is ``unknown``.
        threshold: Malignant from this probability on, the same for all subgroups.
        scores: Names of ``SCORES``, or aliases.
        resamples: Number of resamples.
        confidence: Coverage of the intervals, in (0, 1).
        rng: Source of the draws.

    Raises:
        ConfigError: If there is no such score.
        DataError: If the arrays do not fit each other, or hold other values than these.
    """
    y_true, y_prob = checked(y_true, y_prob)
    if len(subgroup) != len(y_true):
        raise DataError(
            f"{len(subgroup)} subgroup names for {len(y_true)} images", expected="one an image"
        )
    keys = [canonical(score) for score in scores]
    named = np.array([known_or_unknown(cell) for cell in subgroup], dtype=np.str_)
    names = sorted(set(named.tolist()), key=lambda name: (name == UNKNOWN, name))
    members = [np.flatnonzero(named == name) for name in names]
    values, resampled = _evaluate(
        y_true, y_prob, group, members, keys, threshold=threshold, resamples=resamples, rng=rng
    )
    rows = [
        Subgroup(
            name=name,
            images=len(rows),
            malignant=int(y_true[rows].sum()),
            groups=len(np.unique(np.asarray(group)[rows])),
            scores=_intervals(keys, values[place], resampled[:, place], confidence),
            warning=_warning(y_true[rows]),
        )
        for place, (name, rows) in enumerate(zip(names, members, strict=True))
    ]
    return Subgroups(rows, _gaps(rows, keys, values, resampled, confidence))


def known_or_unknown(cell: object) -> str:
    """A cell of a table as the name of a subgroup: ``unknown`` if it is empty or says so."""
    text = str(cell).strip()
    return UNKNOWN if text.lower() in MISSING else text


def bands(cells: Sequence[object], *, edges: Sequence[float], unit: str = "") -> list[str]:
    """Names of intervals for numbers, such as ``under 40``, ``40 to under 60``, ``60 and over``.

    Args:
        cells: Numbers, or text that holds some; what means nothing is ``unknown``.
        edges: Where one interval ends and the next begins, at least one, ascending.
        unit: Put before each name, such as ``age``.

    Raises:
        ConfigError: If the edges do not ascend, or there is none.
        DataError: If a cell is no number.
    """
    if not len(edges) or any(high <= low for low, high in pairwise(edges)):
        raise ConfigError(f"edges of bands {list(edges)}", expected="at least one, ascending")
    between = pairwise(edges)
    names = [f"under {edges[0]:g}"]
    names += [f"{low:g} to under {high:g}" for low, high in between]
    names.append(f"{edges[-1]:g} and over")
    prefix = f"{unit} " if unit else ""
    found = []
    for cell in cells:
        if known_or_unknown(cell) == UNKNOWN:
            found.append(UNKNOWN)
            continue
        try:
            number = float(str(cell))
        except ValueError:
            raise DataError(
                f"{cell!r} cannot be put into a band", expected="a number, or nothing"
            ) from None
        found.append(prefix + names[int(np.searchsorted(edges, number, side="right"))])
    return found


def _evaluate(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    group: np.ndarray,
    members: Sequence[np.ndarray],
    keys: Sequence[str],
    *,
    threshold: float,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores on the images as they are, shape (s, k), and on each resample, shape (r, s, k)."""
    rankings = [rank(y_true[rows], y_prob[rows]) for rows in members]
    orders = [rows[ranking.order] for rows, ranking in zip(members, rankings, strict=True)]

    def scored(weights: np.ndarray) -> np.ndarray:
        found = np.empty((len(weights), len(members), len(keys)))
        for place, (ranking, order) in enumerate(zip(rankings, orders, strict=True)):
            tally = ranking.tally(weights[:, order], threshold)
            for column, key in enumerate(keys):
                found[:, place, column] = FORMULAS[key](tally)
        return found

    chunks = resample_counts(y_true, group, resamples=resamples, rng=rng)
    resampled = np.concatenate([scored(weights) for weights in chunks])
    return scored(np.ones((1, len(y_true))))[0], resampled


def _intervals(
    keys: Sequence[str], values: np.ndarray, resampled: np.ndarray, confidence: float
) -> dict[str, Estimate]:
    """Of one subgroup's scores of shape (k,), and resampled ones of shape (r, k)."""
    found = {}
    for key, value, column in zip(keys, values, resampled.T, strict=True):
        distribution = Distribution(float(value), column[~np.isnan(column)])
        found[key] = distribution.estimate(PERCENTILE, confidence)
    return found


def _gaps(
    rows: Sequence[Subgroup],
    keys: Sequence[str],
    values: np.ndarray,
    resampled: np.ndarray,
    confidence: float,
) -> dict[str, Gap | None]:
    """By score, among the subgroups that are large enough for it; shapes as of ``_evaluate``."""
    gaps = {}
    for column, key in enumerate(keys):
        large = [place for place, row in enumerate(rows) if _is_large_enough(row, key)]
        gaps[key] = _gap(
            [rows[place].name for place in large],
            values[large, column],
            resampled[:, large, column],
            confidence,
        )
    return gaps


def _gap(
    names: Sequence[str], values: np.ndarray, resampled: np.ndarray, confidence: float
) -> Gap | None:
    """Of subgroups with values of shape (s,), and resampled ones of shape (r, s)."""
    if len(names) < 2 or np.isnan(values).any():
        return None
    first, second = np.array(list(combinations(range(len(names)), 2))).T
    differences = values[first] - values[second]
    # A resample in which a subgroup lacks a class says nothing of any pair's largest deviation.
    resampled = resampled[~np.isnan(resampled).any(axis=1)]
    widest = int(np.abs(differences).argmax())
    size = abs(float(differences[widest]))
    higher, lower = first[widest], second[widest]
    if differences[widest] < 0:
        higher, lower = lower, higher
    deviations = resampled[:, first] - resampled[:, second] - differences
    errors = deviations.std(axis=0) if len(resampled) else np.zeros(len(first))
    spread = errors > 0
    difference, p = Estimate(size, math.nan, math.nan), math.nan
    if spread[widest]:
        largest = np.abs(deviations[:, spread] / errors[spread]).max(axis=1)
        half = float(np.quantile(largest, confidence) * errors[widest])
        difference = Estimate(size, size - half, size + half)
        as_far = int((largest >= size / errors[widest]).sum())
        p = (as_far + 1) / (len(largest) + 1)
    return Gap(names[higher], names[lower], difference, p)


def _sizes(labels: np.ndarray) -> Mapping[str, int]:
    malignant = int(labels.sum())
    return {"malignant": malignant, "benign": len(labels) - malignant}


def _warning(labels: np.ndarray) -> str:
    few = [f"{count} {name}" for name, count in _sizes(labels).items() if count < FEWEST]
    return f"only {' and '.join(few)} images: its scores say little" if few else ""


def _is_large_enough(row: Subgroup, key: str) -> bool:
    return all(getattr(row, name) >= FEWEST for name in NEEDS.get(key, ("malignant", "benign")))
