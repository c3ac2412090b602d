"""Which training images an epoch shows, and how often."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from skinlesion.config.section import Probability, Section


class Shuffle(Section):
    """Every image once, in a new order each epoch."""

    name: Literal["shuffle"]


class Balanced(Section):
    """Every batch with the same share of malignant images; those of the rarer class repeat."""

    name: Literal["balanced"]
    malignant_fraction: Probability = Field(0.5, description="of each batch, to within one image")
    images_per_epoch: int | None = Field(
        None, ge=2, description="null: as many as there are training images"
    )


Sampling = Annotated[Shuffle | Balanced, Field(discriminator="name")]
