"""evaluate by subgroup: parts from a table, one threshold for all, sizes told."""

import json

import numpy as np
import pytest
from fabricated import TEST
from pydantic import ValidationError

from skinlesion.commands import evaluate
from skinlesion.config import EvaluateConfig, load_config
from skinlesion.errors import ConfigError, DataError
from skinlesion.progress import Reporter
from skinlesion.report import leaderboard
from skinlesion.tables import write_rows

pytestmark = [pytest.mark.usefixtures("unrendered"), pytest.mark.thorough]

SEX = dict(zip(TEST, ["female", "male"] * 4, strict=True))
AGE = dict(zip(TEST, ["30", "39.5", "40", "50", "60", "80", "", "nan"], strict=True))
# 15 of each class in both halves, the second half told apart worse.
RNG = np.random.default_rng(3)
MANY = {
    f"m{row}": (row % 2, float(np.clip(RNG.normal(0.3 + 0.4 * (row % 2) * (row < 30), 0.1), 0, 1)))
    for row in range(60)
}


@pytest.fixture
def table(tmp_path):
    """The path of a table of sexes and ages, without image x7."""
    path = tmp_path / "table.csv"
    rows = [(image, SEX[image], AGE[image]) for image in TEST if image != "x7"]
    write_rows(path, ["image_id", "sex", "age"], rows)
    return path


@pytest.fixture
def score(tmp_path, table):
    """Evaluate run ``a``; returns the outcome, and metrics.json with the Markdown beside it."""

    def run(made, *, seed=0, resamples=100, threshold=None, **settings):
        config = EvaluateConfig(
            seed=seed,
            resamples=resamples,
            threshold=threshold or {"rule": "youden"},
            subgroups={"file": table, **settings} if settings else None,
        )
        reports = tmp_path / "reports"
        outcome = evaluate.run(
            config, runs=[made.path], reports=reports, reporter=Reporter(quiet=True)
        )
        folder = made.evaluation("test")
        page = folder / "subgroups.md"
        text = page.read_text() if page.exists() else None
        return outcome, json.loads((folder / "metrics.json").read_text()), text

    return run


def rows_of(metrics, column):
    return {row["name"]: row for row in metrics["subgroups"][column]["rows"]}


def test_each_subgroup_is_scored_by_hand(make_run, score):
    _, metrics, page = score(make_run("a"), columns=["sex"])

    # Of the threshold 0.4: x4 is a false alarm and x6 found; x1 is right, x3 not, x5 is missed.
    rows = rows_of(metrics, "sex")
    assert {name: (row["images"], row["malignant"]) for name, row in rows.items()} == {
        "female": (4, 1),
        "male": (3, 1),
        "unknown": (1, 1),
    }
    assert rows["female"]["scores"]["sensitivity"]["value"] == 1
    assert rows["female"]["scores"]["specificity"]["value"] == 2 / 3
    assert rows["male"]["scores"]["sensitivity"]["value"] == 0
    assert rows["male"]["scores"]["specificity"]["value"] == 1 / 2
    assert rows["unknown"]["scores"]["specificity"]["value"] is None
    assert "| female | 4 | 1 | 4 |" in page


def test_numbers_are_put_into_bands_which_ascend(make_run, score):
    _, metrics, _ = score(make_run("a"), columns=["age"], bands={"age": [40, 60]})

    found = {name: row["images"] for name, row in rows_of(metrics, "age").items()}
    assert list(found.items()) == [
        ("under 40", 2),
        ("40 to under 60", 2),
        ("60 and over", 2),
        ("unknown", 2),
    ]


def test_the_order_of_the_rows_of_predictions_or_table_does_not_matter(make_run, score, table):
    settings = {"columns": ["sex", "age"], "scores": ["sensitivity"]}
    there = score(make_run("a"), **settings)[1]["subgroups"]
    head, *body = table.read_text().splitlines()
    table.write_text("\n".join([head, *reversed(body)]))

    back = score(make_run("b", test=dict(reversed(TEST.items()))), **settings)[1]["subgroups"]

    for column, name in (("sex", "female"), ("age", "unknown")):
        one, other = (
            next(row for row in found[column]["rows"] if row["name"] == name)
            for found in (there, back)
        )
        assert one["images"] == other["images"]
        assert one["scores"]["sensitivity"]["value"] == other["scores"]["sensitivity"]["value"]


def test_without_subgroups_nothing_is_written_and_an_old_page_goes(make_run, score):
    made = make_run("a")
    score(made, columns=["sex"])

    outcome, metrics, page = score(made)

    assert "subgroups" not in metrics
    assert page is None
    assert not any("Subgroup" in note for note in outcome.notes)


