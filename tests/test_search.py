"""A search draws what fits, prunes by the median, goes on after a kill, and leaves tests alone."""

import contextlib
import csv
import math
import os
import sqlite3
import sys

import pytest
import yaml

from skinlesion.commands import search
from skinlesion.config import Space, TrainConfig, load_config, to_yaml, validate
from skinlesion.errors import ConfigError, DataError, MissingExtraError
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir
from skinlesion.search import study
from skinlesion.search.space import refuse_impossible, sample
from skinlesion.search.study import COMPLETE, PRUNED

RATE = {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}
SPACE = {"optimizer.learning_rate": RATE, "model.dropout": {"type": "float", "low": 0, "high": 0.5}}
NAMES = {
    "optimizer.name": {"type": "categorical", "choices": ["adamw", "sgd"]},
    "optimizer.momentum": {"type": "float", "low": 0.5, "high": 0.9},
}


def space_of(values):
    return validate({"parameters": values}, Space, where="test")


def config_of(**changes):
    values = {"model": {"backbone": "resnet50"}, "epochs": 4, "dataset": "nowhere", **changes}
    return validate(values, TrainConfig, where="test")


class Fake:
    """Stands for a process of train: a rate near 1e-2 and little dropout score well.

    Attributes:
        configs: Of the trials begun.
        killed: How many were left before their end.
        stop: Trials before Ctrl-C.
        codes: Exit codes by number of the trial; the others come to 0.
    """

    def __init__(self, *, stop=99, codes=None):
        self.configs, self.killed, self.stop, self.codes = [], 0, stop, codes or {}

    @contextlib.contextmanager
    def __call__(self, arguments, *, stderr):
        command, _, config, _, path, resume = arguments
        assert (command, resume) == ("train", "--resume")
        if len(self.configs) >= self.stop:
            raise KeyboardInterrupt
        self.configs.append(load_config(search.Path(config), TrainConfig))
        process = FakeProcess(self.configs[-1], RunDir(search.Path(path)))
        code = self.codes.get(len(self.configs) - 1, 0)
        if code:
            stderr.write(b"error: it did not work\n  fix: none\n")
            process.code, process.epoch = code, 99
        yield process
        self.killed += process.code is None


class FakeProcess:
    """Each look at it finds one more epoch."""

    def __init__(self, config, run):
        self.config, self.run, self.epoch, self.code = config, run, 0, None
        self.history = []

    def poll(self):
        if self.epoch < self.config.epochs:
            self._train_an_epoch()
        elif self.code is None:
            self.code = 0
            best = max(self.history, key=lambda row: row["val_auc"])
            self.run.update_record(status="finished", best=best, epochs=self.epoch)
        return self.code

    def wait(self, timeout=None):
        return self.code

    def _train_an_epoch(self):
        self.epoch += 1
        far = abs(math.log10(self.config.optimizer.learning_rate) + 2)
        score = 0.9 - 0.1 * far - 0.1 * self.config.model.dropout + 0.01 * self.epoch
        self.history.append({"epoch": self.epoch, "val_auc": score, "val_loss": 1 - score})
        self.run.path.mkdir(exist_ok=True)
        self.run.config.write_text(to_yaml(self.config))
        self.run.update_record(status="running")
        with self.run.history.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.history[0])
            writer.writeheader()
            writer.writerows(self.history)


@pytest.fixture(autouse=True)
def no_flush(monkeypatch):
    """No test cuts the power: neither SQLite nor a record has to wait for the disk."""
    connect = sqlite3.dbapi2.connect

    def hurried(*args, **options):
        connection = connect(*args, **options)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    monkeypatch.setattr(sqlite3.dbapi2, "connect", hurried)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def try_out(tmp_path, monkeypatch):
    """Search with fake processes, early modelling and pruning; the data set is taken for good."""
    monkeypatch.setattr(search, "_refuse_dataset", lambda config: None)
    monkeypatch.setattr(study, "RANDOM_TRIALS", 2)
    monkeypatch.setattr(study, "UNPRUNED_TRIALS", 2)

    def run(fake=None, *, space=SPACE, name="study", said=None, trials=4, config=None, **options):
        reporter = Reporter(quiet=True)
        reporter.say = (said if said is not None else []).append
        return search.run(
            config or config_of(),
            space_of(space),
            tmp_path / name,
            trials=trials,
            reporter=reporter,
            launch=fake or Fake(),
            **options,
        )

    return run


