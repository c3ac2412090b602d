"""A new head on a frozen backbone: ``skinlesion train`` against the same job in plain Keras.

python benchmarks/frozen_head.py --dataset dataset      # prints a Markdown table; takes minutes

``--dataset`` is what preprocess made of ISIC 2017. Up to ``--limit`` of its training images, and
val, are copied to a data set of their own and, for Keras, written as JPEG files of the same size
into two class folders. Both train the last layer of the same network with the same loss, optimizer
and batch size for ``--epochs`` epochs, in processes of their own, in turns. Keras reads the files
with image_dataset_from_directory and fits the frozen network and the head on top, as its guide to
transfer learning does. Times are of the whole process; the AUC is that of the best epoch on val.
A second head, which finds the features of the first in the cache, is timed as well.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from skinlesion.data.sampling import limit_rows
from skinlesion.data.store import Dataset, open_dataset, write_dataset
from skinlesion.runs import RunDir
from skinlesion.tables import TRAIN, VAL, Manifest

BACKBONE, IMAGE_SIZE, BATCH, RATE, DROPOUT = "efficientnet_lite0", 224, 32, 1e-3, 0.2

PLAIN_KERAS = """
import json, sys
from skinlesion import runtime

folder, epochs, flip = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "flip"
runtime.prepare(seed=0)
import keras
from skinlesion.models import build_model

def files(split):
    return keras.utils.image_dataset_from_directory(
        f"{folder}/{split}", label_mode="binary", image_size=(%(size)d, %(size)d),
        batch_size=%(batch)d, shuffle=split == "train", seed=0)

# What keras.applications would give: the network with its ImageNet weights and input scaling,
# with include_top=False and pooling="avg".
whole = build_model("%(backbone)s", image_size=%(size)d, weights="imagenet")
base = keras.Model(whole.input, whole.get_layer("pooling").output)
base.trainable = False
inputs = keras.Input((%(size)d, %(size)d, 3))
x = keras.layers.RandomFlip("horizontal_and_vertical")(inputs) if flip else inputs
x = base(x, training=False)
x = keras.layers.Dropout(%(dropout)g)(x)
model = keras.Model(inputs, keras.layers.Dense(1)(x))
model.compile(
    optimizer=keras.optimizers.AdamW(%(rate)g, weight_decay=1e-4),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.AUC(from_logits=True, num_thresholds=1000, name="auc")])
history = model.fit(files("train"), validation_data=files("val"), epochs=epochs, verbose=0)
print(json.dumps(max(history.history["val_auc"])))
"""

CONFIG = """
model: {{backbone: {backbone}, weights: imagenet, image_size: {size}, dropout: {dropout}}}
trainable: head
loss: binary_crossentropy
optimizer: {{name: adamw, learning_rate: {rate}, weight_decay: 1.0e-4}}
schedule: {{warmup_epochs: 0, decay: none}}
batch_size: {batch}
epochs: {epochs}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="of preprocess")
    parser.add_argument("--limit", type=int, default=2000, help="training images")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--flip", action="store_true", help="let Keras flip its images")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        train, val = write_copies(open_dataset(given.dataset), work, limit=given.limit)
        (work / "head.yaml").write_text(
            CONFIG.format(
                backbone=BACKBONE,
                size=IMAGE_SIZE,
                dropout=DROPOUT,
                rate=RATE,
                batch=BATCH,
                epochs=given.epochs,
            )
        )
        seconds: dict[str, list[float]] = {"keras": [], "head": [], "second head": []}
        for number in range(given.repeats):
            taken, keras_auc = plain_keras(work, given.epochs, flip=given.flip)
            seconds["keras"].append(taken)
            cache = work / f"cache{number}"
            for name in ("head", "second head"):
                taken, auc = skinlesion(work, f"{name}{number}", cache)
                seconds[name].append(taken)
    plain, head, second = (statistics.median(times) for times in seconds.values())
    print(f"{train} training and {val} validation images, {given.epochs} epochs, {BACKBONE}:\n")
    print("| | seconds | times faster | val AUC |\n|---|---|---|---|")
    print(f"| plain Keras | {plain:.1f} | 1 | {keras_auc:.3f} |")
    print(f"| skinlesion train | {head:.1f} | {plain / head:.1f} | {auc:.3f} |")
    print(
        f"| a second head on the same features | {second:.1f} | {plain / second:.1f} | {auc:.3f} |"
    )


def write_copies(dataset: Dataset, work: Path, *, limit: int) -> tuple[int, int]:
    """The images of the benchmark twice: packed, and as JPEG files in class folders."""
    manifest = dataset.manifest
    train = manifest.rows(TRAIN)
    train = limit_rows(train, manifest.label[train], limit=limit, rng=np.random.default_rng(0))
    val = manifest.rows(VAL)
    rows = np.concatenate([train, val])
    columns = {name: getattr(manifest, name)[rows] for name in Manifest.__dataclass_fields__}
    chosen = replace(manifest, **columns)
    pixels = [dataset.pixels.read(np.array([row]))[0] for row in rows]
    size = dataset.pixels.image_size
    (work / "dataset").mkdir()
    description = {"settings": dataset.info["settings"]}
    write_dataset(work / "dataset", chosen, pixels, size=size, description=description)
    for image_id, split, label, image in zip(
        chosen.image_id, chosen.split, chosen.label, pixels, strict=True
    ):
        folder = work / "files" / split / ("1-malignant" if label else "0-benign")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{image_id}.jpg", quality=95)
    return len(train), len(val)


def plain_keras(work: Path, epochs: int, *, flip: bool) -> tuple[float, float]:
    """Seconds and validation AUC of Keras."""
    script = PLAIN_KERAS % {
        "backbone": BACKBONE,
        "size": IMAGE_SIZE,
        "batch": BATCH,
        "rate": RATE,
        "dropout": DROPOUT,
    }
    arguments = [str(work / "files"), str(epochs), "flip" if flip else "plain"]
    started = time.perf_counter()
    output = _run([sys.executable, "-c", script, *arguments])
    return time.perf_counter() - started, float(json.loads(output.splitlines()[-1]))


def skinlesion(work: Path, name: str, cache: Path) -> tuple[float, float]:
    """Seconds and validation AUC of ``skinlesion train``."""
    run = work / name
    command = [sys.executable, "-m", "skinlesion", "train", "--config", str(work / "head.yaml")]
    command += ["--dataset", str(work / "dataset"), "--run", str(run)]
    started = time.perf_counter()
    _run([*command, "--set", f"feature_cache={json.dumps(str(cache))}"])
    return time.perf_counter() - started, float(RunDir(run).record()["best"]["val_auc"])


def _run(command: list[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(result.stderr)
    return result.stdout


if __name__ == "__main__":
    main()
