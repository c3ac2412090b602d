"""MLflow hears of settings, epochs and the end, never of weights; its failures cost nothing."""

import os
import sys
import types

import pytest
from training_fixtures import (
    QuickReporter,
    history_of,
    outcome,
    run_train,
    train_config,
)

from skinlesion.errors import ConfigError, MissingExtraError
from skinlesion.training.tracking import flattened

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("tiny_backbone")]
TRACKING = {"tracking": {"name": "mlflow", "uri": "file:store", "experiment": "moles"}}


class Client:
    """Stands for MlflowClient; remembers what it was told, and fails at the call ``failing``."""

    failing = ""

    def __init__(self, tracking_uri):
        self.uri, self.calls = tracking_uri, []
        self.made.append(self)

    def __getattr__(self, name):
        def call(*arguments, **options):
            self.calls.append((name, *arguments, options))
            if name == self.failing:
                raise ConnectionError("no server\nat all")
            if name == "create_run":
                return types.SimpleNamespace(info=types.SimpleNamespace(run_id="r1"))
            return "7" if name == "create_experiment" else None

        return call

    def told(self, name):
        return [arguments for called, *arguments in self.calls if called == name]


@pytest.fixture
def mlflow(monkeypatch):
    """A module in MLflow's place; returns the class of its clients, which are in ``made``."""

    class Fresh(Client):
        made = []  # noqa: RUF012

    for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.delenv(name, raising=False)
    fake = types.SimpleNamespace(MlflowClient=Fresh, __spec__=True)  # found, as if installed
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    return Fresh


def test_a_run_is_followed(dataset, tmp_path, mlflow):
    run = run_train(train_config(dataset, **TRACKING), tmp_path / "run")

    (client,) = mlflow.made
    assert client.uri == "file:store"
    assert client.told("create_experiment") == [["moles", {}]]
    (created,) = client.told("create_run")
    assert created[0] == "7"
    assert created[1]["run_name"] == "run"
    assert created[1]["tags"]["dataset"] == run.record()["dataset"]
    params = {name: value for _, name, value, _ in client.told("log_param")}
    assert params["optimizer.learning_rate"] == "0.01"
    assert params["model.backbone"] == "efficientnet_lite0"
    found = {(name, step): value for _, name, value, _, step, _ in client.told("log_metric")}
    assert found == {
        (name, int(row["epoch"])): pytest.approx(value)
        for row in history_of(run)
        for name, value in row.items()
        if name != "epoch"
    }
    assert client.calls[-1] == ("set_terminated", "r1", "FINISHED", {})
    assert not [name for name, *_ in client.calls if "artifact" in name or "model" in name]


def test_it_changes_nothing_that_is_computed(dataset, tmp_path, mlflow):
    followed = run_train(train_config(dataset, **TRACKING), tmp_path / "followed")
    alone = run_train(train_config(dataset), tmp_path / "alone")

    assert outcome(followed) == outcome(alone)


def test_a_resumed_run_is_followed_where_it_was(dataset, tmp_path, mlflow):
    config = train_config(dataset, **TRACKING)
    reporter = QuickReporter(interrupt="epoch 2/2", after=8)
    with pytest.raises(KeyboardInterrupt):
        run_train(config, tmp_path / "run", reporter=reporter)

    run_train(config, tmp_path / "run", resume=True)

    first, second = mlflow.made
    assert first.calls[-1] == ("set_terminated", "r1", "KILLED", {})
    assert second.calls[0] == ("update_run", "r1", {"status": "RUNNING"})
    assert not second.told("create_run")
    assert {step for *_, step, _ in second.told("log_metric")} == {2}


@pytest.mark.parametrize("failing", ["create_run", "log_metric", "set_terminated"])
def test_a_failing_tracker_warns_once_and_is_left_alone(dataset, tmp_path, mlflow, failing):
    mlflow.failing = failing
    reporter = QuickReporter()

    run = run_train(train_config(dataset, **TRACKING), tmp_path / "run", reporter=reporter)

    assert run.is_finished()
    warnings = [line for line in reporter.said if line.startswith("warning")]
    assert warnings == ["warning: MLflow failed, the training goes on without it: no server"]
    assert mlflow.made[0].calls[-1][0] == failing


def test_telemetry_is_off(dataset, tmp_path, mlflow):
    run_train(train_config(dataset, epochs=1, **TRACKING), tmp_path / "run")

    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["DO_NOT_TRACK"] == "true"


@pytest.mark.parametrize("set_by", ["config", "environment"])
def test_offline_refuses_a_store_on_the_network(dataset, tmp_path, mlflow, monkeypatch, set_by):
    monkeypatch.setenv("SKINLESION_OFFLINE", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://elsewhere")
    uri = "http://localhost:9" if set_by == "config" else None
    there = {**TRACKING, "tracking": {"name": "mlflow", "uri": uri}}
    local = {**TRACKING, "tracking": {"name": "mlflow", "uri": "sqlite:///mlflow.db"}}

    with pytest.raises(ConfigError, match=uri or "https://elsewhere"):
        run_train(train_config(dataset, **there), tmp_path / "run")

    assert not mlflow.made
    assert not (tmp_path / "run").exists()
    assert run_train(train_config(dataset, epochs=1, **local), tmp_path / "run").is_finished()


def test_without_mlflow_the_error_says_what_to_install(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)

    with pytest.raises(MissingExtraError) as caught:
        run_train(train_config(dataset, **TRACKING), tmp_path / "run")

    assert "pip install 'skinlesion[tracking]'" in str(caught.value)
    assert caught.value.exit_code == 5
    assert not (tmp_path / "run").exists()


def test_the_name_alone_will_do(dataset):
    config = train_config(dataset, tracking="mlflow")

    assert (config.tracking.name, config.tracking.uri) == ("mlflow", None)


def test_settings_become_dotted_keys():
    assert flattened({"a": {"b": 1, "c": None}, "d": [1, 2]}) == {
        "a.b": "1",
        "a.c": "None",
        "d": "[1, 2]",
    }
