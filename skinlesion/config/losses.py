"""What a training run minimises."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from skinlesion.config.section import Fraction, Positive, Probability, Section


class BinaryCrossentropy(Section):
    """Plain cross-entropy."""

    name: Literal["binary_crossentropy"]
    label_smoothing: Fraction = 0.0


class WeightedCrossentropy(Section):
    """Cross-entropy with a weight for each class."""

    name: Literal["weighted_crossentropy"]
    class_weight: Literal["balanced"] | tuple[Positive, Positive] = Field(
        "balanced", description="balanced, or the weights of [benign, malignant]"
    )
    label_smoothing: Fraction = 0.0


class Focal(Section):
    """Focal loss, Lin et al. 2017."""

    name: Literal["focal"]
    gamma: float = Field(2.0, ge=0, description="0 is cross-entropy")
    alpha: Probability | None = Field(None, description="weight of malignant; null: unweighted")
    label_smoothing: Fraction = 0.0


Loss = Annotated[BinaryCrossentropy | WeightedCrossentropy | Focal, Field(discriminator="name")]
