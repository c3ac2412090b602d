"""What val says of an ensemble's members: a table for people, plain values for machines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skinlesion.ensemble import Diversity, Optimism
from skinlesion.ensemble.diversity import mean_over_others
from skinlesion.report.leaderboard import SHORT_UNDEFINED

HEADINGS = ("weight", "AUC", "adds", "corr.", "differ", "Q")


@dataclass(frozen=True)
class MembersOnVal:
    """Members and their ensemble on val; nan where undefined.

    Attributes:
        names: Of the m members.
        weights: That the combiner gave them, shape (m,); None if it gives none.
        images: Number of val images.
        malignant: Number of malignant ones.
        auc: ROC AUC of the ensemble, as fitted.
        auc_alone: Of each member, shape (m,).
        auc_without: Of the ensemble fitted anew without each member, shape (m,).
        thresholds: Where each member calls malignant in ``pairs``, shape (m,).
        pairs: Members compared pair by pair.
        optimism: Of the combiner; None if it looks at no label.
    """

    names: Sequence[str]
    weights: Sequence[float] | None
    images: int
    malignant: int
    auc: float
    auc_alone: np.ndarray
    auc_without: np.ndarray
    thresholds: np.ndarray
    pairs: Diversity
    optimism: Optimism | None

    def to_text(self) -> str:
        """A row a member, then the ensemble, then what the columns mean."""
        columns = [
            ["", *(f"{weight:.3f}" for weight in self.weights or [math.nan] * len(self.names)), ""],
            ["", *map(_short, self.auc_alone), _short(self.auc)],
            ["", *(_short(value, "+.3f") for value in self.auc - self.auc_without), ""],
            ["", *(_short(value, ".2f") for value in mean_over_others(self.pairs.correlation)), ""],
            ["", *(_short(v, ".0%") for v in mean_over_others(self.pairs.disagreement)), ""],
            ["", *(_short(value, ".2f") for value in mean_over_others(self.pairs.q_statistic)), ""],
        ]
        for heading, column in zip(HEADINGS, columns, strict=True):
            column[0] = heading
        if self.weights is None:
            del columns[0]
        names = ["", *self.names, "ensemble"]
        width = max(map(len, names))
        widths = [max(map(len, column)) for column in columns]
        lines = [
            "  ".join(
                [
                    name.ljust(width),
                    *(c[row].rjust(w) for c, w in zip(columns, widths, strict=True)),
                ]
            ).rstrip()
            for row, name in enumerate(names)
        ]
        return "\n".join([*lines, *self._optimism_text(), *self._legend()])

    def to_json(self) -> dict[str, Any]:
        """Everything, with the pairs as whole matrices; nan becomes None."""
        return {
            "images": self.images,
            "malignant": self.malignant,
            "roc_auc": _plain(self.auc),
            "members": [
                {
                    "path": name,
                    "weight": None if self.weights is None else self.weights[row],
                    "roc_auc": _plain(self.auc_alone[row]),
                    "ensemble_roc_auc_without": _plain(self.auc_without[row]),
                    "threshold": _plain(self.thresholds[row]),
                }
                for row, name in enumerate(self.names)
            ],
            "pairs": {
                "correlation_of_logits": _plain(self.pairs.correlation),
                "disagreement": _plain(self.pairs.disagreement),
                "q_statistic": _plain(self.pairs.q_statistic),
            },
        }

    def _optimism_text(self) -> list[str]:
        if self.optimism is None:
            return []
        if not self.optimism.folds:
            return ["fitted on val, which has too few groups of a class to tell how it flatters"]
        seen, unseen = (
            f"AUC {scores['roc_auc']:.3f}, log loss {scores['log_loss']:.3f}"
            for scores in (self.optimism.apparent, self.optimism.nested)
        )
        folds = self.optimism.folds
        return [f"fitted on val: {seen}; on groups left out of the fit ({folds} folds): {unseen}"]

    def _legend(self) -> list[str]:
        lines = [
            f"all on val ({self.images:,} images, {self.malignant:,} malignant);"
            " adds: the ensemble's AUC minus that without the member;",
            "corr. of logits, differ (one right, one wrong), Yule's Q: means over the others",
        ]
        closest = self.pairs.closest()
        if closest and len(self.names) > 2:
            first, second = closest
            value = self.pairs.correlation[first, second]
            lines.append(
                f"most alike: {self.names[first]} and {self.names[second]} (corr. {value:.2f})"
            )
        return lines


def optimism_to_json(optimism: Optimism | None) -> dict[str, Any] | None:
    """Plain values; nan becomes None."""
    if optimism is None:
        return None
    return {
        "folds": optimism.folds,
        **{
            name: {"apparent": _plain(value), "nested": _plain(optimism.nested[name])}
            for name, value in optimism.apparent.items()
        },
    }


def _short(value: float, how: str = ".3f") -> str:
    return SHORT_UNDEFINED if math.isnan(value) else format(value, how)


def _plain(value: Any) -> Any:
    """Floats and nested lists of them, None for nan."""
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value]
    return None if math.isnan(value) else float(value)
