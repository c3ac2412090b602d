"""From a run or a bundle to members with graphs, each compared as soon as it is made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from skinlesion import models
from skinlesion.bundle import (
    Bundle,
    Description,
    Graph,
    GraphFile,
    GraphFormat,
    GraphInput,
    Member,
    read_bundle,
)
from skinlesion.errors import DataError, SkinlesionError
from skinlesion.export.checking import Speed, compare, compare_auc
from skinlesion.export.litert import litert_bytes
from skinlesion.export.pictures import comparison, examples_of, representative
from skinlesion.export.saved_model import open_saved_model, saved_model_files
from skinlesion.inference import Network
from skinlesion.inference.runtimes import network_of, open_litert, open_onnx
from skinlesion.runs import RunDir
from skinlesion.tables import TRAIN, VAL
from skinlesion.training.bundling import bundle_models, describe
from skinlesion.training.examples import Examples
from skinlesion.training.inference import KerasNetwork
from skinlesion.training.session import load_run_model

# From a model to what follows ``member-NN`` in the names of its files, and their content.
WRITERS: dict[GraphFormat, Callable[[keras.Model], dict[str, bytes]]] = {
    "onnx": lambda model: {".onnx": _onnx(model)},
    "litert": lambda model: {".tflite": litert_bytes(model)},
    "saved_model": lambda model: {
        f"/{name}": content for name, content in saved_model_files(model).items()
    },
}


def _onnx(model: keras.Model) -> bytes:
    from skinlesion.export.onnx import onnx_bytes  # needs onnx, which other formats do not

    return onnx_bytes(model)


@dataclass(frozen=True)
class Subject:
    """What is exported.

    Attributes:
        description: Of it; members compute in float32.
        runs: Whose weights each member has; None where a bundle brings them.
        bundle: That brings them.
    """

    description: Description
    runs: list[RunDir | None]
    bundle: Bundle | None = None

    def models(self) -> Iterator[keras.Model]:
        """Each member's network, in float32."""
        if self.bundle:
            yield from bundle_models(replace(self.bundle, description=self.description))
            return
        for member, run in zip(self.description.members, self.runs, strict=True):
            assert run is not None
            model = models.build_model(**member.build.model_dump())
            model.set_weights(load_run_model(run)[0].get_weights())
            yield model


@dataclass(frozen=True)
class Exported:
    """A member that was written.

    Attributes:
        member: With its graph.
        speed: Of the graph, and of Keras.
        float_bytes: What the same takes in float32, where it is int8.
        float_speed: Milliseconds an image of that.
    """

    member: Member
    speed: Speed
    float_bytes: int | None = None
    float_speed: float | None = None


def subject_of(path: Path) -> Subject:
    """The model in ``path``: a finished run, or a bundle of weights.

    Raises:
        DataError: If it is neither, or was exported already.
        IntegrityError: If a bundle was changed.
    """
    if RunDir(path).is_run():
        described = describe(RunDir(path))
        return Subject(_in_float32(described.description), list(described.runs))
    bundle = read_bundle(path)
    if bundle.description.format:
        raise DataError(
            f"{path} is an export already, as {bundle.description.format}",
            expected="a run, or a bundle of weights",
            fix="export what it was made from",
        )
    description = _in_float32(bundle.description)
    return Subject(description, [None] * len(description.members), bundle)


def _in_float32(description: Description) -> Description:
    members = [m.model_copy(update={"precision": "float32"}) for m in description.members]
    return description.model_copy(update={"members": tuple(members)})


def export_member(
    number: int,
    member: Member,
    model: keras.Model,
    run: RunDir | None,
    *,
    format: GraphFormat,
    images: Path | None,
) -> tuple[Exported, dict[str, bytes]]:
    """A member as a graph in float32, and its files by name.

    Raises:
        QualityGateError: If it computes something else than ``model``.
    """
    files = _named(number, WRITERS[format](model))
    where = f"the {format} graph of member {number}"
    pictures = comparison(run, member.preprocessing, images)
    network = _opened(files, member, format, where)
    compared, speed = compare(network, KerasNetwork(model), pictures, where=where)
    graph = _graph(format, member, files).model_copy(update={"compared": compared})
    return Exported(member.model_copy(update={"graph": graph, "weights": None}), speed), files


def export_int8(
    number: int, member: Member, model: keras.Model, run: RunDir | None, *, max_auc_drop: float
) -> tuple[Exported, dict[str, bytes]]:
    """A member as a LiteRT graph in int8, whose ranges come from training images.

    Raises:
        DataError: If the data set of the run is not at hand.
        QualityGateError: If its AUC on val is lower by more than ``max_auc_drop``.
    """
    examples = _examples_for_int8(run)
    size = member.build.image_size
    train = examples.images(TRAIN)
    content = litert_bytes(model, lambda: representative(train, size))
    files = _named(number, {".tflite": content})
    where = f"the int8 graph of member {number}"
    network = _opened(files, member, "litert", where)
    plain = litert_bytes(model)
    in_float = _opened(_named(number, {".tflite": plain}), member, "litert", where)
    val = examples.images(VAL)
    compared, speed = compare_auc(
        network, KerasNetwork(model), val, max_drop=max_auc_drop, where=where
    )
    pictures = comparison(run, member.preprocessing, None)
    _, float_speed = compare(in_float, KerasNetwork(model), pictures, where=where)
    graph = _graph("litert", member, files).model_copy(
        update={"compared": compared, "weights": "int8"}
    )
    exported = member.model_copy(update={"graph": graph, "weights": None})
    return Exported(exported, speed, len(plain), float_speed.exported), files


def _examples_for_int8(run: RunDir | None) -> Examples:
    try:
        if run is None:
            raise DataError("a bundle has no training images")
        return examples_of(run)
    except (SkinlesionError, OSError) as error:
        raise DataError(
            "int8 needs the images that the model learnt from: "
            f"{error.what if isinstance(error, SkinlesionError) else error}",
            expected="a run whose data set is where its config says",
            fix="export the run itself from the folder where it was trained",
        ) from error


def _named(number: int, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"member-{number:02d}{suffix}": content for suffix, content in files.items()}


def _opened(files: dict[str, bytes], member: Member, format: GraphFormat, where: str) -> Network:
    if format == "saved_model":
        inner = {name.partition("/")[2]: content for name, content in files.items()}
        compute = open_saved_model(inner, where)
    else:
        (content,) = files.values()
        compute = (open_onnx if format == "onnx" else open_litert)(content, where)
    return network_of(compute, member.build.image_size, where)


def _graph(format: GraphFormat, member: Member, files: dict[str, bytes]) -> Graph:
    return Graph(
        format=format,
        files=tuple(
            GraphFile(name=name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            for name, content in files.items()
        ),
        input=GraphInput(size=member.build.image_size),
    )
