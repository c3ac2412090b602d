"""A run folder is begun, resumed, replaced and found by strict rules."""

import json
from pathlib import Path

import pytest

from skinlesion.errors import ConfigError, DataError
from skinlesion.runs import (
    RunDir,
    environment,
    find_runs,
    free_run_path,
    latest_run_path,
    open_run,
    opening,
    read_json,
    write_json,
)


def open_train(path, config="epochs: 3\n", **options):
    return open_run(path, config, kind="train", **options)


class StoppedError(Exception):
    """What stops a run half way."""


def stop(error=StoppedError, *, after):
    """Do something, then fail."""
    after()
    raise error


def checkpoint(run):
    """What training leaves after its first epoch."""
    run.state.mkdir(exist_ok=True)
    (run.state / "epoch.npz").touch()


@pytest.fixture
def begun(tmp_path):
    """A run interrupted after its first epoch."""
    with pytest.raises(KeyboardInterrupt), open_train(tmp_path / "run") as run:
        stop(KeyboardInterrupt, after=lambda: checkpoint(run))
    return run


# --- beginning --------------------------------------------------------------------------------


def test_a_new_run_says_what_it_is_and_that_it_is_not_finished(tmp_path):
    with open_train(tmp_path / "runs" / "new") as run:
        assert run.config.read_text() == "epochs: 3\n"
        assert run.record()["kind"] == "train"
        assert run.is_run()
        assert not run.is_finished()


def test_a_run_that_fails_before_its_first_checkpoint_is_removed(tmp_path):
    with pytest.raises(StoppedError), open_train(tmp_path / "run"):
        raise StoppedError

    assert not (tmp_path / "run").exists()


def test_a_run_that_fails_after_its_first_checkpoint_is_kept(tmp_path):
    with pytest.raises(StoppedError), open_train(tmp_path / "run") as run:
        stop(after=lambda: checkpoint(run))

    assert run.is_run()


def test_a_checkpoint_half_written_is_none(tmp_path):
    def begin_checkpoint(run):
        run.state.mkdir()
        (run.state / ".partial-1-epoch.npz").touch()

    with pytest.raises(StoppedError), open_train(tmp_path / "run") as run:
        stop(after=lambda: begin_checkpoint(run))

    assert not run.path.exists()


def test_an_interrupted_run_is_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_train(tmp_path / "run") as run:
        raise KeyboardInterrupt

    assert run.is_run()


def test_an_existing_folder_is_refused(begun):
    with pytest.raises(DataError, match="exists already"), open_train(begun.path):
        pytest.fail("the block ran")


# --- resuming ---------------------------------------------------------------------------------


def test_a_run_is_resumed_with_what_it_has(begun):
    with open_train(begun.path, resume=True) as run:
        assert run.has_checkpoint()


def test_a_changed_config_is_refused_with_the_difference(begun):
    with (
        pytest.raises(ConfigError) as caught,
        open_train(begun.path, "seed: 0\nepochs: 4\n", resume=True),
    ):
        pytest.fail("the block ran")

    message = str(caught.value)
    assert "    -epochs: 3\n" in message
    assert "    +epochs: 4\n" in message
    assert begun.has_checkpoint()


def test_resuming_what_is_no_run_does_not_touch_it(tmp_path):
    (tmp_path / "photos").mkdir()

    with pytest.raises(DataError, match="exists"), open_train(tmp_path / "photos", resume=True):
        pytest.fail("the block ran")

    assert (tmp_path / "photos").is_dir()


def test_resuming_what_is_not_there_begins_it(tmp_path):
    with open_train(tmp_path / "run", resume=True) as run:
        assert run.is_run()


@pytest.mark.parametrize("how", ["resume", "overwrite"])
def test_a_run_that_another_process_is_at_is_left_alone(begun, how):
    with open_train(begun.path, resume=True) as run:
        checkpoint(run)

        with (
            pytest.raises(DataError, match="another process is at work in"),
            open_train(begun.path, **{how: True}),
        ):
            pytest.fail("the block ran")

        assert begun.has_checkpoint()
    with open_train(begun.path, **{how: True}) as run:
        assert run.is_run()


def test_a_run_that_was_finished_meanwhile_is_not_trained_again(begun):
    begun.finish(seconds=1.5)

    with pytest.raises(DataError, match="was finished"), open_train(begun.path, resume=True):
        pytest.fail("the block ran")

    assert begun.is_finished()


def test_killed_while_it_is_made_it_can_be_resumed(tmp_path, monkeypatch):
    def kill():
        left = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
        assert [path.name for path in left] == ["config.yaml"]
        assert not (tmp_path / "run").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "environment", kill)
    with pytest.raises(KeyboardInterrupt), open_train(tmp_path / "run"):
        pytest.fail("the block ran")


# --- overwriting ------------------------------------------------------------------------------


def test_overwrite_replaces_a_run(begun):
    with open_train(begun.path, "epochs: 9\n", overwrite=True) as run:
        assert run.config.read_text() == "epochs: 9\n"
        assert not run.has_checkpoint()


