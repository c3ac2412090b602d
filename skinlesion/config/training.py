"""The configs of train and finetune."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from skinlesion.config.section import Fraction, Positive, Probability, Section

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
Target = Literal["malignant", "melanoma"]
Monitor = Literal["val_auc", "val_average_precision", "val_balanced_accuracy", "val_loss"]


def _depth(value: Any) -> Any:
    """One sentence for a wrong ``trainable``, where the union would give one a member."""
    if isinstance(value, int) and value > 0:
        return value
    if isinstance(value, str) and re.fullmatch(r"head|all|[1-9][0-9]* blocks?", value):
        return value
    raise ValueError(
        "should be head, all, the last n layers (20) or the last n blocks ('2 blocks')"
    )


Trainable = Annotated[
    Literal["head", "all"]
    | Annotated[int, Field(gt=0)]
    | Annotated[str, Field(pattern=r"^[1-9][0-9]* blocks?$")],
    BeforeValidator(_depth),
]


class ModelConfig(Section):
    """Which network, on which input."""

    backbone: BackboneName
    weights: str = Field("imagenet", description="imagenet | none | path of a .weights.h5 file")
    image_size: int = Field(224, ge=32, le=1024, description="pixels a side of the input")
    pooling: Literal["avg", "max"] = Field("avg", description="of the backbone's feature map")
    dropout: Fraction = Field(0.2, description="before the last layer")
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


class AdamW(Section):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"]
    learning_rate: Positive = 1e-3
    weight_decay: float = Field(1e-4, ge=0)


class Sgd(Section):
    """Stochastic gradient descent with Nesterov momentum."""

    name: Literal["sgd"]
    learning_rate: Positive = 1e-2
    weight_decay: float = Field(1e-4, ge=0)
    momentum: Fraction = 0.9


Optimizer = Annotated[AdamW | Sgd, Field(discriminator="name")]


class Schedule(Section):
    """The learning rate over a run: a linear warm-up, then a decay by the step."""

    warmup_epochs: float = Field(1.0, ge=0)
    decay: Literal["cosine", "none"] = "cosine"


class Augment(Section):
    """Random changes of the training images, stateless, keyed by (seed, epoch, index)."""

    flip: bool = Field(True, description="one of the 8 flips and quarter turns")
    rotate_degrees: float = Field(0.0, ge=0, le=180)
    zoom: Fraction = Field(0.0, description="0.1: from 1/1.1 to 1.1 times")
    shift: Fraction = Field(0.0, description="fraction of the side")
    shear: Fraction = 0.0
    brightness: Fraction = Field(0.0, description="fraction of the full range")
    contrast: Fraction = 0.0
    saturation: Fraction = 0.0
    hue: float = Field(0.0, ge=0, le=0.5, description="fraction of the colour circle")


class Recipe(Section):
    """What train and finetune share."""

    loss: Loss = WeightedCrossentropy(name="weighted_crossentropy")
    optimizer: Optimizer = AdamW(name="adamw")
    schedule: Schedule = Schedule()
    augment: Augment = Augment()
    batch_size: int = Field(32, ge=1)
    epochs: int = Field(10, ge=1)
    early_stop_epochs: int | None = Field(
        None, ge=1, description="stop after so many epochs without a better monitor; null: never"
    )
    monitor: Monitor = Field("val_auc", description="chooses the best epoch")
    limit: int | None = Field(
        None, ge=2, description="at most so many training images, class proportions kept"
    )


class TrainConfig(Recipe):
    """A new classifier, from pretrained weights or from scratch."""

    seed: int = Field(0, ge=0)
    dataset: Path = Field(Path("dataset"), description="what preprocess wrote")
    target: Target = "malignant"
    model: ModelConfig
    trainable: Trainable = Field(
        "head", description="head | all | last n layers (20) | last n blocks ('2 blocks')"
    )
    freeze_batch_norm: bool = Field(False, description="keep BatchNorm statistics and weights")
    feature_views: int = Field(
        1, ge=1, le=64, description="trainable: head only: views of each image; 2+ are augmented"
    )

    @model_validator(mode="after")
    def _head_needs_pretrained(self) -> TrainConfig:
        if self.trainable == "head" and self.model.weights == "none":
            raise ValueError(
                "trainable: head keeps random features; set trainable: all, or give weights"
            )
        if self.feature_views > 1 and self.trainable != "head":
            raise ValueError("feature_views is for trainable: head; other runs augment each epoch")
        return self


class FinetuneConfig(Recipe):
    """A finished run, trained further with more of its backbone unfrozen."""

    run: Path | None = Field(None, description="the run to start from; --run sets it")
    seed: int | None = Field(None, ge=0, description="null: the parent's")
    dataset: Path | None = Field(None, description="null: the parent's")
    trainable: Trainable = "all"
    freeze_batch_norm: bool = Field(True, description="keep BatchNorm statistics and weights")
    optimizer: Optimizer = AdamW(name="adamw", learning_rate=2e-4, weight_decay=1e-2)
    augment: Augment = Augment(
        rotate_degrees=180,
        zoom=0.2,
        shift=0.1,
        brightness=0.15,
        contrast=0.15,
        saturation=0.15,
        hue=0.02,
    )
    epochs: int = Field(12, ge=1)
