"""Milliseconds an image on one core of each augmentation, beside Keras's layers, in one process.

python benchmarks/augment_speed.py        # 224 pixels, batches of 32; lowest and median of 15 runs

One thread, and its processor time, so that other programs disturb little; one compiled function on
float32 images, as training calls it. Every contender is timed in turn in each round, so that a busy
moment of the machine hits them all.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from skinlesion.data.augment import Ranges, augment, mix, mixing_draws, uniforms

BATCH, SIZE, ROUNDS = 32, 224, 15

WARP = {"rotate_degrees": 180.0, "zoom": 0.2, "shift": 0.1, "shear": 0.1, "perspective": 0.1}
COLOUR = {"brightness": 0.15, "contrast": 0.15, "saturation": 0.15, "hue": 0.02}
EVERYTHING = {"flip": True, **WARP, **COLOUR}
OURS = {
    "flip": Ranges(flip=True),
    "warp": Ranges(**WARP),
    "colour": Ranges(**COLOUR),
    "hair of every image": Ranges(hair=1.0),
    "hair of one in four": Ranges(hair=0.25),
    "ruler of every image": Ranges(ruler=1.0),
    "cutout of every image": Ranges(cutout=1.0),
    "cutout of one in two": Ranges(cutout=0.5),
    "flip, warp, colour": Ranges(**EVERYTHING),
    "all: hair, ruler 1/4, cutout 1/2": Ranges(**EVERYTHING, hair=0.25, ruler=0.25, cutout=0.5),
    "all, of every image": Ranges(**EVERYTHING, hair=1.0, ruler=1.0, cutout=1.0),
}
PEER = "Keras: flip, warp, colour"


def main() -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    pixels = np.random.default_rng(0).uniform(0, 255, (BATCH, SIZE, SIZE, 3))
    images = tf.constant(pixels.astype(np.float32))
    contenders = {**_ours(), **_keras()}
    for run in contenders.values():
        run(images)  # compiles it
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            started = time.process_time()
            run(images)
            times[name].append((time.process_time() - started) / BATCH * 1000)
    peer = statistics.median(times[PEER])
    print(f"{'ms an image on one core':36}  lowest  median   of Keras's")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:36}  {min(taken):6.2f}  {median:6.2f}   {median / peer:10.2f}")


def _ours() -> dict[str, Callable[[tf.Tensor], tf.Tensor]]:
    uniform = tf.constant(uniforms(BATCH, seed=0, epoch=0))

    def contender(ranges: Ranges) -> Callable[[tf.Tensor], tf.Tensor]:
        return tf.function(lambda images: augment(images, uniform, ranges))

    mixing = tf.constant(mixing_draws(BATCH, Ranges(mixup=1.0, cutmix=1.0), seed=0, epoch=0))
    labels = tf.zeros((BATCH, 1))
    return {
        **{name: contender(ranges) for name, ranges in OURS.items()},
        "mixup or cutmix": tf.function(lambda images: mix(images, labels, mixing)[0]),
    }


def _keras() -> dict[str, Callable[[tf.Tensor], tf.Tensor]]:
    """The nearest that Keras's layers come to ours, each with its own resample."""
    layers = keras.layers
    same = {"value_range": (0, 255)}
    geometry = [
        layers.RandomFlip("horizontal_and_vertical", seed=0),
        layers.RandomRotation(0.5, seed=0),
        layers.RandomZoom(0.2, seed=0),
        layers.RandomTranslation(0.1, 0.1, seed=0),
        layers.RandomShear(0.1, 0.1, seed=0),
        layers.RandomPerspective(scale=0.1, seed=0),
    ]
    jitter = layers.RandomColorJitter(
        brightness_factor=0.15,
        contrast_factor=0.15,
        saturation_factor=0.15,
        hue_factor=0.02,
        seed=0,
        **same,
    )
    fewer = geometry[:3]

    def contender(chain: list[keras.layers.Layer]) -> Callable[[tf.Tensor], tf.Tensor]:
        def call(images: tf.Tensor) -> tf.Tensor:
            for layer in chain:
                images = layer(images, training=True)
            return images

        return tf.function(call)

    return {
        PEER: contender([*geometry, jitter]),
        "Keras: flip, rotation, zoom, colour": contender([*fewer, jitter]),
        "Keras: RandAugment": contender([layers.RandAugment(seed=0, **same)]),
    }


if __name__ == "__main__":
    main()
