"""Every family, untrained, as ONNX, LiteRT and SavedModel: difference, bytes, milliseconds.

python benchmarks/export.py FOLDER_OF_IMAGES        # a table in Markdown; minutes on 2 cores
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np

from skinlesion import runtime
from skinlesion.bundle import Preprocessing
from skinlesion.config import Cleaning

IMAGES, REPEATS, STORED = 16, 5, 256


def main() -> None:
    runtime.prepare(seed=0)
    from skinlesion.export.pictures import comparison

    how = Preprocessing(stored_size=STORED, fit="squash", cleaning=Cleaning())
    pixels = comparison(None, how, Path(sys.argv[1])).pixels[:IMAGES]
    print("| family | side | format | largest difference | MB | ms an image | Keras |")
    print("|---|---|---|---|---|---|---|")
    for name in sys.argv[2:] or _families():
        _measure(name, pixels)


def _families() -> list[str]:
    from skinlesion.models import BACKBONES

    return list(BACKBONES)


def _measure(name: str, pixels: np.ndarray) -> None:
    import keras

    from skinlesion import models
    from skinlesion.export.litert import litert_bytes
    from skinlesion.export.onnx import onnx_bytes
    from skinlesion.export.saved_model import open_saved_model, saved_model_files
    from skinlesion.inference.runtimes import network_of, open_litert, open_onnx
    from skinlesion.odds import sigmoid
    from skinlesion.training.inference import KerasNetwork

    size = models.BACKBONES[name].native_size
    model = models.build_model(name, image_size=size)
    networks, bytes_of = {"keras": KerasNetwork(model)}, {}
    files = saved_model_files(model)
    for format, content, opened in (
        ("onnx", [onnx_bytes(model)], open_onnx),
        ("litert", [litert_bytes(model)], open_litert),
        ("saved_model", list(files.values()), lambda _, where: open_saved_model(files, where)),
    ):
        bytes_of[format] = sum(map(len, content))
        networks[format] = network_of(opened(content[0], name), size, name)
    answers = {key: sigmoid(network(pixels, 1.0)) for key, network in networks.items()}
    seconds: dict[str, list[float]] = {key: [] for key in networks}
    for _ in range(REPEATS):  # in turn, so that a busy moment strikes all
        for key, network in networks.items():
            started = time.perf_counter()
            network(pixels, 1.0)
            seconds[key].append((time.perf_counter() - started) / len(pixels) * 1000)
    median = {key: statistics.median(values) for key, values in seconds.items()}
    for format, count in bytes_of.items():
        difference = np.abs(answers[format] - answers["keras"]).max()
        print(
            f"| {name} | {size} | {format} | {difference:.1g} | {count / 1e6:.1f} |"
            f" {median[format]:.1f} | {median['keras']:.1f} |",
            flush=True,
        )
    keras.backend.clear_session()


if __name__ == "__main__":
    main()
