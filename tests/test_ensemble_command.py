"""ensemble: finished runs of one question become one run, fitted on val, that evaluate reads."""

import json

import numpy as np
import pytest
import yaml
from conftest import TEST, VAL

from skinlesion.commands import ensemble, evaluate
from skinlesion.config import EnsembleConfig, EvaluateConfig, load_config
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.progress import Reporter
from skinlesion.provenance import learnt_from
from skinlesion.tables import Predictions


@pytest.fixture
def combine(tmp_path):
    """Combine runs into ``tmp_path/runs/NAME``; says what was skipped."""

    def run(*members, method="mean", name="both", overwrite=False, said=None):
        paths = [getattr(member, "path", member) for member in members]
        reporter = Reporter(quiet=True)
        reporter.say = (said if said is not None else []).append
        return ensemble.run(
            EnsembleConfig(members=paths or [tmp_path / "runs" / "*"], method=method),
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


@pytest.mark.parametrize("method", ["mean", "weighted", "majority_vote", "rank_mean"])
def test_rows_in_another_order_are_aligned(make_run, combine, method):
    a = make_run("a", val=shifted(VAL, 1), test=shifted(TEST, 0))
    b = make_run("b")
    turned = make_run("c", val=dict(reversed(VAL.items())), test=dict(reversed(TEST.items())))

    straight, aligned = combine(a, b, method=method), combine(a, turned, method=method, name="d")

    assert y_prob(aligned) == pytest.approx(y_prob(straight))
    assert y_prob(aligned, "val") == pytest.approx(y_prob(straight, "val"))
    assert list(y_prob(aligned)) == list(TEST)


@pytest.mark.parametrize("method", ["mean", "weighted", "majority_vote", "rank_mean"])
def test_what_is_fitted_does_not_depend_on_test(make_run, combine, method):
    a, b = make_run("a"), make_run("b", val=shifted(VAL, 1))
    other = make_run("c", val=shifted(VAL, 1), test={i: (1 - y, p) for i, (y, p) in TEST.items()})
    flipped = make_run("d", test={i: (1 - y, 1 - p) for i, (y, p) in TEST.items()})

    first = combine(a, b, method=method, name="e")
    second = combine(flipped, other, method=method, name="f")

    assert first.params == second.params


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
    assert set(json.loads(run.combiner.read_text())) == {"method", "params"}
    assert run.predicted_splits() == ["test", "val"]


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

    assert seen == {"train": {"t0", "t1", "t2"}, "val": set(VAL)}


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

    with pytest.raises(IntegrityError, match="learnt from 1 images") as caught:
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
