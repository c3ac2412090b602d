"""Weights of other programs' Keras files, copied by layer name and shape; nothing of a file runs.

Read are HDF5 files of Keras 2 (``.h5``, with or without the model around the weights),
``.weights.h5`` of Keras 3, and ``.keras`` archives, of which only the weights are looked at.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from skinlesion.errors import DataError

MAX_BYTES = 2_000_000_000
MAX_ARRAYS = 20_000
ARCHIVED = "model.weights.h5"

Arrays = dict[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class Match:
    """What became of the weights.

    Attributes:
        copied: Paths of the backbone's weights that were set.
        misshapen: Of those whose namesake in the file has another shape.
        missing: Of those without a namesake in the file.
        unknown: Names in the file that the backbone has not.
        fraction: Of the backbone's parameters that were copied.
    """

    copied: list[str]
    misshapen: list[str]
    missing: list[str]
    unknown: list[str]
    fraction: float


def copy_foreign(model: keras.Model, arrays: Arrays) -> Match:
    """Set the weights of ``model``'s backbone that ``arrays`` has by layer name, weight and shape.

    Args:
        model: From ``build_model``; its logit is left alone.
        arrays: What ``read_foreign`` returned.
    """
    copied, misshapen, missing, count, total = [], [], [], 0, 0
    left = set(arrays)
    for layer in model.get_layer("backbone").layers:
        for weight in layer.weights:
            key = (layer.name, weight.name)
            total += weight.shape.num_elements()
            left.discard(key)
            if key not in arrays:
                missing.append("/".join(key))
            elif arrays[key].shape != tuple(weight.shape):
                misshapen.append(f"{'/'.join(key)} {arrays[key].shape}, not {tuple(weight.shape)}")
            else:
                weight.assign(arrays[key].astype(np.float32))
                copied.append("/".join(key))
                count += weight.shape.num_elements()
    unknown = sorted("/".join(key) for key in left)
    return Match(copied, misshapen, missing, unknown, count / max(total, 1))


def read_foreign(path: Path, model: keras.Model) -> Arrays:
    """The arrays of a file by (layer, weight).

    Args:
        path: The file.
        model: Whose layers name the weights that a file of Keras 3 only numbers.

    Raises:
        DataError: If it is none of the formats, is broken, too large, or holds what is no array
            of numbers of its own: links, references, objects.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist", expected="a .h5, .weights.h5 or .keras file")
    if path.stat().st_size > MAX_BYTES:
        raise _refused(path, f"it is larger than {MAX_BYTES:,} bytes")
    try:
        if zipfile.is_zipfile(path):
            return _read_archive(path, model)
        with h5py.File(path, "r") as file:
            return _read_hdf5(path, file, model)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, zipfile.BadZipFile) as error:
        raise _refused(path, " ".join(str(error).split())) from error


def _read_archive(path: Path, model: keras.Model) -> Arrays:
    """Of a .keras file, which is a zip: only its weights, read in memory, never unpacked."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(ARCHIVED)
        if info.file_size > MAX_BYTES:
            raise _refused(path, f"its weights are larger than {MAX_BYTES:,} bytes")
        content = archive.read(info)
    with h5py.File(io.BytesIO(content), "r") as file:
        return _read_hdf5(path, file, model)


def _read_hdf5(path: Path, file: h5py.File, model: keras.Model) -> Arrays:
    _refuse_links(path, file)
    legacy = file.get("model_weights", file)
    if "layer_names" in legacy.attrs:
        return dict(_legacy(path, legacy))
    return dict(_numbered(path, file, model))


def _legacy(path: Path, root: h5py.Group) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """Keras 2: a group a layer, whose attribute names the weights: ``conv1/kernel:0``."""
    for layer in root.attrs["layer_names"]:
        group = root[_text(layer)]
        for name in group.attrs.get("weight_names", ()):
            parts = _text(name).split("/")
            owner = parts[-2] if len(parts) > 1 else _text(layer)
            yield (owner, parts[-1].partition(":")[0]), _array(path, group[_text(name)])


def _numbered(
    path: Path, file: h5py.File, model: keras.Model
) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """Keras 3: ``layers/conv2d_3/vars/0``; the group ``vars`` says how the layer is called."""
    names = {
        layer.name: [weight.name for weight in layer.weights]
        for layer in model.get_layer("backbone").layers
    }
    groups: list[h5py.Group] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and name.endswith("/vars") and "name" in item.attrs:
            groups.append(item)

    file.visititems(visit)
    for group in groups:
        layer = _text(group.attrs["name"])
        for number in sorted(group, key=int):
            known = names.get(layer, [])
            name = known[int(number)] if int(number) < len(known) else number
            yield (layer, name), _array(path, group[number])


def _refuse_links(path: Path, file: h5py.File) -> None:
    """Nothing but groups and arrays that lie in the file itself, and not too much of them."""
    count, size, pending = 0, 0, [file]
    while pending:
        group = pending.pop()
        for name in group:
            count += 1
            if count > MAX_ARRAYS:
                raise _refused(path, f"it holds more than {MAX_ARRAYS:,} entries")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _refused(path, f"{group.name}/{name} is a link to another place")
            item = group[name]
            if isinstance(item, h5py.Group):
                pending.append(item)
            elif item.external or item.is_virtual:
                raise _refused(path, f"{group.name}/{name} lies in another file")
            else:
                # Compressed, a small file may claim any size.
                size += item.nbytes
                if size > MAX_BYTES:
                    raise _refused(path, f"its arrays are larger than {MAX_BYTES:,} bytes")


def _array(path: Path, item: Any) -> np.ndarray:
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiu":
        raise _refused(path, f"{item.name} is not an array of numbers")
    value = item[()]
    if not np.isfinite(value).all():
        raise _refused(path, f"{item.name} holds values that are no numbers")
    return value


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _refused(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} was not read: {why}",
        expected="weights of Keras: a whole .h5, .weights.h5 or .keras file that stands alone",
    )
