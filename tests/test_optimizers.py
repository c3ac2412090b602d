"""The learning rate by hand-worked values, and what weight decay spares."""

import keras
import numpy as np
import pytest

from skinlesion.config import AdamW, Lion, Schedule, Sgd
from skinlesion.training.optimizers import OneCycle, WarmupDecay, make_optimizer

pytestmark = pytest.mark.tensorflow

OPTIMIZERS = {
    "adamw": AdamW(name="adamw", learning_rate=0.1, weight_decay=0.5),
    "sgd": Sgd(name="sgd", learning_rate=0.1, weight_decay=0.5),
    "lion": Lion(name="lion", learning_rate=0.1, weight_decay=0.5),
}


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def made(optimizer, *, warmup_epochs=0.0, decay="none", steps=4, epochs=3, multiplier=None):
    schedule = Schedule(warmup_epochs=warmup_epochs, decay=decay)
    return make_optimizer(optimizer, schedule, steps=steps, epochs=epochs, multiplier=multiplier)


def descent(**options):
    """Plain gradient descent at a rate of 0.1."""
    return Sgd(name="sgd", learning_rate=0.1, weight_decay=0.0, momentum=0.0, **options)


def apply(optimizer, variables, gradients):
    """One batch; returns the values after it."""
    optimizer.apply([keras.ops.convert_to_tensor([g]) for g in gradients], variables)
    return [float(one.numpy()[0]) for one in variables]


def variable(name, value=1.0):
    return keras.Variable([value], name=name)


def test_warm_up_is_linear_to_the_peak():
    schedule = WarmupDecay(peak=0.8, warmup_steps=4, total_steps=20, cosine=False)

    np.testing.assert_allclose(rates(schedule, range(6)), [0.2, 0.4, 0.6, 0.8, 0.8, 0.8], rtol=1e-6)


def test_cosine_from_the_peak_to_nothing():
    schedule = WarmupDecay(peak=0.8, warmup_steps=2, total_steps=10, cosine=True)

    # After the warm-up: the start, a quarter (cos 45 deg), the middle, the end, and beyond it.
    expected = [0.8, 0.4 * (1 + 0.5**0.5), 0.4, 0.0, 0.0]
    np.testing.assert_allclose(rates(schedule, [2, 4, 6, 10, 12]), expected, atol=1e-6)


def test_without_warm_up_the_first_step_has_the_peak():
    schedule = WarmupDecay(peak=0.3, warmup_steps=0, total_steps=5, cosine=True)

    assert rates(schedule, [0]) == pytest.approx([0.3])


@pytest.mark.parametrize("cosine", [True, False])
def test_rate_is_never_above_the_peak_nor_below_zero(cosine):
    schedule = WarmupDecay(peak=0.3, warmup_steps=7, total_steps=20, cosine=cosine)

    values = rates(schedule, range(25))

    assert min(values) >= 0
    assert max(values) == pytest.approx(0.3)


def test_warm_up_longer_than_the_run_ends_below_the_peak():
    optimizer = made(OPTIMIZERS["adamw"], warmup_epochs=6, decay="cosine", steps=4, epochs=3)

    values = rates(optimizer._learning_rate, range(12))

    np.testing.assert_allclose(values, 0.1 * np.arange(1, 13) / 24, rtol=1e-5)


def test_epochs_become_steps():
    optimizer = made(OPTIMIZERS["sgd"], warmup_epochs=0.5, decay="cosine", steps=4, epochs=3)

    # 2 of 12 steps are warm-up, so the middle of the decay is step 7.
    values = rates(optimizer._learning_rate, [0, 1, 2, 7, 12])
    np.testing.assert_allclose(values, [0.05, 0.1, 0.1, 0.05, 0.0], atol=1e-6)


def test_schedule_survives_its_config():
    schedule = WarmupDecay(peak=0.8, warmup_steps=4, total_steps=20, cosine=True)

    again = WarmupDecay.from_config(schedule.get_config())

    assert rates(again, range(20)) == rates(schedule, range(20))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_shrinks_kernels_and_spares_biases_and_normalisation(name):
    variables = [variable(kind) for kind in ("kernel", "bias", "gamma", "beta")]
    optimizer = made(OPTIMIZERS[name])
    optimizer.build(variables)

    optimizer.apply([keras.ops.zeros(1) for _ in variables], variables)

    # No gradient: only decay acts, by rate * weight_decay = 0.05.
    assert [float(one.numpy()[0]) for one in variables] == pytest.approx([0.95, 1.0, 1.0, 1.0])


