"""Follow a run with MLflow: settings, scores by epoch, tags; its failures never stop a training."""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from skinlesion.config import Mlflow, Recipe
from skinlesion.errors import ConfigError
from skinlesion.extras import require
from skinlesion.offline import VARIABLE, is_offline
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir
from skinlesion.training.checkpoint import History

# Of run.json: by this a resumed run is followed where it was.
RECORD = "mlflow_run"
TAGS = ("kind", "backbone", "target", "dataset", "parent", "skinlesion")
MAX_VALUE = 500
# MLflow would report its use to its makers, wait minutes for a server that is not there, and say
# that it makes tables.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}

Follow = Callable[[History], None]


@contextlib.contextmanager
def followed(recipe: Recipe, run: RunDir, reporter: Reporter) -> Iterator[Follow]:
    """Yield what is to be called with the history after each epoch.

    Args:
        recipe: Its ``tracking`` says where; None: nowhere.
        run: Begun already; its record gets the tracker's id.
        reporter: Told once if the tracker fails.

    Raises:
        ConfigError: If its store is on the network, and that is not to be used.
        MissingExtraError: If MLflow is asked for and is not installed.
    """
    if recipe.tracking is None:
        yield lambda history: None
        return
    _refuse_network(recipe.tracking.uri or os.environ.get("MLFLOW_TRACKING_URI", ""))
    tracker = _Tracker(recipe.tracking, import_mlflow(), reporter)
    tracker.begin(run, flattened(recipe.model_dump(mode="json", exclude={"tracking"})))
    status = "FAILED"
    try:
        yield tracker.follow
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        tracker.end(status)


def _refuse_network(uri: str) -> None:
    scheme, colon, _ = uri.partition(":")
    if is_offline() and colon and scheme not in ("file", "sqlite"):
        raise ConfigError(
            f"MLflow's store is {uri}, and {VARIABLE} or --offline keeps us off the network",
            expected="a folder, file: or sqlite: while offline",
            fix="set tracking.uri to one, or tracking: null",
        )


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted keys and values as text."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = str(value)[:MAX_VALUE]
    return flat


def import_mlflow() -> Any:
    """The package, its telemetry off.

    Raises:
        MissingExtraError: If it is not installed.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    otherwise = ", or set tracking: null"
    require("tracking", {"mlflow": "mlflow"}, purpose="tracking", otherwise=otherwise)
    return importlib.import_module("mlflow")


class _Tracker:
    """MLflow's client, given up at its first failure."""

    def __init__(self, config: Mlflow, mlflow: Any, reporter: Reporter) -> None:
        self.config, self.mlflow, self.reporter = config, mlflow, reporter
        self._client: Any = None
        self._id, self._works = "", True

    def begin(self, run: RunDir, params: Mapping[str, str]) -> None:
        """Make the tracker's run, or take it up."""
        self._attempt(self._begin, run, params)

    def follow(self, history: History) -> None:
        """Log the newest epoch."""
        self._attempt(self._log, history[-1])

    def end(self, status: str) -> None:
        """Say how it ended."""
        self._attempt(lambda: self._client.set_terminated(self._id, status))

    def _attempt(self, action: Callable[..., None], *arguments: Any) -> None:
        """Do it; a failure is said once, and after it nothing is tried again."""
        if not self._works:
            return
        try:
            action(*arguments)
        except Exception as error:
            self._works = False
            said = [*str(error).strip().splitlines(), type(error).__name__][0]
            self.reporter.say(f"warning: MLflow failed, the training goes on without it: {said}")

    def _begin(self, run: RunDir, params: Mapping[str, str]) -> None:
        self._client = self.mlflow.MlflowClient(tracking_uri=self.config.uri)
        record = run.record()
        if record.get(RECORD):
            self._id = record[RECORD]
            self._client.update_run(self._id, status="RUNNING")
            return
        tags = {name: str(record[name]) for name in TAGS if record.get(name)}
        around = RunDir(run.path.parent)
        made = self._client.create_run(
            self._experiment(),
            run_name=f"{around.name}/{run.name}" if around.is_folds() else run.name,
            tags={**tags, "run": run.path.as_posix()},
        )
        self._id = made.info.run_id
        run.update_record(**{RECORD: self._id})
        for name, value in params.items():
            self._client.log_param(self._id, name, value)

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self.config.experiment)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(self.config.experiment))

    def _log(self, row: Mapping[str, Any]) -> None:
        now = int(time.time() * 1000)
        for name, value in row.items():
            if name != "epoch" and math.isfinite(value):
                self._client.log_metric(self._id, name, value, now, row["epoch"])
