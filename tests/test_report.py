"""Report figures and the leaderboard: what is drawn and printed is what was measured."""

import csv
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from skinlesion.errors import DataError
from skinlesion.metrics.intervals import Estimate
from skinlesion.report import figures
from skinlesion.report.leaderboard import (
    COLUMNS,
    CONSTANT,
    Row,
    ranked,
    to_json,
    to_markdown,
    to_rich,
    with_interval,
)

pytestmark = pytest.mark.thorough

NAN = math.nan
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
Y_TRUE = np.array([0, 0, 1, 1])
Y_PROB = np.array([0.1, 0.4, 0.35, 0.8])
HISTORY = {"epoch": [1, 2, 3], "loss": [0.7, 0.5, 0.4], "val_loss": [0.6, 0.4, 0.5]}


def row(name, auc, kind="resnet50", **scores):
    estimates = {"roc_auc": Estimate(auc, auc - 0.03, auc + 0.02), **scores}
    return Row(name, kind, 0.25, "youden on val", estimates, n=600, positives=117)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_roc_points_by_hand():
    false_positive_rate, sensitivity, thresholds = figures.roc_points(Y_TRUE, Y_PROB)

    assert false_positive_rate.tolist() == [0, 0, 0.5, 0.5, 1]
    assert sensitivity.tolist() == [0, 0.5, 0.5, 1, 1]
    assert thresholds.tolist() == [np.inf, 0.8, 0.4, 0.35, 0.1]


def test_precision_recall_points_by_hand():
    recall, precision, thresholds = figures.precision_recall_points(Y_TRUE, Y_PROB)

    assert recall.tolist() == [0.5, 0.5, 1, 1]
    assert precision.tolist() == [1, 1 / 2, 2 / 3, 1 / 2]
    assert thresholds.tolist() == [0.8, 0.4, 0.35, 0.1]


def test_equal_scores_are_one_point():
    false_positive_rate, sensitivity, _ = figures.roc_points(np.array([0, 1, 1]), np.full(3, 0.5))

    assert (false_positive_rate.tolist(), sensitivity.tolist()) == ([0, 1], [0, 1])


@pytest.mark.real_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real images in ../shared/data")
def test_areas_of_the_reference_scores_are_the_published_ones():
    y_true, y_prob = _reference_scores()
    false_positive_rate, sensitivity, _ = figures.roc_points(y_true, y_prob)
    recall, precision, _ = figures.precision_recall_points(y_true, y_prob)

    assert np.trapezoid(sensitivity, false_positive_rate) == pytest.approx(0.87351, abs=5e-6)
    assert np.sum(np.diff(recall, prepend=0) * precision) == pytest.approx(0.7162, abs=5e-5)


def _reference_scores():
    truth = _column(SHARED / "isic2017" / "ISIC-2017_Test_v2_Part3_GroundTruth.csv")
    scores = _column(SHARED / "reference" / "recod_titans_isic2017_test_scores.csv")
    return np.array([int(truth[name]) for name in scores]), np.array(list(scores.values()))


def _column(path):
    with path.open(newline="") as file:
        return {line["image_id"]: float(line["melanoma"]) for line in csv.DictReader(file)}


@pytest.mark.parametrize(("label", "absent"), [(0, "malignant"), (1, "benign")])
def test_curve_of_one_class_is_refused(label, absent):
    with pytest.raises(DataError, match=f"undefined: no {absent} image"):
        figures.roc_points(np.full(3, label), np.array([0.1, 0.2, 0.3]))


def test_confusion_figure_writes_counts_and_row_percent():
    figure = figures.confusion_figure({"tn": 90, "fp": 10, "fn": 1, "tp": 3}, title="t")

    assert texts(figure.axes[0]) == ["90", "90.0%", "10", "10.0%", "1", "25.0%", "3", "75.0%"]
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == ["benign\nn = 100", "malignant\nn = 4"]


def test_confusion_figure_without_malignant_images_says_undefined():
    figure = figures.confusion_figure({"tn": 9, "fp": 1, "fn": 0, "tp": 0}, title="t")

    assert texts(figure.axes[0])[-4:] == ["0", "undefined", "0", "undefined"]


def test_roc_figure_marks_the_operating_point():
    figure = figures.roc_figure(Y_TRUE, Y_PROB, threshold=0.35, auc=(0.75, 0.6, 0.9), title="t")
    point = figure.axes[0].lines[-1]

    assert point.get_xydata().tolist() == [[0.5, 1.0]]
    assert legend(figure.axes[0])[1:] == [
        "AUC 0.750 (0.600-0.900)",
        "threshold 0.35: sensitivity 1.000, specificity 0.500",
    ]
    assert figure.axes[0].get_aspect() == 1


def test_roc_figure_without_threshold_or_interval():
    figure = figures.roc_figure(Y_TRUE, Y_PROB, threshold=None, auc=(0.75, NAN, NAN), title="t")

    assert legend(figure.axes[0]) == ["chance (AUC 0.5)", "AUC 0.750"]