def test_subgroups_too_small_to_be_judged_are_noted(make_run, score):
    made = [make_run(name) for name in ("a", "b")]

    outcome, _, page = score(made[0], columns=["sex"])

    notes = [note for note in outcome.notes if note.startswith("Subgroup sex = ")]
    assert notes[0].startswith("Subgroup sex = female: only 1 malignant and 3 benign images")
    assert len(notes) == 3
    assert "fewer than two subgroups are large enough" in page
    assert notes[0] in page


def test_the_gap_is_that_of_the_subgroups_and_no_other_score_changes(make_run, score, table):
    halves = [(image, "first" if row < 30 else "second") for row, image in enumerate(MANY)]
    write_rows(table, ["image_id", "half"], halves)
    made = make_run("a", test=MANY)

    outcome, metrics, page = score(made, columns=["half"])

    parts, rows = metrics["subgroups"]["half"], rows_of(metrics, "half")
    gap = parts["gaps"]["roc_auc"]
    values = [rows[name]["scores"]["roc_auc"]["value"] for name in ("first", "second")]
    assert (gap["higher"], gap["lower"]) == ("first", "second")
    assert gap["difference"]["value"] == pytest.approx(values[0] - values[1])
    assert "roc_auc: first above second by" in page
    plain = score(made)[0]
    assert leaderboard.row_to_json(outcome.rows[0]) == leaderboard.row_to_json(plain.rows[0])


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"resamples": 200},
        {"threshold": {"rule": "fixed", "value": 0.9}},
        {"columns": ["age"], "bands": {"age": [40]}},
        {"columns": ["sex", "age"], "bands": {"age": [50]}},
        {"scores": ["specificity"]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_each_option_changes_the_subgroups(make_run, score, table, changed):
    rows = [(image, "mf"[row % 3 == 0], row) for row, image in enumerate(MANY)]
    write_rows(table, ["image_id", "sex", "age"], rows)
    made = make_run("a", test=MANY)
    plain = {"columns": ["sex", "age"], "bands": {"age": [40]}}

    assert score(made, **plain)[1]["subgroups"] != score(made, **plain | changed)[1]["subgroups"]


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"columns": ["site"]}, "lacks the column site"),
        ({"columns": ["sex"], "bands": {"sex": [1]}}, "column sex: 'female' cannot be put"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_before_anything_is_written(
    make_run, score, settings, problem, tmp_path
):
    with pytest.raises(DataError, match=problem):
        score(make_run("a"), **settings)
    assert not (tmp_path / "reports").exists()
    assert not (tmp_path / "runs" / "a" / "eval").exists()


@pytest.mark.parametrize("missing", [True, False], ids=["no table", "of other images"])
def test_a_table_of_none_of_the_images_is_refused(make_run, score, table, missing):
    write_rows(table, ["image_id", "sex"], [("another", "male")])
    if missing:
        table.unlink()

    with pytest.raises(DataError, match="does not exist" if missing else "none of the 8 images"):
        score(make_run("a"), columns=["sex"])


def test_an_image_that_is_twice_in_the_table_is_refused(make_run, score, table):
    write_rows(table, ["image_id", "sex"], [("x0", "male"), ("x0", "female")])

    with pytest.raises(DataError, match="more than once"):
        score(make_run("a"), columns=["sex"])


def test_a_column_of_numbers_without_bands_is_refused(make_run, score, table):
    write_rows(table, ["image_id", "age"], [(image, row) for row, image in enumerate(MANY)])

    with pytest.raises(DataError, match="column age makes 60 subgroups") as caught:
        score(make_run("a", test=MANY), columns=["age"])
    assert "bands" in caught.value.fix


@pytest.mark.parametrize(
    "settings",
    [{"columns": ["sex"], "scores": ["beauty"]}, {"columns": ["age"], "bands": {"age": [60, 40]}}],
)
def test_impossible_settings_are_a_config_error(make_run, score, settings):
    with pytest.raises(ConfigError):
        score(make_run("a"), **settings)


@pytest.mark.parametrize("settings", [{"columns": []}, {"columns": ["sex"], "bands": {"age": [4]}}])
def test_bands_of_another_column_and_no_column_are_refused(settings):
    with pytest.raises(ValidationError):
        EvaluateConfig(subgroups={"file": "t.csv", **settings})


def test_subgroups_can_be_asked_for_on_the_command_line():
    config = load_config(
        None,
        EvaluateConfig,
        ["subgroups.file=t.csv", "subgroups.columns=[sex, age]", "subgroups.bands.age=[40, 60]"],
    )

    assert config.subgroups.columns == ("sex", "age")
    assert config.subgroups.bands == {"age": (40, 60)}
