"""Laws and hand-worked values of the losses."""

import math

import numpy as np
import pytest
import tensorflow as tf

from skinlesion.errors import ConfigError, DataError
from skinlesion.losses import (
    LOSSES,
    LogitLoss,
    balanced_class_weight,
    effective_number_class_weight,
    fitted_loss,
    make_loss,
)

pytestmark = pytest.mark.tensorflow

OPTIONS = {
    "binary_crossentropy": {},
    "weighted_crossentropy": {"class_weight": (0.6, 3.0)},
    "focal": {"gamma": 0.5, "class_weight": (0.6, 3.0)},
    "logit_adjusted": {"prior": 0.2, "tau": 1.5},
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


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("name", LOSSES)
def test_a_soft_label_costs_what_its_parts_would(name, smoothing):
    loss = make_loss(name, **OPTIONS[name], label_smoothing=smoothing)

    for y in (0.0, 0.1, 0.5, 0.85, 1.0):
        for z in (-4.0, -0.3, 0.0, 2.5):
            malignant, benign = (value(loss, column(one), column(z)) for one in (1, 0))
            mixed = y * malignant + (1 - y) * benign
            assert value(loss, column(y), column(z)) == pytest.approx(mixed, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_smoothing_mixes_the_costs_of_both_answers(name):
    # s = 0.2: an image of either class costs 0.9 of its own answer's loss and 0.1 of the other's.
    sharp = make_loss(name, **OPTIONS[name])
    smooth = make_loss(name, **OPTIONS[name], label_smoothing=0.2)
    benign, malignant = sharp.class_weight

    own, other = value(sharp, column(1), column(0.7)), value(sharp, column(0), column(0.7))

    assert value(smooth, column(1), column(0.7)) == pytest.approx(
        0.9 * own + 0.1 * other * malignant / benign, rel=1e-6
    )


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


def test_weighted_focal_by_hand():
    loss = make_loss("focal", class_weight=(0.5, 2.0))  # gamma is 2

    cost = value(loss, LABELS, column(math.log(3), math.log(3)))

    malignant, benign = -math.log(3 / 4) / 16, -math.log(1 / 4) * 9 / 16
    assert cost == pytest.approx((2 * malignant + 0.5 * benign) / 2, rel=1e-6)


def test_logit_adjustment_by_hand():
    # A fifth is malignant: odds 1/4. The logit log 12 is trained as log 3, where p = 3/4.
    loss = make_loss("logit_adjusted", prior=0.2)

    cost = value(loss, LABELS, column(math.log(12), math.log(12)))

    assert cost == pytest.approx((-math.log(3 / 4) - math.log(1 / 4)) / 2, rel=1e-6)


@pytest.mark.parametrize("options", [{"prior": 0.2, "tau": 0.0}, {"prior": 0.5, "tau": 2.0}])
def test_logit_adjustment_by_nothing_is_crossentropy(options):
    logits = column(1.7, 0.4)

    assert value(make_loss("logit_adjusted", **options), LABELS, logits) == value(
        make_loss("binary_crossentropy"), LABELS, logits
    )


def test_the_adjusted_logit_that_costs_least_is_the_log_likelihood_ratio():
    # An image seen 3 times malignant and once benign, among odds of 1/4: the ratio is 12.
    loss, y_true = make_loss("logit_adjusted", prior=0.2), column(1, 1, 1, 0)
    logits = tf.Variable(math.log(12.0))

    with tf.GradientTape() as tape:
        cost = loss(y_true, tf.fill((4, 1), logits))

    assert abs(float(tape.gradient(cost, logits))) < 1e-6


def test_what_depends_on_the_data_is_taken_from_its_labels():
    labels = np.array([0] * 8 + [1] * 2)

    focal = fitted_loss(labels, "focal", class_weight="balanced", beta=0.999)
    effective = fitted_loss(
        labels, "weighted_crossentropy", class_weight="effective_number", beta=0.9
    )
    given = fitted_loss(labels, "weighted_crossentropy", class_weight=(1, 3), beta=0.999)
    adjusted = fitted_loss(labels, "logit_adjusted", tau=2.0)

    assert focal.class_weight == balanced_class_weight(labels)
    assert effective.class_weight == effective_number_class_weight(labels, beta=0.9)
    assert given.class_weight == (1, 3)
    assert adjusted.offset == pytest.approx(2 * math.log(0.2 / 0.8))


def test_effective_number_by_hand():
    # beta 1/2: 1 image counts as 1, 2 images as 1.5. Weights 1.5 : 1, scaled to a sum of 3.
    benign, malignant = effective_number_class_weight(np.array([0, 1, 0]), beta=0.5)

    assert malignant / benign == pytest.approx(1.5)
    assert 2 * benign + malignant == pytest.approx(3)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.999, 1 - 1e-9])
def test_effective_weights_have_mean_one_and_lie_between_none_and_balanced(beta):
    labels = np.array([0] * 110 + [1] * 30)

    weights = np.array(effective_number_class_weight(labels, beta=beta))

    assert weights[labels].mean() == pytest.approx(1)
    assert 1 <= weights[1] / weights[0] <= 110 / 30 + 1e-6


def test_effective_weights_at_both_ends():
    labels = np.array([0] * 110 + [1] * 30)

    assert effective_number_class_weight(labels, beta=0.0) == (1, 1)
    assert effective_number_class_weight(labels, beta=1 - 1e-9) == pytest.approx(
        balanced_class_weight(labels), rel=1e-5
    )


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
    with pytest.raises(DataError, match="cannot be balanced"):
        effective_number_class_weight(np.array(labels), beta=0.9)


def test_wrong_beta_is_named():
    with pytest.raises(ConfigError, match="beta is 1"):
        effective_number_class_weight(np.array([0, 1]), beta=1.0)


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
        ("focal", {"alpha": 0.5, "class_weight": (1, 1)}, "alpha and class_weight"),
        ("logit_adjusted", {"prior": 1.0}, "prior is"),
        ("logit_adjusted", {"prior": 0.1, "tau": -1}, "tau is"),
        ("binary_crossentropy", {"label_smoothing": 1.0}, "label_smoothing is"),
    ],
)
def test_wrong_options_are_named(name, options, message):
    with pytest.raises(ConfigError, match=message):
        make_loss(name, **options)


def test_a_loss_can_be_made_again_from_its_config():
    loss = LogitLoss(class_weight=(1, 2), gamma=1.5, offset=-0.7, label_smoothing=0.1)

    again = type(loss).from_config(loss.get_config())

    assert again.get_config() == loss.get_config()
    assert value(again, LABELS, column(1, 1)) == value(loss, LABELS, column(1, 1))
