"""compare: the same images for all, no leak, thresholds from val, and verdicts in words."""

import io
import json
import re

import numpy as np
import pytest
from fabricated import TEST, VAL, predictions
from rich.console import Console

from skinlesion.commands import compare
from skinlesion.config import CompareConfig
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.metrics.delong import delong_test
from skinlesion.progress import Reporter
from skinlesion.tables import Predictions

RNG = np.random.default_rng(0)
LABELS = (np.arange(90) % 3 == 0).astype(int)
GOOD, ALIKE, BAD = (
    {
        f"x{row}": (int(label), round(float(1 / (1 + np.exp(-prob))), 6))
        for row, (label, prob) in enumerate(
            zip(LABELS, RNG.normal(LABELS * shift - 1, 1), strict=True)
        )
    }
    for shift in (3, 3, 0)
)


@pytest.fixture
def judge(tmp_path):
    """Compare with few resamples; returns the outcome."""

    def run(*members, reporter=None, **options):
        paths = [str(getattr(member, "path", member)) for member in members]
        config = CompareConfig(members=paths, **{"resamples": 200, **options})
        return compare.run(
            config, reports=tmp_path / "reports", reporter=reporter or Reporter(quiet=True)
        )

    return run


def pair(outcome, index=0):
    return outcome.to_json()["pairs"][index]


def table(path, rows, group=None):
    """A foreign CSV of ``rows``."""
    found = predictions(rows)
    Predictions(
        found.image_id, found.group if group is None else group, found.y_true, found.y_prob
    ).write_csv(path)
    return path


def test_a_guaranteed_threshold_comes_with_its_caveat(make_run, judge):
    runs = [make_run("a"), make_run("b")]

    guaranteed = judge(*runs, threshold={"rule": "guaranteed_sensitivity", "at_least": 0.3})

    assert "3 malignant groups" in guaranteed.to_json()["models"][0]["threshold_rule"]
    assert any("slightly optimistic" in note for note in guaranteed.to_json()["notes"])
    assert not any("slightly optimistic" in note for note in judge(*runs).to_json()["notes"])


# --- verdicts ---------------------------------------------------------------------------------


def test_the_better_model_is_named(make_run, judge):
    good, bad = make_run("good", test=GOOD), make_run("bad", test=BAD)

    found = pair(judge(bad, good))

    assert (found["first"], found["second"]) == ("bad", "good")
    assert (found["verdict"], found["better"]) == ("good is better", "good")
    assert found["difference"]["value"] < 0
    assert found["p_holm"] == found["p"] == found["delong"]["p"] < 0.001
    assert pair(judge(bad, good, score="brier"))["verdict"] == "good is better"


def test_models_that_are_alike_are_not_told_apart(make_run, judge):
    found = pair(judge(make_run("a", test=GOOD), make_run("b", test=ALIKE)))

    assert found["verdict"] == "no evidence of a difference"
    assert found["better"] is None


def test_the_figures_are_those_of_the_metrics(make_run, judge):
    found = judge(make_run("a", test=GOOD), make_run("b", test=BAD))

    left, right = predictions(GOOD), predictions(BAD)
    expected = delong_test(left.y_true, left.y_prob, right.y_prob, confidence=0.95)
    assert pair(found)["delong"]["p"] == expected.p
    assert pair(found)["delong"]["z"] == expected.z


def test_all_pairs_of_more_models_are_corrected_together(make_run, judge):
    runs = [make_run(n, test=rows) for n, rows in (("a", GOOD), ("b", ALIKE), ("c", BAD))]

    pairs = judge(*runs).to_json()["pairs"]

    assert [(one["first"], one["second"]) for one in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    smallest = min(pairs, key=lambda one: one["p"])
    assert smallest["p_holm"] == pytest.approx(3 * smallest["p"])


def test_one_class_is_undefined_and_null(make_run, judge):
    test = {f"x{n}": (0, n / 10) for n in range(6)}

    found = judge(make_run("a", test=test), make_run("b", test=test))

    assert pair(found)["verdict"] == "undefined"
    assert pair(found)["difference"] == {"value": None, "low": None, "high": None}
    json.dumps(found.to_json(), allow_nan=False)


# --- every field of the config ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("score", "mcc"),
        ("split", "val"),
        ("threshold", {"rule": "fixed", "value": 0.9}),
        ("interval", "bca"),
        ("resamples", 100),
        ("confidence", 0.5),
        ("seed", 1),
    ],
)
def test_each_field_changes_the_comparison(make_run, judge, field, value):
    runs = make_run("a", test=GOOD), make_run("b", test=BAD)

    changed, plain = judge(*runs, **{field: value}), judge(*runs)

    assert changed.to_json()["pairs"] != plain.to_json()["pairs"]


def test_every_field_has_a_case():
    marks = test_each_field_changes_the_comparison.pytestmark
    cases = {field for mark in marks for field, _ in mark.args[1]}

    assert cases | {"members"} == set(CompareConfig.model_fields)


def test_each_model_is_judged_at_the_threshold_of_its_own_val(make_run, judge):
    high = {image: (label, min(1, prob + 0.3)) for image, (label, prob) in VAL.items()}

    models = judge(make_run("a"), make_run("b", val=high)).to_json()["models"]

    assert [model["threshold"] for model in models] == [0.4, 0.7]
    assert models[0]["threshold_rule"] == "Youden on val"


# --- members ----------------------------------------------------------------------------------


