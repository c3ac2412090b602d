"""Laws of precision: what is scored is float32, auto changes nothing but time, nothing leaks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_fixtures import (
    SIZE,
    QuickReporter,
    head_config,
    outcome,
    run_train,
    train_config,
)

from skinlesion.config import ModelConfig
from skinlesion.data.store import open_dataset
from skinlesion.errors import ConfigError
from skinlesion.models import build_model, set_trainable
from skinlesion.models.building import POLICIES
from skinlesion.odds import sigmoid
from skinlesion.runs import read_json
from skinlesion.tables import Predictions
from skinlesion.training import precision, session
from skinlesion.training.fit import every_layer

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("tiny_backbone")]

TINY = ModelConfig(backbone="efficientnet_lite0", weights="none", image_size=SIZE)


@pytest.fixture(scope="module")
def in_bfloat16(dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "bfloat16"
    return run_train(train_config(dataset, precision="bfloat16"), path)


def tiny_model(precision="float32", **options):
    return build_model(**TINY.model_dump(), **options, precision=precision)


# --- models --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_leaks_into_the_next_model(name):
    tiny_model(name)
    with pytest.raises(ConfigError):
        build_model("no such backbone", image_size=SIZE, precision=name)

    assert keras.config.dtype_policy().name == "float32"
    assert {layer.compute_dtype for layer in every_layer(tiny_model())} == {"float32"}


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_half_precision_computes_halves_and_keeps_whole_weights(name):
    model, whole = tiny_model(name), tiny_model()
    pixels = tf.constant(np.random.default_rng(0).uniform(0, 255, (4, SIZE, SIZE, 3)), tf.float32)

    halved, full = model(pixels), whole(pixels)

    assert model.get_layer("backbone").get_layer("stem_conv").compute_dtype == name
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert halved.dtype == tf.float32
    assert (halved != full).numpy().any()
    np.testing.assert_allclose(halved, full, atol=0.05)


def test_twin_is_the_model_in_another_precision():
    model = tiny_model(seed=3)
    set_trainable(model, 2, freeze_batch_norm=True)

    copy = precision.twin(model, TINY, seed=3, precision="bfloat16")

    assert copy.dtype_policy.name == "mixed_bfloat16"
    for one, other in zip(every_layer(copy), every_layer(model), strict=True):
        assert one.trainable == other.trainable
    for one, other in zip(copy.variables, model.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())  # the dropout's seed, too


def test_twin_in_its_own_precision_is_the_model_itself():
    model = tiny_model("float16")

    assert precision.twin(model, TINY, seed=0, precision="float16") is model
    assert precision.twin(model, TINY, seed=0, precision="float16", copy=True) is not model


# --- auto ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"float32": 1.0, "bfloat16": 0.5}, "bfloat16"),
        ({"float32": 1.0, "bfloat16": 0.95}, "float32"),
        ({"float32": 1.0, "bfloat16": 2.0}, "float32"),
        ({"float32": 1.0, "bfloat16": 0.7, "float16": 0.6}, "float16"),
    ],
)
def test_another_precision_is_chosen_only_if_it_is_well_ahead(seconds, chosen):
    assert precision.fastest(seconds) == chosen


@pytest.mark.parametrize(("gpus", "expected"), [(0, 2), (1, 3)])
def test_float16_is_for_gpus(monkeypatch, gpus, expected):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0"] * gpus)

    assert len(precision.candidates()) == expected


def prefer(monkeypatch, name):
    """Let auto take its steps once and find ``name`` the fastest."""

    def time_steps(steps):
        for step in steps.values():
            step()
        return {one: 0.1 if one == name else 1.0 for one in steps}

    monkeypatch.setattr(precision, "time_steps", time_steps)


def test_auto_is_bit_for_bit_what_it_chooses(in_bfloat16, dataset, tmp_path, monkeypatch):
    prefer(monkeypatch, "bfloat16")

    run = run_train(train_config(dataset, precision="auto"), tmp_path / "run")

    assert outcome(run) == outcome(in_bfloat16)
    assert run.record()["precision"] == {
        "training": "bfloat16",
        "prediction": "float32",
        "step_seconds": {"float32": 1.0, "bfloat16": 0.1},
    }


def test_auto_of_a_head_names_what_it_measured(dataset, tmp_path):
    reporter = QuickReporter()

    run = run_train(
        head_config(dataset, precision="auto", epochs=1), tmp_path / "run", reporter=reporter
    )

    timed = run.record()["precision"]["step_seconds"]
    assert set(timed) == {"float32", "bfloat16"}
    assert run.record()["precision"]["training"] == precision.fastest(timed)
    assert any(text.startswith("precision: ") for text in reporter.said)


def test_resumed_auto_does_not_time_again(dataset, tmp_path, monkeypatch):
    config = head_config(dataset, precision="auto", epochs=1)
    prefer(monkeypatch, "bfloat16")
    with pytest.raises(KeyboardInterrupt):
        run_train(config, tmp_path / "run", reporter=QuickReporter(interrupt="epoch 1/1"))
    monkeypatch.setattr(precision, "time_steps", None)

    run = run_train(config, tmp_path / "run", resume=True)

    assert run.record()["precision"]["training"] == "bfloat16"


# --- runs ----------------------------------------------------------------------------------


def test_precision_changes_training_and_is_recorded(in_bfloat16, dataset, tmp_path):
    whole = run_train(train_config(dataset), tmp_path / "run")

    assert outcome(whole)["weights"] != outcome(in_bfloat16)["weights"]
    recorded = [read_json(run.model)["precision"]["training"] for run in (whole, in_bfloat16)]
    assert recorded == ["float32", "bfloat16"]


def test_predictions_are_float32_whatever_the_training(in_bfloat16, dataset):
    model, _ = session.load_run_model(in_bfloat16)
    stored = open_dataset(dataset)
    pixels = stored.pixels.read(stored.manifest.rows("val")).astype("float32")

    y_prob = sigmoid(model(tf.constant(pixels), training=False).numpy()[:, 0])

    assert model.dtype_policy.name == "float32"
    written = Predictions.read_csv(in_bfloat16.predictions("val")).y_prob
    np.testing.assert_allclose(written, y_prob, atol=1e-6)  # bfloat16 is off by 1e-3


def test_other_predictions_are_asked_for_and_remembered(dataset, tmp_path):
    config = head_config(dataset, prediction_precision="bfloat16", epochs=1)

    run = run_train(config, tmp_path / "run")

    model, _ = session.load_run_model(run)
    assert model.dtype_policy.name == "mixed_bfloat16"


def test_float16_resumes_bit_for_bit(dataset, tmp_path):
    # Its optimizer has a state of its own: the scale of the loss.
    config = train_config(dataset, precision="float16")
    whole = run_train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_train(config, tmp_path / "run", reporter=QuickReporter(interrupt="epoch 2/2"))
    with np.load(tmp_path / "run" / "state" / "last.npz") as arrays:
        assert 2.0**15 in [arrays[name] for name in arrays if arrays[name].shape == ()]

    run = run_train(config, tmp_path / "run", resume=True)

    assert outcome(run) == outcome(whole)
