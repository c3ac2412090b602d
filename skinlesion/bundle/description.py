"""model.json: what a bundle says of itself; unknown keys and numbers out of range are errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from skinlesion.bundle.graphs import Graph, GraphFile, GraphFormat
from skinlesion.config import Cleaning, Fit, ModelConfig, Target, ViewAverage
from skinlesion.config.section import Section
from skinlesion.wording import counted

SCHEMA = 1  # raised when older programs could not read it rightly
MAX_MEMBERS = 32
MAX_VIEWS = 64
MAX_WEIGHTS_BYTES = 1 << 30

Unit = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# Printed as it is, so without control characters.
Short = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Dtype = Literal["float32", "float16"]


class ViewOf(Section):
    """One way to show an image, as in ``data.views.View``."""

    symmetry: int = Field(ge=0, le=7)
    scale: float = Field(ge=0.5, le=2)


class Preprocessing(Section):
    """How an image file becomes the square that a member resizes."""

    stored_size: int = Field(ge=32, le=1024)
    fit: Fit
    cleaning: Cleaning


class WeightsFile(Section):
    """A file of the bundle."""

    name: str = Field(pattern=r"^member-[0-9]{2}\.safetensors$")
    bytes: int = Field(gt=0, le=MAX_WEIGHTS_BYTES)
    sha256: Sha256
    dtype: Dtype


class Member(Section):
    """One network, how images reach it, and where it is: weights, a graph, or a run's folder."""

    build: ModelConfig
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    parameters: int = Field(gt=0, le=MAX_WEIGHTS_BYTES)
    preprocessing: Preprocessing
    views: tuple[ViewOf, ...] = Field(min_length=1, max_length=MAX_VIEWS)
    average: ViewAverage
    weights: WeightsFile | None = None
    graph: Graph | None = Field(None, exclude_if=lambda graph: graph is None)

    @property
    def files(self) -> tuple[WeightsFile | GraphFile, ...]:
        """Of the bundle."""
        if self.graph:
            return self.graph.files
        return (self.weights,) if self.weights else ()

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        if self.weights and self.graph:
            raise ValueError("a member has weights or a graph, not both")
        if self.graph and self.graph.input.size != self.build.image_size:
            raise ValueError("graph.input.size is not build.image_size")
        return self

    @model_validator(mode="after")
    def _refuse_foreign_weights(self) -> Self:
        if self.build.weights != "none":
            raise ValueError("build.weights must be none: a bundle brings its own")
        return self


class WeightedParams(Section):
    """Of the means."""

    weights: tuple[Unit, ...] = Field(min_length=1, max_length=MAX_MEMBERS)


class VoteParams(Section):
    """From which probability on each member votes malignant."""

    thresholds: tuple[Unit, ...] = Field(min_length=1, max_length=MAX_MEMBERS)


class StackingParams(Section):
    """Of a logistic regression on logits."""

    intercept: float
    weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=1, max_length=MAX_MEMBERS)
    penalty: float = Field(gt=0)


COMBINED: dict[str, type[Section]] = {
    "mean": WeightedParams,
    "logit_mean": WeightedParams,
    "weighted": WeightedParams,
    "greedy": WeightedParams,
    "best_subset": WeightedParams,
    "majority_vote": VoteParams,
    "stacking": StackingParams,
}


class Combined(Section):
    """How the members' probabilities become one: a name of ``ensemble.COMBINERS``."""

    name: Literal[
        "mean", "logit_mean", "weighted", "greedy", "best_subset", "majority_vote", "stacking"
    ]
    params: dict[str, Any]

    @model_validator(mode="after")
    def _check_params(self) -> Self:
        self.params.update(COMBINED[self.name].model_validate(self.params).model_dump(mode="json"))
        return self

    @property
    def members(self) -> int:
        """For how many members the parameters are."""
        values = self.params.get("weights") or self.params.get("thresholds")
        return len(values or ())


