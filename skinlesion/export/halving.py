"""Half the size of an ONNX file: large constants as float16, cast back where they are used."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto, helper, load_from_string, numpy_helper

from skinlesion.errors import DataError

MIN_DIMENSIONS = 2  # kernels; vectors stay float32, as in a bundle of float16


def halved(content: bytes) -> bytes:
    """The same graph with its float32 kernels stored as float16.

    A runtime folds the casts away when it loads the file, and computes in float32 as before.
    Weights that were float16 once, as those of a bundle of float16, lose nothing.

    Args:
        content: Of an ONNX file.

    Raises:
        DataError: If a weight is too large for float16.
    """
    model = load_from_string(content)
    casts: list[NodeProto] = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) >= MIN_DIMENSIONS:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(_half(tensor), f"{name}_half"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def _half(tensor: TensorProto) -> np.ndarray:
    values = numpy_helper.to_array(tensor)
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    if not np.isfinite(half).all():
        raise DataError(
            f"a weight of {float(np.abs(values).max()):.3g} does not fit into float16",
            expected="at most 65,504",
            fix="choose --dtype float32",
        )
    return half
