"""evaluate: thresholds from val, scores from test, nothing learnt from what is scored."""

import json

import numpy as np
import pytest
from fabricated import TEST, VAL, predictions

from skinlesion.commands import evaluate
from skinlesion.config import EvaluateConfig
from skinlesion.data.store import write_dataset
from skinlesion.errors import ConfigError, DataError, IntegrityError, QualityGateError
from skinlesion.metrics.calibration import CALIBRATORS
from skinlesion.metrics.delong import delong_interval
from skinlesion.metrics.proportions import PROPORTIONS, wilson
from skinlesion.metrics.recalibration import recalibrate
from skinlesion.metrics.scores import SCORES, score_all
from skinlesion.progress import Reporter
from skinlesion.report import figures
from skinlesion.tables import Manifest


@pytest.fixture
def score(tmp_path):
    """Evaluate with few resamples; returns the outcome and its rows by name."""

    def run(*runs, reporter=None, predictions=None, **options):
        config = {"resamples": 100}
        for name in EvaluateConfig.model_fields:
            if name in options:
                config[name] = options.pop(name)
        paths = [getattr(run, "path", run) for run in runs]
        if not runs and not predictions:
            paths = [tmp_path / "runs" / "*"]
        outcome = evaluate.run(
            EvaluateConfig(**config),
            runs=paths,
            foreign=evaluate.foreign_tables(
                predictions,
                options.pop("val_predictions", None),
                options.pop("dataset", None),
                score_column=options.pop("score_column", "y_prob"),
                target=options.pop("target", "malignant"),
            ),
            reports=tmp_path / "reports",
            reporter=reporter or Reporter(quiet=True),
            **options,
        )
        return outcome, {row.name: row for row in outcome.rows}

    return run


def with_probabilities(rows, *y_prob):
    """The same images with other probabilities."""
    return {
        image: (label, prob) for (image, (label, _)), prob in zip(rows.items(), y_prob, strict=True)
    }


def metrics(run, split="test"):
    return json.loads((run.evaluation(split) / "metrics.json").read_text())


pytestmark = [pytest.mark.usefixtures("unrendered"), pytest.mark.thorough]


# --- thresholds -------------------------------------------------------------------------------


def test_the_scores_of_a_run_by_hand(make_run, score):
    make_run("a")

    _, rows = score()

    assert rows["a"].threshold == 0.4
    values = {name: estimate.value for name, estimate in rows["a"].scores.items()}
    assert values["sensitivity"] == 2 / 3
    assert values["specificity"] == 3 / 5
    assert values["accuracy"] == 5 / 8
    assert values["roc_auc"] == 13 / 15


def test_the_threshold_comes_from_val_whatever_the_test_predictions_are(make_run, score):
    make_run("a")
    make_run("b", test=with_probabilities(TEST, *np.linspace(0, 1, 8)))
    make_run("c", val=with_probabilities(VAL, 0, 0, 0, 0.7, 0.7, 0.7))

    _, rows = score()

    assert [rows[name].threshold for name in "abc"] == [0.4, 0.4, 0.7]
    assert rows["a"].threshold_rule == "Youden on val"


@pytest.mark.parametrize(
    ("threshold", "value"),
    [
        ({"rule": "fixed", "value": 0.35}, 0.35),
        ({"rule": "youden"}, 0.4),
        ({"rule": "sensitivity", "at_least": 0.5}, 0.8),
        ({"rule": "sensitivity", "at_least": 1}, 0.4),
        ({"rule": "specificity", "at_least": 0.6}, 0.4),
        ({"rule": "specificity", "at_least": 1}, 0.8),
        ({"rule": "cost", "miss_cost": 5}, 0.4),
        ({"rule": "cost", "miss_cost": 0.5}, 0.8),
        ({"rule": "cost", "miss_cost": 5, "prevalence": 0.1}, 0.8),
        ({"rule": "net_benefit", "at": 0.1}, 0.4),
        ({"rule": "net_benefit", "at": 0.9}, 0.8),
        ({"rule": "net_benefit", "at": 0.1, "prevalence": 0.01}, 0.8),
        # Of 3 malignant groups none may be missed: 0.3^3 <= 0.05.
        ({"rule": "guaranteed_sensitivity", "at_least": 0.3}, 0.4),
        # One may: P(Bin(3, 0.9) <= 1) = 0.028.
        ({"rule": "guaranteed_sensitivity", "at_least": 0.1}, 0.8),
        ({"rule": "guaranteed_sensitivity", "at_least": 0.3, "confidence": 0.5}, 0.8),
    ],
)
def test_each_rule_gives_its_threshold(make_run, score, threshold, value):
    make_run("a")

    _, rows = score(threshold=threshold)

    assert rows["a"].threshold == value


