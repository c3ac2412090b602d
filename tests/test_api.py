"""The library: a function for every command, with its options and fields; silent."""

import contextlib
import functools
import inspect
import logging
import subprocess
import sys
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import typer

from skinlesion import api, cli, runtime
from skinlesion.api.mirror import OF_THE_CONFIG
from skinlesion.config import SCHEMAS, EnsembleConfig, Mean, TrainConfig
from skinlesion.runs import environment

# Options of the terminal; --set stands for all fields.
TERMINAL = {"help", "json", "set"}
# By command, what an option is called in Python: a parameter, a field, or another function.
RENAMED = {
    "audit": {"json": "report"},
    "download-isic": {
        "query": "archive",
        "licence": "licences",
        "dry-run": api.estimate_download,
        "verify": api.verify_download,
    },
    "export": {"dtype": api.export_web, "onnxruntime-web": api.export_web},
    "preprocess": {"source": "sources"},
    "config show": {"set": "overrides"},
}
# Whose config the fields are, where the command is no key of SCHEMAS or is search.
FIELDS_OF = {"search": "train", "preview": "train", "find-lr": "train"}


def typed_commands():
    """Every command of the command line, ``weights list`` included, by its words."""
    found = {}
    for name, command in typer.main.get_command(cli.app).commands.items():
        for inner, sub in getattr(command, "commands", {"": command}).items():
            found[f"{name} {inner}".strip()] = sub
    return found


TYPED = typed_commands()


def parameters(command):
    return inspect.signature(api.COMMANDS[command]).parameters


def test_every_command_has_its_function():
    assert set(api.COMMANDS) == set(TYPED)
    assert all(function.__name__ in api.__all__ for function in api.COMMANDS.values())


@pytest.mark.parametrize("command", TYPED)
def test_every_option_has_its_keyword(command):
    typed = {option.opts[0].lstrip("-") for option in TYPED[command].params}
    renamed = RENAMED.get(command, {})
    wanted = [renamed.get(name, name.replace("-", "_")) for name in typed - TERMINAL]

    names = [name for name in wanted if not callable(name)]

    aliases = {"names": "name"}  # of config validate, which takes one at a time here
    assert [name for name in names if aliases.get(name, name) not in parameters(command)] == []


@pytest.mark.parametrize("command", TYPED)
def test_an_option_and_its_keyword_have_the_same_default(command):
    own = parameters(command)

    for option in TYPED[command].params:
        # Without one, the config or the keyword's own sentinel says what holds.
        if option.name in own and option.default is not None:
            assert str(option.default) == str(own[option.name].default), option.name


def refused_by_the_parser():
    """Command, parameter and a value that the parser refuses for its type, one a bound or list."""
    for command, typed in TYPED.items():
        for name, hint in get_type_hints(typed.callback, include_extras=True).items():
            kind, option = (*get_args(hint), None, None)[:2]
            for part in (kind, *get_args(kind)):
                if get_origin(part) is Literal:
                    yield command, name, "nonsense"
            if getattr(option, "min", None) is not None:
                yield command, name, option.min - 1
            if getattr(option, "max", None) is not None:
                yield command, name, option.max + 1


