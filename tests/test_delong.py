"""DeLong's variance against published figures, against its definition, and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skinlesion.errors import ConfigError, DataError
from skinlesion.metrics.delong import auc_covariance, delong_interval, delong_test
from skinlesion.metrics.scores import SCORES

pytestmark = pytest.mark.thorough

# DeLong, DeLong and Clarke-Pearson 1988: ovarian cancer with bowel obstruction; albumin, total
# protein, K-G score and whether surgery helped (1), for the patients with all three. Data from the
# SAS/STAT User's Guide, LOGISTIC, example "Comparing Receiver Operating Characteristic Curves",
# whose event is 0 and whose K-G score is 10 less this one. The figures that its output prints are
# quoted from memory, as the stored page ends before them; the definition below gives them too.
OVARIAN = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
1.6 5.6  5 1  3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
4.3 7.0  4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
3.0 4.7  8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
3.2 5.1  5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
3.5 6.2  5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
3.6 6.6  5 1
"""
ALBUMIN, PROTEIN, KG, HELPED = np.array(OVARIAN.split(), dtype=float).reshape(-1, 4).T
EVENT = 1 - HELPED
TESTS = np.stack([-ALBUMIN, KG, -PROTEIN])  # higher: more likely the event

# Subarachnoid haemorrhage, 113 patients (Turck et al., Intensive Care Med. 36:107, 2010), as R's
# pROC has them; its figures for them are those of its own tests (tests/testthat/test-roc.test.R,
# test-var.R): outcome poor (1), grade WFNS, S100B in 0.01 ug/l.
POOR = """
00001101001011001011101000000000100110110000000001100010001010011101101111000110100000010000000000
001111110001000
"""
WFNS = """
11113254125255125225211112121134214541425511241125521251222151125214524414121421232421451154221113
125225552445111
"""
S100B = """
13 14 10 4 13 10 47 16 18 10 12 10 44 71 4 8 49 4 7 33 9 9 7 11 7 17 7 11 13 19 5 16 41 14 34 35 48
9 96 25 50 46 16 7 43 45 11 8 9 86 52 8 6 13 207 10 14 15 7 6 77 5 9 30 3 9 4 23 70 9 27 71 8 26 8
16 9 13 10 8 11 33 11 28 7 10 32 22 7 5 24 38 10 15 8 14 10 7 4 19 56 14 58 32 82 74 15 47 17 44 15
50 48
"""