def test_val_with_one_class_fits_no_threshold_but_a_fixed_one_needs_none(make_run, score):
    make_run("a", val={"v0": (0, 0.1), "v1": (0, 0.2)})

    with pytest.raises(DataError, match="no threshold can be fitted"):
        score()
    assert score(threshold={"rule": "fixed"})[1]["a"].threshold == 0.5


def test_without_val_predictions_the_threshold_is_a_half_and_a_note_says_so(make_run, score):
    make_run("a", val=None)

    outcome, rows = score()

    assert rows["a"].threshold == 0.5
    assert any("threshold is 0.5" in note for note in outcome.notes)


def test_a_fixed_threshold_needs_no_val_predictions(make_run, score):
    make_run("a", val=None)

    row = score(threshold={"rule": "fixed", "value": 0.35})[1]["a"]

    assert (row.threshold, row.threshold_rule) == (0.35, "fixed")


def test_a_guarantee_comes_with_its_caveat_and_its_groups(make_run, score):
    make_run("a")

    outcome, rows = score(threshold={"rule": "guaranteed_sensitivity", "at_least": 0.3})

    assert "from 3 malignant groups of val" in rows["a"].threshold_rule
    assert sum("slightly optimistic" in note for note in outcome.notes) == 1
    assert not any("Guaranteed" in note for note in score()[0].notes)


def test_a_guarantee_that_val_is_too_small_for_is_refused(make_run, score):
    make_run("a")

    with pytest.raises(DataError, match="3 malignant groups of val cannot promise") as caught:
        score(threshold={"rule": "guaranteed_sensitivity"})
    assert "at least 29 malignant groups" in caught.value.expected


def test_scores_on_val_are_called_optimistic(make_run, score):
    make_run("a")

    assert any("optimistic" in note for note in score(split="val")[0].notes)
    assert not any("optimistic" in note for note in score(split="test")[0].notes)


# --- the leaderboard --------------------------------------------------------------------------


@pytest.mark.parametrize("malignant", [0, 1, 3, 7])
def test_always_benign_is_right_on_the_benign_images(make_run, score, malignant):
    make_run("a", test={f"x{n}": (int(n < malignant), n / 10) for n in range(8)})

    outcome, rows = score()

    assert outcome.rows[-1].name == "always benign"
    assert rows["always benign"].scores["accuracy"].value == (8 - malignant) / 8


def test_the_best_run_stands_first(make_run, score):
    make_run("worse", test=with_probabilities(TEST, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5))
    make_run("better")

    outcome, _ = score()

    assert [row.name for row in outcome.rows] == ["better", "worse", "always benign"]


def test_the_same_seed_gives_the_same_intervals(make_run, score):
    make_run("a")

    once, again, other = (score(seed=seed)[1]["a"].scores for seed in (0, 0, 1))

    assert once == again
    assert once != other
    assert {name: e.value for name, e in once.items()} == {n: e.value for n, e in other.items()}


def test_the_leaderboard_on_disk_is_what_is_returned(make_run, score, tmp_path):
    make_run("a")

    outcome, _ = score()

    board = tmp_path / "reports" / "test" / "leaderboard.json"
    assert json.loads(board.read_text()) == outcome.to_json()
    assert board.with_suffix(".md") in outcome.files
    assert "| always benign |" in board.with_suffix(".md").read_text()


# --- metrics.json -----------------------------------------------------------------------------


def test_metrics_hold_what_the_leaderboard_says_of_the_run(make_run, score):
    run = make_run("a")

    outcome, _ = score()

    written = metrics(run)
    assert {**written, **outcome.to_json()["rows"][0]} == written
    assert set(written["scores"]) == set(SCORES)
    assert written["confusion"] == {"tn": 3, "fp": 2, "fn": 1, "tp": 2}
    assert EvaluateConfig.model_validate(written["config"]) == EvaluateConfig(resamples=100)


