"""soup: the weights of runs of one build averaged, if val says that it is no worse."""

import json
import shutil

import numpy as np
import pytest
from training_fixtures import (
    COUNTS,
    WIDE_BACKBONE,
    QuickReporter,
    finetune_config,
    outcome,
    run_finetune,
    run_train,
    stored_weights,
    train_config,
    uses,
    write_lesions,
)

from skinlesion.commands import evaluate, soup, tta
from skinlesion.config import EvaluateConfig, SoupConfig, TtaConfig, load_config
from skinlesion.data.store import open_dataset
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.metrics.scores import SCORES
from skinlesion.progress import Reporter
from skinlesion.provenance import learnt_from
from skinlesion.runs import RunDir, read_json
from skinlesion.tables import Predictions
from skinlesion.training.soup import greedy_soup, uniform_soup

pytestmark = pytest.mark.tensorflow


# --- which members are averaged ----------------------------------------------------------------


class Members:
    """Models of one weight each, and a score that a function of it is."""

    def __init__(self, values, score):
        self.loads = [lambda value=value: [np.array([value], np.float32)] for value in values]
        self.measured = []
        self.score = score
        self.alone = [score(value) for value in values]

    def measure(self, weights):
        self.measured.append(float(weights[0][0]))
        return self.score(self.measured[-1])


def near(target):
    return lambda value: -abs(value - target)


def test_uniform_is_the_mean_of_all():
    members = Members([1, 2, 6], near(0))

    made = uniform_soup(members.loads, members.alone, members.measure)

    assert (made.weights[0].tolist(), made.chosen, made.score) == ([3.0], [0, 1, 2], -3.0)
    assert made.weights[0].dtype == np.float32
    assert members.measured == [3.0]


def test_greedy_goes_from_the_best_and_keeps_what_does_not_harm():
    # Best first: 5, 4, 9, 19. With 4 the mean is 4.5: worse. With 9 it is 7: as good as 5.
    members = Members([4, 19, 5, 9], near(6))

    made = greedy_soup(members.loads, members.alone, members.measure)

    assert members.measured == [4.5, 7.0, 11.0]
    assert (made.weights[0].tolist(), made.chosen, made.score) == ([7.0], [2, 3], -1.0)


def test_greedy_keeps_the_best_alone_where_no_other_helps():
    members = Members([6, 0, 1], near(6))

    made = greedy_soup(members.loads, members.alone, members.measure)

    assert (made.weights[0].tolist(), made.chosen, made.score) == ([6.0], [0], 0.0)


@pytest.mark.parametrize("cook", [uniform_soup, greedy_soup])
def test_a_soup_of_equal_members_equals_each_to_the_bit(cook):
    weights = [np.random.default_rng(0).normal(size=50).astype(np.float32), np.float32([1e-30])]

    made = cook([lambda: weights] * 3, [0.5] * 3, lambda _: 0.5)

    assert made.chosen == [0, 1, 2]
    for one, other in zip(made.weights, weights, strict=True):
        np.testing.assert_array_equal(one, other)


# --- runs --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tiny_backbone, dataset, tmp_path_factory):
    """A run, two fine-tuned from it that saw other images, and one of another start."""
    folder = tmp_path_factory.mktemp("runs")
    start = run_train(train_config(dataset, epochs=1), folder / "start")
    for name, seed in (("a", 1), ("b", 2)):
        run_finetune(finetune_config(start.path, seed=seed, limit=12), folder / name)
    run_train(train_config(dataset, seed=5, epochs=1), folder / "stranger")
    return folder


@pytest.fixture
def runs(made, tmp_path):
    """Copies of the runs, to be changed; each by its name."""
    shutil.copytree(made, tmp_path / "runs")
    return {path.name: RunDir(path) for path in sorted((tmp_path / "runs").iterdir())}