def without_seconds(outcome):
    return [
        (row.number, row.state, row.value, row.params, row.attributes.get("best_epoch"))
        for row in outcome.rows
    ]


# --- the space --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"optimizer.learnin_rate": RATE}, "did you mean optimizer.learning_rate"),
        ({"optimizer": {"type": "categorical", "choices": ["sgd"]}}, "is a section"),
        ({"seed": {"type": "int", "low": 0, "high": 9}}, "may not vary"),
        ({"dataset": {"type": "categorical", "choices": ["a"]}}, "may not vary"),
        ({"model.dropout": {"type": "float", "low": 0, "high": 2}}, "no config can have: 2"),
        ({"optimizer.momentum": NAMES["optimizer.momentum"]}, "no config can have"),
    ],
)
def test_what_cannot_be_is_refused_before_any_trial(try_out, tmp_path, space, said):
    fake = Fake()

    with pytest.raises(ConfigError, match=said):
        try_out(fake, space=space)

    assert fake.configs == []
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ({"type": "float", "low": 2, "high": 1}, "low is not below high"),
        ({"type": "float", "low": 0, "high": 1, "log": True}, "log needs a low above 0"),
        ({"type": "int", "low": 1, "high": 4, "step": 2}, "not a multiple"),
        ({"type": "categorical", "choices": []}, "choices"),
        ({"type": "float", "low": 0, "hihg": 1}, "unknown key"),
        ({"type": "normal", "mean": 0}, "normal"),
    ],
)
def test_a_range_is_checked(parameter, said):
    with pytest.raises(ConfigError, match=said):
        space_of({"model.dropout": parameter})


def test_keys_may_stand_at_the_top_or_below_parameters():
    top = validate(SPACE, Space, where="test")

    assert top == space_of(SPACE)
    assert validate(yaml.safe_load(to_yaml(top)), Space, where="test") == top


def test_a_key_is_drawn_where_the_section_drawn_has_it():
    space, base = space_of(NAMES), config_of()
    refuse_impossible(space, base)

    by_name = {
        name: sample(space, base, lambda key, _, name=name: name if key[-4:] == "name" else 0.7)
        for name in ("adamw", "sgd")
    }

    assert by_name["adamw"][0] == {"optimizer.name": "adamw"}
    assert by_name["sgd"][0] == {"optimizer.name": "sgd", "optimizer.momentum": 0.7}
    assert by_name["sgd"][1].optimizer.momentum == 0.7


def test_integers_keep_their_steps(try_out):
    fake = Fake()
    sizes = {"batch_size": {"type": "int", "low": 8, "high": 32, "step": 8}}

    try_out(fake, space=sizes)

    assert {config.batch_size for config in fake.configs} <= {8, 16, 24, 32}


# --- what is made -----------------------------------------------------------------------------


