"""Resumed equals uninterrupted, bit for bit, wherever the run was broken off."""

import shutil

import pytest
from training_fixtures import (
    QuickReporter,
    finetune_config,
    head_config,
    outcome,
    run_finetune,
    run_train,
    train_config,
    write_lesions,
)

from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.training import checkpoint

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("tiny_backbone")]

RANDOM = {
    "epochs": 3,
    "augment.rotate_degrees": 90,
    "augment.zoom": 0.2,
    "augment.hue": 0.1,
    "model.dropout": 0.4,
    "optimizer.learning_rate": 0.03,
}
# Everything with a state of its own; the stage changes where the second epoch begins.
STATEFUL = {
    "averaging": {"name": "ema", "decay": 0.9},
    "unfreeze": {"every_epochs": 1},
    "optimizer.accumulate_steps": 2,  # of three batches: the second epoch begins half way
    "optimizer.layer_decay": 0.5,
    "optimizer.clip_norm": 1.0,
    "model.stochastic_depth": 0.5,
}
LAST_EPOCHS = {"averaging": {"name": "last_epochs", "epochs": 2}, "optimizer.name": "lion"}
CONFIGS = {
    "whole": lambda dataset: train_config(dataset, **RANDOM),
    "stateful": lambda dataset: train_config(dataset, **RANDOM, **STATEFUL),
    "last-epochs": lambda dataset: train_config(dataset, **RANDOM, **LAST_EPOCHS),
    "head": lambda dataset: head_config(dataset, feature_views=2, **RANDOM),
}


@pytest.fixture(scope="module")
def uninterrupted(dataset, tmp_path_factory):
    """By kind: a run, and copies of its folder as a kill at each written checkpoint leaves it."""
    made = {}

    def get(kind):
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            with pytest.MonkeyPatch.context() as monkeypatch:
                copies = copy_at_every_checkpoint(monkeypatch, folder / "run", folder / "copies")
                made[kind] = run_train(CONFIGS[kind](dataset), folder / "run"), copies
        return made[kind]

    return get


def copy_at_every_checkpoint(monkeypatch, run, copies):
    """Copy ``run`` after every write of best.npz or last.npz; the copies are listed in order."""
    write, made = checkpoint._write, []

    def write_and_copy(path, arrays):
        write(path, arrays)
        made.append(copies / f"{len(made)}-{path.stem}")
        shutil.copytree(run, made[-1])

    monkeypatch.setattr(checkpoint, "_write", write_and_copy)
    return made


def chosen_copies(copies):
    """A best without its last, the first and the last checkpoint."""
    first, second, *_, last = copies
    assert (first.name, second.name, last.name[-4:]) == ("0-best", "1-last", "last")
    return first, second, last


@pytest.mark.parametrize(
    ("kind", "what", "after"),
    [
        ("head", "features", 1),
        ("head", "epoch 1/3", 8),
        ("head", "epoch 3/3", 22),
        ("whole", "epoch 2/3", 16),
        ("whole", "predictions", 1),
    ],
)
def test_ctrl_c_and_resume(uninterrupted, dataset, tmp_path, kind, what, after):
    config, path = CONFIGS[kind](dataset), tmp_path / "run"
    shutil.rmtree(dataset / "features", ignore_errors=True)
    reporter = QuickReporter(interrupt=what, after=after)
    with pytest.raises(KeyboardInterrupt):
        run_train(config, path, reporter=reporter)
    assert reporter.still_open == 0

    run = run_train(config, path, resume=True)

    assert outcome(run) == outcome(uninterrupted(kind)[0])
    assert run.is_finished()
    assert not run.state.exists()


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("moment", [0, 1, 2], ids=["best-only", "epoch-1", "last-epoch"])
def test_kill_and_resume(uninterrupted, dataset, tmp_path, kind, moment):
    whole, copies = uninterrupted(kind)
    shutil.copytree(chosen_copies(copies)[moment], tmp_path / "run")

    run = run_train(CONFIGS[kind](dataset), tmp_path / "run", resume=True)

    assert outcome(run) == outcome(whole)
    assert run.record()["epochs"] == whole.record()["epochs"]
    assert run.record()["best"] == whole.record()["best"]


def test_augmentation_and_dropout_are_random_here(uninterrupted, dataset, tmp_path):
    # Otherwise the laws above would say little.
    still = {"augment.rotate_degrees": 0, "augment.zoom": 0, "augment.hue": 0}
    calm = run_train(
        train_config(dataset, **{**RANDOM, **still, "augment.flip": False}), tmp_path / "calm"
    )
    sober = run_train(train_config(dataset, **{**RANDOM, "model.dropout": 0}), tmp_path / "sober")

    history = uninterrupted("whole")[0].history.read_text()
    assert len({history, calm.history.read_text(), sober.history.read_text()}) == 3