@pytest.mark.parametrize(("command", "name", "value"), list(refused_by_the_parser()))
def test_what_the_parser_refuses_the_function_refuses(command, name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    renamed = RENAMED.get(command, {}).get(name, name)
    function = renamed if callable(renamed) else api.COMMANDS[command]
    needed = [
        p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty
    ]

    with pytest.raises(api.ConfigError, match=f"{name} is {value!r}"):
        function(**{**dict.fromkeys(needed, "none"), name: value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [*SCHEMAS, *FIELDS_OF])
def test_signatures_show_the_fields_and_their_defaults(command):
    shown = parameters(command)

    for name, field in SCHEMAS[FIELDS_OF.get(command, command)].model_fields.items():
        if command == "search" and name == "parameters":
            continue
        default = shown[name].default
        own = name in inspect.getfullargspec(api.COMMANDS[command])[0] or default is OF_THE_CONFIG
        assert own or default in (None, field.get_default(call_default_factory=True)), name


@pytest.mark.parametrize("name", api.__all__)
def test_public_functions_say_what_they_do(name):
    thing = getattr(api, name)

    assert name == "COMMANDS" or inspect.getdoc(thing)


def test_the_progress_is_off_unless_asked():
    asked = [name for name in api.COMMANDS if "progress" in parameters(name)]

    assert {"train", "preprocess", "audit", "evaluate", "predict"} <= set(asked)
    assert not any(parameters(name)["progress"].default for name in asked)


def test_importing_it_imports_no_tensorflow():
    heavy = "{'tensorflow', 'keras', 'sklearn', 'matplotlib', 'typer'}"
    code = f"import sys, skinlesion.api; assert not {heavy} & set(sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_runs_go_from_function_to_function_without_a_word(make_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    members = [make_run("a"), make_run("b")]

    both = api.ensemble([member.path for member in members], method="rank_mean")
    found = api.evaluate([members[0].path, both], resamples=100)

    assert (both.path.as_posix(), both.kind, both.splits) == (
        "runs/ensemble",
        "ensemble",
        ("test", "val"),
    )
    names = [row.name for row in found.rows]
    assert {"a", "ensemble"} < set(names)
    auc = found.rows[names.index("ensemble")].scores["roc_auc"].value
    assert both.metrics("test")["scores"]["roc_auc"]["value"] == pytest.approx(auc)
    assert len(both.predictions("test")) == found.rows[0].n
    assert capsys.readouterr() == ("", "")


def test_a_run_tells_what_is_in_its_folder(make_run):
    run = api.load_run(make_run("a", best={"epoch": 1, "val_auc": 0.8}).path)

    assert run.best["val_auc"] == 0.8
    assert run.history["val_auc"] == [0.6, 0.8]
    assert run.record["backbone"] == "resnet50"
    with pytest.raises(api.DataError, match="no predictions on elsewhere"):
        run.predictions("elsewhere")
    with pytest.raises(api.DataError, match="not evaluated"):
        run.metrics("test")


def test_an_unfinished_run_is_none(make_run):
    with pytest.raises(api.DataError, match="not a finished run"):
        api.load_run(make_run("a", status="running").path)


def test_gates_are_a_mapping_and_raise(make_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make_run("a")

    with pytest.raises(api.QualityGateError):
        api.evaluate(run.path, resamples=100, fail_under={"roc_auc": 1.01})
    with pytest.raises(api.SkinlesionError, match="no finished run"):
        api.evaluate([], resamples=100)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: api.train("resnet50.yaml", epocs=3), "did you mean epochs"),
        (lambda: api.train("resnet.yaml"), "did you mean resnet50.yaml"),
        (lambda: api.train(EnsembleConfig()), "config is a EnsembleConfig"),
        (lambda: api.finetune(), "needs a run"),
        (lambda: api.tta(), "needs a run"),
        (lambda: api.explain(), "knows no images"),
        (lambda: api.soup([]), "at least 2 members"),
        (lambda: api.preprocess(), "source"),
        (lambda: api.predict([]), "no image"),
        (lambda: api.load_model(views=3), "one of 1, 2, 4, 8"),
        (lambda: api.predict_to_file("a.jpg", "a.csv", format="xml"), "one of table, csv"),
        (lambda: api.predict("a.jpg", model=Loaded(), tta=2), "is loaded"),
        (lambda: api.config_schema("trian"), "trian"),
    ],
)
def test_what_is_wrong_is_raised(call, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(api.SkinlesionError, match=words):
        call()
    assert list(tmp_path.iterdir()) == []


class Loaded:
    """Stands for a model that is loaded."""

    def predict(self, paths, *, threshold, batch_size):
        return iter([*paths])


def test_a_loaded_model_is_asked_as_it_is(tmp_path):
    for name in ("b.jpg", "a.jpg", "c.txt"):
        (tmp_path / name).touch()

    answers = api.predict(tmp_path, model=Loaded())

    assert answers == [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")]


def test_configs_are_read_described_and_copied(tmp_path):
    copy = api.copy_config("resnet50.yaml", tmp_path / "mine.yaml")
    config = api.read_config(copy, overrides={"epochs": np.int64(3)})

    assert isinstance(config, TrainConfig)
    assert (config.epochs, config.model.backbone) == (3, "resnet50")
    assert api.config_schema("ensemble")["title"] == EnsembleConfig.__name__
    assert api.read_config("ensemble.yaml").method == Mean(name="mean")


def test_weights_are_listed_and_verified():
    rows = {row["backbone"]: row["state"] for row in api.list_weights()}

    assert rows["efficientnet_lite0"] == "present"
    assert api.verify_weights(["efficientnet_lite0"]) == {"efficientnet_lite0": "present"}


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        (["/usr/bin/skinlesion", "train"], ["skinlesion", "train"]),
        (["/lib/skinlesion/__main__.py", "train"], ["skinlesion", "train"]),
        (["/home/me/study.py", "--secret"], ["python", "study.py"]),
    ],
)
def test_a_run_records_what_was_typed_and_of_a_script_its_name(typed, recorded, monkeypatch):
    monkeypatch.setattr(sys, "argv", typed)

    assert environment()["command"] == recorded