def test_metrics_hold_intervals_by_formula_beside_the_bootstrap(make_run, score):
    run, table = make_run("a"), predictions(TEST)

    score(confidence=0.9)

    written = metrics(run)
    delong = delong_interval(table.y_true, table.y_prob, confidence=0.9)
    assert written["intervals"]["delong"] == {"roc_auc": vars(delong)}
    assert written["intervals"]["wilson"]["accuracy"] == vars(wilson(5, 8, confidence=0.9))
    assert set(written["intervals"]["wilson"]) == set(PROPORTIONS)


def test_metrics_hold_the_calibration_or_null(make_run, score):
    run, one_class = make_run("a"), make_run("b", test={"x0": (0, 0.1), "x1": (0, 0.2)})
    table = predictions(TEST)

    score(run)
    score(one_class)

    expected = recalibrate(table.y_true, table.y_prob, table.group, confidence=0.95)
    assert metrics(run)["calibration"]["slope"] == vars(expected.slope)
    assert metrics(run)["calibration"]["intercept"] == vars(expected.intercept)
    assert metrics(one_class)["calibration"]["slope"]["value"] is None
    assert metrics(one_class)["intervals"]["delong"]["roc_auc"]["value"] is None


def test_the_kind_of_interval_changes_the_intervals_but_no_value(make_run, score):
    make_run("a")

    percentile, bca = (score(interval=kind) for kind in ("percentile", "bca"))

    assert percentile[1]["a"].scores != bca[1]["a"].scores
    for name, estimate in percentile[1]["a"].scores.items():
        assert bca[1]["a"].scores[name].value == estimate.value
    assert "percentile bootstrap" in percentile[0].notes[0]
    assert "BCa bootstrap" in bca[0].notes[0]


def test_a_prevalence_adds_the_predictive_values_there(make_run, score, tmp_path):
    run = make_run("a")

    outcome, rows = score(prevalence=0.02)

    # Sensitivity 2/3, specificity 3/5.
    ppv = (2 / 3 * 0.02) / (2 / 3 * 0.02 + 2 / 5 * 0.98)
    assert rows["a"].scores["ppv_at_prevalence"].value == pytest.approx(ppv)
    assert metrics(run)["scores"]["ppv_at_prevalence"]["value"] == pytest.approx(ppv)
    assert any("prevalence of 2.00%" in note for note in outcome.notes)
    board = (tmp_path / "reports" / "test" / "leaderboard.md").read_text()
    assert "| PPV at the given prevalence | NPV at the given prevalence |" in board
    score()
    assert "prevalence" not in (tmp_path / "reports" / "test" / "leaderboard.md").read_text()


def test_what_is_undefined_is_null(make_run, score):
    run = make_run("a", test={f"x{n}": (0, n / 10) for n in range(4)})

    score()

    assert metrics(run)["scores"]["sensitivity"] == {"value": None, "low": None, "high": None}
    assert metrics(run)["scores"]["specificity"]["value"] is not None


def test_evaluating_again_replaces_the_evaluation(make_run, score):
    run = make_run("a")

    score(threshold={"rule": "fixed", "value": 0.9})
    score()

    assert metrics(run)["threshold"] == 0.4


def test_one_split_does_not_touch_the_evaluation_of_another(make_run, score):
    run = make_run("a")

    score(split="val")
    score(split="test")

    assert (metrics(run, "val")["split"], metrics(run)["split"]) == ("val", "test")


@pytest.mark.parametrize("error", [DataError("no ink"), KeyboardInterrupt()])
def test_nothing_half_written_is_left_if_a_figure_fails(make_run, score, monkeypatch, error):
    fresh, old = make_run("b"), make_run("a")
    score(old)
    before = metrics(old)

    def fail(*_):
        raise error

    monkeypatch.setattr(figures, "save", fail)
    with pytest.raises(type(error)):
        score(threshold={"rule": "fixed", "value": 0.9})

    assert metrics(old) == before
    assert [path.name for path in old.evaluation("test").parent.iterdir()] == ["test"]
    assert not (fresh.path / "eval").exists()


def test_the_figures_are_images_and_the_training_curves_are_among_them(
    make_run, score, monkeypatch
):
    monkeypatch.undo()  # of unrendered
    run = make_run("a")

    score()

    drawn = {path.name: path.read_bytes() for path in run.evaluation("test").glob("figures/*")}
    assert set(drawn) == {"confusion.png", "roc.png", "precision_recall.png", "training.png"}
    assert all(content.startswith(b"\x89PNG") for content in drawn.values())


