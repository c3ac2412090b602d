"""Checkpoints: what is saved comes back bit for bit, and a broken file says so."""

import keras
import numpy as np
import pytest

from skinlesion.errors import DataError
from skinlesion.training.checkpoint import Checkpoints

pytestmark = pytest.mark.tensorflow

HISTORY = [{"epoch": 1, "loss": 0.1 + 0.2, "val_auc": 1 / 3}]


def compiled(*, width=3, seed=0):
    """A small model with dropout and normalisation, its optimiser two steps old."""
    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input((4,)),
        keras.layers.Dense(width),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5, seed=1),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential(layers)
    model.compile(optimizer=keras.optimizers.AdamW(0.01), loss="mse")
    model.optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(seed)
    for _ in range(2):
        gradients = [rng.normal(size=one.shape) for one in model.trainable_variables]
        model.optimizer.apply([keras.ops.convert_to_tensor(g, "float32") for g in gradients])
    return model


def values(variables):
    return [variable.numpy().copy() for variable in variables]


def save(checkpoints, model, history, *, is_best=True, average=()):
    if is_best:
        checkpoints.save_best(model)
    checkpoints.save_last(model, history, average=average)


def assert_equal(some, others):
    assert len(some) == len(others) > 0
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


def test_last_state_comes_back_bit_for_bit(tmp_path):
    model, other = compiled(seed=0), compiled(seed=1)
    checkpoints = Checkpoints(tmp_path / "state")

    average = [np.array(7), np.random.default_rng(0).random(3)]
    save(checkpoints, model, HISTORY, is_best=False, average=average)
    restored = checkpoints.restore_last(other)

    assert checkpoints.history() == HISTORY
    assert_equal(restored, average)
    assert_equal(values(other.variables), values(model.variables))
    assert_equal(values(other.optimizer.variables), values(model.optimizer.variables))


def test_nothing_saved_is_no_history(tmp_path):
    assert Checkpoints(tmp_path).history() == []


def test_best_stays_until_there_is_a_better_one(tmp_path):
    model, checkpoints = compiled(), Checkpoints(tmp_path)
    best = values(model.variables)
    save(checkpoints, model, HISTORY)
    model.layers[0].kernel.assign(np.zeros((4, 3)))
    save(checkpoints, model, HISTORY * 2, is_best=False)

    checkpoints.restore_best(model)

    assert_equal(values(model.variables), best)


def test_failed_write_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    model, checkpoints = compiled(), Checkpoints(tmp_path)
    save(checkpoints, model, HISTORY)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full_disk(file, **arrays):
        file.write(b"half a checkpoint")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="no space"):
        save(checkpoints, model, HISTORY * 2)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_cut_short_checkpoint_is_a_data_error(tmp_path, keep):
    model, checkpoints = compiled(), Checkpoints(tmp_path)
    save(checkpoints, model, HISTORY)
    content = checkpoints.last.read_bytes()
    checkpoints.last.write_bytes(content[: int(len(content) * keep)])

    for read in (checkpoints.history, lambda: checkpoints.restore_last(model)):
        with pytest.raises(DataError, match=r"last\.npz cannot be read"):
            read()


def test_something_else_in_its_place_is_a_data_error(tmp_path):
    model, checkpoints = compiled(), Checkpoints(tmp_path)
    np.savez(checkpoints.last, something=np.zeros(3))

    with pytest.raises(DataError, match="does not fit"):
        checkpoints.restore_last(model)


def test_missing_history_is_a_data_error(tmp_path):
    model, checkpoints = compiled(), Checkpoints(tmp_path)
    save(checkpoints, model, HISTORY)
    checkpoints.best.replace(checkpoints.last)  # weights alone

    with pytest.raises(DataError, match="does not fit"):
        checkpoints.restore_last(model)


def test_missing_best_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match=r"best\.npz"):
        Checkpoints(tmp_path).restore_best(compiled())


def test_checkpoint_of_another_model_is_a_data_error(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, compiled(width=3), HISTORY)

    with pytest.raises(DataError, match="does not fit the model") as error:
        checkpoints.restore_last(compiled(width=5))

    assert "shape (4, 5)" in error.value.expected
