"""Each rule against a search over every possible threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skinlesion.errors import ConfigError, DataError
from skinlesion.metrics.scores import SCORES
from skinlesion.metrics.thresholds import at_sensitivity, youden

CLASSES = st.tuples(
    st.lists(st.integers(0, 20), min_size=1, max_size=20),
    st.lists(st.integers(0, 20), min_size=1, max_size=20),
)


def predictions(classes: tuple[list[int], list[int]]) -> tuple[np.ndarray, np.ndarray]:
    benign, malignant = classes
    y_true = np.array([0] * len(benign) + [1] * len(malignant))
    return y_true, np.array(benign + malignant) / 20


def sensitivity(y_true: np.ndarray, y_prob: np.ndarray, threshold: float) -> float:
    return SCORES["sensitivity"](y_true, y_prob, threshold)


def test_youden_by_hand():
    y_true = np.array([1, 1, 0, 1, 0, 0])
    y_prob = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.2])

    # 0.8: 2/3 + 1 - 1; 0.6: 1 + 2/3 - 1: a tie, and the higher sensitivity wins.
    assert youden(y_true, y_prob) == 0.6


def test_youden_of_useless_probabilities_calls_everything_malignant():
    assert youden(np.array([0, 0, 1]), np.full(3, 0.3)) == 0.3


@settings(max_examples=60, deadline=None)
@given(CLASSES)
def test_youden_finds_the_best_and_of_equals_the_most_sensitive(classes):
    y_true, y_prob = predictions(classes)

    def merit(threshold: float) -> tuple[float, float]:
        # Rounded, as the two rates of equally good thresholds may differ in the last bit.
        balanced = SCORES["balanced_accuracy"](y_true, y_prob, threshold)
        return round(balanced, 9), sensitivity(y_true, y_prob, threshold)

    assert merit(youden(y_true, y_prob)) == max(merit(t) for t in [*np.unique(y_prob), 1.1])


@settings(max_examples=60, deadline=None)
@given(CLASSES, st.sampled_from([0.01, 0.5, 0.82, 0.89, 1.0]))
def test_at_sensitivity_is_the_highest_threshold_that_reaches_it(classes, target):
    y_true, y_prob = predictions(classes)

    threshold = at_sensitivity(y_true, y_prob, target=target)

    assert sensitivity(y_true, y_prob, threshold) >= target
    assert sensitivity(y_true, y_prob, np.nextafter(threshold, 2)) < target


@pytest.mark.parametrize("target", [0.82, 0.89, 0.95])
def test_at_sensitivity_reproduces_the_specificity_of_the_table(target):
    rng = np.random.default_rng(0)
    y_true = np.arange(300) % 3 == 0
    y_prob = np.round(np.clip(0.3 * y_true + 0.6 * rng.random(300), 0, 1), 2)

    threshold = at_sensitivity(y_true, y_prob, target=target)

    name = f"specificity_at_{target * 100:.0f}_sensitivity"
    assert SCORES["specificity"](y_true, y_prob, threshold) == SCORES[name](y_true, y_prob, 0.5)


def test_a_threshold_fitted_on_float32_holds_for_the_same_values_in_float64():
    y_true = np.array([0, 1, 1])
    y_prob = np.array([0.1, 0.7, 0.9], dtype=np.float32)

    assert sensitivity(y_true, y_prob.astype(np.float64), youden(y_true, y_prob)) == 1


@pytest.mark.parametrize(("label", "missing"), [(0, "malignant"), (1, "benign")])
@pytest.mark.parametrize("rule", [youden, lambda y, p: at_sensitivity(y, p, target=0.9)])
def test_a_missing_class_is_refused(rule, label, missing):
    with pytest.raises(DataError, match=f"no {missing} image"):
        rule(np.array([label, label]), np.array([0.2, 0.7]))


@pytest.mark.parametrize("target", [0, 1.01, np.nan])
def test_an_impossible_sensitivity_is_refused(target):
    with pytest.raises(ConfigError, match="target sensitivity"):
        at_sensitivity(np.array([0, 1]), np.array([0.2, 0.7]), target=target)
