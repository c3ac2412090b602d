"""The command line: exit codes, one block for an error, and nothing heavy loaded for nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skinlesion import __version__, cli
from skinlesion.commands import evaluate as evaluate_command
from skinlesion.errors import (
    ConfigError,
    DataError,
    IntegrityError,
    MissingExtraError,
    QualityGateError,
    SkinlesionError,
)

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    "download-isic",
    "preprocess",
    "preview",
    "find-lr",
    "train",
    "finetune",
    "tta",
    "soup",
    "ensemble",
    "evaluate",
    "explain",
    "demo",
    "doctor",
    "config",
)
ESCAPE = "\x1b"


def in_a_process(*words, cwd, code="from skinlesion.cli import main; main()", **environment):
    """Run a command line in a Python of its own."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# --- help and version -------------------------------------------------------------------------


@pytest.mark.parametrize("command", [None, *COMMANDS, "config show", "config init"])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_explains_itself(type_command, command, flag):
    shown = type_command(*(command or "").split(), flag)

    assert (shown.code, shown.err) == (0, "")
    assert "Usage:" in shown.out
    assert ESCAPE not in shown.out


def test_the_help_lists_every_command(type_command):
    shown = type_command("--help")

    assert all(f" {command} " in shown.out for command in COMMANDS)


def test_the_version_is_printed(type_command):
    shown = type_command("--version")

    assert (shown.code, shown.out) == (0, f"skinlesion {__version__}\n")


# --- exit codes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["train", "--nonsense"],
        ["evaluate", "--run"],
        ["evaluate", "--split"],
        ["evaluate", "--set", "epochs"],
        ["evaluate", "--set", "epochs=3"],
        ["evaluate", "--fail-under", "auc"],
        ["evaluate", "--fail-under", "beauty=1"],
        ["evaluate", "--dataset", "dataset"],
        ["evaluate", "--predictions", "a.csv", "--run", "runs/a"],
        ["train", "--config", "nowhere.yaml"],
        ["train"],
        ["finetune"],
        ["find-lr", "--config", "resnet50.yaml", "--start", "1", "--stop", "0.1"],
        ["find-lr", "--steps", "5"],
        ["preview", "--out", "sheet.jpg"],
        ["preview", "--count", "0"],
        ["preview", "--set", "augment.hair=2"],
        ["tta"],
        ["explain"],
        ["soup"],
        ["soup", "--members", "runs/*"],
        ["ensemble"],
        ["ensemble", "--members", "runs/*"],
        ["config", "show", "nowhere.yaml"],
        ["config", "schema", "nonsense"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_exits_2_and_makes_nothing(type_command, tmp_path, words):
    shown = type_command(*words)

    assert (shown.code, shown.out) == (2, "")
    assert shown.err.strip()
    assert "Traceback" not in shown.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate"],
        ["evaluate", "--run", "nowhere"],
        ["evaluate", "--predictions", "nowhere.csv"],
        ["train", "--config", "resnet50.yaml", "--dataset", "nowhere"],
        ["finetune", "--run", "nowhere"],
        ["tta", "--run", "nowhere"],
        ["explain", "--run", "nowhere"],
        ["soup", "--members", "nowhere", "neither"],
        ["preprocess", "--source", "nowhere"],
        ["preview", "--dataset", "nowhere"],
        ["preview", "--set", "run=nowhere"],
        ["preview", "--out", "nowhere/sheet.png"],
        ["find-lr", "--config", "resnet50.yaml", "--out", "nowhere/folder/lr.png"],
    ],
    ids=" ".join,
)
def test_missing_data_exits_3_and_makes_nothing(type_command, tmp_path, words):
    shown = type_command(*words)

    assert (shown.code, shown.out) == (3, "")
    assert "error: " in shown.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SkinlesionError, 2),
        (ConfigError, 2),
        (DataError, 3),
        (IntegrityError, 4),
        (MissingExtraError, 5),
        (QualityGateError, 6),
    ],
)
def test_each_error_has_its_exit_code_and_is_one_block_on_stderr(
    type_command, monkeypatch, error, code
):
    def fail(*_, **__):
        raise error("it broke", expected="a whole one", fix="glue it", which=range(12))

    monkeypatch.setattr(evaluate_command, "run", fail)

    shown = type_command("evaluate")

    assert (shown.code, shown.out) == (code, "")
    assert shown.err == (
        "error: it broke\n"
        "  which:    0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more\n"
        "  expected: a whole one\n"
        "  fix:      glue it\n"
    )


def test_an_interrupt_exits_130(type_command, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate_command, "run", interrupt)

    assert type_command("evaluate").code == 130