# --- calibration ------------------------------------------------------------------------------

CALIBRATED = [name for name in CALIBRATORS if name != "none"]


@pytest.mark.parametrize("method", CALIBRATED)
def test_calibration_is_fitted_on_val_applied_to_the_split_and_kept(make_run, score, method):
    run = make_run("a")
    val, test = predictions(VAL), predictions(TEST)

    outcome, rows = score(calibration=method)

    params = CALIBRATORS[method].fit(val.y_true, val.y_prob)
    moved = CALIBRATORS[method].apply(params, test.y_prob)
    assert metrics(run)["calibrator"] == {"method": method, "params": params, "fitted_on": "val"}
    assert rows["a"].scores["brier"].value == pytest.approx(((moved - test.y_true) ** 2).mean())
    assert any(f"calibrated ({method})" in note for note in outcome.notes)


@pytest.mark.parametrize("method", [m for m in CALIBRATED if CALIBRATORS[m].keeps_order])
def test_a_rising_calibration_moves_the_threshold_but_no_call(make_run, score, method):
    run = make_run("a")

    rows = score(calibration=method)[1]

    moved = CALIBRATORS[method].apply(metrics(run)["calibrator"]["params"], np.array([0.4]))
    assert rows["a"].threshold == moved[0] != 0.4
    assert metrics(run)["confusion"] == {"tn": 3, "fp": 2, "fn": 1, "tp": 2}
    assert rows["a"].scores["roc_auc"].value == 13 / 15


@pytest.mark.parametrize("method", CALIBRATED)
def test_a_guarantee_misses_no_more_after_calibration(make_run, score, method):
    rule = {"rule": "guaranteed_sensitivity", "at_least": 0.1}
    run = make_run("a")

    score(threshold=rule)
    before = metrics(run)["confusion"]
    score(threshold=rule, calibration=method)

    assert metrics(run)["confusion"]["fn"] <= before["fn"]


def test_without_val_predictions_nothing_is_calibrated_and_a_note_names_the_run(make_run, score):
    run = make_run("a", val=None)

    outcome, rows = score(calibration="platt")

    assert rows["a"].scores == score()[1]["a"].scores
    assert "calibrator" not in metrics(run)
    assert "Not calibrated, for want of val predictions: a." in outcome.notes


def test_calibration_scored_on_val_is_called_flattered(make_run, score):
    make_run("a")

    flattered = "Calibration was fitted on val as well"

    assert any(flattered in note for note in score(split="val", calibration="beta")[0].notes)
    assert not any(flattered in note for note in score(calibration="beta")[0].notes)
    assert not any("alibrat" in note for note in score()[0].notes)


# --- what is refused --------------------------------------------------------------------------


def test_nothing_to_score_names_the_splits_that_there_are(make_run, score):
    make_run("a")

    with pytest.raises(DataError, match="no finished run has predictions on isic2017-test") as it:
        score(split="isic2017-test")
    assert it.value.expected == "one of the splits test, val"


@pytest.mark.parametrize(
    "other",
    [
        {**TEST, "x8": (1, 0.5)},
        {image: row for image, row in TEST.items() if image != "x0"},
        {**TEST, "x0": (1, 0.1)},
        {("y0" if image == "x0" else image): row for image, row in TEST.items()},
    ],
    ids=["one more", "one less", "another label", "another id"],
)
def test_runs_predicted_on_different_images_share_no_leaderboard(make_run, score, other):
    make_run("a")
    make_run("b", test=other)

    with pytest.raises(DataError, match="not all runs were predicted on the images") as caught:
        score()
    assert caught.value.which == [f"b (n = {len(other)})"]


def test_the_order_of_rows_does_not_matter(make_run, score):
    make_run("a")
    make_run("b", test=dict(reversed(TEST.items())))

    _, rows = score()

    values = [{n: e.value for n, e in rows[name].scores.items()} for name in "ab"]
    assert values[0] == pytest.approx(values[1])


def test_a_run_that_learnt_from_test_images_is_refused_and_nothing_is_written(
    make_run, score, tmp_path
):
    make_run("a")
    make_run("b", train=("t0", "x3"))

    with pytest.raises(IntegrityError, match="learnt from 1 image of test") as caught:
        score()

    assert (caught.value.exit_code, caught.value.which) == (4, ["x3"])
    assert not (tmp_path / "reports").exists()
    assert not (tmp_path / "runs" / "a" / "eval").exists()