def test_sgd_step_by_hand():
    weight = variable("kernel")
    optimizer = made(Sgd(name="sgd", learning_rate=0.1, weight_decay=0.0, momentum=0.5))
    optimizer.build([weight])

    # Nesterov: v = 0.5 v - 0.1 g; step 0.5 v - 0.1 g, with g = 2: -0.3, then v = -0.3: -0.35.
    values = []
    for _ in range(2):
        optimizer.apply([keras.ops.convert_to_tensor([2.0])], [weight])
        values.append(float(weight.numpy()[0]))

    assert values == pytest.approx([0.7, 0.35])


def test_sgd_without_momentum_is_gradient_descent():
    weight = variable("kernel")
    optimizer = made(Sgd(name="sgd", learning_rate=0.1, weight_decay=0.0, momentum=0.0))
    optimizer.build([weight])

    optimizer.apply([keras.ops.convert_to_tensor([2.0])], [weight])

    assert float(weight.numpy()[0]) == pytest.approx(0.8)


def test_first_adamw_step_is_the_rate_whatever_the_gradient():
    weights = [variable("kernel") for _ in range(2)]
    optimizer = made(AdamW(name="adamw", learning_rate=0.1, weight_decay=0.0))
    optimizer.build(weights)

    optimizer.apply([keras.ops.convert_to_tensor([g]) for g in (0.01, -5.0)], weights)

    values = [float(weight.numpy()[0]) for weight in weights]
    assert values == pytest.approx([0.9, 1.1], abs=1e-4)


def test_one_cycle_by_hand():
    schedule = OneCycle(peak=0.8, warmup_steps=4, total_steps=13)

    # A 25th of the peak, half way up, the peak, half way down, and a 250,000th at the last step.
    values = rates(schedule, [0, 2, 4, 8, 12, 20])

    expected = [0.032, (0.032 + 0.8) / 2, 0.8, (0.8 + 3.2e-6) / 2, 3.2e-6, 3.2e-6]
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-8)


def test_one_cycle_survives_its_config():
    schedule = OneCycle(peak=0.8, warmup_steps=4, total_steps=20)

    again = OneCycle.from_config(schedule.get_config())

    assert rates(again, range(20)) == rates(schedule, range(20))


def test_lion_steps_by_the_sign():
    weights = [variable("kernel") for _ in range(2)]
    optimizer = made(Lion(name="lion", learning_rate=0.1, weight_decay=0.0))
    optimizer.build(weights)

    assert apply(optimizer, weights, [0.01, -5.0]) == pytest.approx([0.9, 1.1])


def test_gradients_are_clipped_together():
    weights = [variable("kernel", 0.0) for _ in range(2)]
    optimizer = made(descent(clip_norm=1.0))
    optimizer.build(weights)

    # (3, 4) has norm 5: it becomes (0.6, 0.8).
    assert apply(optimizer, weights, [3.0, 4.0]) == pytest.approx([-0.06, -0.08])
    assert apply(optimizer, weights, [0.3, 0.4]) == pytest.approx([-0.09, -0.12])


def test_accumulated_batches_are_one_large_batch():
    weights = [variable("kernel", 0.0)]
    optimizer = made(descent(accumulate_steps=3))
    optimizer.build(weights)

    values = [apply(optimizer, weights, [gradient])[0] for gradient in (1.0, 2.0, 6.0, 5.0)]

    # Nothing until the third, then the mean of the three; the fourth begins anew.
    assert values == pytest.approx([0.0, 0.0, -0.3, -0.3])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_multiplier_scales_step_and_decay(name):
    weights = [variable("near_kernel"), variable("far_kernel")]
    factors = {weights[0].path: 1.0, weights[1].path: 0.25}
    optimizer = made(OPTIMIZERS[name], multiplier=lambda one: factors[one.path])
    optimizer.build(weights)

    near_value, far_value = apply(optimizer, weights, [2.0, 2.0])

    assert 1 - far_value == pytest.approx((1 - near_value) / 4, rel=0.02)
    assert near_value < 1