def test_a_run_that_never_began_gives_back_the_one_it_was_to_replace(begun):
    before = begun.config.read_text()

    with pytest.raises(StoppedError), open_train(begun.path, "epochs: 9\n", overwrite=True):
        raise StoppedError

    assert begun.config.read_text() == before
    assert [path.name for path in begun.path.parent.iterdir()] == [begun.name]


def test_a_run_that_began_replaces_for_good(begun):
    with (
        pytest.raises(StoppedError),
        open_train(begun.path, "epochs: 9\n", overwrite=True) as run,
    ):
        stop(after=lambda: checkpoint(run))

    assert begun.config.read_text() == "epochs: 9\n"
    assert [path.name for path in begun.path.parent.iterdir()] == [begun.name]


def test_a_mistyped_run_is_an_error(make_run):
    run = make_run("a")

    with pytest.raises(DataError, match="there is no run"):
        find_runs([run.path, run.path.with_name("b")])


def test_overwrite_refuses_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").touch()

    with (
        pytest.raises(DataError, match="is not a run folder"),
        open_train(tmp_path / "photos", overwrite=True),
    ):
        pytest.fail("the block ran")

    assert (tmp_path / "photos" / "holiday.jpg").exists()


# --- finishing --------------------------------------------------------------------------------


def test_a_finished_run_has_its_results_and_no_checkpoints(begun):
    begun.finish(seconds=1.5)

    assert begun.is_finished()
    assert begun.record()["seconds"] == 1.5
    assert begun.record()["kind"] == "train"
    assert not begun.state.exists()


def test_the_splits_with_predictions_leave_out_what_is_half_written(tmp_path):
    run = RunDir(tmp_path)
    run.predictions("val").parent.mkdir()
    for name in ("val", "isic2017-test", ".partial-1-test"):
        run.predictions(name).touch()

    assert run.predicted_splits() == ["isic2017-test", "val"]


# --- names ------------------------------------------------------------------------------------


def test_a_free_name_gets_the_next_number(tmp_path):
    made = []
    for _ in range(3):
        path = free_run_path(tmp_path, "resnet50")
        assert not path.exists()
        path.mkdir()
        made.append(path.name)

    assert made == ["resnet50", "resnet50-2", "resnet50-3"]
    assert latest_run_path(tmp_path, "resnet50").name == "resnet50-3"


def test_the_latest_of_none_is_the_plain_name(tmp_path):
    assert latest_run_path(tmp_path, "a") == tmp_path / "a" == free_run_path(tmp_path, "a")


# --- finding ----------------------------------------------------------------------------------


def test_a_glob_finds_no_run_that_is_being_replaced(make_run, tmp_path):
    for name in ("a", ".b.replaced"):
        make_run(name)

    runs, skipped = find_runs([tmp_path / "runs" / "*"])

    assert ([run.name for run in runs], skipped) == (["a"], [])


@pytest.mark.parametrize("pattern", ["runs/*", "runs/?", "runs/[ab]", "*/a"])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_quoted_glob_finds_what_the_shell_would(
    make_run, tmp_path, monkeypatch, pattern, absolute
):
    make_run("b")
    make_run("a")
    monkeypatch.chdir(tmp_path)

    found, skipped = find_runs([tmp_path / pattern if absolute else Path(pattern)])

    assert [run.name for run in found] == (["a"] if pattern == "*/a" else ["a", "b"])
    assert skipped == []


def test_each_path_that_is_no_finished_run_gets_a_sentence(make_run, tmp_path):
    make_run("done")
    make_run("going", status="running")
    (tmp_path / "runs" / "notes.txt").touch()

    found, skipped = find_runs([tmp_path / "runs" / "*", tmp_path / "nowhere" / "*"])

    assert [run.name for run in found] == ["done"]
    assert [sentence.rpartition("/")[2] for sentence in skipped] == [
        "going: not finished (see --resume)",
        "notes.txt: not a run folder",
        "*: nothing there",
    ]


def test_a_run_named_twice_is_found_once_in_the_order_given(make_run):
    a, b = make_run("a"), make_run("b")

    found, _ = find_runs([b.path, a.path, b.path / ".." / "b", b.path])

    assert [run.name for run in found] == ["b", "a"]


def test_a_folder_whose_name_looks_like_a_glob_is_itself(make_run):
    odd = make_run("[ab]")
    make_run("a")

    found, _ = find_runs([odd.path])

    assert [run.name for run in found] == ["[ab]"]


# --- records ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"), [("{", "not valid JSON"), ("[1]", "not a JSON object"), (None, "not exist")]
)
def test_a_broken_record_is_named(tmp_path, text, what):
    if text:
        (tmp_path / "run.json").write_text(text)

    with pytest.raises(DataError, match=what):
        read_json(tmp_path / "run.json")


def test_json_holds_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "run.json", {"auc": float("nan")})

    assert not list(tmp_path.iterdir())


def test_the_environment_fits_into_json_and_names_the_versions_that_matter():
    found = json.loads(json.dumps(environment()))

    assert {"tensorflow", "keras", "numpy"} <= set(found["packages"])
