"""The config of explain: which images of a run, by which method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from skinlesion.config.section import Section

Baseline = Literal["skin", "mean", "black", "blur"]
Share = Annotated[float, Field(gt=0, le=1)]


class GradCam(Section):
    """Where the last feature map speaks for the class."""

    name: Literal["gradcam"]


class GradCamPlusPlus(Section):
    """The same, for several places that show the class."""

    name: Literal["gradcam++"]


class Occlusion(Section):
    """How much the logit falls when a window is hidden."""

    name: Literal["occlusion"]
    window: Share = Field(0.125, description="side of the hidden square, of the image's side")
    stride: Share = Field(0.0625, description="from window to window, of the image's side")
    baseline: Baseline = Field("skin", description="shown inside: the rim's median colour, ...")


class IntegratedGradients(Section):
    """The change of the logit from a baseline, shared out among pixels."""

    name: Literal["integrated_gradients"]
    steps: int = Field(
        256, ge=2, description="gradients for each image; more: shares add up better"
    )
    baseline: Baseline = Field("skin", description="an image that says nothing")


Explanation = Annotated[
    GradCam | GradCamPlusPlus | Occlusion | IntegratedGradients, Field(discriminator="name")
]


class ExplainConfig(Section):
    """Why a run's model says what it says of some images."""

    run: Path | None = Field(
        None,
        description="run or bundle whose model is asked; null: the package's own; --run sets it",
    )
    images: tuple[Path, ...] = Field(
        (), description="files, folders, globs; those on the command line set it"
    )
    split: str | None = Field(None, description="null: val, if there are no files")
    worst: int = Field(
        8, ge=1, description="so many of its worst false negatives, and false positives"
    )
    dataset: Path | None = Field(None, description="where the split's pixels are; null: the run's")
    method: Explanation = GradCam(name="gradcam")
    evidence: Literal["for", "against"] = Field("for", description="the target class")
    arrays: bool = Field(False, description="also write each map as .npy, (s, s), float32")

    @model_validator(mode="after")
    def _files_or_split(self) -> ExplainConfig:
        if self.images and self.split is not None:
            raise ValueError("images and split: give files or a split, not both")
        return self
