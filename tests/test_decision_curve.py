"""Net benefit by hand, against its definition, and what treating all or nobody comes to."""

import numpy as np
import pytest

from skinlesion.errors import ConfigError
from skinlesion.metrics.decision_curve import decision_curve, net_benefit
from skinlesion.metrics.scores import confusion


def curve(y_true, y_prob, at, *, group=None, resamples=50, seed=0, **options):
    return decision_curve(
        np.asarray(y_true),
        np.asarray(y_prob),
        np.arange(len(y_true)) if group is None else group,
        at=np.asarray(at),
        resamples=resamples,
        confidence=0.95,
        rng=np.random.default_rng(seed),
        **options,
    )


def example(size=400, seed=0):
    rng = np.random.default_rng(seed)
    y_prob = np.round(rng.random(size) ** 2, 2)
    return (rng.random(size) < y_prob).astype(int), y_prob


def test_net_benefit_by_hand():
    # 1,000 lesions, 200 of them malignant: at a threshold probability of 20 % the model finds 160
    # and raises 240 false alarms, of which four weigh as much as one melanoma.
    y_true = np.repeat([1, 1, 0, 0], [160, 40, 240, 560])
    y_prob = np.repeat([0.5, 0.1, 0.5, 0.1], [160, 40, 240, 560])

    found = curve(y_true, y_prob, [0.2])

    assert found.model == pytest.approx([160 / 1000 - 240 / 1000 / 4])  # 0.10
    assert found.treat_all == pytest.approx([200 / 1000 - 800 / 1000 / 4])  # 0: equally good
    assert found.standardized == pytest.approx([0.5])
    # 600 biopsies fewer than all 1,000; the 40 melanomas missed are worth 160 of them.
    assert found.avoided == pytest.approx([(560 - 40 * 4) / 1000])
    assert found.useful.tolist() == [True]


def test_the_curve_is_its_definition_at_every_threshold():
    y_true, y_prob = example()
    at = np.array([0.01, 0.1, 0.25, 0.5, 0.99])

    found = curve(y_true, y_prob, at)

    for threshold, value in zip(at, found.model, strict=True):
        counts = confusion(y_true, y_prob, threshold=threshold)
        expected = (counts["tp"] - counts["fp"] * threshold / (1 - threshold)) / len(y_true)
        assert value == pytest.approx(expected)


def test_a_model_that_treats_everybody_is_treating_everybody():
    y_true, _ = example()
    at = np.array([0.05, 0.3, 0.6])

    found = curve(y_true, np.ones(len(y_true)), at)

    assert found.model == pytest.approx(found.treat_all)
    assert not found.useful.any()
    assert found.avoided == pytest.approx(0)


def test_a_perfect_model_has_the_prevalence_as_its_net_benefit():
    y_true, _ = example()

    found = curve(y_true, y_true, [0.1, 0.5])

    assert found.model == pytest.approx(y_true.mean())
    assert found.standardized == pytest.approx(1)


def test_calibrated_probabilities_are_useful_at_every_threshold():
    found = curve(*example(20_000), np.linspace(0.05, 0.9, 18), resamples=2)

    assert found.useful.all()


def test_the_observed_prevalence_restates_nothing():
    y_true, y_prob = example()
    at = [0.1, 0.4]

    as_observed = curve(y_true, y_prob, at)
    restated = curve(y_true, y_prob, at, prevalence=float(y_true.mean()))

    assert restated.model == pytest.approx(as_observed.model)
    assert restated.treat_all == pytest.approx(as_observed.treat_all)


def test_a_prevalence_is_that_of_images_counted_more_often():
    y_true, y_prob = np.array([1, 1, 0, 0]), np.array([0.8, 0.2, 0.6, 0.1])

    restated = curve(y_true, y_prob, [0.3], prevalence=0.25)
    tripled = curve([1, 1] + 3 * [0, 0], [0.8, 0.2, *3 * [0.6, 0.1]], [0.3])

    assert restated.model == pytest.approx(tripled.model)
    assert restated.treat_all == pytest.approx(tripled.treat_all)
    assert restated.prevalence == tripled.prevalence == 0.25


def test_intervals_hold_the_value_and_depend_on_the_seed_alone():
    y_true, y_prob = example()
    at = [0.1, 0.3]

    found, again = (curve(y_true, y_prob, at, resamples=300) for _ in range(2))

    assert (found.low < found.model).all()
    assert (found.model < found.high).all()
    assert (found.low == again.low).all()


def test_copies_within_a_group_do_not_narrow_the_interval():
    y_true, y_prob = example(150)
    rows = np.repeat(np.arange(150), 4)

    once = curve(y_true, y_prob, [0.2], resamples=400)
    copied = curve(y_true[rows], y_prob[rows], [0.2], group=rows, resamples=400)

    assert copied.high - copied.low == pytest.approx(once.high - once.low)


@pytest.mark.parametrize(
    ("at", "options", "message"),
    [
        ([0.0], {}, "threshold probabilities"),
        ([0.5, 1.0], {}, "threshold probabilities"),
        ([0.5], {"prevalence": 1.0}, "prevalence"),
    ],
)
def test_impossible_options_are_refused(at, options, message):
    with pytest.raises(ConfigError, match=message):
        curve(*example(20), at, **options)


@pytest.mark.parametrize("prevalence", [None, 0.02])
def test_net_benefit_is_the_curve_without_its_intervals(prevalence):
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 2, 40)
    y_prob = rng.integers(0, 11, 40) / 10  # with ties, and scores on the thresholds
    at = np.linspace(0.1, 0.9, 9)

    curve = decision_curve(
        y_true,
        y_prob,
        np.arange(40),
        at=at,
        resamples=10,
        confidence=0.95,
        rng=rng,
        prevalence=prevalence,
    )

    assert net_benefit(y_true, y_prob, at=at, prevalence=prevalence) == pytest.approx(curve.model)
