"""What the operating-point explorer works on: scores, labels, and thresholds fitted on val."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skinlesion.config import FixedThreshold, SensitivityThreshold, Threshold, YoudenThreshold
from skinlesion.errors import DataError
from skinlesion.metrics.scores import confusion, score_all
from skinlesion.report.subjects import Subject, fitted_threshold
from skinlesion.tables import VAL

MOST = 60_000  # scores in a page, about 1.5 MB; those of models beyond that are left out
RULES: tuple[Threshold, ...] = (
    YoudenThreshold(rule="youden"),
    *(SensitivityThreshold(rule="sensitivity", at_least=target) for target in (0.82, 0.89, 0.95)),
    FixedThreshold(rule="fixed"),
)


@dataclass(frozen=True)
class Mark:
    """A threshold fitted on val, or 0.5.

    Attributes:
        threshold: Malignant from this probability on.
        rule: Where it comes from.
        counts: ``tn``, ``fp``, ``fn`` and ``tp`` on the split.
        scores: On the split, by name; nan where undefined.
    """

    threshold: float
    rule: str
    counts: dict[str, int]
    scores: dict[str, float]


def origin(split: str) -> str:
    """What the marks of a page on ``split`` are."""
    if split == VAL:
        return "Thresholds fitted on this very split, so optimistic"
    return "Thresholds that were not chosen on this split"


def marks(subject: Subject, chosen: Threshold) -> list[Mark]:
    """The chosen threshold first, then those of ``RULES`` that val can support."""
    found: dict[str, float] = {}
    for rule in (chosen, *RULES):
        try:
            threshold, words = fitted_threshold(rule, subject.val)
        except DataError:
            continue
        found.setdefault(words, threshold)
    test = subject.test
    return [
        Mark(
            threshold,
            words,
            confusion(test.y_true, test.y_prob, threshold=threshold),
            score_all(test.y_true, test.y_prob, threshold=threshold),
        )
        for words, threshold in found.items()
    ]


def data(subjects: Sequence[Subject], marked: Sequence[Sequence[Mark]]) -> list[dict[str, Any]]:
    """For each model its name, its scores ascending with their labels, and its marks."""
    found: list[dict[str, Any]] = []
    room = MOST
    for subject, own in zip(subjects, marked, strict=True):
        room -= len(subject.test)
        if room < 0:
            break
        order = np.argsort(subject.test.y_prob, kind="stable")
        found.append(
            {
                "name": subject.name,
                "scores": subject.test.y_prob[order].tolist(),
                "labels": subject.test.y_true[order].tolist(),
                "marks": [{"threshold": one.threshold, "rule": one.rule} for one in own],
            }
        )
    return found
