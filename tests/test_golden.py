"""The published figures of the ISIC 2017 challenge's best melanoma system, to the last digit."""

from pathlib import Path

import numpy as np
import pytest

from skinlesion.metrics.scores import SCORES, score_all
from skinlesion.tables import floats, read_columns

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SUBMISSION = DATA / "reference" / "recod_titans_isic2017_test_scores.csv"
TRUTH = DATA / "isic2017" / "ISIC-2017_Test_v2_Part3_GroundTruth.csv"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        not (SUBMISSION.exists() and TRUTH.exists()), reason=f"no real data in {DATA}"
    ),
]


def joined(diagnosis: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and submitted scores of ``diagnosis`` against the rest, in the truth's order."""
    truth = column_by_id(TRUTH, diagnosis)
    submitted = column_by_id(SUBMISSION, diagnosis)
    assert truth.keys() == submitted.keys()
    return np.array([*truth.values()]), np.array([submitted[image] for image in truth])


def column_by_id(path: Path, name: str) -> dict[str, float]:
    table = read_columns(path, required=["image_id", name])
    return dict(zip(table["image_id"], floats(path, name, table[name]).tolist(), strict=True))


@pytest.mark.parametrize(
    ("name", "digits", "published"),
    [
        ("roc_auc", 5, 0.87351),
        ("accuracy", 5, 0.87167),
        ("sensitivity", 4, 0.5470),
        ("specificity", 4, 0.9503),
        ("specificity_at_82_sensitivity", 4, 0.7474),
        ("average_precision", 4, 0.7162),
        ("brier", 3, 0.099),
    ],
)
def test_melanoma_as_published(name, digits, published):
    y_true, y_prob = joined("melanoma")

    assert (len(y_true), y_true.sum()) == (600, 117)
    assert round(score_all(y_true, y_prob, threshold=0.5)[name], digits) == published


def test_no_threshold_gives_a_better_accuracy_than_published():
    y_true, y_prob = joined("melanoma")

    best = max(SCORES["accuracy"](y_true, y_prob, threshold) for threshold in y_prob)

    assert round(best, 3) == 0.882


def test_seborrheic_keratosis_as_published():
    y_true, y_prob = joined("seborrheic_keratosis")

    assert round(SCORES["roc_auc"](y_true, y_prob, 0.5), 5) == 0.94253