@pytest.mark.tensorflow
def test_training_says_nothing_unless_asked_and_returns_its_history(tmp_path, monkeypatch, capsys):
    from training_fixtures import train_config, use_tiny_backbone, write_lesions

    use_tiny_backbone(monkeypatch)
    config = train_config(write_lesions(tmp_path / "dataset"))

    run = api.train(config, run=tmp_path / "a")
    tuned = api.finetune(run, epochs=1, batch_size=8)
    silent = capsys.readouterr()
    api.train(config, run=tmp_path / "b", epochs=1, progress=True)

    assert (len(run.history["val_auc"]), run.best["epoch"] in (1, 2)) == (2, True)
    assert (tuned.path, tuned.kind) == (tmp_path / "a-ft", "finetune")
    assert silent == ("", "")
    assert capsys.readouterr().out == ""
    assert api.train(config, run=run, resume=True) == run


@pytest.mark.tensorflow
@pytest.mark.parametrize(("level", "silenced"), [(None, 1), ("3", 1), ("0", 0)])
def test_tensorflow_is_silenced_where_a_parent_silenced_it(level, silenced, monkeypatch):
    seen = []
    monkeypatch.delenv(runtime.LOG_LEVEL, raising=False)
    if level:
        monkeypatch.setenv(runtime.LOG_LEVEL, level)
    silence = contextlib.contextmanager(lambda: iter([seen.append(1)]))
    monkeypatch.setattr(runtime, "silent_stderr", silence)

    runtime.prepare(seed=0)

    assert len(seen) == silenced


@pytest.mark.tensorflow
def test_models_that_follow_each_other_are_no_retracing():
    runtime.prepare(seed=0)
    (keep,) = [f for f in logging.getLogger("tensorflow").filters if callable(f)][-1:]

    def kept(message):
        return keep(logging.LogRecord("tensorflow", logging.WARNING, "", 0, message, (), None))

    assert not kept("5 out of the last 13 calls to f triggered tf.function retracing. Tracing")
    assert kept("something else")


def test_the_demo_tells_what_it_made(tmp_path, monkeypatch):
    from skinlesion.commands import demo
    from skinlesion.data import synthetic
    from skinlesion.progress import Reporter

    few = functools.partial(synthetic.write_synthetic, count=60, size=32)
    monkeypatch.setattr(synthetic, "write_synthetic", few)
    typed = []

    def launch(arguments):
        typed.append(arguments[0])
        if arguments[0] == "preprocess":
            drawn = tmp_path / "demo" / "synthetic" / "labels.csv"
            api.preprocess(drawn, tmp_path / "demo" / "dataset", image_size=32)

    made = demo.run(
        tmp_path / "demo",
        source=None,
        overwrite=False,
        reporter=Reporter(quiet=True),
        launch=launch,
    )

    assert typed == ["preprocess", "train", "train", "finetune", "ensemble", "evaluate"]
    assert made.split == "test"
    assert str(made.leaderboard) in made.to_text()
    assert "no clinical meaning" in made.to_text()
