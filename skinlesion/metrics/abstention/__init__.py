"""Abstention: which images a model had better leave to a dermatologist."""

from __future__ import annotations

from skinlesion.metrics.abstention.conformal import (
    REFERRED,
    SETS,
    Outcome,
    Zone,
    fit_conformal,
    label_sets,
    refer_zone,
    referral_outcome,
)
from skinlesion.metrics.abstention.selective import RiskCoverage, risk_coverage

__all__ = [
    "REFERRED",
    "SETS",
    "Outcome",
    "RiskCoverage",
    "Zone",
    "fit_conformal",
    "label_sets",
    "refer_zone",
    "referral_outcome",
    "risk_coverage",
]