def test_what_is_skipped_is_told_and_the_rest_is_scored(make_run, score):
    make_run("a")
    make_run("elsewhere", test=None)
    make_run("going", status="running")
    said = []
    reporter = Reporter(quiet=True)
    reporter.say = said.append

    _, rows = score(reporter=reporter)

    assert set(rows) == {"a", "always benign"}
    assert sorted(sentence.rpartition("/")[2] for sentence in said) == [
        "elsewhere: no predictions on test",
        "going: not finished (see --resume)",
    ]


# --- foreign predictions ----------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path):
    """A data set with the images of VAL and TEST."""
    ids = np.array([*VAL, *TEST])
    label = np.array([y_true for y_true, _ in [*VAL.values(), *TEST.values()]])
    split = np.array(["val"] * len(VAL) + ["test"] * len(TEST))
    blank = np.full(len(ids), "")
    manifest = Manifest(ids, ids, label, label, ids, split, blank, blank)
    folder = tmp_path / "dataset"
    folder.mkdir()
    pixels = [np.zeros((2, 2, 3), np.uint8)] * len(ids)
    write_dataset(folder, manifest, pixels, size=2, description={})
    return folder


def write_scores(path, rows, *, column="y_prob"):
    """A foreign file without labels."""
    lines = [f"{image},{y_prob}" for image, (_, y_prob) in rows.items()]
    path.write_text("\n".join([f"image_id,{column}", *lines]))
    return path


@pytest.fixture
def foreign(tmp_path):
    """A foreign table with labels: that of TEST."""
    path = tmp_path / "theirs.csv"
    predictions(TEST).write_csv(path)
    return path


def test_a_foreign_table_scores_like_a_run_with_the_same_predictions(
    make_run, score, foreign, tmp_path
):
    make_run("a")
    predictions(VAL).write_csv(tmp_path / "val.csv")

    _, theirs = score(predictions=foreign, val_predictions=tmp_path / "val.csv")

    assert theirs["theirs"].threshold == 0.4
    assert theirs["theirs"].scores == score()[1]["a"].scores
    written = json.loads((tmp_path / "reports" / "test" / "theirs" / "metrics.json").read_text())
    assert written["scores"]["roc_auc"]["value"] == 13 / 15


def test_the_data_set_gives_the_labels_of_the_wanted_target(score, tmp_path):
    ids = np.array(["a", "b", "c"])
    blank = np.full(3, "")
    manifest = Manifest(
        ids, ids, np.array([1, 1, 0]), np.array([1, 0, 0]), ids, np.full(3, "test"), blank, blank
    )
    (tmp_path / "data").mkdir()
    pixels = [np.zeros((2, 2, 3), np.uint8)] * 3
    write_dataset(tmp_path / "data", manifest, pixels, size=2, description={})
    table = write_scores(tmp_path / "t.csv", {"a": (1, 0.9), "b": (0, 0.2), "c": (0, 0.1)})

    positives = {
        target: score(predictions=table, dataset=tmp_path / "data", target=target)[1]["t"].positives
        for target in ("malignant", "melanoma")
    }

    assert positives == {"malignant": 2, "melanoma": 1}
    board = (tmp_path / "reports" / "test" / "leaderboard.md").read_text()
    assert board.count("3 (1 melanoma)") == 2


def test_a_fixed_threshold_needs_no_val(score, foreign):
    asked = {"rule": "fixed", "value": 0.3}

    notes = [score(predictions=foreign, **how)[0].notes for how in ({}, {"threshold": asked})]

    assert ["Without val" in "".join(one) for one in notes] == [True, False]


@pytest.mark.parametrize("column", ["y_prob", "melanoma"])
def test_labels_come_from_the_data_set_where_the_table_has_none(
    score, foreign, dataset, tmp_path, column
):
    test = write_scores(tmp_path / "b.csv", dict(reversed(TEST.items())), column=column)
    val = write_scores(tmp_path / "val.csv", VAL, column=column)

    _, rows = score(predictions=test, val_predictions=val, dataset=dataset, score_column=column)

    assert rows["b"].threshold == 0.4
    labelled = score(predictions=foreign, threshold={"rule": "fixed", "value": 0.4})[1]["theirs"]
    assert rows["b"].scores == labelled.scores


