"""ensemble: finished runs of one question become one run, fitted on val, that evaluate reads."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from fabricated import TEST, VAL

from skinlesion.commands import ensemble, evaluate
from skinlesion.config import EnsembleConfig, EvaluateConfig, load_config
from skinlesion.ensemble import COMBINERS
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.progress import Reporter
from skinlesion.provenance import learnt_from
from skinlesion.tables import Predictions

pytestmark = pytest.mark.thorough


@pytest.fixture
def combine(tmp_path):
    """Combine runs into ``tmp_path/runs/NAME``; says what was skipped."""

    def run(*members, method="mean", name="both", overwrite=False, said=None, **options):
        paths = [getattr(member, "path", member) for member in members]
        reporter = Reporter(quiet=True)
        reporter.say = (said if said is not None else []).append
        return ensemble.run(
            EnsembleConfig(members=paths or [tmp_path / "runs" / "*"], method=method, **options),
            tmp_path / "runs" / name,
            overwrite=overwrite,
            reporter=reporter,
        )

    return run


def shifted(rows, by):
    """The same images, each probability moved towards ``by``."""
    return {image: (label, (prob + by) / 2) for image, (label, prob) in rows.items()}


def y_prob(outcome, split="test"):
    table = Predictions.read_csv(outcome.run.predictions(split))
    return dict(zip(table.image_id.tolist(), table.y_prob.tolist(), strict=True))


# --- what is made -----------------------------------------------------------------------------


def test_the_mean_of_two_members_by_hand(make_run, combine):
    make_run("a")
    make_run("b", val=shifted(VAL, 1), test=shifted(TEST, 1))

    found = y_prob(combine())

    assert found == pytest.approx({i: (p + (p + 1) / 2) / 2 for i, (_, p) in TEST.items()})


@pytest.mark.parametrize("method", COMBINERS)
def test_rows_in_another_order_are_aligned(make_run, combine, method):
    a = make_run("a", val=shifted(VAL, 1), test=shifted(TEST, 0))
    b = make_run("b")
    turned = make_run("c", val=dict(reversed(VAL.items())), test=dict(reversed(TEST.items())))

    straight, aligned = combine(a, b, method=method), combine(a, turned, method=method, name="d")

    assert y_prob(aligned) == pytest.approx(y_prob(straight))
    assert y_prob(aligned, "val") == pytest.approx(y_prob(straight, "val"))
    assert list(y_prob(aligned)) == list(TEST)


@pytest.mark.parametrize("method", COMBINERS)
def test_what_is_fitted_does_not_depend_on_test(make_run, combine, method):
    a, b = make_run("a"), make_run("b", val=shifted(VAL, 1))
    other = make_run("c", val=shifted(VAL, 1), test={i: (1 - y, p) for i, (y, p) in TEST.items()})
    flipped = make_run("d", test={i: (1 - y, 1 - p) for i, (y, p) in TEST.items()})

    first = combine(a, b, method=method, name="e")
    second = combine(flipped, other, method=method, name="f")

    assert first.params == second.params
    assert first.run.combiner.read_text() == second.run.combiner.read_text()
    on_val = [json.loads(made.run.diversity.read_text()) for made in (first, second)]
    for measured in on_val:
        for member in measured["members"]:
            del member["path"]
    assert on_val[0] == on_val[1]


def test_fitted_weights_prefer_the_better_member(make_run, combine):
    make_run("good", val={i: (y, 0.1 + 0.8 * y) for i, (y, _) in VAL.items()})
    make_run("useless", val={i: (y, 0.5) for i, (y, _) in VAL.items()})

    outcome = combine(method="weighted")

    assert outcome.params["weights"] == pytest.approx([1, 0], abs=1e-3)


def test_the_folder_says_what_was_combined_and_how(make_run, combine):
    make_run("a", seed=7)
    make_run("b")

    run = combine(method="weighted").run

    record = run.record()
    assert (record["kind"], record["method"]) == ("ensemble", "weighted")
    assert (record["target"], record["classes"]) == ("malignant", ["benign", "malignant"])
    assert run.is_finished()
    assert [m["seed"] for m in json.loads(run.members.read_text())["members"]] == [7, 0]
    assert set(json.loads(run.combiner.read_text())) == {"method", "params", "optimism"}
    assert run.predicted_splits() == ["test", "val"]


@pytest.mark.parametrize("method", COMBINERS)
def test_optimism_is_written_and_printed_for_what_was_fitted_on_labels(make_run, combine, method):
    make_run("a")
    make_run("b", val=shifted(VAL, 1))

    outcome = combine(method=method)

    optimism = json.loads(outcome.run.combiner.read_text())["optimism"]
    assert (optimism is not None) == COMBINERS[method].uses_labels
    assert ("fitted on val" in outcome.to_text()) == COMBINERS[method].uses_labels
    if optimism:
        assert optimism["folds"] == 3  # as many as there are groups of a class
        assert set(optimism["roc_auc"]) == set(optimism["log_loss"]) == {"apparent", "nested"}


def test_what_each_member_adds_by_hand(make_run, combine):
    # Of 9 pairs of a benign and a malignant image the first orders 8 and the second all.
    make_run("a")
    make_run("b", val={i: (y, 0.1 + 0.8 * y) for i, (y, _) in VAL.items()})

    outcome = combine()

    first, second = json.loads(outcome.run.diversity.read_text())["members"]
    assert (first["roc_auc"], second["roc_auc"]) == pytest.approx((8 / 9, 1))
    assert first["ensemble_roc_auc_without"] == second["roc_auc"]
    assert second["ensemble_roc_auc_without"] == first["roc_auc"]
    assert (first["threshold"], second["threshold"]) == (0.4, 0.9)
    # At 0.4 the first has v2 wrong and the rest right, as the second has all.
    assert outcome.on_val.pairs.disagreement[0, 1] == pytest.approx(1 / 6)


def test_val_of_one_class_can_still_be_averaged(make_run, combine):
    benign = {f"v{i}": (0, 0.2 * i) for i in range(4)}
    make_run("a", val=benign)
    make_run("b", val=shifted(benign, 1))

    outcome = combine()

    assert json.loads(outcome.run.diversity.read_text())["roc_auc"] is None
    assert "undef." in outcome.to_text()


@pytest.mark.parametrize("changed", [{"seed": 1}, {"folds": 3}])
def test_fields_of_the_config_change_the_estimate_of_optimism(make_run, combine, changed):
    rng = np.random.default_rng(0)
    labels = {f"w{i}": i % 2 for i in range(40)}
    for name in "ab":
        make_run(name, val={i: (y, rng.random()) for i, y in labels.items()})

    first = combine(method="weighted")
    second = combine(method="weighted", name="other", **changed)

    assert first.params == second.params
    assert first.on_val.optimism != second.on_val.optimism


def test_the_config_names_the_members_so_that_it_repeats_the_run(make_run, combine, tmp_path):
    make_run("a")
    make_run("b")
    first = combine()
    make_run("later", test=shifted(TEST, 1))

    config = load_config(first.run.config, EnsembleConfig)
    again = combine(*config.members, name="again")

    assert config.members == (tmp_path / "runs" / "a", tmp_path / "runs" / "b")
    assert yaml.safe_load(again.run.config.read_text()) == config.model_dump(mode="json")
    assert y_prob(again) == y_prob(first)


def test_what_any_member_learnt_from_the_ensemble_learnt_from(make_run, combine):
    make_run("a", train=("t0", "t1"))
    make_run("b", train=("t1", "t2"))

    seen = learnt_from(combine().run)

    assert seen == {"train": {"t0", "t1", "t2"}, "val": set(VAL), "out_of_fold": set()}


def test_evaluate_reads_it_like_a_run(make_run, combine, tmp_path, unrendered):
    make_run("a")
    make_run("b", val=shifted(VAL, 1), test=shifted(TEST, 1))
    run = combine().run

    outcome = evaluate.run(
        EvaluateConfig(resamples=100),
        runs=[tmp_path / "runs" / "*"],
        reports=tmp_path / "reports",
        reporter=Reporter(quiet=True),
    )

    kinds = {row.name: row.kind for row in outcome.rows}
    assert kinds["both"] == "ensemble (mean)"
    assert (run.evaluation("test") / "metrics.json").exists()


# --- who is a member --------------------------------------------------------------------------


def test_earlier_ensembles_and_unfinished_runs_are_skipped_with_a_sentence(make_run, combine):
    make_run("a")
    make_run("b")
    make_run("going", status="running")
    combine(name="earlier")
    said = []

    outcome = combine(name="later", said=said)

    assert [member.name for member in outcome.members] == ["a", "b"]
    assert sorted(sentence.rpartition("/")[2] for sentence in said) == [
        "earlier: an ensemble",
        "going: not finished (see --resume)",
    ]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_members_are_refused(make_run, combine, tmp_path, count):
    for number in range(count):
        make_run(f"run{number}")

    with pytest.raises(ConfigError, match=f"at least 2 members, found {count}"):
        combine()
    assert not (tmp_path / "runs" / "both").exists()


def test_a_run_named_twice_is_one_member(make_run, combine):
    a = make_run("a")

    with pytest.raises(ConfigError, match="found 1"):
        combine(a, a)


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("difference", "what"),
    [
        ({"target": "melanoma"}, "members differ in target"),
        ({"classes": ["malignant", "benign"]}, "members differ in classes"),
        ({"test": None}, "do not predict the same splits"),
        ({"test": {**TEST, "x8": (0, 0.5)}}, "not predicted on the same images of test: 1"),
        ({"val": {**VAL, "v0": (1, 0.5)}}, "different labels on val"),
    ],
)
def test_members_that_answer_another_question_are_refused(
    make_run, combine, tmp_path, difference, what
):
    make_run("a")
    make_run("b", **difference)

    with pytest.raises(DataError, match=what) as caught:
        combine()

    assert caught.value.which
    assert not (tmp_path / "runs" / "both").exists()


def test_without_val_nothing_can_be_fitted(make_run, combine):
    make_run("a", val=None)
    make_run("b", val=None)

    with pytest.raises(DataError, match="same splits"):
        combine()


@pytest.mark.parametrize("leaked", ["x0", "v0"])
def test_a_member_that_learnt_from_what_is_judged_is_refused(make_run, combine, tmp_path, leaked):
    make_run("a")
    make_run("b", train=("t0", leaked))

    with pytest.raises(IntegrityError, match="learnt from 1 image of") as caught:
        combine()

    assert (caught.value.exit_code, caught.value.which) == (4, [leaked])
    assert not (tmp_path / "runs" / "both").exists()


# --- the folder -------------------------------------------------------------------------------


def test_an_existing_ensemble_is_replaced_only_when_asked(make_run, combine):
    make_run("a")
    make_run("b", val=shifted(VAL, 1), test=shifted(TEST, 1))
    first = y_prob(combine())

    with pytest.raises(DataError, match="exists already"):
        combine(method="rank_mean")
    second = y_prob(combine(method="rank_mean", overwrite=True))

    assert first != second
    assert np.isfinite([*second.values()]).all()


def test_overwrite_does_not_delete_what_is_no_run(make_run, combine, tmp_path):
    make_run("a")
    make_run("b")
    photos = tmp_path / "runs" / "both"
    photos.mkdir()
    (photos / "holiday.jpg").touch()

    with pytest.raises(DataError, match="is not a run folder"):
        combine(tmp_path / "runs" / "a", tmp_path / "runs" / "b", overwrite=True)

    assert (photos / "holiday.jpg").exists()


# --- the command line ---------------------------------------------------------------------------


def test_json_for_machines_says_what_the_text_says(type_command, make_run):
    make_run("a")
    make_run("b", val=shifted(VAL, 1))
    words = ["ensemble", "--members", "runs/*", "--set", "method=weighted"]

    shown = type_command(*words, "--run", "runs/e", "--json")

    found = json.loads(shown.out)
    assert (found["run"], found["method"], found["splits"]) == (
        "runs/e",
        "weighted",
        ["test", "val"],
    )
    assert [member["path"] for member in found["val"]["members"]] == ["runs/a", "runs/b"]
    assert found["optimism"]["folds"] == 3
    assert (
        found["val"]["members"] == json.loads(Path("runs/e/diversity.json").read_text())["members"]
    )


def test_too_many_members_for_best_subset_are_a_usage_error(type_command, make_run):
    for number in range(13):
        make_run(f"run{number}")

    shown = type_command("ensemble", "--members", "runs/*", "--set", "method=best_subset")

    assert shown.code == 2
    assert "at most 12 members" in shown.err
    assert not Path("runs/ensemble").exists()


@pytest.mark.parametrize("method", COMBINERS)
def test_what_is_printed_for_many_members_fits_a_screen(type_command, make_run, method):
    for number in range(10):
        make_run(f"run{number}", val=shifted(VAL, number / 9))

    shown = type_command("ensemble", "--members", "runs/*", "--set", f"method={method}")

    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert len(lines) <= 18
    assert max(map(len, lines)) <= 120