def cook(members, name="soup", *, overwrite=False, reporter=None, **config):
    """The outcome of a soup beside ``members``; accepted always unless ``config`` says else."""
    settings = SoupConfig(
        **{"members": tuple(run.path for run in members), "accept": "always", **config}
    )
    path = members[0].path.parent / name
    return soup.run(settings, path, overwrite=overwrite, reporter=reporter or QuickReporter())


def copy_of(run, name):
    return RunDir(shutil.copytree(run.path, run.path.with_name(name)))


def val_score(run, name):
    val = Predictions.read_csv(run.predictions("val"))
    return SCORES[name](val.y_true, val.y_prob, 0.5)


def test_uniform_averages_every_array_and_batch_norm_too(runs):
    run = cook([runs["a"], runs["stranger"]], method="uniform").run

    mean, one, other = (stored_weights(r) for r in (run, runs["a"], runs["stranger"]))
    assert set(mean) == set(one)
    moving = [name for name in mean if "batch_normalization" in name]
    assert len(moving) == 12
    for name in mean:
        expected = (one[name].astype(np.float64) + other[name]) / 2
        np.testing.assert_array_equal(mean[name], expected.astype(np.float32))
    assert any((one[name] != other[name]).any() for name in moving)


@pytest.mark.parametrize("method", ["uniform", "greedy"])
def test_a_soup_of_a_run_with_itself_is_that_run(runs, method):
    twin = copy_of(runs["a"], "twin")

    run = cook([runs["a"], twin], method=method, accept="not_worse").run

    same = ("weights", "predictions")
    assert [outcome_of(run)[k] for k in same] == [outcome_of(runs["a"])[k] for k in same]


def outcome_of(run):
    history = run.history
    if not history.exists():
        history.write_text("")
    return outcome(run)


def test_the_order_of_members_does_not_matter(runs):
    names = ("a", "b", "stranger")

    one = cook([runs[name] for name in names], "one", method="uniform")
    other = cook([runs[name] for name in reversed(names)], "two", method="uniform")

    assert outcome_of(one.run) == outcome_of(other.run)
    assert one.members == other.members


def test_the_folder_says_what_was_averaged_and_repeats_it(runs, dataset):
    made = cook([runs["b"], runs["a"]], method="uniform")

    record = made.run.record()
    paths = [runs[name].path.as_posix() for name in ("a", "b")]
    assert (record["kind"], record["status"], record["method"]) == ("soup", "finished", "uniform")
    assert (record["members"], record["chosen"]) == (paths, paths)
    assert record["val"]["criterion"] == "roc_auc"
    assert record["val"]["soup"] == pytest.approx(val_score(made.run, "roc_auc"))
    for path, score in record["val"]["members"].items():
        assert score == val_score(RunDir(runs["a"].path.parent / path), "roc_auc")
    for name in ("target", "classes", "dataset", "backbone"):
        assert record[name] == runs["a"].record()[name]
    assert read_json(made.run.model) == read_json(runs["a"].model)
    config = load_config(made.run.config, SoupConfig)
    assert config.dataset == dataset
    again = soup.run(config, made.run.path.with_name("again"), reporter=QuickReporter()).run
    assert outcome_of(again) == outcome_of(made.run)


@pytest.mark.parametrize("criterion", ["average_precision", "log_loss"])
def test_members_are_ordered_and_judged_by_the_criterion(runs, criterion):
    made = cook([runs["a"], runs["stranger"]], criterion=criterion)

    alone = {runs[n].path.as_posix(): val_score(runs[n], criterion) for n in ("a", "stranger")}
    assert made.members == alone
    best = min if criterion == "log_loss" else max
    assert alone[made.chosen[0]] == best(alone.values())
    assert made.score == pytest.approx(val_score(made.run, criterion))
    assert f"{criterion} on val" in made.to_text()