def test_the_best_config_can_be_trained_and_predicts_all_splits(try_out, tmp_path):
    fake = Fake()

    outcome = try_out(fake)

    best = load_config(tmp_path / "study" / "best.yaml", TrainConfig)
    winner = outcome.rows[0]
    assert best.optimizer.learning_rate == winner.params["optimizer.learning_rate"]
    assert best.predict == "all"
    assert winner.value == max(row.value for row in outcome.rows if row.state == COMPLETE)
    assert [path.name for path in (tmp_path / "study" / "trials").glob("*") if path.is_dir()] == [
        f"{winner.number:04d}"
    ]
    with (tmp_path / "study" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == [str(number) for number in range(4)]


def test_no_trial_predicts_a_test_split(try_out):
    fake = Fake()

    try_out(fake)

    assert {config.predict for config in fake.configs} == {"val"}


def test_hopeless_trials_are_killed(try_out):
    fake = Fake()

    outcome = try_out(fake, trials=6)

    pruned = [row for row in outcome.rows if row.state == PRUNED]
    assert len(pruned) == fake.killed > 0
    assert all(row.attributes["epochs"] < 4 for row in pruned)
    assert all(row.number >= 2 for row in pruned)


def test_a_loss_is_minimised(try_out):
    outcome = try_out(config=config_of(monitor="val_loss"))

    complete = [row.value for row in outcome.rows if row.state == COMPLETE]
    assert complete[0] == min(complete)


def test_the_seed_decides_what_is_drawn(try_out):
    first, again = try_out(), try_out(name="again")
    other = try_out(name="other", config=config_of(seed=1))

    assert without_seconds(first) == without_seconds(again)
    assert without_seconds(first) != without_seconds(other)


# --- going on ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [0, 3])
def test_interrupted_and_resumed_equals_uninterrupted(try_out, stop):
    whole = try_out(name="whole", trials=5)
    with pytest.raises(KeyboardInterrupt):
        try_out(Fake(stop=stop), trials=5)
    said = []

    resumed = try_out(resume=True, trials=5, said=said)

    assert without_seconds(resumed) == without_seconds(whole)
    assert said[0] == "1 interrupted trial taken up again"


def test_more_trials_go_on_where_fewer_ended(try_out):
    whole = try_out(name="whole")
    try_out(trials=3)

    more = try_out(resume=True)

    assert without_seconds(more) == without_seconds(whole)


def test_another_space_is_not_resumed(try_out):
    try_out(trials=1)

    with pytest.raises(ConfigError, match="begun with another space") as refused:
        try_out(space={"optimizer.learning_rate": RATE}, resume=True)
    lines = refused.value.what.splitlines()[1:]
    assert lines
    assert all(line.startswith(("    -", "    +")) for line in lines)


def test_a_study_is_not_replaced_unless_asked(try_out, tmp_path):
    try_out(trials=1)
    with pytest.raises(DataError, match="exists already"):
        try_out(trials=1)

    assert len(try_out(trials=1, overwrite=True).rows) == 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(DataError, match="is not a study"):
        try_out(name="other", overwrite=True)


def test_no_trial_begins_after_the_timeout(try_out, tmp_path):
    with pytest.raises(DataError, match="no trial"):
        try_out(timeout=0)

    assert len(try_out(resume=True, trials=1).rows) == 1


# --- failures ---------------------------------------------------------------------------------


def test_a_diverged_trial_fails_and_the_search_goes_on(try_out):
    outcome = try_out(Fake(codes={1: 3, 2: -9}), trials=3)

    failed = [row for row in outcome.rows if row.state == "failed"]
    assert [row.number for row in failed] == [1, 2]
    assert {row.attributes["reason"] for row in failed} == {"it did not work"}
    assert outcome.rows[0].state == COMPLETE


def test_if_the_first_trials_all_fail_the_search_ends(try_out):
    fake = Fake(codes=dict.fromkeys(range(9), 3))

    with pytest.raises(DataError, match="first 3 trials failed, the last by: it did not work"):
        try_out(fake)

    assert len(fake.configs) == 3


def test_what_would_end_every_trial_ends_the_search(try_out):
    with pytest.raises(MissingExtraError, match="it did not work"):
        try_out(Fake(codes={0: 5}))


def test_without_optuna_the_error_says_what_to_install(try_out, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)

    with pytest.raises(MissingExtraError) as caught:
        try_out()

    assert "pip install 'skinlesion[hpo]'" in str(caught.value)
    assert caught.value.exit_code == 5
    assert not (tmp_path / "study").exists()


def test_trials_of_folds_are_refused(try_out):
    with pytest.raises(ConfigError, match="not for each fold"):
        try_out(config=config_of(fold={"count": 5, "index": None}))


def test_the_study_is_an_sqlite_file_of_optuna(try_out, tmp_path):
    try_out(trials=2)

    with contextlib.closing(sqlite3.connect(tmp_path / "study" / "study.db")) as database:
        assert database.execute("select count(*) from trials").fetchone() == (2,)
