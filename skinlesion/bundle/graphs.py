"""What model.json says of a network that is a graph of another runtime: files, input, outputs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from skinlesion.config.section import Section

GraphFormat = Literal["onnx", "litert", "saved_model"]
MAX_GRAPH_BYTES = 1 << 30
SAVED_MODEL_FILES = (
    "saved_model.pb",
    "fingerprint.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
)
_SAVED = "|".join(name.replace(".", r"\.") for name in SAVED_MODEL_FILES)
NAMES: dict[GraphFormat, str] = {
    "onnx": r"member-[0-9]{2}\.onnx",
    "litert": r"member-[0-9]{2}\.tflite",
    "saved_model": rf"member-[0-9]{{2}}/(?:{_SAVED})",
}
INPUT: Literal["image"] = "image"
PROBABILITY, LOGIT = "probability", "logit"


class GraphFile(Section):
    """A file of the bundle."""

    name: str = Field(pattern=f"^(?:{'|'.join(NAMES.values())})$")
    bytes: int = Field(gt=0, le=MAX_GRAPH_BYTES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class GraphInput(Section):
    """What to feed: n images, resized from ``preprocessing.stored_size`` to ``size``."""

    name: Literal["image"] = INPUT
    size: int = Field(ge=32, le=1024, description="pixels a side")
    layout: Literal["n, size, size, 3"] = "n, size, size, 3"
    dtype: Literal["float32"] = "float32"
    values: Literal["RGB, 0 to 255, not scaled"] = "RGB, 0 to 255, not scaled"
    resize: Literal["bilinear, antialiased"] = "bilinear, antialiased"


class GraphOutput(Section):
    """What comes out, shape (n, 1), float32."""

    name: Literal["probability", "logit"]


class Compared(Section):
    """How far it was from the Keras model, in its own runtime, when it was written."""

    images: int = Field(gt=0)
    source: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
    max_difference: float = Field(ge=0, le=1, description="in probability")
    auc: float | None = Field(None, ge=0, le=1, description="int8: on the same images")
    keras_auc: float | None = Field(None, ge=0, le=1)


class Graph(Section):
    """A network as files of another runtime."""

    format: GraphFormat
    weights: Literal["float32", "int8"] = "float32"
    files: tuple[GraphFile, ...] = Field(min_length=1, max_length=len(SAVED_MODEL_FILES))
    input: GraphInput
    outputs: tuple[GraphOutput, GraphOutput] = (
        GraphOutput(name="probability"),
        GraphOutput(name="logit"),
    )
    compared: Compared | None = None

    @model_validator(mode="after")
    def _refuse_other_files(self) -> Self:
        if self.format != "saved_model" and len(self.files) != 1:
            raise ValueError(f"{self.format} is one file")
        return self
