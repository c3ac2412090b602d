"""What the server needs of a model, and what it says: the shapes of all answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel, Field

from skinlesion.data.images import ImageBytes

NOTICE = "Research tool, not a medical device. The output is not a diagnosis."
Evidence = Literal["for", "against"]


class Row(BaseModel):
    """What is said of one picture; all but ``file`` and ``error`` are null if it is unreadable."""

    file: str
    probability: float | None = Field(None, description="of the positive class, as the model says")
    low: float | None = Field(None, description="the smallest over its eight symmetries")
    high: float | None = Field(
        None,
        description="the largest: how steady the answer is under flips and quarter turns,"
        " not a confidence interval",
    )
    calibrated: float | None = Field(None, description="after calibration on val")
    decision: str | None = Field(None, description="class at the operating point asked for")
    decisions: dict[str, str] = Field(default_factory=dict, description="by operating point")
    refer: bool | None = Field(None, description="whether the conformal set leaves it open")
    flags: list[str] = Field(default_factory=list, description="why it may be worth little")
    error: str | None = None


class Answers(BaseModel):
    """A row for each file, in order."""

    model: str = Field(description="names model, weights and views")
    threshold: str = Field(description="the operating point of ``decision``")
    answers: list[Row]
    notice: str = NOTICE


class HeatMap(BaseModel):
    """Where the picture speaks for or against the positive class."""

    file: str
    method: str
    evidence: Evidence
    target: str
    is_empty: bool = Field(description="nothing speaks for it; the layer has no colour")
    is_whole: bool = Field(description="the square is the whole picture, stretched, not cropped")
    side: int = Field(description="pixels of picture and layer")
    picture: str = Field(description="PNG in Base64: what the model sees")
    layer: str = Field(description="PNG in Base64: colour, to be laid over the picture")
    notice: str = NOTICE


class Problem(BaseModel):
    """Why there is no answer."""

    code: str
    message: str
    expected: str | None = None
    retry_after: int | None = None


class ErrorBody(BaseModel):
    """The body of every error."""

    error: Problem


@dataclass(frozen=True)
class Explanation:
    """A heat map as PNG files.

    Attributes:
        side: Pixels of ``picture`` and ``layer``.
        is_empty: Whether there is no evidence.
        is_whole: Whether the square shows the whole picture.
        picture: What the model sees.
        layer: The colour alone.
        overlay: Both together, in grey and colour, with a bar, as the command ``explain`` writes.
    """

    side: int
    is_empty: bool
    is_whole: bool
    picture: bytes
    layer: bytes
    overlay: bytes


class ServedModel(Protocol):
    """A model that a server can ask; all but ``card`` is called by one thread at a time."""

    identity: str
    target: str
    operating_points: Sequence[str]
    why_no_map: str | None
    """Why ``explain`` is not possible; None: it is."""

    def card(self) -> dict[str, Any]:
        """What is known of the model, as JSON."""

    def predict(self, images: Sequence[ImageBytes], *, threshold: str) -> list[Row]:
        """A row for each image, in order."""

    def explain(self, image: ImageBytes, *, evidence: Evidence) -> Explanation:
        """A heat map; DataError if the image cannot be read."""