def write_answers(path, rows, *, folder="", suffix=""):
    """As ``predict`` writes of the files of a data set, the calibrated ones turned round."""
    lines = [
        f"{folder}{image}{suffix},{y_prob},{1 - y_prob},benign,no,,,youden=0.4,x"
        for image, (_, y_prob) in rows.items()
    ]
    header = "path,probability,calibrated,decision,refer,flags,error,threshold,model"
    path.write_text("\n".join([header, *lines, "", "elsewhere.jpg,,,,,,broken,youden=0.4,x"]))
    return path


@pytest.mark.parametrize("folder", ["", "isic/Test/"])
def test_what_predict_wrote_is_scored_by_the_paths_of_the_data_set(
    score, foreign, dataset, tmp_path, folder
):
    test = write_answers(tmp_path / "b.csv", dict(reversed(TEST.items())), folder=folder)
    val = write_answers(tmp_path / "val.csv", VAL, folder=folder)

    _, rows = score(predictions=test, val_predictions=val, dataset=dataset)
    _, other = score(predictions=test, dataset=dataset, score_column="calibrated")

    assert rows["b"].threshold == 0.4
    labelled = score(predictions=foreign, threshold={"rule": "fixed", "value": 0.4})[1]["theirs"]
    assert rows["b"].scores == labelled.scores
    auc = labelled.scores["roc_auc"].value
    assert other["b"].scores["roc_auc"].value == pytest.approx(1 - auc)


def test_a_path_shorter_than_the_manifests_is_enough_if_it_is_one_images(score, tmp_path):
    ids = np.array(["left/a", "left/b", "right/a", "right/c"])
    label, blank = np.array([1, 0, 0, 1]), np.full(4, "")
    split = np.array(["test", "test", "train", "test"])
    paths = np.array([f"photos/{name}.jpg" for name in ids])
    manifest = Manifest(ids, paths, label, label, ids, split, blank, blank)
    (tmp_path / "data").mkdir()
    pixels = [np.zeros((2, 2, 3), np.uint8)] * 4
    write_dataset(tmp_path / "data", manifest, pixels, size=2, description={})
    answers = {"left/a": (1, 0.9), "left/b": (0, 0.2), "right/c": (1, 0.1)}
    named = write_answers(tmp_path / "t.csv", answers, suffix=".jpg")

    _, rows = score(predictions=named, dataset=tmp_path / "data")

    assert (rows["t"].scores["roc_auc"].value, rows["t"].positives) == (0.5, 2)
    vague = {name.split("/")[1]: row for name, row in answers.items()}
    write_answers(named, vague, suffix=".jpg")
    with pytest.raises(DataError, match="1 file that may be any of several images") as refused:
        score(predictions=named, dataset=tmp_path / "data")
    assert refused.value.which == ["a.jpg"]


def test_what_predict_could_not_read_or_did_not_see_is_named(score, dataset, tmp_path):
    name = next(iter(TEST))
    table = write_answers(tmp_path / "t.csv", TEST)
    text = table.read_text()

    table.write_text(text.replace(f"{name},{TEST[name][1]}", f"{name},"))
    with pytest.raises(DataError, match="no answer for 1 image of the data set") as refused:
        score(predictions=table, dataset=dataset)
    assert refused.value.which == [name]
    table.write_text("\n".join(line for line in text.split("\n") if not line.startswith(name)))
    with pytest.raises(DataError, match=f"lacks 1 of the {len(TEST)} images"):
        score(predictions=table, dataset=dataset)
    with pytest.raises(DataError, match="has no labels"):
        score(predictions=table)


def test_a_labelled_table_may_have_another_score_column(score, foreign):
    foreign.write_text(foreign.read_text().replace("y_prob", "melanoma"))

    _, rows = score(predictions=foreign, score_column="melanoma")

    assert rows["theirs"].scores["roc_auc"].value == 13 / 15


def test_a_table_without_labels_needs_the_data_set(score, tmp_path):
    with pytest.raises(DataError, match="no column y_true") as caught:
        score(predictions=write_scores(tmp_path / "b.csv", TEST))
    assert "--dataset" in caught.value.fix


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("x0,0.9", "more than once"),
        ("y0,high", "could not convert"),
    ],
)
def test_a_broken_row_of_a_table_without_labels_is_refused(score, dataset, tmp_path, line, what):
    path = write_scores(tmp_path / "b.csv", TEST)
    path.write_text(f"{path.read_text()}\n{line}\n")

    with pytest.raises(DataError, match=what):
        score(predictions=path, dataset=dataset)


