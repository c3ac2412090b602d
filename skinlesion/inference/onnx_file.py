"""An ONNX file read with suspicion, before onnxruntime sees it: known fields and operators only.

onnxruntime would follow a name of an outside file in a constant, run operators of its own beside
the standard's, loops, and functions that the file defines. None of that is in what we write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from skinlesion.errors import IntegrityError

MAX_NODES = 10_000
OPERATORS = {
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Concat",
    "Conv",
    "DequantizeLinear",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "LRN",
    "MaxPool",
    "Mul",
    "Pad",
    "QuantizeLinear",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Split",
    "Transpose",
}
Value = int | memoryview
Check = Callable[[Value], None]


class _Refused(ValueError):
    """Why the file is not opened."""


def refuse_foreign(content: bytes, *, where: str) -> None:
    """Raise IntegrityError if ``content`` is not an ONNX file such as ``skinlesion export`` writes.

    Args:
        content: Of the file.
        where: The file, for errors.
    """
    try:
        _model(memoryview(content))
    except (_Refused, IndexError, UnicodeDecodeError) as error:
        raise IntegrityError(
            f"{where} is not an ONNX graph that may be run: {error or 'it is cut short'}",
            expected=f"standard operators without outside files: {', '.join(sorted(OPERATORS))}",
            fix="export the run again; for other graphs use onnxruntime itself",
        ) from error


def _model(content: Value) -> None:
    graphs = 0
    for number, value in _fields(content):
        graphs += number == 7
        _known("model", _MODEL, number, value)
    if graphs != 1:
        raise _Refused(f"it holds {graphs} graphs")


def _graph(content: Value) -> None:
    nodes = 0
    for number, value in _fields(content):
        nodes += number == 1
        _known("graph", _GRAPH, number, value)
    if nodes > MAX_NODES:
        raise _Refused(f"it holds {nodes:,} nodes")


def _message(name: str, table: Mapping[int, Check | None]) -> Check:
    def check(content: Value) -> None:
        for number, value in _fields(content):
            _known(name, table, number, value)

    return check


def _known(name: str, table: Mapping[int, Check | None], number: int, value: Value) -> None:
    if number not in table:
        raise _Refused(f"field {number} of a {name}")
    check = table[number]
    if check:
        check(value)


def _operator(value: Value) -> None:
    name = _text(value)
    if name not in OPERATORS:
        raise _Refused(f"operator {name[:50]!r}")


def _standard(value: Value) -> None:
    if _text(value):
        raise _Refused(f"operators of {_text(value)[:50]!r}")


def _text(value: Value) -> str:
    if isinstance(value, int):
        raise _Refused("a number where a name should be")
    return bytes(value).decode()


# By field number of ONNX's messages; None: anything.
_TENSOR = {1: None, 2: None, 8: None, 9: None}  # dims, type, name, raw bytes: no outside file
_ATTRIBUTE = {1: None, 2: None, 3: None, 7: None, 8: None, 20: None}  # numbers: no graphs
_NODE: dict[int, Check | None] = {
    1: None,
    2: None,
    3: None,
    4: _operator,
    5: _message("attribute", _ATTRIBUTE),
    7: _standard,
}
_GRAPH: dict[int, Check | None] = {
    1: _message("node", _NODE),
    2: None,
    5: _message("tensor", _TENSOR),
    11: None,
    12: None,
}
_MODEL: dict[int, Check | None] = {
    1: None,
    2: None,
    3: None,
    7: _graph,
    8: _message("operator set", {1: _standard, 2: None}),
}


def _fields(content: Value) -> Iterator[tuple[int, Value]]:
    """Field numbers and values of a message of Protocol Buffers; bytes are not copied."""
    if isinstance(content, int):
        raise _Refused("a number where a message should be")
    place = 0
    while place < len(content):
        tag, place = _varint(content, place)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, place = _varint(content, place)
            yield number, value
            continue
        if kind == 2:
            length, place = _varint(content, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise _Refused(f"wire type {kind}")
        if length > len(content) - place:
            raise _Refused("it is cut short")
        yield number, content[place : place + length]
        place += length


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, place
        if shift > 63:
            raise _Refused("a number without end")
