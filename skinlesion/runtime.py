"""The one place that sets up TensorFlow and Keras: environment, threads, seeds, determinism."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any


def prepare(*, seed: int) -> None:
    """Import TensorFlow quietly, with deterministic operations and every generator seeded.

    Call it before the first import of keras or tensorflow. Determinism costs nothing on a CPU.

    Args:
        seed: Of Python's, NumPy's and TensorFlow's global generators, at least 0.
    """
    tf = _import_tensorflow()
    import keras

    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)


def devices() -> list[str]:
    """Names of the devices that TensorFlow computes on: the GPUs, else the CPU."""
    tf = _import_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus
    ]
    return names or [f"CPU ({os.cpu_count()} cores)"]


def _import_tensorflow() -> Any:
    """Import TensorFlow and find its devices without the banners it writes past every setting.

    TensorFlow 2.21 also logs an error for each deterministic tf.data pipeline that is none (an
    attribute "not in the op definition", ignored); real errors come as exceptions. Set
    TF_CPP_MIN_LOG_LEVEL yourself to see it all.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    wanted = "TF_CPP_MIN_LOG_LEVEL" in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.nullcontext() if wanted else _silent_stderr():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            # Memory as it is needed, so that two jobs fit one card. RuntimeError: in use already.
            with contextlib.suppress(RuntimeError):
                tf.config.experimental.set_memory_growth(gpu, True)
    return tf


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere: C++ libraries do not go through ``sys.stderr``."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
