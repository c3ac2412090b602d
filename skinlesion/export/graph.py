"""An ONNX graph while it grows: nodes in order, constants, and names that nothing else has."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from skinlesion import __version__

OPSET, IR_VERSION = 17, 8  # read by every onnxruntime since 1.12, in browsers too


class Graph:
    """Collects nodes and constants; ``model`` makes a file's content of them."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._count = 0

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Append a node; its output's name, or a list of names if there are several."""
        names = [self._name(operator) for _ in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names if outputs > 1 else names[0]

    def constant(self, values: Any, dtype: str = "float32") -> str:
        """The name of an array that is part of the file."""
        name = self._name("constant")
        array = np.ascontiguousarray(values, dtype=dtype)
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def rename(self, name: str, wanted: str) -> None:
        """Call a result ``wanted``, as people outside do."""
        self._nodes.append(helper.make_node("Identity", [name], [wanted]))

    def model(
        self,
        inputs: dict[str, tuple[int | str, ...]],
        outputs: dict[str, tuple[int | str, ...]],
    ) -> ModelProto:
        """The whole, with float32 inputs and outputs of these shapes; a word is a free size."""
        graph: GraphProto = helper.make_graph(
            self._nodes,
            "skinlesion",
            [_value(name, shape) for name, shape in inputs.items()],
            [_value(name, shape) for name, shape in outputs.items()],
            self._constants,
        )
        return helper.make_model(
            graph,
            producer_name="skinlesion",
            producer_version=__version__,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )

    def _name(self, stem: str) -> str:
        self._count += 1
        return f"{stem.lower()}_{self._count}"


def _value(name: str, shape: tuple[int | str, ...]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
