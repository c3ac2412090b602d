"""Values of ``metrics.json`` as they are shown: estimates read back, null as undefined."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from skinlesion.metrics.intervals import Estimate


def estimate(value: Mapping[str, float | None] | None) -> Estimate:
    """An estimate as ``estimate_to_json`` wrote it; None, or a null in it, is nan."""
    found = value or {}
    return Estimate(*(_number(found.get(name)) for name in ("value", "low", "high")))


def row_of_metrics(metrics: Mapping[str, Any]) -> dict[str, Estimate]:
    """All scores, by name."""
    return {name: estimate(value) for name, value in metrics["scores"].items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
