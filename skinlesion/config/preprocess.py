"""The config of preprocess."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from skinlesion.config.section import Fraction, Section

Fit = Literal["squash", "letterbox", "center_crop"]


class Cleaning(Section):
    """Changes of the stored images; a model's later images get the same."""

    border_crop: bool = Field(False, description="crop the dark rim of a round view")
    hair_removal: bool = Field(False, description="paint skin over dark hair")
    color_constancy: Literal["none", "shades_of_gray"] = Field(
        "none", description="shades_of_gray: make the light neutral"
    )
    minkowski_p: float = Field(
        6.0, ge=1, le=100, description="of shades_of_gray; 1: grey world, large: white patch"
    )


class PreprocessConfig(Section):
    """From folders of images to ``dataset/``."""

    sources: tuple[Path, ...] = Field((), description="folders or CSV files; --source adds to it")
    seed: int = Field(0, ge=0, description="of the split and of undersampling")
    image_size: int = Field(256, ge=32, le=1024, description="pixels a side of the stored images")
    fit: Fit = Field("squash", description="how an image becomes square; letterbox pads with black")
    cleaning: Cleaning = Cleaning()
    val_fraction: Fraction = Field(
        0.15, description="of the images without an official split; of train where it has no val"
    )
    test_fraction: Fraction = Field(0.15, description="of the images without an official split")
    balance: Literal["none", "undersample"] = Field(
        "none", description="undersample: as many benign as malignant images in train and val"
    )
    indeterminate: Literal["exclude", "benign", "malignant"] = Field(
        "exclude", description="what to do with actinic keratosis and the like"
    )
    classes: dict[str, Literal["benign", "malignant"]] = Field(
        default_factory=dict, description="class names of your own, beside the built-in ones"
    )
    diagnoses: tuple[Path, ...] = Field(
        (), description="CSV files with image_id,diagnosis that replace the sources' diagnoses"
    )
    strict: bool = Field(
        False, description="refuse images that would leak, instead of leaving them out"
    )
    workers: int = Field(0, ge=0, description="threads that decode; 0: one a core")

    @model_validator(mode="after")
    def _leave_some_to_train(self) -> PreprocessConfig:
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError("val_fraction + test_fraction must be below 1")
        return self
