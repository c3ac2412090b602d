"""Read a legacy PyTorch state dict as NumPy arrays, without PyTorch and without running its code.

The file is a series of pickles (magic number, protocol, system, tensors, storage keys), then the
storages' raw bytes (PyTorch 1.0-1.5, ``torch/serialization.py:_legacy_save``). Pickles can call
any function, so this unpickler knows four names and refuses every other.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from skinlesion.errors import IntegrityError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
MAX_BYTES = 500_000_000
MAX_DIMENSIONS = 8
DTYPES: dict[str, np.dtype] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

# What a broken or hostile pickle can raise.
_BROKEN = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """The tensors of the state dict in ``path``, by name.

    Returns:
        Arrays of float32 or int64, contiguous, all values finite.

    Raises:
        IntegrityError: If the file is not a legacy state dict, names anything but tensors, is
            truncated or longer than it says, or holds nan or inf.
    """
    if path.stat().st_size > MAX_BYTES:
        raise _refused(path, f"it is larger than {MAX_BYTES} bytes")
    return parse_state_dict(path.read_bytes(), path=path)


def parse_state_dict(content: bytes, *, path: Path) -> dict[str, np.ndarray]:
    """As ``read_state_dict``, of bytes already read; ``path`` is for messages."""
    stream = io.BytesIO(content)
    try:
        _check_preamble(stream)
        entries = _TensorUnpickler(stream).load()
        if type(entries) is not OrderedDict:
            raise _Malformed(f"it holds a {type(entries).__name__}, not a dict of tensors")
        storages = _read_storages(stream, _declared(entries))
        return {_name(key): _tensor(entry, storages) for key, entry in OrderedDict.items(entries)}
    except _Malformed as error:
        raise _refused(path, str(error)) from error
    except _BROKEN as error:
        raise _refused(path, f"its pickle is broken: {error or type(error).__name__}") from error


class _Malformed(Exception):
    """The file breaks a rule of the format."""


class _TensorUnpickler(pickle.Unpickler):
    """Knows OrderedDict, two storages and the tensor constructor; tensors stay descriptions."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            # A fresh object: a pickle may set attributes on what it is given.
            return lambda *arguments: ("tensor", *arguments)
        if module == "torch" and name in DTYPES:
            return name
        raise _Malformed(f"it names {module}.{name}, which is not a tensor")

    def persistent_load(self, pid: Any) -> Any:
        return pid


class _PlainUnpickler(pickle.Unpickler):
    """Knows no name at all."""

    def find_class(self, module: str, name: str) -> Any:
        raise _Malformed(f"it names {module}.{name}, which is not a tensor")


def _check_preamble(stream: io.BytesIO) -> None:
    if _PlainUnpickler(stream).load() != MAGIC:
        raise _Malformed("it is not a legacy PyTorch file")
    if (protocol := _PlainUnpickler(stream).load()) != PROTOCOL:
        raise _Malformed(f"it is of protocol {protocol!r}, not {PROTOCOL}")
    system = _PlainUnpickler(stream).load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _Malformed("it is not little-endian")


def _declared(entries: OrderedDict[Any, Any]) -> dict[str, tuple[np.dtype, int]]:
    """Data type and number of values of each storage that a tensor refers to."""
    found: dict[str, tuple[np.dtype, int]] = {}
    for entry in OrderedDict.values(entries):
        _, (word, kind, key, _, count, view), *_ = entry
        if word != "storage" or type(key) is not str or view is not None or kind not in DTYPES:
            raise _Malformed("a tensor refers to something that is not a storage")
        if found.setdefault(key, (DTYPES[kind], count)) != (DTYPES[kind], count):
            raise _Malformed(f"storage {key!r} is declared twice with different sizes")
    return found


def _read_storages(
    stream: io.BytesIO, declared: dict[str, tuple[np.dtype, int]]
) -> dict[str, np.ndarray]:
    keys = _PlainUnpickler(stream).load()
    if type(keys) is not list or sorted(keys) != sorted(declared):
        raise _Malformed("its list of storages is not the one its tensors refer to")
    storages = {}
    for key in keys:
        dtype, count = declared[key]
        (written,) = struct.unpack("<q", stream.read(8))
        if written != count or written < 0:
            raise _Malformed(f"storage {key!r} has {written} values where {count!r} are declared")
        raw = stream.read(written * dtype.itemsize)
        if len(raw) != written * dtype.itemsize:
            raise _Malformed(f"it is truncated in storage {key!r}")
        storages[key] = np.frombuffer(raw, dtype)
    if stream.read(1):
        raise _Malformed("there are bytes after its last storage")
    return storages


def _name(key: Any) -> str:
    if type(key) is not str:
        raise _Malformed(f"a tensor's name is {key!r}")
    return key


def _tensor(entry: Any, storages: dict[str, np.ndarray]) -> np.ndarray:
    """The array that a description stands for, once it is known to lie inside its storage."""
    word, storage, offset, size, stride, *_ = entry
    values = storages[storage[2]]
    numbers = (offset, *size, *stride)
    if word != "tensor" or any(type(number) is not int or number < 0 for number in numbers):
        raise _Malformed("a tensor's offset, size or stride is not a number of values")
    if len(size) != len(stride) or len(size) > MAX_DIMENSIONS or math.prod(size) > len(values):
        raise _Malformed(f"a tensor of size {size!r} does not fit its storage")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if math.prod(size) == 0 or last >= len(values):
        raise _Malformed(f"a tensor of size {size!r} reaches outside its storage")
    steps = tuple(step * values.itemsize for step in stride)
    array = np.lib.stride_tricks.as_strided(values[offset:], size, steps).copy()
    if not np.isfinite(array).all():
        raise _Malformed("it holds nan or inf")
    return array


def _refused(path: Path, reason: str) -> IntegrityError:
    return IntegrityError(
        f"{path} was not read: {reason}",
        expected="a legacy PyTorch state dict: a dict of float32 and int64 tensors",
        fix="install the weights package again",
    )
