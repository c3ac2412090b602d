"""How training images are changed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from skinlesion.config.section import Fraction, Section

Share = Annotated[float, Field(ge=0, le=1)]


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
    perspective: float = Field(
        0.0, ge=0, le=0.4, description="0.1: an edge up to 10 % nearer, its opposite 10 % farther"
    )
    hair: Share = Field(0.0, description="share of the images that get drawn hairs")
    ruler: Share = Field(0.0, description="share of the images that get ruler marks at an edge")
    cutout: Share = Field(
        0.0, description="share of the images that lose a square, DeVries and Taylor 2017"
    )
    cutout_size: float = Field(
        0.25, gt=0, le=1, description="side of that square, fraction of the image's"
    )
    mixup: float = Field(
        0.0,
        ge=0,
        le=10,
        description="alpha of Beta(alpha, alpha), Zhang et al. 2018; 0: off; not of a head",
    )
    cutmix: float = Field(
        0.0,
        ge=0,
        le=10,
        description="alpha of Beta(alpha, alpha), Yun et al. 2019; 0: off; with mixup: either",
    )

    @property
    def mixes(self) -> bool:
        """Whether two images become one."""
        return bool(self.mixup or self.cutmix)