def test_a_table_that_leaves_images_out_is_refused_and_one_with_more_is_not(
    score, dataset, tmp_path
):
    less = {image: row for image, row in TEST.items() if image not in ("x0", "x5")}
    more = {**TEST, **VAL}

    with pytest.raises(DataError, match="lacks 2 of the 8 images of test") as caught:
        score(predictions=write_scores(tmp_path / "less.csv", less), dataset=dataset)

    assert caught.value.which == ["x0", "x5"]
    _, rows = score(predictions=write_scores(tmp_path / "more.csv", more), dataset=dataset)
    assert rows["more"].n == len(TEST)


def test_a_split_that_the_data_set_has_not_is_refused(score, dataset, tmp_path):
    path = write_scores(tmp_path / "b.csv", TEST)

    with pytest.raises(DataError, match="the 0 images of nowhere"):
        score(predictions=path, dataset=dataset, split="nowhere")


def test_a_folder_that_evaluate_did_not_write_is_not_replaced(score, foreign, tmp_path):
    (tmp_path / "reports" / "test" / "theirs").mkdir(parents=True)
    (tmp_path / "reports" / "test" / "theirs" / "thesis.tex").touch()

    with pytest.raises(DataError, match="was not written by evaluate"):
        score(predictions=foreign)

    assert (tmp_path / "reports" / "test" / "theirs" / "thesis.tex").exists()


def test_options_without_effect_are_refused(make_run, score, foreign, dataset):
    run = make_run("a")

    with pytest.raises(ConfigError, match="exclude each other"):
        score(run, predictions=foreign)
    with pytest.raises(ConfigError, match="foreign table"):
        score(run, val_predictions=foreign)
    with pytest.raises(ConfigError, match="foreign table"):
        score(run, dataset=dataset)


# --- gates ------------------------------------------------------------------------------------


def test_every_run_must_pass_the_gate_but_the_constant_answer_need_not(make_run, score):
    make_run("a")
    make_run("b", test=with_probabilities(TEST, *[0.5] * 8))
    outcome, _ = score()

    evaluate.refuse_low_scores(outcome, ["auc=0.5", "brier=0.25"])
    evaluate.refuse_low_scores(outcome, ["log_loss=0.75", "ece=0.4"])  # upper bounds too
    with pytest.raises(QualityGateError, match="2 scores") as caught:
        evaluate.refuse_low_scores(outcome, ["auc=0.6", "brier=0.2"])

    assert [failure.partition(":")[0] for failure in caught.value.which] == ["b", "b"]


def test_an_undefined_score_does_not_pass(make_run, score):
    make_run("a", test={"x0": (0, 0.1), "x1": (0, 0.2)})
    outcome, _ = score()

    with pytest.raises(QualityGateError, match="is not met by 1 score"):
        evaluate.refuse_low_scores(outcome, ["auc=0"])


@pytest.mark.real_data
def test_the_challenge_winner_is_scored_from_its_submission(score, real_data, tmp_path):
    truth = (real_data / "isic2017" / "ISIC-2017_Test_v2_Part3_GroundTruth.csv").read_text()
    labels = {row.split(",")[0]: row.split(",")[1] for row in truth.split()[1:]}
    given = real_data / "reference" / "recod_titans_isic2017_test_scores.csv"
    rows = [row.split(",") for row in given.read_text().split()[1:]]
    theirs = tmp_path / "recod.csv"
    theirs.write_text(
        "image_id,y_true,melanoma\n"
        + "\n".join(f"{image},{labels[image]},{melanoma}" for image, melanoma, _ in rows)
    )

    _, scored = score(predictions=theirs, score_column="melanoma", split="isic2017-test")

    assert round(scored["recod"].scores["roc_auc"].value, 5) == 0.87351
    assert round(scored["recod"].scores["accuracy"].value, 5) == 0.87167
    assert round(scored["always benign"].scores["accuracy"].value, 3) == 0.805


def test_the_scores_are_those_of_the_metrics(make_run, score):
    make_run("a")
    table = predictions(TEST)

    values = {name: e.value for name, e in score()[1]["a"].scores.items()}

    assert values == pytest.approx(score_all(table.y_true, table.y_prob, threshold=0.4))
