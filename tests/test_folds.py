"""Cross-validation: each image predicted once, by a model that saw neither it nor its group."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_fixtures import (
    QuickReporter,
    finetune_config,
    head_config,
    outcome,
    run_finetune,
    run_train,
    uses,
)

from skinlesion import provenance
from skinlesion.cli import app
from skinlesion.commands import ensemble, folds, tta
from skinlesion.config import EnsembleConfig, TrainConfig, TtaConfig, load_config
from skinlesion.data.splits import deal_folds
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.processes import refuse_failure, run_command, running
from skinlesion.runs import RunDir, find_runs
from skinlesion.tables import Predictions

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("tiny_backbone")]
EACH = {"fold": {"count": 3, "index": None}}


class Launch:
    """Runs the line of a fold in this process; presses Ctrl-C instead from the ``stop``-th on."""

    def __init__(self, stop=99):
        self.stop, self.lines = stop, []

    def __call__(self, arguments):
        self.lines.append(list(arguments))
        if len(self.lines) > self.stop:
            raise KeyboardInterrupt
        app(["--quiet", *arguments], standalone_mode=False)


def cross_validate(config, path, *, launch=None, **options):
    reporter = QuickReporter()
    return folds.train(config, path, reporter=reporter, launch=launch or Launch(), **options).run


@pytest.fixture(scope="module")
def made(dataset, tmp_path_factory):
    """A finished cross-validation of a head."""
    path = tmp_path_factory.mktemp("runs") / "x"
    return cross_validate(head_config(dataset, **EACH), path)


def outcomes(run):
    """All that a cross-validation computed."""
    tables = {split: run.predictions(split).read_text() for split in run.predicted_splits()}
    split = run.split.read_text()
    return tables, split, [outcome(run.fold(number)) for number in range(3)]


# --- dealing ----------------------------------------------------------------------------------


def dealt(groups, label, diagnosis=None, *, count=3, seed=0):
    groups, label = np.array(groups), np.array(label)
    diagnosis = np.full(len(label), "") if diagnosis is None else np.array(diagnosis)
    return deal_folds(groups, label, diagnosis, count=count, rng=np.random.default_rng(seed))


def random_groups(seed):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 60, 200)
    return group, (rng.random(60) < 0.3).astype(int)[group]


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_divided_and_folds_are_alike(seed):
    group, label = random_groups(seed)

    fold = dealt(group, label, seed=seed)

    assert all(len(set(fold[group == one])) == 1 for one in set(group.tolist()))
    largest = np.bincount(group).max()
    for rows in (label == 0, label == 1):
        sizes = np.bincount(fold[rows], minlength=3)
        assert sizes.max() - sizes.min() <= largest


def test_the_order_of_rows_does_not_matter_but_the_seed_does():
    group, label = random_groups(0)
    turned = np.random.default_rng(1).permutation(len(group))

    np.testing.assert_array_equal(dealt(group, label)[turned], dealt(group[turned], label[turned]))
    assert (dealt(group, label) != dealt(group, label, seed=1)).any()


def test_diagnoses_are_dealt_evenly():
    diagnosis = np.repeat(["nevus", "keratosis", "melanoma"], [90, 30, 30])
    label = (diagnosis == "melanoma").astype(int)

    fold = dealt(np.arange(150), label, diagnosis)

    for name, each in (("nevus", 30), ("keratosis", 10), ("melanoma", 10)):
        np.testing.assert_array_equal(np.bincount(fold[diagnosis == name]), [each] * 3)


# --- what is made -----------------------------------------------------------------------------


def test_each_image_is_predicted_once_by_the_fold_that_did_not_see_it(made, dataset):
    with (dataset / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] in ("train", "val")]
    found = Predictions.read_csv(made.predictions("val"))
    prob = dict(zip(found.image_id.tolist(), found.y_prob.tolist(), strict=True))

    assert sorted(prob) == sorted(row["image_id"] for row in rows)
    for number in range(3):
        fold = made.fold(number)
        table = Predictions.read_csv(fold.predictions("val"))
        assert set(table.image_id.tolist()) == uses(fold)["val"]
        assert uses(fold)["train"] == set(prob) - uses(fold)["val"]
        assert [prob[image_id] for image_id in table.image_id.tolist()] == table.y_prob.tolist()
        assert set(table.y_true.tolist()) == {0, 1}


def test_a_test_image_gets_the_probability_at_the_mean_logit(made):
    members = [Predictions.read_csv(made.fold(n).predictions("test")) for n in range(3)]
    logits = [np.log(one.y_prob / (1 - one.y_prob)) for one in members]

    found = Predictions.read_csv(made.predictions("test"))

    np.testing.assert_allclose(found.y_prob, 1 / (1 + np.exp(-np.mean(logits, axis=0))), rtol=1e-6)
    assert found.image_id.tolist() == members[0].image_id.tolist()


def test_the_folder_is_one_run_and_its_folds_are_none_of_the_glob(made):
    found, skipped = find_runs([made.path.parent / "*"])

    assert [run.path for run in found] == [made.path]
    assert skipped == []
    assert made.record()["kind"] == "folds"
    assert len(made.record()["folds"]) == 3


def test_the_config_of_a_fold_repeats_that_fold(made, tmp_path):
    config = load_config(made.fold(1).config, TrainConfig)

    assert config.fold.index == 1
    assert outcome(run_train(config, tmp_path / "again")) == outcome(made.fold(1))


def test_the_config_of_the_folder_repeats_all_folds(made, tmp_path):
    config = load_config(made.config, TrainConfig)

    assert outcomes(cross_validate(config, tmp_path / "again")) == outcomes(made)


# --- resuming ---------------------------------------------------------------------------------


def test_killed_between_folds_and_resumed(made, dataset, tmp_path):
    config = head_config(dataset, **EACH)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(config, tmp_path / "x", launch=Launch(stop=1))
    first = (tmp_path / "x" / "fold0" / "run.json").stat().st_mtime_ns
    launch = Launch()

    run = cross_validate(config, tmp_path / "x", launch=launch, resume=True)

    assert outcomes(run) == outcomes(made)
    assert len(launch.lines) == 2
    assert (tmp_path / "x" / "fold0" / "run.json").stat().st_mtime_ns == first


def test_killed_inside_a_fold_and_resumed(made, dataset, tmp_path):
    config = head_config(dataset, **EACH)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(config, tmp_path / "x", launch=Launch(stop=0))
    inside = load_config(made.fold(0).config, TrainConfig)
    reporter = QuickReporter(interrupt="epoch 2/2", after=8)
    with pytest.raises(KeyboardInterrupt):
        run_train(inside, tmp_path / "x" / "fold0", reporter=reporter)
    assert RunDir(tmp_path / "x" / "fold0").has_checkpoint()

    run = cross_validate(config, tmp_path / "x", resume=True)

    assert outcomes(run) == outcomes(made)


def test_a_finished_one_is_returned_at_once(made, dataset):
    launch = Launch()

    cross_validate(head_config(dataset, **EACH), made.path, launch=launch, resume=True)

    assert launch.lines == []


def test_a_finished_one_of_another_config_is_refused(made, dataset):
    config = head_config(dataset, **EACH, batch_size=9)

    with pytest.raises(ConfigError, match=r"\+batch_size: 9"):
        cross_validate(config, made.path, launch=Launch(), resume=True)


def test_a_fold_that_fails_at_once_leaves_nothing(dataset, tmp_path):
    def fail(arguments):
        refuse_failure(3, "train")

    with pytest.raises(DataError, match="fold 1 of 3: train failed"):
        cross_validate(head_config(dataset, **EACH), tmp_path / "x", launch=fail)

    assert not (tmp_path / "x").exists()


# --- what is refused --------------------------------------------------------------------------


def test_more_folds_than_malignant_groups_is_a_data_error(dataset, tmp_path):
    config = head_config(dataset, fold={"count": 20, "index": None})

    with pytest.raises(DataError, match="folds hold no image"):
        cross_validate(config, tmp_path / "x")

    assert not (tmp_path / "x").exists()


def test_the_index_is_one_of_the_folds(dataset):
    with pytest.raises(ConfigError, match="index is from 0 to 2"):
        head_config(dataset, fold={"count": 3, "index": 3})


def test_out_of_fold_is_an_excuse_on_val_only_and_for_itself_only(made):
    ids = Predictions.read_csv(made.predictions("val")).image_id.tolist()

    provenance.refuse_leak(made, ids, split="val")
    with pytest.raises(IntegrityError):
        provenance.refuse_leak(made, ids, split="test")
    with pytest.raises(IntegrityError):
        provenance.refuse_leak(made, ids, split="val", parent=True)


def combine(members, path):
    config = EnsembleConfig(members=members, method="mean")
    return ensemble.run(config, path, reporter=QuickReporter()).run


def test_folds_are_no_members_of_one_ensemble_but_their_folder_is(made, dataset, tmp_path):
    other = cross_validate(head_config(dataset, **EACH, seed=1), tmp_path / "y")
    with pytest.raises(DataError, match=r"/x is the mean of its folds already"):
        combine([made.path / "fold*"], tmp_path / "wrong")
    with pytest.raises(ConfigError, match=r"skinlesion evaluate --run .*/x"):
        combine([made.path], tmp_path / "alone")

    both = combine([made.path, other.path], tmp_path / "both")

    assert len(Predictions.read_csv(both.predictions("val"))) == 34
    provenance.refuse_leak(both, uses(both)["out_of_fold"], split="val")


# --- what comes of folds ----------------------------------------------------------------------


def test_finetuning_holds_out_what_was_held_out(made, tmp_path):
    config = finetune_config(made.path, trainable=2)
    options = {"reporter": QuickReporter(), "launch": Launch()}

    run = folds.finetune(config, tmp_path / "x-ft", **options).run

    for number in range(3):
        assert uses(run.fold(number)) == uses(made.fold(number))
        parent = run.fold(number).record()["parent"]
        assert Path(parent) == made.fold(number).path
    assert uses(run) == uses(made)
    assert outcomes(run)[0] != outcomes(made)[0]


def test_a_fold_finetuned_alone_keeps_its_fold(made, tmp_path):
    run = run_finetune(finetune_config(made.fold(2).path), tmp_path / "ft")

    assert uses(run) == uses(made.fold(2))


def test_another_fold_than_the_parents_is_a_leak(made, tmp_path):
    config = finetune_config(made.fold(2).path, fold={"count": 3, "index": 1})

    with pytest.raises(IntegrityError, match="learnt from"):
        run_finetune(config, tmp_path / "ft")


def test_tta_of_a_fold_is_asked_of_its_own_val(made, tmp_path):
    config = TtaConfig(run=made.fold(0).path, views=1)

    run = tta.run(config, tmp_path / "tta", reporter=QuickReporter()).run

    assert uses(run)["val"] == uses(made.fold(0))["val"]
    with pytest.raises(DataError, match="cross-validation"):
        tta.run(TtaConfig(run=made.path), tmp_path / "no", reporter=QuickReporter())


# --- processes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (2, ConfigError),
        (3, DataError),
        (4, IntegrityError),
        (130, KeyboardInterrupt),
        (-9, DataError),
        (1, RuntimeError),
    ],
)
def test_the_exit_code_of_a_process_becomes_its_error(code, error):
    with pytest.raises(error):
        refuse_failure(code, "train")


def test_a_process_runs_a_command_and_gives_its_exit_code():
    with running(["config", "validate", "nowhere.yaml"], stderr=subprocess.DEVNULL) as process:
        assert process.wait() == 2


def test_the_error_of_a_command_is_raised_here_and_printed_nowhere(capfd, tmp_path):
    missing = tmp_path / "nowhere.yaml"

    with pytest.raises(ConfigError) as caught:
        run_command(["train", "--config", str(missing)], quiet=True)

    assert str(missing) in str(caught.value)
    assert "above" not in str(caught.value)
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_a_usage_error_is_printed_by_the_process_itself(capfd):
    with pytest.raises(ConfigError, match="train failed; its own message is above"):
        run_command(["train", "--no-such-option"])

    assert "No such option" in capfd.readouterr().err


def test_a_process_ends_when_its_parent_is_killed():
    code = (
        "from skinlesion.processes import end_with_parent; end_with_parent();"
        "import threading; print('begun', flush=True); threading.Event().wait()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
    )
    assert process.stdout.readline() == b"begun\n"

    process.stdin.close()  # what the system does when a parent dies

    assert process.wait(timeout=60) == 130
    process.stdout.close()