def test_it_starts_finetuning_and_tta_like_a_run_of_train(runs):
    run = cook([runs["a"], runs["b"]], method="uniform").run

    further = run_finetune(finetune_config(run.path), run.path.with_name("further"))
    views = tta.run(
        TtaConfig(run=run.path, views=1), run.path.with_name("views"), reporter=QuickReporter()
    ).run

    assert further.record()["parent"] == str(run.path)
    assert learnt_from(further) == learnt_from(run)
    assert views.predictions("test").read_text() == run.predictions("test").read_text()


def test_evaluate_reads_it_like_a_run(runs, tmp_path, unrendered):
    run = cook([runs["a"], runs["b"]], method="uniform").run

    rows = evaluate.run(
        EvaluateConfig(split="test", resamples=100),
        runs=[run.path],
        reports=tmp_path / "reports",
        reporter=Reporter(quiet=True),
    ).rows

    assert [row.name for row in rows] == ["soup", "always benign"]


def test_members_judged_on_another_data_set_are_asked_anew(runs, tmp_path):
    names = [f"new{number}" for number in range(sum(COUNTS.values()))]
    other = write_lesions(tmp_path / "other", seed=1, names=names)
    reporter = QuickReporter()

    made = cook([runs["a"], runs["b"]], method="uniform", dataset=other, reporter=reporter)

    assert reporter.counted["val"] == 3 * COUNTS["val"]
    assert made.run.record()["dataset"] == open_dataset(other).fingerprint
    assert uses(made.run)["test"] == set(names[-COUNTS["test"] :])
    assert learnt_from(made.run)["train"] == learnt_from(runs["a"])["train"]


# --- what is refused ---------------------------------------------------------------------------


def spoilt(run):
    """``run`` with a file that says it scored 1 on val."""
    val = Predictions.read_csv(run.predictions("val"))
    Predictions(val.image_id, val.group, val.y_true, val.y_true * 0.9).write_csv(
        run.predictions("val")
    )
    return run


def test_a_soup_worse_than_its_best_member_exits_6_and_leaves_nothing(runs, type_command):
    spoilt(runs["a"])
    before = sorted(path for path in runs["a"].path.parent.rglob("*"))

    shown = type_command("soup", "-q", "--members", "runs/a", "runs/b", "--set", "method=uniform")

    reached = shown.err.partition("roc_auc ")[2].partition(",")[0]
    assert shown.code == 6
    assert shown.err == (
        f"error: the soup is worse on val than runs/a: roc_auc {reached}, alone 1.000000\n"
        "  expected: a soup that is no worse than its best member\n"
        "  fix:      --set method=greedy, skinlesion ensemble on the same members, or"
        " --set accept=always to keep it\n"
    )
    assert 0 < float(reached) < 1
    assert sorted(path for path in runs["a"].path.parent.rglob("*")) == before


def test_a_worse_soup_is_kept_where_that_is_asked_and_greedy_is_never_worse(runs, type_command):
    spoilt(runs["a"])

    words = ["soup", "-q", "--members", "runs/a", "runs/b"]
    kept = type_command(*words, "--set", "method=uniform", "--set", "accept=always")
    greedy = type_command(*words)

    assert (kept.code, greedy.code) == (0, 0)
    assert kept.out.startswith("runs/soup: uniform, 2 of 2 members\n  roc_auc on val\n")
    assert greedy.out.splitlines() == [
        "runs/soup-2: greedy, 1 of 2 members",
        "  roc_auc on val",
        "  1.0000  soup",
        "  1.0000  runs/a",
        f"  {val_score(runs['b'], 'roc_auc'):.4f}  runs/b, left out",
        "  predictions on test, val",
    ]


def changed(run, **model):
    run.model.write_text(json.dumps({**read_json(run.model), **model}))
    return run


