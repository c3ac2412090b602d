"""Calibrators: how probabilities are moved so that they mean what they say; fitted on val."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skinlesion.metrics.calibration.isotonic import apply_isotonic, fit_isotonic
from skinlesion.metrics.calibration.nothing import apply_nothing, fit_nothing
from skinlesion.metrics.calibration.parametric import (
    apply_beta,
    apply_platt,
    apply_temperature,
    fit_beta,
    fit_platt,
    fit_temperature,
)
from skinlesion.metrics.calibration.reliability import (
    Bin,
    BrierParts,
    brier_parts,
    reliability,
)

__all__ = ["CALIBRATORS", "Bin", "BrierParts", "Calibrator", "brier_parts", "reliability"]


@dataclass(frozen=True)
class Calibrator:
    """A way to calibrate: fitted on val, applied anywhere.

    Attributes:
        fit: Called as ``fit(y_true, y_prob)``: from val labels and probabilities, shape (n,), to
            parameters that JSON can hold.
        apply: Called as ``apply(params, y_prob)``: from those parameters and probabilities, shape
            (n,), to calibrated ones, shape (n,), in [0, 1].
        keeps_order: Whether images of unequal probability stay so (but for rounding near 0 and 1),
            so that the ROC curve and its area are unchanged. The others may make ties. None ever
            turns the order round: where val says that malignant images are the less probable
            ones, the result is the same for all images.

    Both raise DataError if a value is not a probability, ``fit`` also if val lacks a class.
    """

    fit: Callable[[np.ndarray, np.ndarray], dict[str, Any]]
    apply: Callable[[Mapping[str, Any], np.ndarray], np.ndarray]
    keeps_order: bool = True


CALIBRATORS = {
    "none": Calibrator(fit_nothing, apply_nothing),
    "temperature": Calibrator(fit_temperature, apply_temperature),
    "platt": Calibrator(fit_platt, apply_platt),
    "beta": Calibrator(fit_beta, apply_beta),
    "isotonic": Calibrator(fit_isotonic, apply_isotonic, keeps_order=False),
}
