"""Laws and hand-worked values of the losses."""

import math

import numpy as np
import pytest
import tensorflow as tf

from skinlesion.errors import ConfigError, DataError
from skinlesion.losses import LOSSES, balanced_class_weight, make_loss

pytestmark = pytest.mark.tensorflow

OPTIONS = {
    "binary_crossentropy": {},
    "weighted_crossentropy": {"class_weight": (0.6, 3.0)},
    "focal": {"gamma": 0.5, "alpha": 0.75},
}
LABELS = np.array([[1.0], [0.0]], "float32")


def column(*values):
    return np.array(values, "float32")[:, None]


def value(loss, y_true, logits):
    return float(loss(y_true, logits))


def test_every_loss_is_tested():
    assert OPTIONS.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_better_logits_cost_less(name):
    loss = make_loss(name, **OPTIONS[name])

    costs = [value(loss, LABELS, column(z, -z)) for z in (-3, -1, 0, 1, 3, 15)]

    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == len(costs)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_are_finite_for_extreme_logits(name, smoothing):
    loss = make_loss(name, **OPTIONS[name], label_smoothing=smoothing)
    logits = tf.constant(column(100, -100, 100, -100))

    with tf.GradientTape() as tape:
        tape.watch(logits)
        cost = loss(column(1, 1, 0, 0), logits)
    gradient = tape.gradient(cost, logits).numpy()

    assert math.isfinite(float(cost))
    assert np.isfinite(gradient).all()
    assert gradient[1] < 0 < gradient[2]


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_the_mean_over_the_batch(name):
    loss = make_loss(name, **OPTIONS[name])

    single = [value(loss, column(y), column(z)) for y, z in [(1, 0.5), (0, 0.3), (0, -2)]]

    batch = value(loss, column(1, 0, 0), column(0.5, 0.3, -2))
    assert batch == pytest.approx(sum(single) / 3, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", LOSSES)
def test_a_mixed_label_costs_its_share_of_either_class(name, smoothing):
    loss = make_loss(name, **OPTIONS[name], label_smoothing=smoothing)

    for logit in (-2.0, 0.3, 4.0):
        benign, mixed, malignant = (
            value(loss, column(label), column(logit)) for label in (0, 0.3, 1)
        )

        assert mixed == pytest.approx(0.7 * benign + 0.3 * malignant, rel=1e-5)


def test_crossentropy_by_hand():
    # p = 1/(1 + 1/3) = 3/4 for the logit log 3.
    logits = column(math.log(3), math.log(3))

    cost = value(make_loss("binary_crossentropy"), LABELS, logits)

    assert cost == pytest.approx((-math.log(3 / 4) - math.log(1 / 4)) / 2, rel=1e-6)


def test_label_smoothing_by_hand():
    loss = make_loss("binary_crossentropy", label_smoothing=0.2)

    cost = value(loss, column(1), column(math.log(3)))

    assert cost == pytest.approx(-0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4), rel=1e-6)


def test_weighted_crossentropy_by_hand():
    loss = make_loss("weighted_crossentropy", class_weight=(0.5, 2.0))

    cost = value(loss, LABELS, column(math.log(3), math.log(3)))

    assert cost == pytest.approx((-2 * math.log(3 / 4) - 0.5 * math.log(1 / 4)) / 2, rel=1e-6)


def test_weights_go_by_the_class_not_by_the_smoothed_label():
    loss = make_loss("weighted_crossentropy", class_weight=(1.0, 3.0), label_smoothing=0.2)
    plain = make_loss("binary_crossentropy", label_smoothing=0.2)

    assert value(loss, column(1), column(0.7)) == pytest.approx(
        3 * value(plain, column(1), column(0.7)), rel=1e-6
    )


def test_focal_by_hand():
    # Malignant: (1/4)^2 * -log(3/4), benign: (3/4)^2 * -log(1/4).
    loss = make_loss("focal", gamma=2.0, alpha=0.8)

    cost = value(loss, LABELS, column(math.log(3), math.log(3)))

    malignant, benign = -math.log(3 / 4) / 16, -math.log(1 / 4) * 9 / 16
    assert cost == pytest.approx((0.8 * malignant + 0.2 * benign) / 2, rel=1e-6)


def test_focal_without_focus_is_crossentropy():
    logits = column(1.7, 0.4)

    assert value(make_loss("focal", gamma=0.0), LABELS, logits) == pytest.approx(
        value(make_loss("binary_crossentropy"), LABELS, logits), rel=1e-6
    )


def test_focus_discounts_easy_images_most():
    easy, hard = column(3.0), column(-3.0)
    plain, focused = make_loss("focal", gamma=0.0), make_loss("focal", gamma=2.0)

    kept_easy = value(focused, column(1), easy) / value(plain, column(1), easy)
    kept_hard = value(focused, column(1), hard) / value(plain, column(1), hard)

    assert kept_easy < 0.01 < 0.9 < kept_hard < 1


@pytest.mark.parametrize(("alpha", "malignant_costs_more"), [(0.75, True), (0.25, False)])
def test_alpha_is_the_weight_of_malignant(alpha, malignant_costs_more):
    loss = make_loss("focal", alpha=alpha)

    malignant, benign = value(loss, column(1), column(0)), value(loss, column(0), column(0))

    assert (malignant > benign) == malignant_costs_more
    assert malignant / (malignant + benign) == pytest.approx(alpha)


def test_balanced_weights_by_hand():
    # 8 images: 6 benign, 2 malignant; 8 / (2 * 6) and 8 / (2 * 2).
    benign, malignant = balanced_class_weight(np.array([0, 0, 1, 0, 0, 1, 0, 0]))

    assert (benign, malignant) == (pytest.approx(2 / 3), 2.0)


def test_balanced_weights_have_mean_one():
    labels = np.array([0] * 11 + [1] * 3)

    weights = np.array(balanced_class_weight(labels))

    assert weights[labels].mean() == pytest.approx(1)


@pytest.mark.parametrize("labels", [[0, 0], [1], [], [0, 1, 2]])
def test_weights_of_an_empty_class_are_refused(labels):
    with pytest.raises(DataError, match="cannot be balanced"):
        balanced_class_weight(np.array(labels))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hinge", {}, "no loss 'hinge'"),
        ("focal", {"gama": 2}, "gama"),
        ("weighted_crossentropy", {}, "class_weight"),
        ("weighted_crossentropy", {"class_weight": (1, 0)}, "class_weight is"),
        ("weighted_crossentropy", {"class_weight": (1, 1, 1)}, "class_weight is"),
        ("focal", {"alpha": 1.0}, "alpha is"),
        ("focal", {"gamma": -1}, "gamma is"),
        ("binary_crossentropy", {"label_smoothing": 1.0}, "label_smoothing is"),
    ],
)
def test_wrong_options_are_named(name, options, message):
    with pytest.raises(ConfigError, match=message):
        make_loss(name, **options)


def test_a_loss_can_be_made_again_from_its_config():
    loss = make_loss("focal", gamma=1.5, alpha=0.7, label_smoothing=0.1)

    again = type(loss).from_config(loss.get_config())

    assert again.get_config() == loss.get_config()
    assert value(again, LABELS, column(1, 1)) == value(loss, LABELS, column(1, 1))