@pytest.mark.parametrize(
    ("model", "record", "what"),
    [
        ({"backbone": WIDE_BACKBONE}, {}, "backbone"),
        ({"image_size": 64}, {}, "image_size"),
        ({"pooling": "max"}, {}, "pooling"),
        ({"preprocessing": {"stored_size": 64}}, {}, "preprocessing"),
        ({}, {"target": "melanoma"}, "target"),
        ({}, {"classes": ["malignant", "benign"]}, "classes"),
    ],
)
def test_members_of_another_build_or_question_are_refused(runs, model, record, what):
    changed(runs["b"], **model).update_record(**record)

    with pytest.raises(DataError, match=f"members differ in {what}") as caught:
        cook([runs["a"], runs["b"]])

    value = next(iter({**model, **record}.values()))
    assert caught.value.which[1] == f"{runs['b'].path} ({what} {value})"
    assert not (runs["a"].path.parent / "soup").exists()


def test_dropout_may_differ_and_the_first_members_is_kept(runs):
    changed(runs["b"], dropout=0.7)

    run = cook([runs["b"], runs["a"]]).run

    assert read_json(run.model)["dropout"] == read_json(runs["a"].model)["dropout"]


@pytest.mark.parametrize("judged", ["val", "test"])
def test_a_member_that_learnt_from_what_is_judged_is_refused(runs, judged):
    leaked = sorted(uses(runs["a"])[judged])[0]
    text = runs["b"].split.read_text()
    runs["b"].split.write_text(text.replace(f"{leaked},{leaked},{judged}", f"{leaked},x,train"))

    with pytest.raises(IntegrityError, match=f"learnt from 1 image of {judged}") as caught:
        cook([runs["a"], runs["b"]])

    assert str(runs["b"].path) in caught.value.what
    assert caught.value.which == [leaked]


def test_what_any_member_learnt_from_the_soup_learnt_from(runs):
    run = cook([runs["a"], runs["b"]]).run

    assert learnt_from(run)["train"] == uses(runs["a"])["train"] | uses(runs["b"])["train"]
    assert learnt_from(run)["val"] == uses(runs["a"])["val"]


def test_members_of_different_data_sets_need_one_to_be_judged_on(runs):
    runs["b"].update_record(dataset="f" * 64)

    with pytest.raises(ConfigError, match="trained on different data sets") as caught:
        cook([runs["a"], runs["b"]])

    assert caught.value.which[1] == f"{runs['b'].path} (ffffffffffff)"


def test_who_is_no_member_is_skipped_with_a_sentence(runs, make_run):
    first = cook([runs["a"], runs["b"]]).run
    make_run("without")
    runs["start"].remove()
    reporter = QuickReporter()

    made = soup.run(
        SoupConfig(members=(first.path.parent / "*",), accept="always"),
        first.path.with_name("second"),
        reporter=reporter,
    )

    assert list(made.members) == [
        (first.path.parent / name).as_posix() for name in ("a", "b", "stranger")
    ]
    assert reporter.said[:2] == [
        f"skipped {first.path}: a soup",
        f"skipped {first.path.with_name('without')}: no model of its own",
    ]


def test_fewer_than_two_members_or_itself_are_refused(runs):
    with pytest.raises(ConfigError, match="at least 2 members, found 1"):
        cook([runs["a"], runs["a"]])
    with pytest.raises(ConfigError, match="cannot be its own member"):
        cook([runs["a"], runs["b"]], "a", overwrite=True)
    assert runs["a"].is_finished()


def test_an_existing_soup_is_replaced_only_when_asked(runs):
    cook([runs["a"], runs["b"]])

    with pytest.raises(DataError, match="exists already"):
        cook([runs["a"], runs["b"]])
    again = cook([runs["a"], runs["b"]], overwrite=True, method="uniform")

    assert again.run.record()["method"] == "uniform"


def test_an_interrupted_soup_leaves_nothing(runs):
    with pytest.raises(KeyboardInterrupt):
        cook([runs["a"], runs["b"]], reporter=QuickReporter(interrupt="predictions", after=1))

    assert sorted(path.name for path in runs["a"].path.parent.iterdir()) == sorted(runs)
