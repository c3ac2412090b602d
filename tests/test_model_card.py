"""The model card: recorded facts, escaped, and nothing else."""

import json

import pytest
from fabricated import TEST, predictions

from skinlesion.commands import evaluate
from skinlesion.config import EvaluateConfig
from skinlesion.progress import Reporter
from skinlesion.report.model_card import plain
from skinlesion.report.subjects import Foreign, kind_of
from skinlesion.runs import write_json

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture
def card(tmp_path, monkeypatch):
    """Evaluate one run or a foreign table; returns its card and its metrics."""
    monkeypatch.chdir(tmp_path)

    def make(foreign=None, split="test"):
        evaluate.run(
            EvaluateConfig(resamples=100, split=split),
            runs=() if foreign else [tmp_path / "runs" / "*"],
            foreign=foreign,
            reports=tmp_path / "reports",
            reporter=Reporter(quiet=True),
        )
        (path,) = tmp_path.rglob("model_card.md")
        metrics = json.loads(path.with_name("metrics.json").read_text())
        return path.read_text(), metrics

    return make


def test_it_states_every_score_with_its_interval(make_run, card):
    make_run("a")

    text, metrics = card()

    for name, estimate in metrics["scores"].items():
        value = "{value:.3f} ({low:.3f}-{high:.3f})".format(**estimate)
        assert f"| {name.replace('_', ' ')} | {value} |" in text
    assert "TP 2, FN 1, FP 2, TN 3" in text
    assert "| Youden on val | 0.4 | 2 | 1 | 2 | 3 |" in text


def test_views_are_of_the_model_of_another_run(make_run, card):
    parent = make_run("a")
    write_json(parent.model, {"backbone": "resnet50", "parameters": 1234, "image_size": 96})
    views = {"kind": "tta", "parent": "runs/a", "views": ["identity", "rotate90"]}
    averaged = make_run("b", **views)
    parent.path.rename(parent.path.with_name(".a"))  # not to be evaluated
    averaged.update_record(parent="runs/.a")

    text, metrics = card()

    assert metrics["kind"] == "resnet50, 2 views"
    for line in ("architecture: resnet50, 2 views", "parameters: 1234", "input: 96"):
        assert f"- {line}\n" in text


def test_another_model_in_the_parents_place_says_nothing(make_run, card):
    parent = make_run("a")
    write_json(parent.model, {"backbone": "alexnet", "parameters": 1234, "image_size": 96})
    parent.path.rename(parent.path.with_name(".a"))
    make_run("b", kind="tta", parent="runs/.a", views=["identity"])

    text, metrics = card()

    assert metrics["kind"] == "resnet50, 1 view"
    assert "- parameters: not recorded\n" in text


def test_it_has_its_sections_and_says_what_it_is_not(make_run, card):
    make_run("a", command=["skinlesion", "train"])

    text, _ = card()

    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "Model",
        "Intended use",
        "Out of scope",
        "Training data",
        "Scores on test",
        "Operating points",
        "Subgroups",
        "Limitations",
        "How to reproduce",
    ]
    assert "**A research tool, not a medical device.**" in text
    assert "    skinlesion train" in text
    assert "    monitor: val_auc" in text


def test_what_is_not_known_is_not_recorded(card, tmp_path):
    predictions(TEST).write_csv(tmp_path / "theirs.csv")

    text, _ = card(Foreign(tmp_path / "theirs.csv"))

    assert "data set fingerprint: not recorded" in text
    assert "leaks cannot be ruled out" in text
    assert "None" not in text


def test_scores_on_val_are_called_optimistic(make_run, card):
    make_run("a")

    text, _ = card(split="val")

    assert "optimistic" in text.split("## Limitations")[1]
    assert "Thresholds fitted on this very split, so optimistic" in text
    assert "not chosen on this split" not in text


def test_hostile_text_stays_text(make_run, card):
    make_run("<b>|*_`", backbone="[x](y)<script>\n# heading")

    text, _ = card()

    assert "<b>" not in text
    assert "<script>" not in text
    assert "\n# heading" not in text
    assert "\\[x\\](y)" in text


def test_plain_is_one_line():
    assert plain("a\nb\t<c>*") == "a b &lt;c>\\*"


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"kind": "finetune", "backbone": "alexnet"}, "alexnet"),
        ({"kind": "folds", "backbone": "alexnet", "k": 5}, "alexnet, 5 folds"),
        ({"kind": "soup", "backbone": "alexnet"}, "alexnet, soup"),
        ({"kind": "ensemble", "method": "mean"}, "ensemble (mean)"),
    ],
)
def test_a_leaderboard_says_what_predicted(record, kind):
    assert kind_of(record) == kind
