"""Copies of a model that compute in another precision or on several devices, and which is fast."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from skinlesion import models
from skinlesion.config import ModelConfig, Precision, Recipe
from skinlesion.losses import make_loss
from skinlesion.models.building import POLICIES
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir
from skinlesion.training.fit import every_layer
from skinlesion.training.optimizers import make_optimizer
from skinlesion.training.predict import fixed_forward

TIMED_STEPS = 5
# Another precision has to take less than so much of float32's time: a tie is no reason to leave it.
WORTH_IT = 0.9


def twin(
    model: keras.Model,
    config: ModelConfig,
    *,
    seed: int,
    precision: Precision,
    devices: Sequence[str] = (),
    copy: bool = False,
) -> keras.Model:
    """``model`` if it is as asked, else a copy: the same weights, trainable layers and dropout.

    Args:
        model: Built from ``config`` and ``seed``.
        config: Its build.
        seed: Of its dropout.
        precision: What the copy's backbone computes in.
        devices: Where more than one is named, each holds the copy and computes a part of a batch.
        copy: Make a copy in any case.
    """
    is_as_asked = model.dtype_policy.name == POLICIES[precision] and len(devices) < 2
    if is_as_asked and not copy:
        return model
    strategy = tf.distribute.MirroredStrategy(list(devices)) if len(devices) > 1 else None
    build = {**config.model_dump(), "weights": "none"}
    with strategy.scope() if strategy else contextlib.nullcontext():
        made = models.build_model(**build, seed=seed, precision=precision)
    copy_weights(model, made)
    # A model comes before its layers, which take over its flag before they get their own.
    for one, other in zip(every_layer(made), every_layer(model), strict=True):
        one.trainable = other.trainable
    return made


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Give ``target`` the weights of ``source``; they may be one model."""
    if source is not target:
        for weight, other in zip(source.weights, target.weights, strict=True):
            other.assign(weight.numpy())


def settle_precision(
    run: RunDir,
    recipe: Recipe,
    steps: Callable[[Precision], Callable[[], object]],
    *,
    reporter: Reporter,
) -> Precision:
    """What ``recipe.precision`` means here; ``auto`` is timed once and kept in the run's record.

    Args:
        run: Whose record is read and written.
        recipe: With a precision, or auto.
        steps: From a precision to a function of one step of a copy, which is thrown away.
        reporter: Told of the times.
    """
    known = run.record().get("precision")
    if known:
        return known["training"]
    timings: dict[Precision, float] = {}
    chosen: Precision
    if recipe.precision == "auto":
        timings = time_steps({name: steps(name) for name in candidates()})
        chosen = fastest(timings)
        shown = ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in timings.items())
        reporter.say(f"precision: {chosen} (a step takes {shown})")
    else:
        chosen = recipe.precision
    record = {"training": chosen, "prediction": recipe.prediction_precision}
    run.update_record(precision={**record, **({"step_seconds": timings} if timings else {})})
    return chosen


def candidates() -> tuple[Precision, ...]:
    """What auto times: float16 is made for GPUs, and slow elsewhere."""
    if tf.config.list_logical_devices("GPU"):
        return ("float32", "bfloat16", "float16")
    return ("float32", "bfloat16")


def time_steps(steps: dict[Precision, Callable[[], object]]) -> dict[Precision, float]:
    """Median seconds of each step, taken in turns, so that a busy moment meets all of them."""
    for step in steps.values():
        step()  # traces and allocates
    seconds: dict[Precision, list[float]] = {name: [] for name in steps}
    for _ in range(TIMED_STEPS):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - started)
    return {name: round(statistics.median(taken), 5) for name, taken in seconds.items()}


def fastest(seconds: dict[Precision, float]) -> Precision:
    """The quickest if it is well ahead of float32, else float32."""
    best = min(seconds, key=lambda name: seconds[name])
    return best if seconds[best] < WORTH_IT * seconds["float32"] else "float32"


def training_step(model: keras.Model, recipe: Recipe, *, batch_size: int) -> Callable[[], object]:
    """One step on made-up images; it changes ``model``, so hand in a copy."""
    stepped = models.with_folded_norms(model)
    stepped.compile(
        optimizer=make_optimizer(recipe.optimizer, recipe.schedule, steps=1, epochs=1),
        loss=make_loss("binary_crossentropy"),
        jit_compile=False,
    )
    pixels = _pixels(model, batch_size)
    labels = (np.arange(batch_size) % 2)[:, None].astype(np.float32)
    return lambda: stepped.train_on_batch(pixels, labels)


def forward_step(model: keras.Model, *, batch_size: int) -> Callable[[], object]:
    """One batch of made-up images to features, as the cache makes them."""
    call, pixels = fixed_forward(model), tf.constant(_pixels(model, batch_size))
    return lambda: call(pixels).numpy()


def _pixels(model: keras.Model, batch_size: int) -> np.ndarray:
    shape = (batch_size, *model.input_shape[1:])
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
