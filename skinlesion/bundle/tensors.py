"""Arrays to the bytes of a safetensors file and back: numbers only, each looked at before use."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from skinlesion.bundle.description import Dtype
from skinlesion.errors import DataError, IntegrityError

MAX_HEADER_BYTES = 1 << 20
_LENGTH_BYTES = 8
_STORED = {"F32": "float32", "F16": "float16"}


def encode_tensors(arrays: Mapping[str, np.ndarray], *, dtype: Dtype) -> bytes:
    """The content of a safetensors file.

    Args:
        arrays: By name, float32, finite.
        dtype: Of kernels. Vectors stay float32: they are few, and variances exceed float16.

    Raises:
        DataError: If a value is not finite, or too large for ``dtype``.
    """
    stored = {}
    for name, array in arrays.items():
        wanted = dtype if array.ndim > 1 else "float32"
        with np.errstate(over="ignore"):
            stored[name] = np.ascontiguousarray(array, dtype=wanted)
        if not np.isfinite(stored[name]).all():
            raise DataError(
                f"weights {name} hold values that are not finite in {wanted}",
                fix="use --dtype float32, or another run if its weights are nan",
            )
    return bytes(save(stored))


def decode_tensors(
    content: bytes, shapes: Mapping[str, Sequence[int]], *, where: str
) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, float32, by name.

    Args:
        content: Of the file.
        shapes: By name, what the file must hold: no more, no less.
        where: The file, for errors.

    Raises:
        IntegrityError: If it is no such file, or holds other names, shapes, types or values that
            are not finite.
    """
    received = _stored_shapes(content, where)
    wanted = {name: tuple(shape) for name, shape in shapes.items()}
    differing = [
        f"{name}: {received.get(name, 'missing')}, expected {wanted.get(name, 'nothing')}"
        for name in sorted(wanted.keys() | received.keys())
        if wanted.get(name) != received.get(name)
    ]
    if differing:
        raise IntegrityError(
            f"{where} is not of the model that it claims to be",
            expected=f"the {len(wanted)} arrays of the architecture in model.json",
            which=differing,
        )
    try:
        arrays = load(content)
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise _broken(where, str(error)) from error
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        raise IntegrityError(f"{where} holds weights that are nan or infinite", which=bad)
    return {name: arrays[name].astype(np.float32) for name in wanted}


def _stored_shapes(content: bytes, where: str) -> dict[str, tuple[int, ...]]:
    """Shapes by name, from a header that is small and names plain numbers only."""
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES or length > len(content) - _LENGTH_BYTES:
        raise _broken(where, f"its header would take {length:,} bytes")
    try:
        header = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
        header.pop("__metadata__", None)
        dtypes = {entry["dtype"] for entry in header.values()}
        shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _broken(where, "its header is not a table of arrays") from error
    if dtypes - set(_STORED):
        raise _broken(where, f"it holds arrays of type {', '.join(sorted(map(str, dtypes)))}")
    return shapes


def _broken(where: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"{where} is not a safetensors file of weights: {why}",
        expected=f"arrays of {' or '.join(_STORED.values())}",
        fix="get the bundle again",
    )
