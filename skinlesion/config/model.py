"""Which network is trained, and how much of it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from skinlesion.config.section import Fraction, Section

BackboneName = Literal[
    "alexnet",
    "inceptionv3",
    "resnet50",
    "densenet121",
    "efficientnetb0",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
]


TRAINABLE = r"head|all|[1-9][0-9]* blocks?|from \w+"


def _depth(value: Any) -> Any:
    """One sentence for a wrong ``trainable``, where the union would give one a member."""
    if isinstance(value, int) and value > 0:
        return value
    if isinstance(value, str) and re.fullmatch(TRAINABLE, value):
        return value
    raise ValueError(
        "should be head, all, the last n layers (20), the last n blocks ('2 blocks') or a block"
        " and what follows it ('from block5')"
    )


Trainable = Annotated[
    Literal["head", "all"]
    | Annotated[int, Field(gt=0)]
    | Annotated[str, Field(pattern=r"^([1-9][0-9]* blocks?|from \w+)$")],
    BeforeValidator(_depth),
]


class ModelConfig(Section):
    """Which network, on which input."""

    backbone: BackboneName
    weights: str = Field("imagenet", description="imagenet | none | path of a .weights.h5 file")
    image_size: int = Field(224, ge=32, le=1024, description="pixels a side of the input")
    pooling: Literal["avg", "max"] = Field("avg", description="of the backbone's feature map")
    dropout: Fraction = Field(0.2, description="before the last layer")
    stochastic_depth: Fraction | None = Field(
        None,
        description="rate at which the last residual block is skipped in training, earlier ones"
        " less; efficientnets only; null: 0.2 for efficientnetb0, else 0",
    )
    batch_norm: bool = Field(
        False, description="alexnet only: batch normalisation instead of the 2012 response norm"
    )

    @model_validator(mode="after")
    def _alexnet_only(self) -> ModelConfig:
        if self.batch_norm and self.backbone != "alexnet":
            raise ValueError(f"batch_norm is an option of alexnet, not of {self.backbone}")
        if self.backbone == "alexnet" and self.weights == "imagenet":
            raise ValueError("alexnet has no ImageNet weights: set weights: none")
        return self

    @model_validator(mode="after")
    def _residual_only(self) -> ModelConfig:
        if self.stochastic_depth is not None and not self.backbone.startswith("efficientnet"):
            raise ValueError(f"stochastic_depth is an option of efficientnets, not {self.backbone}")
        return self