def test_precision_recall_figure_shows_prevalence_and_point():
    figure = figures.precision_recall_figure(
        Y_TRUE, Y_PROB, threshold=0.35, average_precision=(0.83, 0.7, 0.9), title="t"
    )

    assert figure.axes[0].lines[0].get_ydata()[0] == 0.5
    assert legend(figure.axes[0]) == [
        "chance: the prevalence, 50.0%",
        "average precision 0.830 (0.700-0.900)",
        "threshold 0.35: recall 1.000, precision 0.667",
    ]


def test_precision_is_not_marked_where_nothing_is_called_malignant():
    figure = figures.precision_recall_figure(
        Y_TRUE, Y_PROB, threshold=0.9, average_precision=(0.83, 0.7, 0.9), title="t"
    )

    assert len(legend(figure.axes[0])) == 2


@pytest.mark.parametrize(("monitor", "best"), [("val_auc", 3), ("val_loss", 2)])
def test_training_figure_marks_the_best_epoch(monitor, best):
    history = {**HISTORY, "val_auc": [0.6, 0.7, 0.8], "learning_rate": [1e-3] * 3}

    left, right = figures.training_figure(history, monitor=monitor, title="t").axes

    assert legend(left) == ["training loss", "validation loss", f"best epoch: {best}"]
    assert legend(right) == ["validation AUC", f"best epoch: {best}"]


def test_training_figure_draws_every_score():
    names = [f"val_score_{number}" for number in range(9)]
    history = {**HISTORY, **{name: [0.1, 0.2, 0.3] for name in names}}

    _, right = figures.training_figure(history, monitor="val_loss", title="t").axes

    assert len(legend(right)) == 10


def test_training_figure_needs_the_monitored_column():
    with pytest.raises(DataError, match="no values of val_auc"):
        figures.training_figure(HISTORY, monitor="val_auc", title="t")


def test_saved_figure_is_the_same_bytes_and_says_nothing_of_its_maker(tmp_path):
    for name in ("a.png", "b.png"):
        counts = {"tn": 9, "fp": 1, "fn": 2, "tp": 8}
        figures.save(figures.confusion_figure(counts, title="t"), tmp_path / name)

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        assert "Software" not in image.info


def test_figures_import_neither_pyplot_nor_heavy_packages():
    code = (
        "import sys, skinlesion.report.figures, skinlesion.report.leaderboard;"
        "print({'matplotlib.pyplot', 'sklearn', 'tensorflow'} & set(sys.modules))"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "set()"


def test_ranking_is_by_auc_with_the_constant_last():
    constant = row("always benign", 0.5, kind=CONSTANT)
    rows = [constant, row("worse than chance", 0.4), row("unknown", NAN), row("best", 0.9)]

    names = [one.name for one in ranked(rows)]

    assert names == ["best", "worse than chance", "unknown", "always benign"]


def test_ranking_does_not_depend_on_the_order_given():
    rows = [row("b", 0.8), row("a", 0.8), row("c", NAN), row("d", 0.9)]

    assert ranked(rows) == ranked(rows[::-1])


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.8421, 0.8009, 0.8791), "0.842 (0.801-0.879)"),
        (Estimate(0.8421, NAN, NAN), "0.842"),
        (Estimate(NAN, NAN, NAN), "undefined"),
    ],
)
def test_value_with_interval(estimate, text):
    assert with_interval(estimate) == text


def test_markdown_row_by_hand():
    lines = to_markdown([row("a|b", 0.842)], title="isic2017-test", notes=["note"]).splitlines()

    assert lines[0] == "# isic2017-test"
    assert lines[4].startswith("| a\\|b | resnet50 | 0.842 (0.812-0.862) | undefined |")
    assert lines[4].endswith("| 0.250 (youden on val) | 600 (117 malignant) |")
    assert lines[-1] == "- note"


def test_markdown_cells_line_up_with_headings():
    lines = to_markdown([row("a", 0.8), row("b", 0.7)], title="t").splitlines()[2:]

    assert {line.count("|") for line in lines} == {len(COLUMNS) + 5}


def test_json_writes_undefined_as_null():
    rows = [row("a", 0.8, ppv=Estimate(NAN, NAN, NAN))]

    document = json.loads(json.dumps(to_json(rows, split="test"), allow_nan=False))

    assert document["split"] == "test"
    assert document["rows"][0]["scores"]["roc_auc"]["value"] == 0.8
    assert document["rows"][0]["scores"]["ppv"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_table_fits_and_hides_no_number(width):
    scores = {column.score: Estimate(0.123, 0.1, 0.2) for column in COLUMNS}
    rows = [row("efficientnet_lite0-finetuned-focal", 0.8, **scores), row("[bold]x", NAN)]
    printed = io.StringIO()
    shown = sum(column.min_width <= width for column in COLUMNS)

    Console(width=width, file=printed).print(to_rich(rows, title="t", width=width))

    text = printed.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert text.count("0.123") == shown
    assert "0.123 (0.100-0.200)" in text
    assert "[bold]x" in text
    assert "…" not in text


def test_wider_terminal_shows_every_score():
    headings = [str(column.header) for column in to_rich([], title="t", width=120).columns]

    assert headings == ["Model", *(column.short for column in COLUMNS), "Thresh."]
