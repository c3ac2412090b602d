"""RUNTIMES: who computes an exported graph, each imported when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from skinlesion.bundle import Bundle, GraphFormat
from skinlesion.bundle.graphs import INPUT, LOGIT
from skinlesion.errors import IntegrityError
from skinlesion.extras import require
from skinlesion.inference.onnx_file import refuse_foreign
from skinlesion.inference.predictor import Network, Predictor
from skinlesion.inference.resampling import resampled
from skinlesion.runtime import silent_stderr

ONNX = {"onnxruntime": "onnxruntime"}
LITERT = {"ai_edge_litert": "ai-edge-litert"}

# From images, shape (n, s, s, 3), float32 in [0, 255], to logits, shape (n, 1).
Computation = Callable[[np.ndarray], np.ndarray]


def exported_predictor(bundle: Bundle, *, views: int | None = None) -> Predictor:
    """The model of an exported bundle, without TensorFlow.

    Args:
        bundle: Of a format in ``RUNTIMES``.
        views: As for ``Predictor``.

    Raises:
        IntegrityError: If it was changed, or a graph is not such as we write.
        MissingExtraError: If its runtime is not installed.
    """
    networks = []
    for member, files in zip(bundle.description.members, bundle.contents(), strict=True):
        assert member.graph  # of an exported bundle
        ((name, content),) = files.items()
        compute = RUNTIMES[member.graph.format](content, f"{bundle.path}: {name}")
        networks.append(network_of(compute, member.build.image_size, f"{bundle.path}: {name}"))
    return Predictor(bundle.description, networks, checksum=bundle.checksum, views=views)


def network_of(compute: Computation, image_size: int, where: str) -> Network:
    """``compute`` as a ``Predictor`` wants it.

    Args:
        compute: What an opened graph does.
        image_size: Its input's side.
        where: The graph, for errors.
    """

    def network(pixels: np.ndarray, scale: float) -> np.ndarray:
        logits = compute(resampled(pixels, image_size, scale))
        if logits.shape != (len(pixels), 1) or not np.isfinite(logits).all():
            raise IntegrityError(
                f"{where} does not give a logit for each image",
                expected=f"finite numbers of shape ({len(pixels)}, 1)",
                fix="export the run again",
            )
        return logits[:, 0]

    return network


def open_onnx(content: bytes, where: str) -> Computation:
    """The graph of an ONNX file, checked, in onnxruntime on the CPU.

    Raises:
        IntegrityError: If it is no graph such as we write.
        MissingExtraError: If onnxruntime is not installed.
    """
    refuse_foreign(content, where=where)
    require("onnx", ONNX, purpose="this model")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions
    # Threads that wait in a loop take the cores from others, and from this process's decoders.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's classes have no common base
        raise _unfit(where, error) from error
    inputs = [value.name for value in session.get_inputs()]
    if inputs != [INPUT] or LOGIT not in [value.name for value in session.get_outputs()]:
        raise _unfit(where, f"its inputs are {inputs}")

    def compute(images: np.ndarray) -> np.ndarray:
        try:
            logits: np.ndarray = session.run([LOGIT], {INPUT: images})[0]
        except Exception as error:
            raise _unfit(where, error) from error
        return logits

    return compute


def open_litert(content: bytes, where: str) -> Computation:
    """The graph of a LiteRT file, on the CPU.

    Raises:
        IntegrityError: If it is broken, or has operators of its own.
        MissingExtraError: If ai-edge-litert is not installed.
    """
    require("litert", LITERT, purpose="this model")
    from ai_edge_litert.interpreter import Interpreter

    try:
        with silent_stderr():  # it tells of its delegate
            interpreter = Interpreter(model_content=content, num_threads=os.cpu_count())
            interpreter.allocate_tensors()
        runner = interpreter.get_signature_runner()
        runner.get_output_details()[LOGIT]
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise _unfit(where, error) from error

    def compute(images: np.ndarray) -> np.ndarray:
        try:
            logits: np.ndarray = runner(**{INPUT: images})[LOGIT]
        except (ValueError, RuntimeError, TypeError) as error:
            raise _unfit(where, error) from error
        return logits

    return compute


def _unfit(where: str, why: Any) -> IntegrityError:
    text = " ".join(str(why).split())[:300]
    return IntegrityError(
        f"{where} cannot be run: {text}",
        expected="a graph that skinlesion export wrote",
        fix="export the run again",
    )


RUNTIMES: dict[GraphFormat, Callable[[bytes, str], Computation]] = {
    "onnx": open_onnx,
    "litert": open_litert,
}
