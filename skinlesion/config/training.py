"""The configs of train and finetune."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from skinlesion.config.augment import Augment
from skinlesion.config.losses import Loss, WeightedCrossentropy
from skinlesion.config.model import ModelConfig, Trainable
from skinlesion.config.optimizers import AdamW, Ema, LastEpochs, Optimizer, Schedule, Unfreeze
from skinlesion.config.sampling import Sampling, Shuffle
from skinlesion.config.section import Section
from skinlesion.config.tracking import Mlflow

Target = Literal["malignant", "melanoma"]
Precision = Literal["float32", "bfloat16", "float16"]
Predicted = Literal["all", "val"]
Monitor = Literal["val_auc", "val_average_precision", "val_balanced_accuracy", "val_loss"]


class Fold(Section):
    """One part of the images of train and val, dealt into parts of which one is held out as val."""

    count: int = Field(5, ge=2, le=100, description="parts; no group is divided")
    index: int | None = Field(
        0, ge=0, description="the part that is val; null: each in turn, a run for each"
    )
    seed: int = Field(0, ge=0, description="of the dealing, apart from the run's own")

    @model_validator(mode="after")
    def _part_exists(self) -> Self:
        if self.index is not None and self.index >= self.count:
            raise ValueError(f"index is from 0 to {self.count - 1}, or null")
        return self


class Recipe(Section):
    """What train and finetune share."""

    loss: Loss = WeightedCrossentropy(name="weighted_crossentropy")
    optimizer: Optimizer = AdamW(name="adamw")
    schedule: Schedule = Schedule()
    averaging: Ema | LastEpochs | None = Field(
        None,
        discriminator="name",
        description="of weights: ema or last_epochs; null: the best epoch's as they are",
    )
    augment: Augment = Augment()
    sampling: Sampling = Shuffle(name="shuffle")
    batch_size: int = Field(32, ge=1)
    epochs: int = Field(10, ge=1)
    early_stop_epochs: int | None = Field(
        None, ge=1, description="stop after so many epochs without a better monitor; null: never"
    )
    monitor: Monitor = Field("val_auc", description="chooses the best epoch")
    limit: int | None = Field(
        None, ge=2, description="at most so many training images, class proportions kept"
    )
    precision: Precision | Literal["auto"] = Field(
        "float32", description="of training and of a head's training features; auto: the fastest"
    )
    prediction_precision: Precision = Field(
        "float32", description="of everything that is scored: val after each epoch, predictions"
    )
    threads: int | None = Field(None, ge=1, description="of one operation; null: all cores")
    devices: int | None = Field(
        None, ge=1, description="GPUs that share each batch; null: all there are"
    )
    deterministic: bool = Field(True, description="false: faster on a GPU, but not repeatable")
    feature_cache: Path | None = Field(
        None, description="folder of a head's features; null: features/ in the data set's folder"
    )
    unfreeze: Unfreeze | None = Field(
        None, description="open the blocks one after the other; null: all from the start"
    )
    tracking: Mlflow | None = Field(None, description="mlflow; null: the run's own folder only")
    predict: Predicted = Field("all", description="at the end: val and the test splits | val")

    @model_validator(mode="after")
    def _average_has_an_end(self) -> Self:
        if isinstance(self.averaging, LastEpochs):
            if self.early_stop_epochs is not None:
                raise ValueError("averaging: last_epochs needs early_stop_epochs: null")
            if self.averaging.epochs > self.epochs:
                raise ValueError(
                    f"averaging.epochs is {self.averaging.epochs}, more than the {self.epochs}"
                    " epochs of the run: lower it, or raise epochs"
                )
        return self


class TrainConfig(Recipe):
    """A new classifier, from pretrained weights or from scratch."""

    seed: int = Field(0, ge=0)
    dataset: Path = Field(Path("dataset"), description="what preprocess wrote")
    target: Target = "malignant"
    model: ModelConfig
    trainable: Trainable = Field(
        "head", description="head | all | last n layers (20) | '2 blocks' | 'from BLOCK'"
    )
    freeze_batch_norm: bool = Field(False, description="keep BatchNorm statistics and weights")
    feature_views: int = Field(
        1, ge=1, le=64, description="trainable: head only: views of each image; 2+ are augmented"
    )
    fold: Fold | None = Field(
        None,
        description="cross-validation, --folds N; null: train and val as the data set has them",
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

    @model_validator(mode="after")
    def _blocks_to_unfreeze(self) -> TrainConfig:
        _refuse_unfreezing_layers(self)
        return self

    @model_validator(mode="after")
    def _mixes_images_not_features(self) -> TrainConfig:
        _refuse_mixing_for_a_head(self)
        return self


class FinetuneConfig(Recipe):
    """A finished run, trained further with more of its backbone unfrozen."""

    run: Path | None = Field(None, description="the run to start from; --run sets it")
    seed: int | None = Field(None, ge=0, description="null: the parent's; a soup's is 0")
    dataset: Path | None = Field(None, description="null: the parent's")
    fold: Fold | None = Field(None, description="null: the parent's, if its data set is")
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

    @model_validator(mode="after")
    def _blocks_to_unfreeze(self) -> FinetuneConfig:
        _refuse_unfreezing_layers(self)
        return self

    @model_validator(mode="after")
    def _mixes_images_not_features(self) -> FinetuneConfig:
        _refuse_mixing_for_a_head(self)
        return self


def _refuse_unfreezing_layers(config: TrainConfig | FinetuneConfig) -> None:
    by_block = isinstance(config.trainable, str) and config.trainable != "head"
    if config.unfreeze and not by_block:
        raise ValueError("unfreeze goes by blocks: set trainable: all, 'n blocks' or 'from BLOCK'")


def _refuse_mixing_for_a_head(config: TrainConfig | FinetuneConfig) -> None:
    if config.augment.mixes and config.trainable == "head":
        raise ValueError(
            "mixup and cutmix need trainable: all, or layers or blocks:"
            " a head is trained on the features of single images"
        )
