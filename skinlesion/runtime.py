"""The one place that sets up TensorFlow and Keras: environment, threads, seeds, determinism."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

from skinlesion.errors import ConfigError, MissingExtraError
from skinlesion.wording import counted

LOG_LEVEL, SILENT = "TF_CPP_MIN_LOG_LEVEL", "3"


def prepare(*, seed: int, threads: int | None = None, deterministic: bool = True) -> None:
    """Import TensorFlow quietly, with deterministic operations and every generator seeded.

    Call it before the first import of keras or tensorflow. Determinism costs nothing on a CPU.

    Args:
        seed: Of Python's, NumPy's and TensorFlow's global generators, at least 0.
        threads: That one operation may use; None: TensorFlow's choice, all cores.
        deterministic: False leaves operations as they are: TensorFlow cannot take determinism
            back within a process.

    Raises:
        ConfigError: If TensorFlow computes with another number of threads already.
    """
    tf = _import_tensorflow()
    import keras

    if threads is not None:
        _set_threads(tf, threads)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)


def _set_threads(tf: Any, threads: int) -> None:
    """One operation gets ``threads``; side by side run at most two, so that they rarely queue."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(min(threads, 2))
    except RuntimeError:
        now = tf.config.threading.get_intra_op_parallelism_threads()
        raise ConfigError(
            f"threads: {threads} comes too late: TensorFlow computes already, with"
            f" {counted(now, 'thread') if now else 'all threads'}",
            expected="the same number for all that one process trains",
            fix="start a process of its own for each number of threads",
        ) from None


def devices() -> list[str]:
    """Names of the devices that TensorFlow computes on: the GPUs, else the CPU."""
    tf = _import_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus
    ]
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    used = f", {counted(threads, 'thread')}" if threads else ""
    return names or [f"CPU ({os.cpu_count()} cores{used})"]


def replicas(wanted: int | None) -> list[str]:
    """Names of the devices that share a batch; one name where nothing is shared.

    Args:
        wanted: So many, GPUs before CPUs (of which there are several only where TensorFlow was
            told to divide the processor); None: every GPU, or the CPU.

    Raises:
        MissingExtraError: If there are fewer.
    """
    tf = _import_tensorflow()
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    found = gpus or [device.name for device in tf.config.list_logical_devices("CPU")]
    count = wanted or max(len(gpus), 1)
    if count > len(found):
        raise MissingExtraError(
            f"devices: {count}, but TensorFlow sees {len(gpus)} GPUs",
            expected="as many GPUs, which CUDA_VISIBLE_DEVICES may hide",
            fix="set devices: null to use all there are",
        )
    return found[:count]


def _import_tensorflow() -> Any:
    """Import TensorFlow and find its devices without the banners it writes past every setting.

    TensorFlow 2.21 also logs an error for each deterministic tf.data pipeline that is none (an
    attribute "not in the op definition", ignored); real errors come as exceptions. Set
    TF_CPP_MIN_LOG_LEVEL to less than 3 to see it all.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault(LOG_LEVEL, SILENT)
    # A process that this one starts inherits SILENT: it is no wish of the user's to see banners.
    with silent_stderr() if os.environ[LOG_LEVEL] == SILENT else contextlib.nullcontext():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            # Memory as it is needed, so that two jobs fit one card. RuntimeError: in use already.
            with contextlib.suppress(RuntimeError):
                tf.config.experimental.set_memory_growth(gpu, True)
    # A filter is there once, however often it is added.
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)
    return tf


def _is_no_retracing(record: logging.LogRecord) -> bool:
    """Models that follow each other in one process are each traced: that is no retracing."""
    return "triggered tf.function retracing" not in record.getMessage()


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
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
