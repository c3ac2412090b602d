"""How training images are changed."""

from __future__ import annotations

from pydantic import Field

from skinlesion.config.section import Fraction, Section


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