def test_a_bug_keeps_its_traceback(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(evaluate_command, "run", fail)
    monkeypatch.setattr(sys, "argv", ["skinlesion", "evaluate"])

    with pytest.raises(ZeroDivisionError):
        cli.main()


@pytest.mark.parametrize("where", ["before", "after"])
def test_debug_keeps_the_traceback_of_every_error(monkeypatch, tmp_path, where):
    monkeypatch.chdir(tmp_path)
    words = ["--debug", "evaluate"] if where == "before" else ["evaluate", "--debug"]
    monkeypatch.setattr(sys, "argv", ["skinlesion", *words])

    with pytest.raises(DataError):
        cli.main()


# --- places that cannot be written ------------------------------------------------------------


@pytest.mark.parametrize("where", ["file/below", "file/far/below", "/proc/skinlesion"])
def test_a_place_that_cannot_be_written_exits_3(type_command, make_run, tmp_path, where):
    make_run("a")
    make_run("b")
    (tmp_path / "file").write_text("kept")

    shown = type_command("ensemble", "--members", "runs/*", "--run", where)

    assert shown.code == 3
    assert shown.err.startswith("error: ")
    assert "Traceback" not in shown.err
    assert (tmp_path / "file").read_text() == "kept"


# --- several values, globs, quiet -------------------------------------------------------------


@pytest.mark.parametrize("members", [["runs/*"], ["runs/a", "runs/b"]])
@pytest.mark.parametrize("order", ["members first", "members last"])
def test_members_may_come_as_a_quoted_glob_or_expanded(type_command, make_run, members, order):
    make_run("a")
    make_run("b")
    run, members = ["--run", "runs/both"], ["--members", *members]

    shown = type_command(
        "ensemble", *(members + run if order == "members first" else run + members)
    )

    assert (shown.code, shown.err) == (0, "")
    assert "2 members" in shown.out


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.usefixtures("unrendered")
def test_quiet_may_stand_anywhere(type_command, make_run, flag, place):
    make_run("a")
    make_run("unfinished", status="running")
    words = ["evaluate", "--set", "resamples=100"]

    loud = type_command(*words)
    quiet = type_command(*words[:place], flag, *words[place:])

    assert "skipped runs/unfinished: not finished" in loud.err
    assert (quiet.code, quiet.err, quiet.out) == (0, "", loud.out)


# --- evaluate's output ------------------------------------------------------------------------


@pytest.mark.usefixtures("unrendered")
def test_json_output_is_json_with_the_contracts_names(type_command, make_run):
    make_run("a")
    make_run("unfinished", status="running")

    board = json.loads(type_command("evaluate", "--json").out)

    assert board["split"] == "test"
    assert [row["name"] for row in board["rows"]] == ["a", "always benign"]
    scores = board["rows"][0]["scores"]
    assert set(scores) >= {
        *("accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "f1"),
        *("roc_auc", "average_precision", "brier"),
    }
    for score in scores.values():
        assert set(score) == {"value", "low", "high"}
    assert scores["roc_auc"]["value"] == pytest.approx(13 / 15)


@pytest.mark.parametrize(
    ("gates", "code"),
    [
        (["auc=0.99"], 6),
        (["auc=0.86"], 0),
        (["auc=0.86", "brier=0.01"], 6),
        (["auc=0.86", "brier=0.5"], 0),
        (["ROC-AUC=0.86", "recall=0.6"], 0),
    ],
)
@pytest.mark.usefixtures("unrendered")
def test_a_score_below_the_gate_exits_6_after_its_result(type_command, make_run, gates, code):
    make_run("a")

    shown = type_command("evaluate", "--fail-under", *gates, "--json", "--set", "resamples=100")

    assert shown.code == code
    assert json.loads(shown.out)["rows"]
    assert shown.err.startswith("error: --fail-under is not met by 1 score") == (code == 6)


# --- config -----------------------------------------------------------------------------------


def test_a_shown_config_can_be_fed_back(type_command, tmp_path):
    shown = type_command("config", "show", "resnet50.yaml", "--set", "epochs=7")
    (tmp_path / "again.yaml").write_text(shown.out)

    assert shown.code == 0
    assert "epochs: 7" in shown.out
    assert type_command("config", "show", "again.yaml", "--command", "train").out == shown.out
    assert type_command("config", "validate", "again.yaml").code == 0


@pytest.mark.parametrize("line", ["epoch: 3", "modle: {backbone: resnet50}"])
def test_a_training_config_with_a_misspelt_key_is_still_one(type_command, tmp_path, line):
    text = "target: melanoma\nepochs: 2\n" + line
    (tmp_path / "mine.yaml").write_text(text)

    shown = type_command("config", "validate", "mine.yaml")

    assert shown.code == 2
    assert "is not a valid TrainConfig" in shown.err
    assert f"{line.partition(':')[0]}: unknown key; did you mean" in shown.err


def test_a_schema_is_json(type_command):
    schema = json.loads(type_command("config", "schema", "train").out)

    assert "optimizer" in schema["properties"]


# --- in a process of its own ------------------------------------------------------------------


WATCH = """
import sys
from skinlesion.cli import main

for line in sys.argv[1:]:
    sys.argv = ["skinlesion", *line.split()]
    try:
        main()
    except SystemExit as stopped:
        assert not stopped.code, line
    heavy = {"tensorflow", "keras", "sklearn"}
    if line == "--help":
        heavy |= {"numpy", "pydantic", "yaml", "scipy", "matplotlib"}
    assert not heavy & set(sys.modules), (line, heavy & set(sys.modules))
"""


def test_nothing_heavy_is_loaded_without_need_and_nothing_coloured_is_piped(make_run, tmp_path):
    make_run("a")
    make_run("b")

    done = in_a_process(
        "--help",
        "config show resnet50.yaml",
        "ensemble --members runs/* --run runs/both",
        "evaluate --set resamples=100",
        cwd=tmp_path,
        code=WATCH,
        NO_COLOR="1",
    )

    assert done.returncode == 0, done.stderr
    assert "always benign" in done.stdout
    assert ESCAPE not in done.stdout + done.stderr


def test_the_module_is_the_command_and_an_error_leaves_stdout_empty(tmp_path):
    done = in_a_process("evaluate", cwd=tmp_path)

    assert done.returncode == 3
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert ESCAPE not in done.stderr