class OperatingPoint(Section):
    """Malignant from this uncalibrated probability on."""

    threshold: float = Field(ge=0, le=1.001, description="above 1: nothing is called malignant")
    words: Short


class SlopeParams(Section):
    """Of temperature scaling."""

    slope: float = Field(ge=0)


class PlattParams(SlopeParams):
    """Of Platt scaling."""

    intercept: float


class BetaParams(Section):
    """Of beta calibration."""

    a: float = Field(ge=0)
    b: float = Field(ge=0)
    c: float


class IsotonicParams(Section):
    """Of isotonic calibration."""

    knots: tuple[Unit, ...] = Field(min_length=1, max_length=100_000)
    values: tuple[Unit, ...] = Field(min_length=1, max_length=100_000)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        rising = all(list(column) == sorted(column) for column in (self.knots, self.values))
        if len(self.knots) != len(self.values) or not rising:
            raise ValueError("knots and values must be as many, and never fall")
        return self


class NoParams(Section):
    """Of no calibration."""


CALIBRATED: dict[str, type[Section]] = {
    "none": NoParams,
    "temperature": SlopeParams,
    "platt": PlattParams,
    "beta": BetaParams,
    "isotonic": IsotonicParams,
}


class Calibration(Section):
    """What is done to the probability: a name of ``metrics.CALIBRATORS``, fitted on val."""

    method: Literal["none", "temperature", "platt", "beta", "isotonic"]
    params: dict[str, Any]

    @model_validator(mode="after")
    def _check_params(self) -> Self:
        checked = CALIBRATED[self.method].model_validate(self.params)
        self.params.update(checked.model_dump(mode="json"))
        return self


class Conformal(Section):
    """Of ``metrics.abstention``, fitted on val's uncalibrated probabilities."""

    benign_up_to: Unit
    malignant_from: Unit
    benign_groups: Count
    malignant_groups: Count
    benign_coverage: Unit
    malignant_coverage: Unit


class TrainingData(Section):
    """What the members learnt from."""

    datasets: tuple[Sha256, ...] = Field(max_length=MAX_MEMBERS)
    images: dict[str, Count] = Field(description="by split, train and val")
    sources: tuple[Short, ...] = ()
    licence: Short = ""


class Interval(Section):
    """A score; None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None


class Scores(Section):
    """What ``evaluate`` found on a split."""

    images: Count
    positives: Count
    threshold_rule: Short
    calibration: Short
    scores: dict[str, Interval]


class Description(Section):
    """All of model.json but its own checksum."""

    schema_version: Literal[1] = 1
    skinlesion: Short
    name: Short
    kind: Literal["single", "ensemble"]
    target: Target
    classes: tuple[Short, Short]
    members: tuple[Member, ...] = Field(min_length=1, max_length=MAX_MEMBERS)
    combiner: Combined | None = None
    operating_points: dict[str, OperatingPoint] = Field(min_length=1, max_length=100)
    calibration: Calibration
    conformal: Conformal | None = None
    training: TrainingData
    metrics: dict[str, Scores] = Field(default_factory=dict)

    @property
    def format(self) -> GraphFormat | None:
        """Of the members' graphs; None: they are weights, for networks of our own code."""
        graph = self.members[0].graph
        return graph.format if graph else None

    @model_validator(mode="after")
    def _members_alike(self) -> Self:
        if len({member.graph and member.graph.format for member in self.members}) > 1:
            raise ValueError("all members are of one format")
        return self

    @model_validator(mode="after")
    def _members_fit(self) -> Self:
        if (self.kind == "ensemble") != (self.combiner is not None):
            raise ValueError("an ensemble has a combiner, a single model has none")
        if self.combiner is None and len(self.members) != 1:
            raise ValueError("a single model has one member")
        if self.combiner and self.combiner.members != len(self.members):
            raise ValueError(f"the combiner is for {counted(self.combiner.members, 'member')}")
        return self
