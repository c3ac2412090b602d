"""Averages of weights by hand-worked values, and that they leave the model's own weights alone."""

import keras
import numpy as np
import pytest

from skinlesion.config import Recipe, TrainConfig, validate
from skinlesion.errors import ConfigError
from skinlesion.training.averaging import make_average

pytestmark = pytest.mark.tensorflow

EMA = {"name": "ema", "decay": 0.5}
LAST_TWO = {"name": "last_epochs", "epochs": 2}


def one_weight(averaging, *, epochs=4):
    """A model of one weight, 0, and the average over it."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign([[0.0]])
    recipe = Recipe.model_validate({"averaging": averaging, "epochs": epochs})
    return model, make_average(model, recipe)


def weight(model):
    return float(model.layers[0].kernel.numpy()[0, 0])


def set_weight(model, value):
    model.layers[0].kernel.assign([[value]])


def averaged(model, average):
    with average.applied():
        return weight(model)


def test_moving_average_by_hand():
    model, average = one_weight(EMA)

    seen = []
    for value in (1.0, 2.0, 3.0):
        set_weight(model, value)
        average.after_batch()
        seen.append(averaged(model, average))

    # Kept: 1/10, 2/11 and 3/12 of the average before, all below the decay.
    first = 0.9 * 1
    second = 2 / 11 * first + 9 / 11 * 2
    third = 3 / 12 * second + 9 / 12 * 3
    assert seen == pytest.approx([first, second, third])
    assert weight(model) == 3.0


def test_decay_limits_the_moving_average():
    model, average = one_weight({"name": "ema", "decay": 0.05})
    set_weight(model, 1.0)

    average.after_batch()

    assert averaged(model, average) == pytest.approx(0.95)


def test_moving_average_of_what_does_not_change_is_exactly_that():
    model, _ = one_weight(EMA)
    set_weight(model, 0.1)
    average = make_average(model, Recipe.model_validate({"averaging": EMA}))

    for _ in range(5):
        average.after_batch()

    assert averaged(model, average) == weight(model)


def test_mean_of_the_last_epochs_by_hand():
    model, average = one_weight(LAST_TWO, epochs=4)

    seen = []
    for epoch, value in enumerate([1.0, 2.0, 3.0, 6.0]):
        set_weight(model, value)
        average.after_batch()
        average.after_epoch(epoch)
        seen.append(averaged(model, average))

    assert seen == [1.0, 2.0, 3.0, 4.5]
    assert weight(model) == 6.0


@pytest.mark.parametrize("averaging", [EMA, LAST_TWO, None])
def test_state_comes_back(averaging):
    model, average = one_weight(averaging, epochs=2)
    values = np.random.default_rng(0).normal(size=2)
    set_weight(model, values[0])
    average.after_batch()
    average.after_epoch(0)
    again = make_average(model, Recipe.model_validate({"averaging": averaging, "epochs": 2}))
    again.restore(average.state)
    set_weight(model, values[1])
    for one in (average, again):
        one.after_batch()
        one.after_epoch(1)

    assert averaged(model, again) == averaged(model, average)


def test_own_weights_come_back_if_the_block_fails():
    model, average = one_weight(EMA)
    set_weight(model, 1.0)
    average.after_batch()

    with pytest.raises(ZeroDivisionError), average.applied():
        weight(model) / 0

    assert weight(model) == 1.0


@pytest.mark.parametrize(
    "changes", [{"epochs": 1}, {"early_stop_epochs": 1}], ids=["too-many", "early-stop"]
)
def test_last_epochs_that_need_not_come_are_refused(changes):
    with pytest.raises(ValueError, match="averaging"):
        Recipe.model_validate({"averaging": LAST_TWO, **changes})


def test_average_without_a_name_is_refused():
    values = {"model": {"backbone": "resnet50"}, "averaging": {"decay": 0.9}}
    with pytest.raises(ConfigError, match="averaging"):
        validate(values, TrainConfig, where="x")
