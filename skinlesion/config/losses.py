"""What a training run minimises."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from skinlesion.config.section import Fraction, Positive, Probability, Section

BETA = 0.999

ClassWeight = Literal["balanced", "effective_number"] | tuple[Positive, Positive]


class BinaryCrossentropy(Section):
    """Plain cross-entropy."""

    name: Literal["binary_crossentropy"]
    label_smoothing: Fraction = 0.0


class WeightedCrossentropy(Section):
    """Cross-entropy with a weight for each class."""

    name: Literal["weighted_crossentropy"]
    class_weight: ClassWeight = Field(
        "balanced",
        description="balanced, effective_number (Cui et al. 2019), or the weights of"
        " [benign, malignant]",
    )
    beta: Fraction = Field(BETA, description="of effective_number: 0 unweighted, 1 balanced")
    label_smoothing: Fraction = 0.0

    @model_validator(mode="after")
    def _beta_has_a_use(self) -> WeightedCrossentropy:
        _check_beta(self.beta, self.class_weight)
        return self


class Focal(Section):
    """Focal loss, Lin et al. 2017; with class weights if they are given."""

    name: Literal["focal"]
    gamma: float = Field(2.0, ge=0, description="0 is cross-entropy")
    alpha: Probability | None = Field(None, description="weight of malignant; null: unweighted")
    class_weight: ClassWeight | None = Field(
        None, description="as of weighted_crossentropy, instead of alpha; null: unweighted"
    )
    beta: Fraction = Field(BETA, description="of effective_number: 0 unweighted, 1 balanced")
    label_smoothing: Fraction = 0.0

    @model_validator(mode="after")
    def _weighted_once(self) -> Focal:
        if self.alpha is not None and self.class_weight is not None:
            raise ValueError("alpha and class_weight both weigh the classes; set one to null")
        _check_beta(self.beta, self.class_weight)
        return self


class LogitAdjusted(Section):
    """Cross-entropy of the logit plus tau times the training data's log odds, Menon et al. 2021."""

    name: Literal["logit_adjusted"]
    tau: float = Field(1.0, ge=0, description="0 is cross-entropy")
    label_smoothing: Fraction = 0.0


Loss = Annotated[
    BinaryCrossentropy | WeightedCrossentropy | Focal | LogitAdjusted, Field(discriminator="name")
]


def _check_beta(beta: float, class_weight: object) -> None:
    if beta != BETA and class_weight != "effective_number":
        raise ValueError("beta is of class_weight: effective_number, which is not chosen")
