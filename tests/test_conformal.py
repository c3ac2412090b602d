"""Conformal sets: coverage of each class by simulation, quantiles by hand, the zone of referral."""

import json

import numpy as np
import pytest

from skinlesion.errors import ConfigError
from skinlesion.metrics.abstention import (
    SETS,
    fit_conformal,
    label_sets,
    refer_zone,
    referral_outcome,
)


def draw(rng, benign, malignant):
    """Labels and probabilities of a model that is neither calibrated nor good."""
    y_true = np.repeat([0, 1], [benign, malignant])
    return y_true, np.concatenate([rng.beta(2, 5, size=benign), rng.beta(3, 3, size=malignant)])


def fitted(y_true, y_prob, group=None, *, benign=0.9, malignant=0.9):
    group = np.arange(len(y_true)) if group is None else group
    return fit_conformal(
        y_true, y_prob, group, benign_coverage=benign, malignant_coverage=malignant
    )


def thresholds(params):
    return params["benign_up_to"], params["malignant_from"]


def test_quantiles_by_hand():
    y_true = np.repeat([0, 1], [9, 4])
    y_prob = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.35, 0.55, 0.65, 0.95])

    # Of 10 places among 9 benign images 80 % are at or below the 8th: 0.8. Of 5 places among 4
    # malignant ones 60 % are at or above the third from above: 0.55.
    params = fitted(y_true, y_prob, benign=0.8, malignant=0.6)

    assert thresholds(params) == (0.8, 0.55)
    assert (params["benign_groups"], params["malignant_groups"]) == (9, 4)
    assert json.loads(json.dumps(params)) == params


def test_each_class_is_covered_as_promised_on_average():
    rng = np.random.default_rng(0)
    new = draw(rng, 20_000, 20_000)
    benign, malignant = (np.sort(new[1][new[0] == label]) for label in (0, 1))

    covered = []
    for _ in range(1500):
        up_to, malignant_from = thresholds(fitted(*draw(rng, 60, 24), malignant=0.95))
        covered.append(
            (
                np.searchsorted(benign, up_to, side="right") / len(benign),
                1 - np.searchsorted(malignant, malignant_from) / len(malignant),
            )
        )

    # The least whole number of places that will do: 55 of 61, 24 of 25.
    assert np.mean(covered, axis=0) == pytest.approx([55 / 61, 24 / 25], abs=0.005)
    assert (np.mean(covered, axis=0) > [0.9, 0.95]).all()


def test_many_images_of_one_patient_weigh_as_one():
    rng = np.random.default_rng(1)
    y_true, y_prob = draw(rng, 40, 40)

    once = fitted(y_true, y_prob)
    rows = np.concatenate([np.arange(80), np.zeros(30, dtype=int), np.full(50, 79)])
    copied = fitted(y_true[rows], y_prob[rows], rows)

    assert copied == once


def test_images_of_new_patients_are_covered_where_patients_differ_in_number_and_level():
    rng = np.random.default_rng(2)

    def patients(count):
        """Those of many images have higher probabilities: images are not exchangeable."""
        many = rng.random(count) < 0.2
        level = np.where(many, 0.6, 0.3) + 0.2 * rng.random(count)
        sizes = np.where(many, 20, 1)
        return np.repeat(level, sizes), np.repeat(np.arange(count), sizes), level

    by_patient, by_image = [], []
    for _ in range(400):
        y_prob, group, _ = patients(40)
        new = patients(400)[2]
        benign = np.zeros(len(y_prob))
        by_patient.append((new <= fitted(benign, y_prob, group)["benign_up_to"]).mean())
        by_image.append((new <= fitted(benign, y_prob)["benign_up_to"]).mean())

    assert np.mean(by_patient) == pytest.approx(0.9, abs=0.025)
    assert np.mean(by_patient) >= 0.895
    # Each image for itself, the few patients with many images decide.
    assert np.mean(by_image) > 0.95


