"""The table of operating points: what each rule finds, against a search over every threshold."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skinlesion.errors import ConfigError, DataError
from skinlesion.metrics.scores import SCORES, confusion
from skinlesion.metrics.thresholds import (
    OPERATING_POINTS,
    at_specificity,
    call,
    least_cost,
    most_net_benefit,
)

CLASSES = st.tuples(
    st.lists(st.integers(0, 20), min_size=1, max_size=20),
    st.lists(st.integers(0, 20), min_size=1, max_size=20),
)
OPTIONS = {
    "fixed": {"value": 0.3},
    "youden": {},
    "sensitivity": {"at_least": 0.8},
    "specificity": {"at_least": 0.8},
    "cost": {"miss_cost": 5.0},
    "net_benefit": {"at": 0.2},
    "guaranteed_sensitivity": {"at_least": 0.8, "confidence": 0.9},
}


def predictions(classes):
    benign, malignant = classes
    y_true = np.array([0] * len(benign) + [1] * len(malignant))
    return y_true, np.array(benign + malignant) / 20


def example(size=200, seed=0):
    rng = np.random.default_rng(seed)
    y_true = (np.arange(size) % 4 == 0).astype(int)
    y_prob = np.clip(0.35 + 0.25 * y_true + 0.15 * rng.standard_normal(size), 0, 1)
    return y_true, y_prob, np.arange(size)


def every_threshold(y_prob):
    return [*np.unique(y_prob), 1.1]


@pytest.mark.parametrize("name", OPERATING_POINTS)
def test_a_rule_fits_on_val_and_its_parameters_survive_json(name):
    y_true, y_prob, group = example()
    rule = OPERATING_POINTS[name]

    params = rule.fit(y_true, y_prob, group, **OPTIONS[name])

    kept = json.loads(json.dumps(params))
    assert kept == params
    assert (call(kept, y_prob) == (y_prob >= params["threshold"])).all()
    assert rule.words(kept)


@pytest.mark.parametrize("name", OPERATING_POINTS)
def test_a_rule_does_not_depend_on_the_order_of_images(name):
    y_true, y_prob, group = example()
    mixed = np.random.default_rng(1).permutation(len(y_true))

    fits = [
        OPERATING_POINTS[name].fit(y_true[rows], y_prob[rows], group[rows], **OPTIONS[name])
        for rows in (np.arange(len(y_true)), mixed)
    ]

    assert fits[0] == fits[1]


@pytest.mark.parametrize("name", [name for name in OPERATING_POINTS if name != "fixed"])
def test_a_rising_map_of_the_probabilities_moves_the_threshold_with_them(name):
    y_true, y_prob, group = example()
    rule = OPERATING_POINTS[name]

    params, moved = (rule.fit(y_true, p, group, **OPTIONS[name]) for p in (y_prob, y_prob**3))

    assert moved["threshold"] == pytest.approx(params["threshold"] ** 3, abs=1e-12)


@pytest.mark.parametrize("name", OPERATING_POINTS)
def test_every_rule_but_a_fixed_one_needs_both_classes(name):
    rule = OPERATING_POINTS[name]
    only_benign = np.zeros(50), np.linspace(0, 1, 50), np.arange(50)

    if not rule.uses_labels:
        assert rule.fit(*only_benign, **OPTIONS[name])["threshold"] == 0.3
        return
    with pytest.raises(DataError, match="malignant"):
        rule.fit(*only_benign, **OPTIONS[name])


def test_call_refuses_what_is_no_probability():
    with pytest.raises(DataError, match="out of range"):
        call({"threshold": 0.5}, np.array([0.2, 1.2]))


# --- specificity --------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(CLASSES, st.sampled_from([0.01, 0.5, 0.8, 0.95, 1.0]))
def test_at_specificity_is_the_lowest_threshold_that_reaches_it(classes, target):
    y_true, y_prob = predictions(classes)

    threshold = at_specificity(y_true, y_prob, target=target)

    reaching = [
        t for t in every_threshold(y_prob) if SCORES["specificity"](y_true, y_prob, t) >= target
    ]
    called, wanted = y_prob >= threshold, y_prob >= min(reaching)
    assert (called == wanted).all()


def test_a_full_specificity_may_call_nothing_malignant():
    threshold = at_specificity(np.array([0, 1]), np.array([0.7, 0.7]), target=1.0)

    assert threshold == np.nextafter(0.7, 1)


# --- cost and net benefit -----------------------------------------------------------------


def test_cost_by_hand():
    y_true = np.array([1, 0, 0, 1, 0, 0])
    y_prob = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.2])

    # From 0.9: one miss, no false alarm. From 0.6: no miss, two false alarms.
    assert least_cost(y_true, y_prob, miss_cost=1.9) == 0.9
    assert least_cost(y_true, y_prob, miss_cost=2.1) == 0.6
    # Equally good: the lower threshold misses nothing.
    assert least_cost(y_true, y_prob, miss_cost=2.0) == 0.6
    # With a tenth malignant, two of four benign ones weigh (0.9 / 4) / (0.1 / 2) = 4.5 times more.
    assert least_cost(y_true, y_prob, miss_cost=8.9, prevalence=0.1) == 0.9
    assert least_cost(y_true, y_prob, miss_cost=9.1, prevalence=0.1) == 0.6


@settings(max_examples=80, deadline=None)
@given(CLASSES, st.sampled_from([0.2, 1.0, 7.0]), st.sampled_from([None, 0.02, 0.5]))
def test_no_threshold_costs_less(classes, miss_cost, prevalence):
    y_true, y_prob = predictions(classes)
    share = y_true.mean() if prevalence is None else prevalence

    def cost(threshold):
        counts = confusion(y_true, y_prob, threshold=threshold)
        missed = counts["fn"] / (counts["fn"] + counts["tp"])
        alarmed = counts["fp"] / (counts["fp"] + counts["tn"])
        return miss_cost * missed * share + alarmed * (1 - share)

    chosen = least_cost(y_true, y_prob, miss_cost=miss_cost, prevalence=prevalence)

    least = min(cost(t) for t in every_threshold(y_prob))
    assert cost(chosen) == pytest.approx(least, abs=1e-9)


def test_useless_probabilities_call_all_or_nothing():
    y_true, y_prob = np.array([1, 0, 0, 0]), np.full(4, 0.4)

    assert least_cost(y_true, y_prob, miss_cost=4) == 0.4
    assert least_cost(y_true, y_prob, miss_cost=2) > 0.4


def test_calibrated_probabilities_have_their_most_net_benefit_near_the_threshold_probability():
    rng = np.random.default_rng(0)
    y_prob = rng.random(40_000)
    y_true = rng.random(40_000) < y_prob

    for at in (0.1, 0.3, 0.7):
        assert most_net_benefit(y_true, y_prob, at=at) == pytest.approx(at, abs=0.06)


def test_net_benefit_is_a_cost():
    y_true, y_prob, _ = example()

    found = most_net_benefit(y_true, y_prob, at=0.2, prevalence=0.05)

    assert found == least_cost(y_true, y_prob, miss_cost=4.0, prevalence=0.05)


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        ("specificity", {"at_least": 1.1}, "target specificity"),
        ("cost", {"miss_cost": 0.0}, "false alarms"),
        ("cost", {"miss_cost": 2.0, "prevalence": 1.0}, "prevalence"),
        ("net_benefit", {"at": 1.0}, "threshold probability"),
        ("guaranteed_sensitivity", {"at_least": 1.0, "confidence": 0.9}, "guaranteed sensitivity"),
        ("guaranteed_sensitivity", {"at_least": 0.9, "confidence": 1.0}, "guaranteed sensitivity"),
    ],
)
def test_impossible_options_are_refused(rule, options, message):
    with pytest.raises(ConfigError, match=message):
        OPERATING_POINTS[rule].fit(*example(), **options)
