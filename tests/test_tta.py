"""tta: views averaged into a run like any other, each asked for once, the parent left as it is."""

import shutil

import numpy as np
import pytest
from training_fixtures import (
    COUNTS,
    SIZE,
    QuickReporter,
    finetune_config,
    run_finetune,
    run_train,
    train_config,
    uses,
    write_lesions,
)

from skinlesion.commands import compare, ensemble, evaluate, tta
from skinlesion.config import CompareConfig, EnsembleConfig, EvaluateConfig, TtaConfig, load_config
from skinlesion.data.store import PixelStore, open_dataset, write_dataset
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.progress import Reporter
from skinlesion.provenance import learnt_from, refuse_leak
from skinlesion.runs import RunDir
from skinlesion.tables import Predictions
from skinlesion.training import views
from skinlesion.training.examples import dataset_of, held_out_examples
from skinlesion.training.views import View, ViewLogits

pytestmark = pytest.mark.tensorflow

HELD_OUT = COUNTS["val"] + COUNTS["test"]


@pytest.fixture(scope="module")
def trained(tiny_backbone, dataset, tmp_path_factory):
    return run_train(train_config(dataset, limit=16), tmp_path_factory.mktemp("runs") / "parent")


@pytest.fixture
def parent(trained, tmp_path):
    """A copy of ``trained`` without cached views."""
    shutil.copytree(trained.path, tmp_path / "runs" / "parent")
    return RunDir(tmp_path / "runs" / "parent")


def run_tta(parent, name="tta", *, reporter=None, overwrite=False, **config):
    """The run ``name`` beside ``parent``."""
    settings = TtaConfig(run=parent.path, **config)
    path = parent.path.parent / name
    reporter = reporter or QuickReporter()
    return tta.run(settings, path, overwrite=overwrite, reporter=reporter).run


def tables(run):
    return {split: run.predictions(split).read_text() for split in run.predicted_splits()}


def files(folder, but="views"):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] != but
    }


# --- what is predicted -------------------------------------------------------------------------


@pytest.mark.parametrize("average", ["logit", "probability"])
def test_one_view_as_it_is_reproduces_the_parent_exactly(parent, average):
    assert tables(run_tta(parent, views=1, average=average)) == tables(parent)


def test_many_images_are_predicted_by_constants_in_both(tmp_path, monkeypatch):
    few = run_train(train_config(write_lesions(tmp_path / "d"), epochs=1), tmp_path / "few")
    monkeypatch.setattr("skinlesion.training.predict.WORTH_FIXING", 1)
    many = run_train(train_config(tmp_path / "d", epochs=1), tmp_path / "many")

    assert tables(run_tta(many, views=1)) == tables(many)
    for split in ("val", "test"):
        before, fixed = (Predictions.read_csv(run.predictions(split)) for run in (few, many))
        np.testing.assert_allclose(fixed.y_prob, before.y_prob, atol=1e-5)


def test_a_turned_image_is_predicted_like_the_image(parent, tmp_path):
    images = write_lesions(tmp_path / "upright", counts={"test": 4}, names=["a", "b", "c", "d"])
    whole = open_dataset(images)
    pixels = np.rot90(whole.pixels.read(np.arange(4)), axes=(1, 2))
    (tmp_path / "turned").mkdir()
    settings = {"settings": whole.info["settings"]}
    write_dataset(tmp_path / "turned", whole.manifest, pixels, size=SIZE, description=settings)

    def largest_difference(name, **config):
        runs = [
            run_tta(parent, f"{name} {folder}", dataset=tmp_path / folder, **config)
            for folder in ("upright", "turned")
        ]
        one, other = (Predictions.read_csv(run.predictions("test")).y_prob for run in runs)
        return np.abs(one - other).max()

    assert largest_difference("two scales", scales=[0.8, 1.0]) < 1e-5
    assert largest_difference("one scale") < 1e-5
    assert largest_difference("flips", views=4) > 1e-4  # else the laws would say nothing


def test_the_mean_is_that_of_its_views(parent):
    found = Predictions.read_csv(run_tta(parent, views=2).predictions("test")).y_prob

    examples = held_out_examples(open_dataset(dataset_of(parent)), target="malignant", judged=False)
    mirrored = ViewLogits(parent, examples).read("test", View(1, 1.0))
    upright = Predictions.read_csv(parent.predictions("test")).y_prob
    mean = (np.log(upright) - np.log1p(-upright) + mirrored) / 2
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-mean)), rtol=1e-9)


# --- what it costs -----------------------------------------------------------------------------


