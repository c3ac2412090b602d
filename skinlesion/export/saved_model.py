"""From a Keras model to a SavedModel, and back to a computation once its operators are known."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from skinlesion.bundle import Bundle
from skinlesion.bundle.graphs import INPUT, LOGIT, PROBABILITY, SAVED_MODEL_FILES
from skinlesion.errors import IntegrityError
from skinlesion.inference import Predictor
from skinlesion.inference.runtimes import Computation, network_of
from skinlesion.training.predict import fixed_forward

# All that our networks compute with; TensorFlow has others, which read and write files.
OPERATORS = {
    "AddV2",
    "AvgPool",
    "BiasAdd",
    "ConcatV2",
    "Const",
    "Conv2D",
    "DepthwiseConv2dNative",
    "GatherV2",
    "Identity",
    "IdentityN",
    "LRN",
    "Less",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Mul",
    "NoOp",
    "Pack",
    "Pad",
    "PartitionedCall",
    "Placeholder",
    "Relu",
    "Relu6",
    "Reshape",
    "Rsqrt",
    "SelectV2",
    "Shape",
    "Sigmoid",
    "Split",
    "Squeeze",
    "StatefulPartitionedCall",
    "StridedSlice",
    "Sub",
}
# In functions that TensorFlow adds to every SavedModel; they are cut out before it is loaded.
FILE_OPERATORS = {"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"}


def serving(model: keras.Model) -> tf.Module:
    """``model`` as a module whose ``predict`` gives probability and logit, for any batch.

    Its weights are constants: LiteRT's converter takes 20 times as long over variables, and what
    reads no variables from files needs fewer operators.
    """
    call = fixed_forward(model)

    @tf.function(input_signature=[tf.TensorSpec(model.input_shape, tf.float32, name=INPUT)])
    def predict(image: tf.Tensor) -> dict[str, tf.Tensor]:
        logit = call(image)
        return {PROBABILITY: tf.sigmoid(logit), LOGIT: logit}

    module = tf.Module()
    module.predict = predict
    return module


def write_saved_model(model: keras.Model, folder: Path) -> None:
    """Write ``serving(model)`` into ``folder``."""
    module = serving(model)
    # Gradients, such as that of swish, would want what the constants were made of.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(folder), signatures=module.predict, options=options)


def saved_model_files(model: keras.Model) -> dict[str, bytes]:
    """The files of a SavedModel by name, with the inputs and outputs of ``onnx.onnx_bytes``."""
    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(model, Path(folder))
        return {name: (Path(folder) / name).read_bytes() for name in SAVED_MODEL_FILES}


def saved_model_predictor(bundle: Bundle, *, views: int | None = None) -> Predictor:
    """The model of a bundle of SavedModels; as ``inference.runtimes.exported_predictor``."""
    networks = []
    for number, (member, files) in enumerate(
        zip(bundle.description.members, bundle.contents(), strict=True)
    ):
        where = f"{bundle.path}: member-{number:02d}"
        inner = {name.partition("/")[2]: content for name, content in files.items()}
        compute = open_saved_model(inner, where)
        networks.append(network_of(compute, member.build.image_size, where))
    return Predictor(bundle.description, networks, checksum=bundle.checksum, views=views)


def open_saved_model(files: Mapping[str, bytes], where: str) -> Computation:
    """The computation of a SavedModel, all of whose operators are known to do no harm.

    Args:
        files: Content by name, as ``saved_model_files`` gives it.
        where: The model, for errors.

    Raises:
        IntegrityError: If it is broken, or holds other operators.
    """
    graph = SAVED_MODEL_FILES[0]
    harmless = {**files, graph: _harmless(files.get(graph, b""), where)}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in harmless.items():
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            (Path(folder) / name).write_bytes(content)
        try:
            loaded = tf.saved_model.load(folder)
            call = loaded.signatures["serving_default"]
        except (OSError, ValueError, KeyError, AttributeError, tf.errors.OpError) as error:
            raise _unfit(where, error) from error

    def compute(images: np.ndarray) -> np.ndarray:
        # A signature does not keep what it was loaded with alive.
        assert loaded is not None
        try:
            logits: np.ndarray = call(**{INPUT: tf.constant(images)})[LOGIT].numpy()
        except (TypeError, ValueError, KeyError, tf.errors.OpError) as error:
            raise _unfit(where, error) from error
        return logits

    return compute


def _harmless(content: bytes, where: str) -> bytes:
    """The graph without what saves and restores; IntegrityError if other operators are left."""
    parsed = SavedModel()
    try:
        parsed.ParseFromString(content)
    except DecodeError as error:
        raise _unfit(where, error) from error
    found = set()
    for meta in parsed.meta_graphs:
        del meta.graph_def.node[:]  # calls functions; signatures name these themselves
        functions = meta.graph_def.library.function
        for place in reversed(range(len(functions))):
            operators = {node.op for node in functions[place].node_def}
            if operators & FILE_OPERATORS:
                del functions[place]
            else:
                found |= operators
    if found - OPERATORS:
        raise IntegrityError(
            f"{where} is not a SavedModel that may be run",
            expected="operators of our networks only",
            which=sorted(found - OPERATORS),
            fix="export the run again; for other graphs use TensorFlow itself",
        )
    return bytes(parsed.SerializeToString())


def _unfit(where: str, why: Any) -> IntegrityError:
    text = " ".join(str(why).split())[:300]
    return IntegrityError(f"{where} cannot be run: {text}", fix="export the run again")
