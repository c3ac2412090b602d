"""What using a model would mean, as plain values: referral, net benefit, certainty, mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from skinlesion.config import DecisionCurve, EvaluateConfig, Referral
from skinlesion.metrics.abstention import (
    fit_conformal,
    refer_zone,
    referral_outcome,
    risk_coverage,
)
from skinlesion.metrics.calibration import brier_parts, reliability
from skinlesion.metrics.decision_curve import decision_curve
from skinlesion.metrics.intervals import Estimate
from skinlesion.metrics.mistakes import worst_mistakes
from skinlesion.report.leaderboard import estimate_to_json, none_if_nan
from skinlesion.report.subjects import CAVEAT, Subject
from skinlesion.tables import Predictions

POINTS = 200  # of a risk-coverage curve at most: its areas are of all


def to_json(subject: Subject, *, threshold: float, config: EvaluateConfig) -> dict[str, Any]:
    """What ``config`` asks for, by its field's name; nothing of what it does not.

    Args:
        subject: Predictions on the split, and on val for the conformal sets.
        threshold: Malignant from this probability on.
        config: What is asked for, and the bootstrap.
    """
    test = subject.test
    found: dict[str, Any] = {}
    if config.referral and subject.val is not None:
        found["referral"] = _referral(config.referral, subject.val, test, config.confidence)
    if config.decision_curve:
        found["decision_curve"] = _decision_curve(config.decision_curve, test, config)
    if config.risk_coverage:
        found["risk_coverage"] = _risk_coverage(test, threshold)
    if config.reliability:
        found["reliability"] = reliability_to_json(test, config.confidence)
    if config.mistakes:
        worst = worst_mistakes(
            test.image_id, test.y_true, test.y_prob, threshold=threshold, most=config.mistakes
        )
        found["mistakes"] = asdict(worst)
    return found


def notes(subjects: Sequence[Subject], config: EvaluateConfig) -> list[str]:
    """What must be read beside the referral, if one is asked for."""
    if config.referral is None:
        return []
    without = [subject.name for subject in subjects if subject.val is None]
    found = [f"Referral: {CAVEAT}"] if len(without) < len(subjects) else []
    if without:
        found.append(f"No referral, for want of val predictions: {', '.join(without)}.")
    return found


def _referral(
    settings: Referral, val: Predictions, test: Predictions, confidence: float
) -> dict[str, Any]:
    params = fit_conformal(val.y_true, val.y_prob, val.group, **settings.model_dump())
    outcome = referral_outcome(params, test.y_true, test.y_prob, confidence=confidence)
    return {
        "params": params,
        "zone": asdict(refer_zone(params)),
        **{
            name: estimate_to_json(value) if isinstance(value, Estimate) else value
            for name, value in vars(outcome).items()
        },
    }


def _decision_curve(
    settings: DecisionCurve, test: Predictions, config: EvaluateConfig
) -> dict[str, Any]:
    curve = decision_curve(
        test.y_true,
        test.y_prob,
        test.group,
        at=np.linspace(settings.lowest, settings.highest, settings.steps),
        resamples=config.resamples,
        confidence=config.confidence,
        rng=np.random.default_rng(config.seed),
        prevalence=config.prevalence,
    )
    names = ("at", "model", "low", "high", "treat_all", "standardized", "avoided")
    return {
        "prevalence": curve.prevalence,
        **{name: _plain(getattr(curve, name)) for name in names},
        "useful": curve.useful.tolist(),
    }


def _risk_coverage(test: Predictions, threshold: float) -> dict[str, Any]:
    curve = risk_coverage(test.y_true, test.y_prob, threshold=threshold)
    last = len(curve.coverage) - 1
    shown = np.unique(np.linspace(0, last, min(last + 1, POINTS)).round().astype(int))
    names = ("coverage", "risk", "sensitivity", "specificity")
    return {
        "aurc": curve.aurc,
        "excess_aurc": curve.excess_aurc,
        **{name: _plain(getattr(curve, name)[shown]) for name in names},
    }


def reliability_to_json(test: Predictions, confidence: float) -> dict[str, Any]:
    """The bins of a reliability diagram and the parts of Brier's score; nan becomes None."""
    bins = reliability(test.y_true, test.y_prob, confidence=confidence)
    both = 0 < test.y_true.sum() < len(test)
    return {
        "bins": [
            {
                **vars(one),
                "mean_prob": none_if_nan(one.mean_prob),
                "observed": estimate_to_json(one.observed),
            }
            for one in bins
        ],
        "brier": asdict(brier_parts(test.y_true, test.y_prob)) if both else None,
    }


def _plain(values: np.ndarray) -> list[float | None]:
    return [none_if_nan(value) for value in values.tolist()]
