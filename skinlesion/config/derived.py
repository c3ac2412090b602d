"""The configs of tta and soup: runs made of finished runs' models, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from skinlesion.config.section import Section

Views = Literal[1, 2, 4, 8]
Scale = Annotated[float, Field(ge=0.5, le=2)]
ViewAverage = Literal["logit", "probability"]
SoupMethod = Literal["greedy", "uniform"]
SoupCriterion = Literal["roc_auc", "average_precision", "log_loss"]


class TtaConfig(Section):
    """A finished run's predictions, averaged over views of each image."""

    run: Path | None = Field(None, description="whose model predicts; --run sets it")
    dataset: Path | None = Field(None, description="null: the run's")
    views: Views = Field(
        8, description="1: upright; 2: and mirrored; 4: all flips; 8: all flips and quarter turns"
    )
    scales: tuple[Scale, ...] = Field(
        (1.0,), min_length=1, description="each view at each; 1.2: the lesion 1.2 times as large"
    )
    average: ViewAverage = Field("logit", description="what of the views is averaged")

    @model_validator(mode="after")
    def _each_scale_once(self) -> TtaConfig:
        if len(set(self.scales)) < len(self.scales):
            raise ValueError(f"scales: one stands twice in {list(self.scales)}")
        return self


class SoupConfig(Section):
    """The mean of the weights of several runs of one architecture."""

    members: tuple[Path, ...] = Field((), description="run folders; --members sets it")
    dataset: Path | None = Field(None, description="judges and is predicted; null: the members'")
    method: SoupMethod = Field(
        "greedy", description="greedy: best first, kept if val does not fall | uniform: all"
    )
    criterion: SoupCriterion = Field("roc_auc", description="of val, orders and judges")
    accept: Literal["not_worse", "always"] = Field(
        "not_worse", description="than the best member on val, else exit 6 | always"
    )
