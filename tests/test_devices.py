"""Several devices and threads, in a process of its own whose CPU stands for two devices."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from skinlesion.training.devices import shared_batches

pytestmark = [pytest.mark.tensorflow, pytest.mark.thorough]

TESTS = Path(__file__).parent
SCRIPT = """
import json, sys
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.python.util import _pywrap_determinism

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from training_fixtures import *
from skinlesion.errors import SkinlesionError

folder = Path(sys.argv[1])
use_tiny_backbone(pytest.MonkeyPatch(), dropout=0.0)
dataset = write_lesions(folder / "dataset")
facts = {}


def config(devices, **changes):
    fixed = {"freeze_batch_norm": True, "model.dropout": 0.0, "threads": 1, "deterministic": False}
    sgd = {"optimizer": {"name": "sgd", "learning_rate": 0.05}}
    return train_config(dataset, devices=devices, **{**fixed, **sgd, **changes})


for devices in (1, 2):
    # 22 images are three batches of 7, which cannot be halved, and one of 1.
    run = run_train(config(devices, batch_size=7), folder / f"on{devices}")
    facts[devices] = {"history": history_of(run), "record": run.record()}
reporter = QuickReporter(interrupt="epoch 2/2", after=8)
with pytest.raises(KeyboardInterrupt):
    run_train(config(2, batch_size=7), folder / "resumed", reporter=reporter)
resumed = run_train(config(2, batch_size=7), folder / "resumed", resume=True)
facts["resumed"] = outcome(resumed) == outcome(run)
facts["threads"] = [
    tf.config.threading.get_intra_op_parallelism_threads(),
    tf.config.threading.get_inter_op_parallelism_threads(),
]
facts["deterministic"] = _pywrap_determinism.is_enabled()
for name, changes in (("devices", {"devices": 3}), ("threads", {"devices": 1, "threads": 2})):
    with pytest.raises(SkinlesionError) as error:
        run_train(config(**changes), folder / name)
    facts[f"{name} refused"] = [str(error.value), error.value.exit_code]
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path_factory.mktemp("devices"))],
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent}", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("size", range(1, 8))
def test_parts_of_one_size_whose_means_give_the_mean_of_the_batch(count, size):
    losses = np.random.default_rng(size).normal(size=(size, 1)).astype("float32")
    strategy = SimpleNamespace(num_replicas_in_sync=count)
    batches = tf.data.Dataset.from_tensors((losses, losses))

    [(inputs, labels, weights)] = shared_batches(batches, strategy).as_numpy_iterator()

    assert len(inputs) == len(labels) == len(weights) == -(-size // count) * count
    parts = (labels[:, 0] * weights).reshape(count, -1)
    assert parts.mean(axis=1).mean() == pytest.approx(losses.mean(), abs=1e-6)
    assert set(inputs.ravel()) == set(losses.ravel())


def test_weights_of_images_are_kept():
    batch = (np.zeros((3, 1), "float32"), np.zeros((3, 1), "float32"), np.array([1.0, 2.0, 3.0]))
    batches = tf.data.Dataset.from_tensors((*batch[:2], batch[2].astype("float32")))

    [(*_, weights)] = shared_batches(
        batches, SimpleNamespace(num_replicas_in_sync=2)
    ).as_numpy_iterator()

    np.testing.assert_allclose(weights, np.array([1, 2, 3, 0]) * 4 / 3)


def test_two_devices_learn_what_one_does(facts):
    for row, other in zip(facts["1"]["history"], facts["2"]["history"], strict=True):
        for name in row:
            # Keras's mean over an epoch counts a filled-up batch as the images it is filled to.
            tolerance = 1e-2 if name == "loss" else 1e-4
            assert other[name] == pytest.approx(row[name], abs=tolerance)
    first, second = facts["1"]["history"]
    assert abs(first["val_loss"] - second["val_loss"]) > 1e-4


def test_resumed_on_two_devices_equals_uninterrupted(facts):
    assert facts["resumed"]


def test_more_devices_than_there_are_is_an_error(facts):
    text, code = facts["devices refused"]

    assert "devices: 3" in text
    assert "fix:" in text
    assert code == 5


def test_threads_are_set_before_tensorflow_starts(facts):
    assert facts["threads"] == [1, 1]
    assert ", 1 thread" in facts["1"]["record"]["devices"][0]


def test_threads_that_come_too_late_are_an_error(facts):
    text, code = facts["threads refused"]

    assert "threads: 2 comes too late: TensorFlow computes already, with 1 thread" in text
    assert code == 2


def test_determinism_can_be_left_off(facts):
    assert facts["deterministic"] is False