def test_finetuning_resumes_too(uninterrupted, tmp_path):
    parent = uninterrupted("whole")[0]
    config = finetune_config(parent.path, epochs=2, seed=3, freeze_batch_norm=False)
    whole = run_finetune(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_finetune(
            config, tmp_path / "run", reporter=QuickReporter(interrupt="epoch 2/2", after=8)
        )

    run = run_finetune(config, tmp_path / "run", resume=True)

    assert outcome(run) == outcome(whole)


def test_balanced_sampling_resumes_too(dataset, tmp_path):
    # 10 places an epoch for 6 melanomas, 20 for 16 others: both classes break off amid a pass.
    sampling = {"name": "balanced", "malignant_fraction": 1 / 3, "images_per_epoch": 30}
    config = train_config(dataset, **{**RANDOM, "sampling": sampling, "target": "melanoma"})
    whole = run_train(config, tmp_path / "whole")
    reporter = QuickReporter(interrupt="epoch 3/3", after=16)
    with pytest.raises(KeyboardInterrupt):
        run_train(config, tmp_path / "run", reporter=reporter)

    run = run_train(config, tmp_path / "run", resume=True)

    assert reporter.counted == {"epoch 1/3": 30, "epoch 2/3": 30, "epoch 3/3": 16}
    assert outcome(run) == outcome(whole)


def test_finished_run_is_returned_at_once(uninterrupted, dataset):
    whole, _ = uninterrupted("whole")
    before = {path: path.stat().st_mtime_ns for path in whole.path.rglob("*")}
    reporter = QuickReporter()

    run = run_train(CONFIGS["whole"](dataset), whole.path, resume=True, reporter=reporter)

    assert run.path == whole.path
    assert reporter.counted == {}
    assert {path: path.stat().st_mtime_ns for path in whole.path.rglob("*")} == before


def test_existing_run_is_refused_without_resume(uninterrupted, dataset):
    whole, _ = uninterrupted("whole")
    before = outcome(whole)

    with pytest.raises(DataError, match="exists already"):
        run_train(CONFIGS["whole"](dataset), whole.path)

    assert outcome(whole) == before


def test_overwrite_begins_anew(uninterrupted, dataset, tmp_path):
    whole, copies = uninterrupted("head")
    shutil.copytree(copies[1], tmp_path / "run")
    config = head_config(dataset, epochs=1)

    run = run_train(config, tmp_path / "run", overwrite=True)

    assert run.record()["epochs"] == 1
    assert outcome(run) != outcome(whole)


def test_resuming_what_was_never_begun_begins_it(uninterrupted, dataset, tmp_path):
    run = run_train(CONFIGS["head"](dataset), tmp_path / "run", resume=True)

    assert outcome(run) == outcome(uninterrupted("head")[0])


def test_another_config_is_not_resumed(uninterrupted, dataset, tmp_path):
    _, copies = uninterrupted("whole")
    shutil.copytree(copies[1], tmp_path / "run")
    config = train_config(dataset, **{**RANDOM, "epochs": 4})

    with pytest.raises(ConfigError, match=r"-epochs: 3\n.*\+epochs: 4"):
        run_train(config, tmp_path / "run", resume=True)

    assert (tmp_path / "run" / "state" / "last.npz").exists()


def test_another_config_is_no_finished_run(uninterrupted, dataset, tmp_path):
    whole, _ = uninterrupted("whole")
    config = train_config(dataset, **{**RANDOM, "epochs": 4})
    tuned = run_finetune(finetune_config(whole.path, epochs=1), tmp_path / "tuned")
    other = finetune_config(whole.path, epochs=2)

    for again, run in ((config, whole), (other, tuned)):
        resume = run_train if run is whole else run_finetune
        with pytest.raises(ConfigError, match=r"begun with another config(.|\n)*\+epochs: [24]"):
            resume(again, run.path, resume=True)


def test_finished_finetuning_is_returned_at_once(uninterrupted, tmp_path):
    config = finetune_config(uninterrupted("whole")[0].path, epochs=1)
    run_finetune(config, tmp_path / "run")
    reporter = QuickReporter()

    run_finetune(config, tmp_path / "run", resume=True, reporter=reporter)

    assert reporter.counted == {}


def test_another_data_set_in_its_place_is_not_resumed(uninterrupted, tmp_path):
    # What was val may be train now, and split.csv would tell of the new data set only.
    data = write_lesions(tmp_path / "dataset")
    config = train_config(data, **RANDOM)
    with pytest.raises(KeyboardInterrupt):
        run_train(config, tmp_path / "run", reporter=QuickReporter(interrupt="epoch 2/3"))
    before = (tmp_path / "run" / "split.csv").read_text()
    shutil.rmtree(data)
    write_lesions(data, seed=1)

    with pytest.raises(IntegrityError, match="another data set"):
        run_train(config, tmp_path / "run", resume=True)

    assert (tmp_path / "run" / "split.csv").read_text() == before
    assert (tmp_path / "run" / "state" / "last.npz").exists()


def test_broken_checkpoint_is_a_data_error_that_keeps_the_run(uninterrupted, dataset, tmp_path):
    _, copies = uninterrupted("whole")
    shutil.copytree(copies[1], tmp_path / "run")
    last = tmp_path / "run" / "state" / "last.npz"
    last.write_bytes(last.read_bytes()[:1000])

    with pytest.raises(DataError, match="cannot be read"):
        run_train(CONFIGS["whole"](dataset), tmp_path / "run", resume=True)

    assert last.exists()