@pytest.mark.parametrize(("groups", "holds_all"), [(8, True), (9, False)])
def test_too_few_images_are_never_excluded(groups, holds_all):
    y_true, y_prob = np.repeat([0, 1], groups), np.tile(np.linspace(0.3, 0.6, groups), 2)

    # 0.9 / (1 - 0.9) = 9 are needed.
    up_to, malignant_from = thresholds(fitted(y_true, y_prob))

    assert (up_to == 1, malignant_from == 0) == (holds_all, holds_all)


def test_a_class_that_val_lacks_is_in_every_set():
    params = fitted(np.zeros(50), np.linspace(0, 1, 50))

    assert set(label_sets(params, np.linspace(0, 1, 9)).tolist()) == {"both", "malignant"}
    assert params["malignant_groups"] == 0


def test_sets_overlap_or_leave_a_gap():
    y_prob = np.array([0.1, 0.4, 0.5, 0.6, 0.9])

    overlapping = label_sets({"benign_up_to": 0.6, "malignant_from": 0.4}, y_prob)
    apart = label_sets({"benign_up_to": 0.4, "malignant_from": 0.6}, y_prob)

    assert overlapping.tolist() == ["benign", "both", "both", "both", "malignant"]
    assert apart.tolist() == ["benign", "benign", "none", "malignant", "malignant"]
    assert {*overlapping.tolist(), *apart.tolist()} == set(SETS)


def test_the_zone_is_where_sets_are_not_one_label():
    rng = np.random.default_rng(3)
    for coverage in (0.6, 0.8, 0.95):
        params = fitted(*draw(rng, 80, 50), benign=coverage, malignant=coverage)
        zone = refer_zone(params)
        y_prob = np.append(rng.random(500), [zone.low, zone.high])

        inside = (y_prob >= zone.low) & (y_prob <= zone.high)
        if zone.contains == "none":
            inside = (y_prob > zone.low) & (y_prob < zone.high)

        sets = label_sets(params, y_prob)
        assert (sets[inside] == zone.contains).all()
        assert (sets[y_prob < zone.low] == "benign").all()
        assert (sets[y_prob > zone.high] == "malignant").all()


def test_more_coverage_never_shrinks_a_set():
    rng = np.random.default_rng(4)
    val = draw(rng, 100, 100)

    found = np.array([thresholds(fitted(*val, benign=c, malignant=c)) for c in (0.6, 0.8, 0.99)])

    assert (np.diff(found[:, 0]) >= 0).all()
    assert (np.diff(found[:, 1]) <= 0).all()


def test_outcome_by_hand():
    params = {"benign_up_to": 0.5, "malignant_from": 0.3}
    y_true = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    y_prob = np.array([0.1, 0.2, 0.4, 0.5, 0.9, 0.2, 0.3, 0.8, 0.9])

    found = referral_outcome(params, y_true, y_prob, confidence=0.95)

    assert found.counts == {
        "benign": {"benign": 2, "malignant": 1, "both": 2, "none": 0},
        "malignant": {"benign": 1, "malignant": 2, "both": 1, "none": 0},
    }
    assert found.benign_coverage.value == 4 / 5
    assert found.malignant_coverage.value == 3 / 4
    assert found.referred.value == 3 / 9
    assert (found.sensitivity.value, found.specificity.value) == (2 / 3, 2 / 3)
    assert found.accuracy.value == 4 / 6
    assert found.referred.low < 3 / 9 < found.referred.high


def test_if_all_are_referred_nothing_is_known_of_the_rest():
    params = {"benign_up_to": 1.0, "malignant_from": 0.0}

    found = referral_outcome(params, np.array([0, 1]), np.array([0.3, 0.4]), confidence=0.95)

    assert (found.referred.value, found.benign_coverage.value) == (1, 1)
    assert np.isnan([found.sensitivity.value, found.accuracy.low]).all()


@pytest.mark.parametrize("coverage", [0, 1, -0.5, np.nan])
def test_an_impossible_coverage_is_refused(coverage):
    with pytest.raises(ConfigError, match="conformal coverage"):
        fitted(np.array([0, 1]), np.array([0.2, 0.7]), malignant=coverage)