def test_globs_runs_and_tables_are_compared_together(make_run, judge, tmp_path):
    for name in ("a", "b"):
        make_run(name, test=GOOD)
    make_run("going", status="running")
    table(tmp_path / "theirs.csv", dict(reversed(BAD.items())))
    said = []
    reporter = Reporter(quiet=True)
    reporter.say = said.append

    found = judge(tmp_path / "*.csv", tmp_path / "runs" / "*", reporter=reporter).to_json()

    assert [model["name"] for model in found["models"]] == ["a", "b", "theirs"]
    assert found["pairs"][2]["verdict"] == "b is better"
    assert found["models"][2]["threshold"] == 0.5
    assert any("threshold is 0.5" in note for note in found["notes"])
    assert [re.sub(r".*/", "", sentence) for sentence in said] == [
        "going: not finished (see --resume)"
    ]


def test_models_of_one_name_are_told_apart_by_their_paths(make_run, judge, tmp_path):
    run, theirs = make_run("a", test=GOOD), table(tmp_path / "a.csv", BAD)

    names = [model["name"] for model in judge(run, theirs).to_json()["models"]]

    assert names == [str(run.path), str(theirs)]


def test_the_coarsest_groups_are_used(make_run, judge, tmp_path):
    fine = table(tmp_path / "fine.csv", BAD)
    coarse = table(tmp_path / "coarse.csv", GOOD, group=np.arange(90) // 3)

    found = judge(fine, coarse)

    assert any("30 groups" in note for note in found.report.notes)
    assert any("those of coarse were used" in note for note in found.report.notes)
    assert any("McNemar's test takes images" in note for note in found.report.notes)
    alone = judge(fine, make_run("a", test=GOOD)).report.notes
    assert not any("groups of" in note or "takes images" in note for note in alone)


@pytest.mark.parametrize("names", [[], ["a"], ["a", "a"]])
def test_fewer_than_two_models_are_refused(make_run, judge, tmp_path, names):
    make_run("a", test=GOOD)

    with pytest.raises(ConfigError, match=r"nothing to compare|at least 2 models, found 1"):
        judge(*(tmp_path / "runs" / name for name in names))


@pytest.mark.parametrize(
    "other",
    [
        {**TEST, "x8": (1, 0.5)},
        {**TEST, "x0": (1, 0.1)},
        {("y0" if image == "x0" else image): row for image, row in TEST.items()},
    ],
    ids=["one more", "another label", "another id"],
)
def test_other_images_or_labels_are_refused(make_run, judge, tmp_path, other):
    make_run("a")

    with pytest.raises(DataError, match="not all runs were predicted on the images"):
        judge(tmp_path / "runs" / "a", table(tmp_path / "b.csv", other))
    assert not (tmp_path / "reports").exists()


def test_a_run_that_learnt_from_test_images_is_refused(make_run, judge, tmp_path):
    runs = make_run("a"), make_run("b", train=("t0", "x3"))

    with pytest.raises(IntegrityError, match="learnt from 1 image of test"):
        judge(*runs)
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("name", ["nowhere", "nowhere.csv"])
def test_a_mistyped_member_is_not_skipped(make_run, judge, tmp_path, name):
    runs = make_run("a"), make_run("b")

    with pytest.raises(DataError, match="nowhere"):
        judge(*runs, tmp_path / name)


def test_val_is_called_optimistic(make_run, judge):
    runs = make_run("a"), make_run("b")

    assert any("optimistic" in note for note in judge(*runs, split="val").report.notes)
    assert not any("optimistic" in note for note in judge(*runs).report.notes)


# --- what is written and printed --------------------------------------------------------------


def test_the_comparison_on_disk_is_what_is_returned(make_run, judge, tmp_path):
    outcome = judge(make_run("good", test=GOOD), make_run("bad", test=BAD))

    folder = tmp_path / "reports" / "test"
    assert outcome.files == [folder / "comparison.md", folder / "comparison.json"]
    written = json.loads((folder / "comparison.json").read_text())
    assert {**written, **outcome.to_json()} == written
    assert CompareConfig.model_validate(written["config"]).resamples == 200
    markdown = (folder / "comparison.md").read_text()
    assert "- good against bad: good is better (roc_auc +" in markdown
    assert "p < 0.001" in markdown
    assert "p = <" not in markdown


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_the_terminal_and_says_who_is_better(make_run, judge, width):
    outcome = judge(make_run("good", test=GOOD), make_run("bad", test=BAD))
    written = io.StringIO()

    outcome.print(Console(file=written, width=width))

    table, _, files = written.getvalue().partition(str(outcome.files[0]))
    assert "good is better" in table
    assert ("DeLong p" in table) == (width == 140)
    assert max(map(len, table.splitlines())) <= width
    assert str(outcome.files[1]) in files


def test_the_command_line_compares_and_prints_json(make_run, type_command):
    make_run("good", test=GOOD)
    make_run("bad", test=BAD)

    done = type_command("compare", "runs/*", "--split", "test", "--json", "--set", "resamples=100")

    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["pairs"][0]["verdict"] == "good is better"
    text = type_command("compare", "runs/bad", "runs/good", "--score", "f1", "--split", "test")
    assert "good is better" in text.out
    assert "f1 on 90 images, 30 malignant" in text.out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["runs/a", "--split", "test"], 2),
        (["runs/a", "runs/b", "--score", "aucc"], 2),
        (["runs/a", "runs/other"], 3),
        (["runs/a", "runs/leak"], 4),
    ],
)
def test_exit_codes(make_run, type_command, words, code):
    make_run("a")
    make_run("b")
    make_run("other", test={**TEST, "x8": (1, 0.5)})
    make_run("leak", train=("t0", "x3"))

    done = type_command("compare", *words)

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")