def digits(text: str) -> np.ndarray:
    return np.array([int(digit) for digit in "".join(text.split())])


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels with two images of each class or more, two models with ties, groups of any size."""
    size = draw(st.integers(4, 25))
    y_true = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    y_true[:4] = [0, 1, 0, 1]
    grid = st.lists(st.integers(0, 6), min_size=size, max_size=size)
    group = draw(st.lists(st.integers(0, size), min_size=size, max_size=size))
    group[:4] = [90, 91, 92, 93]
    return np.array(y_true), np.array([draw(grid), draw(grid)]) / 6, np.array(group)


def by_definition(y_true, y_probs, group):
    """DeLong's covariance with Obuchowski's groups: every pair of images, every pair of models."""
    malignant, benign = np.flatnonzero(y_true == 1), np.flatnonzero(y_true == 0)
    names = list(dict.fromkeys(group.tolist()))
    wins = np.array(
        [[[np.sign(y[i] - y[j]) / 2 + 0.5 for j in benign] for i in malignant] for y in y_probs]
    )
    areas = wins.mean(axis=(1, 2))
    of_malignant = wins.mean(axis=2) - areas[:, None]
    of_benign = wins.mean(axis=1) - areas[:, None]
    first = np.array([of_malignant[:, group[malignant] == one].sum(axis=1) for one in names])
    second = np.array([of_benign[:, group[benign] == one].sum(axis=1) for one in names])
    some, others = len({*group[malignant]}), len({*group[benign]})
    covariance = np.zeros((len(areas), len(areas)))
    for p in range(len(areas)):
        for q in range(len(areas)):
            covariance[p, q] = (
                some / (some - 1) * (first[:, p] * first[:, q]).sum() / len(malignant) ** 2
                + others / (others - 1) * (second[:, p] * second[:, q]).sum() / len(benign) ** 2
                + len(names)
                / (len(names) - 1)
                * (first[:, p] * second[:, q] + second[:, p] * first[:, q]).sum()
                / (len(malignant) * len(benign))
            )
    return areas, covariance


def test_areas_and_errors_of_the_published_example():
    areas, covariance = auc_covariance(EVENT, TESTS)

    assert areas.round(4).tolist() == [0.7366, 0.7258, 0.6478]
    assert np.sqrt(np.diag(covariance)).round(4).tolist() == [0.0927, 0.1028, 0.1]


@pytest.mark.parametrize(
    ("test", "published"), [(0, (0.5549, 0.9182)), (1, (0.5243, 0.9273)), (2, (0.4518, 0.8439))]
)
def test_intervals_of_the_published_example(test, published):
    found = delong_interval(EVENT, TESTS[test], confidence=0.95, scale="plain")

    assert (round(found.low, 4), round(found.high, 4)) == published


@pytest.mark.parametrize(
    ("test", "difference", "interval", "chi_square", "p"),
    [
        (0, 0.0108, (-0.1761, 0.1976), 0.0127, 0.9102),
        (2, -0.0780, (-0.2830, 0.1271), 0.5554, 0.4561),
    ],
)
def test_differences_of_the_published_example(test, difference, interval, chi_square, p):
    found = delong_test(EVENT, TESTS[test], TESTS[1], confidence=0.95)

    ends = (round(found.difference.low, 4), round(found.difference.high, 4))
    assert (round(found.difference.value, 4), ends) == (difference, interval)
    assert (round(found.z**2, 4), round(found.p, 4)) == (chi_square, p)


def test_the_definition_gives_the_figures_of_the_published_example():
    areas, covariance = by_definition(EVENT, TESTS, np.arange(len(EVENT)))

    assert areas.round(4).tolist() == [0.7366, 0.7258, 0.6478]
    assert np.sqrt(np.diag(covariance)).round(4).tolist() == [0.0927, 0.1028, 0.1]


def test_the_joint_test_of_the_published_example():
    areas, covariance = auc_covariance(EVENT, TESTS)
    contrast = np.array([[1, -1, 0], [0, -1, 1]])

    differences = contrast @ areas
    chi_square = differences @ np.linalg.solve(contrast @ covariance @ contrast.T, differences)

    assert round(chi_square, 4) == 2.5340


def test_the_figures_of_proc():
    wfns, s100b = digits(WFNS), np.array(S100B.split(), dtype=float)

    found = delong_test(digits(POOR), wfns, s100b, confidence=0.95)
    areas, covariance = auc_covariance(digits(POOR), np.stack([wfns, s100b]))

    assert areas == pytest.approx([0.823678861788618, 0.731368563685637], rel=1e-12)
    assert np.diag(covariance) == pytest.approx([0.00146991470882363, 0.00266868245717244])
    assert found.z == pytest.approx(2.20898359144091)
    assert found.p == pytest.approx(0.0271757822291882)
    ends = (found.difference.low, found.difference.high)
    assert ends == pytest.approx((0.0104061769564846, 0.174214419249478))


@settings(max_examples=40, deadline=None)
@given(scored())
def test_the_covariance_is_that_of_the_definition(data):
    y_true, y_probs, group = data

    for grouping in (group, np.arange(len(y_true))):
        areas, covariance = auc_covariance(y_true, y_probs, grouping)
        expected = by_definition(y_true, y_probs, grouping)
        np.testing.assert_allclose(areas, expected[0], atol=1e-12)
        np.testing.assert_allclose(covariance, expected[1], atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(scored())
def test_laws_of_the_test(data):
    y_true, (first, second), group = data

    found = delong_test(y_true, first, second, confidence=0.9, group=group)
    reverse = delong_test(y_true, second, first, confidence=0.9, group=group)
    stretched = delong_test(y_true, np.exp(first), second**3, confidence=0.9, group=group)
    swapped = delong_test(1 - y_true, -first, -second, confidence=0.9, group=group)

    assert reverse.z == pytest.approx(-found.z, nan_ok=True)
    for same in (reverse, stretched, swapped):
        assert same.p == pytest.approx(found.p, nan_ok=True)
    areas = [SCORES["roc_auc"](y_true, y_prob, 0.5) for y_prob in (first, second)]
    assert found.difference.value == pytest.approx(areas[0] - areas[1])


def test_copies_within_a_group_are_no_new_evidence():
    rng = np.random.default_rng(0)
    y_true, y_prob = (np.arange(60) < 20).astype(int), rng.random(60)
    copies = [np.tile(column, 4) for column in (y_true, y_prob, np.arange(60))]

    once = delong_interval(y_true, y_prob, confidence=0.95)
    grouped = delong_interval(*copies[:2], confidence=0.95, group=copies[2])
    ungrouped = delong_interval(*copies[:2], confidence=0.95)

    assert vars(grouped) == pytest.approx(vars(once))
    assert ungrouped.high - ungrouped.low < 0.6 * (once.high - once.low)


def test_one_model_twice_is_no_difference():
    found = delong_test(EVENT, KG, KG, confidence=0.95)

    assert (found.z, found.p) == (0, 1)
    assert (found.difference.low, found.difference.value, found.difference.high) == (0, 0, 0)


def test_a_difference_without_variance_is_undefined():
    y_true, ranking = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])

    found = delong_test(y_true, ranking, -ranking, confidence=0.95)

    assert found.difference.value == 1
    assert np.isnan([found.z, found.p, found.difference.low]).all()


@pytest.mark.parametrize("y_true", [[0, 0, 0], [1, 1, 1], [0, 0, 1], [1, 1, 0]])
def test_one_image_of_a_class_has_no_variance(y_true):
    y_prob = np.array([0.2, 0.4, 0.3])

    found = delong_interval(np.array(y_true), y_prob, confidence=0.95)

    assert found.value == pytest.approx(
        SCORES["roc_auc"](np.array(y_true), y_prob, 0.5), nan_ok=True
    )
    assert np.isnan([found.low, found.high]).all()


def test_the_logit_interval_stays_within_0_and_1_and_the_plain_one_is_cut():
    y_true = np.array([0] * 8 + [1] * 4)
    y_prob = np.array([0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.75, 0.7, 0.8, 0.9, 0.95])

    logit = delong_interval(y_true, y_prob, confidence=0.95)
    plain = delong_interval(y_true, y_prob, confidence=0.95, scale="plain")

    assert logit.low < logit.value < logit.high < 1
    assert plain.high == 1
    perfect = delong_interval(np.array([0, 0, 1, 1]), np.arange(4), confidence=0.95)
    assert perfect.value == 1
    assert np.isnan(perfect.high)


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match="shape"):
        auc_covariance(np.array([0, 1]), np.zeros((1, 3)))
    with pytest.raises(ConfigError, match="no scale 'probit'"):
        delong_interval(EVENT, KG, confidence=0.95, scale="probit")


def test_intervals_cover_the_truth_and_the_test_rejects_as_often_as_they_say():
    # Normal scores, area 0.8; the second model's noise is partly the first's.
    trials, truth, shift = 400, 0.8, 1.190232
    y_true = (np.arange(90) < 30).astype(int)
    covered = rejected = 0
    for trial in range(trials):
        noise = np.random.default_rng(trial).normal(size=(3, 90))
        first, second = y_true * shift + (noise[:2] + noise[2]) / np.sqrt(2)
        interval = delong_interval(y_true, first, confidence=0.95)
        covered += interval.low <= truth <= interval.high
        rejected += delong_test(y_true, first, second, confidence=0.95).p < 0.05

    # Three standard errors of a proportion of 400 are 3.3 %.
    assert covered / trials == pytest.approx(0.95, abs=0.033)
    assert rejected / trials == pytest.approx(0.05, abs=0.033)
