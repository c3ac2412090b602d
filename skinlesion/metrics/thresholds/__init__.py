"""Operating points: from which probability on to call an image malignant; fitted on val."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skinlesion.metrics.arrays import checked_probs
from skinlesion.metrics.thresholds.empirical import (
    at_sensitivity,
    at_specificity,
    least_cost,
    most_net_benefit,
    youden,
)
from skinlesion.metrics.thresholds.guarantee import (
    Guarantee,
    at_guaranteed_sensitivity,
    groups_needed,
)

Params = dict[str, Any]

__all__ = [
    "OPERATING_POINTS",
    "Guarantee",
    "OperatingPoint",
    "at_guaranteed_sensitivity",
    "at_sensitivity",
    "at_specificity",
    "call",
    "groups_needed",
    "least_cost",
    "most_net_benefit",
    "youden",
]


@dataclass(frozen=True)
class OperatingPoint:
    """A rule that picks a threshold: fitted on val, applied anywhere with ``call``.

    Attributes:
        fit: Called as ``fit(y_true, y_prob, group, **options)``: from val labels, probabilities
            and groups, shape (n,) each, to parameters that JSON can hold, among them
            ``threshold``. Raises DataError if val cannot support the rule, ConfigError if an
            option is out of range.
        words: From those parameters, what a reader is told of the rule.
        uses_labels: Whether ``fit`` looks at labels, so that it needs a val split.
    """

    fit: Callable[..., Params]
    words: Callable[[Mapping[str, Any]], str]
    uses_labels: bool = True


def call(params: Mapping[str, Any], y_prob: np.ndarray) -> np.ndarray:
    """Which images are called malignant, bool, shape (n,)."""
    return checked_probs(y_prob) >= params["threshold"]


def _fixed(y_true: np.ndarray, y_prob: np.ndarray, group: np.ndarray, *, value: float) -> Params:
    return {"threshold": value}


def _youden(y_true: np.ndarray, y_prob: np.ndarray, group: np.ndarray) -> Params:
    return {"threshold": youden(y_true, y_prob)}


def _sensitivity(
    y_true: np.ndarray, y_prob: np.ndarray, group: np.ndarray, *, at_least: float
) -> Params:
    threshold = at_sensitivity(y_true, y_prob, target=at_least)
    return {"threshold": threshold, "at_least": at_least}


def _specificity(
    y_true: np.ndarray, y_prob: np.ndarray, group: np.ndarray, *, at_least: float
) -> Params:
    threshold = at_specificity(y_true, y_prob, target=at_least)
    return {"threshold": threshold, "at_least": at_least}


def _cost(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    group: np.ndarray,
    *,
    miss_cost: float,
    prevalence: float | None = None,
) -> Params:
    threshold = least_cost(y_true, y_prob, miss_cost=miss_cost, prevalence=prevalence)
    return {"threshold": threshold, "miss_cost": miss_cost, "prevalence": prevalence}


def _net_benefit(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    group: np.ndarray,
    *,
    at: float,
    prevalence: float | None = None,
) -> Params:
    threshold = most_net_benefit(y_true, y_prob, at=at, prevalence=prevalence)
    return {"threshold": threshold, "at": at, "prevalence": prevalence}


def _guaranteed(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    group: np.ndarray,
    *,
    at_least: float,
    confidence: float,
) -> Params:
    found = at_guaranteed_sensitivity(y_true, y_prob, group, target=at_least, confidence=confidence)
    return {
        "threshold": found.threshold,
        "at_least": at_least,
        "confidence": confidence,
        "groups": found.groups,
        "missed": found.missed,
    }


def _where(params: Mapping[str, Any]) -> str:
    prevalence = params["prevalence"]
    return " on val" if prevalence is None else f" on val at a prevalence of {prevalence:.3g}"


OPERATING_POINTS = {
    "fixed": OperatingPoint(_fixed, lambda _: "fixed", uses_labels=False),
    "youden": OperatingPoint(_youden, lambda _: "Youden on val"),
    "sensitivity": OperatingPoint(
        _sensitivity, lambda params: f"sensitivity >= {params['at_least']:g} on val"
    ),
    "specificity": OperatingPoint(
        _specificity, lambda params: f"specificity >= {params['at_least']:g} on val"
    ),
    "cost": OperatingPoint(
        _cost,
        lambda params: (
            f"least cost, a miss costing {params['miss_cost']:g} false alarms" + _where(params)
        ),
    ),
    "net_benefit": OperatingPoint(
        _net_benefit,
        lambda params: f"most net benefit at probability {params['at']:g}" + _where(params),
    ),
    "guaranteed_sensitivity": OperatingPoint(
        _guaranteed,
        lambda params: (
            f"sensitivity >= {params['at_least']:g} with confidence {params['confidence']:g},"
            f" from {params['groups']} malignant groups of val"
        ),
    ),
}