def test_each_view_reads_the_pixels_once_and_later_combinations_none(parent, monkeypatch):
    reads, read = [], PixelStore.read
    monkeypatch.setattr(
        PixelStore, "read", lambda self, rows: (reads.append(len(rows)), read(self, rows))[1]
    )

    reporter = QuickReporter()
    run_tta(parent, "eight", views=4, scales=[1.0, 1.2], reporter=reporter)
    assert sum(reads) == reporter.counted["views"] == 8 * HELD_OUT

    monkeypatch.setattr(views, "load_run_model", None)  # the model is not even loaded
    reporter = QuickReporter()
    run_tta(parent, "two", views=2, scales=[1.2], average="probability", reporter=reporter)
    assert sum(reads) == 8 * HELD_OUT
    assert "views" not in reporter.counted
    assert "all views were in" in reporter.said[0]


def test_a_killed_run_takes_up_finished_views(parent):
    at_once = run_tta(parent, "at once", views=4)
    for path in parent.views.iterdir():
        path.unlink()
    after = 2 * COUNTS["test"] + 1  # two views of test are done, a third has begun
    with pytest.raises(KeyboardInterrupt):
        run_tta(parent, "killed", views=4, reporter=QuickReporter(interrupt="views", after=after))
    assert not (parent.path.parent / "killed").exists()
    assert len(list(parent.views.iterdir())) == 2

    reporter = QuickReporter()
    resumed = run_tta(parent, "killed", views=4, reporter=reporter)

    assert reporter.counted["views"] == 4 * HELD_OUT - 2 * COUNTS["test"]
    assert tables(resumed) == tables(at_once)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", None])
def test_a_damaged_view_is_computed_again(parent, damage):
    first = run_tta(parent, "first", views=1)
    path = next(parent.views.iterdir())
    if damage is None:
        np.save(path, np.zeros(3, np.float32))
    else:
        path.write_bytes(damage)

    assert tables(run_tta(parent, "again", views=1)) == tables(first)


def test_other_weights_or_images_are_other_views(tiny_backbone, parent, tmp_path):
    before = tables(run_tta(parent, views=2))
    other = write_lesions(tmp_path / "other", seed=1)
    run_finetune(finetune_config(parent.path), tmp_path / "further")

    assert tables(run_tta(parent, "other", views=2, dataset=other)) != before
    shutil.copy(tmp_path / "further" / parent.weights.name, parent.weights)
    assert tables(run_tta(parent, "weights", views=2)) != before


def test_after_an_interrupt_it_says_how_to_go_on(type_command, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tta, "run", interrupt)

    shown = type_command("tta", "--run", "runs/a")

    assert shown.code == 130
    assert "runs/a keeps the finished views: repeat the line" in shown.err


# --- what is made ------------------------------------------------------------------------------


def test_the_parent_is_left_as_it_is(parent):
    before = files(parent.path)

    run_tta(parent, views=2)

    assert files(parent.path) == before


def test_the_folder_says_what_was_done_and_repeats_it(parent, dataset):
    run = run_tta(parent, views=2, scales=[1.0, 1.2])

    record = run.record()
    assert (record["kind"], record["status"]) == ("tta", "finished")
    assert record["parent"] == parent.path.as_posix()
    assert record["views"] == ["upright@1.0", "mirrored@1.0", "upright@1.2", "mirrored@1.2"]
    for name in ("target", "classes", "dataset", "backbone", "seed"):
        assert record[name] == parent.record()[name]
    again = load_config(run.config, TtaConfig)
    assert again.dataset == dataset
    assert tables(tta.run(again, run.path.with_name("b"), reporter=QuickReporter()).run) == tables(
        run
    )


def test_what_the_parent_learnt_from_it_learnt_from(parent):
    run = run_tta(parent, views=1)

    assert learnt_from(run) == learnt_from(parent)
    assert run.split.read_text() == parent.split.read_text()
    with pytest.raises(IntegrityError, match="learnt from"):
        refuse_leak(run, uses(parent)["train"], split="test")


def test_the_text_compares_with_the_parent_on_the_same_images_only(parent, tmp_path):
    other = write_lesions(tmp_path / "other", seed=1)

    def said(name, **config):
        path = tmp_path / "runs" / name
        settings = TtaConfig(run=parent.path, views=1, **config)
        return tta.run(settings, path, reporter=QuickReporter()).to_text()

    auc = parent.record()["best"]["val_auc"]
    assert f"val roc_auc {auc:.4f}; {parent.path} alone {auc:.4f}" in said("same")
    assert "alone" not in said("other", dataset=other)


def test_evaluate_ensemble_and_compare_take_it_like_any_run(parent, tmp_path, unrendered):
    run = run_tta(parent, views=2)
    reporter = Reporter(quiet=True)

    rows = evaluate.run(
        EvaluateConfig(split="test", resamples=100),
        runs=[run.path],
        reports=tmp_path / "reports",
        reporter=reporter,
    ).rows
    both = ensemble.run(
        EnsembleConfig(members=(parent.path, run.path)), tmp_path / "both", reporter=reporter
    )
    compare.run(
        CompareConfig(members=(parent.path, run.path), split="test", resamples=100),
        reports=tmp_path / "reports",
        reporter=reporter,
    )

    assert [row.name for row in rows] == ["tta", "always benign"]
    one, other, mean = (
        Predictions.read_csv(made.predictions("test")).y_prob for made in (parent, run, both.run)
    )
    np.testing.assert_allclose(mean, (one + other) / 2)
    assert (tmp_path / "reports" / "test" / "comparison.md").exists()


# --- what is refused ---------------------------------------------------------------------------


def test_an_ensemble_is_refused_with_its_members(type_command, make_run):
    make_run("a")
    make_run("b")
    type_command("ensemble", "--members", "runs/*")

    shown = type_command("tta", "--run", "runs/ensemble")

    assert shown.code == 3
    assert shown.err == (
        "error: runs/ensemble is an ensemble: it has no model of its own\n"
        "  which:    runs/a, runs/b\n"
        "  expected: a finished run of train, finetune or soup\n"
        "  fix:      run tta on each member, then skinlesion ensemble --members on the results\n"
    )


def test_a_run_of_tta_is_no_parent(parent):
    run = run_tta(parent, views=1)

    with pytest.raises(DataError, match="not a finished run with a model"):
        run_tta(run, "again")


def test_an_unfinished_or_missing_parent_is_refused(parent):
    with pytest.raises(DataError, match="not a finished run with a model"):
        run_tta(RunDir(parent.path.with_name("nowhere")))
    parent.update_record(status="running")
    with pytest.raises(DataError, match="not a finished run with a model"):
        run_tta(parent)


def test_it_does_not_replace_its_parent_nor_what_stands_there(parent):
    with pytest.raises(ConfigError, match="cannot be its own parent"):
        run_tta(parent, "parent", overwrite=True)
    first = run_tta(parent, views=1)
    with pytest.raises(DataError, match="exists already"):
        run_tta(parent, views=2)

    second = run_tta(parent, views=2, overwrite=True)

    assert second.path == first.path
    assert len(second.record()["views"]) == 2


@pytest.mark.parametrize("judged", ["val", "test"])
def test_images_that_the_parent_learnt_from_are_refused(parent, tmp_path, judged):
    names = [f"new{number}" for number in range(sum(COUNTS.values()))]
    place = COUNTS["train"] + (0 if judged == "val" else COUNTS["val"])
    names[place] = next(iter(sorted(learnt_from(parent)["train"])))
    leaking = write_lesions(tmp_path / "leaking", names=names)

    with pytest.raises(IntegrityError, match=f"learnt from 1 image of {judged}"):
        run_tta(parent, dataset=leaking)
    assert not parent.views.exists()
    assert not (parent.path.parent / "tta").exists()


def test_a_data_set_with_nothing_to_predict_is_refused(parent, tmp_path):
    only = write_lesions(tmp_path / "only", counts={"train": 4})

    with pytest.raises(DataError, match="no image outside train"):
        run_tta(parent, dataset=only)


def test_a_data_set_without_val_is_predicted(parent, tmp_path):
    names = [f"new{number}" for number in range(4)]
    foreign = write_lesions(tmp_path / "foreign", counts={"test": 4}, names=names)

    assert run_tta(parent, views=1, dataset=foreign).predicted_splits() == ["test"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("views=3", "views: Input should be 1, 2, 4 or 8"),
        ("scales=[]", "scales: Tuple should have at least 1 item"),
        ("scales=[0.4]", "scales.0: Input should be greater than or equal to 0.5"),
        ("scales=[2.5]", "scales.0: Input should be less than or equal to 2"),
        ("scales=[1, 1.0]", "scales: one stands twice in [1.0, 1.0]"),
        ("average=median", "average: Input should be 'logit' or 'probability'"),
    ],
)
def test_a_wrong_config_is_named(type_command, change, what):
    shown = type_command("tta", "--run", "runs/a", "--set", change)

    assert shown.code == 2
    assert what in shown.err
