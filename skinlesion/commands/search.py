"""search: configs drawn from a space, each trained in its own process, hopeless ones killed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from skinlesion.config import Space, TrainConfig, to_yaml, validate
from skinlesion.data.store import open_dataset
from skinlesion.errors import ConfigError, DataError
from skinlesion.folders import alone_in, refuse_existing, write_text
from skinlesion.processes import running
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir, differences
from skinlesion.search.space import refuse_impossible, sample, with_values
from skinlesion.search.study import (
    COMPLETE,
    FAILED,
    PRUNED,
    Row,
    Study,
    Trial,
    ranked,
    require_optuna,
)
from skinlesion.search.trials import Result, epochs_of, reason_of
from skinlesion.tables import write_rows
from skinlesion.wording import counted

BASE, SPACE, DATABASE = "base.yaml", "space.yaml", "study.db"
NAMES = {BASE: "config", SPACE: "space"}
TRIALS, BEST = "trials.csv", "best.yaml"
# After so many failed trials and none that came to its end, the next would fail as well.
MAX_FAILED = 3
SHOWN_ROWS = 10

# Starts ``skinlesion ARGUMENTS``, and kills it if it still runs when the block is left.
Launch = Callable[..., AbstractContextManager[Any]]


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        path: The folder of the study.
        monitor: What was judged by.
        rows: The trials, the best first.
    """

    path: Path
    monitor: str
    rows: list[Row]

    @property
    def best(self) -> Path:
        """The best trial's config, for train."""
        return self.path / BEST

    def print(self, console: Console) -> None:
        """The best trials as a table, then what was written."""
        shown = self.rows[:SHOWN_ROWS]
        keys = sorted({key for row in self.rows for key in row.params})
        table = Table("trial", "state", self.monitor, "epoch", "settings")
        for row in shown:
            settings = [f"{key}={_short(row.params[key])}" for key in keys if key in row.params]
            epoch = str(row.attributes.get("best_epoch", ""))
            table.add_row(
                str(row.number), row.state, _short(row.value), epoch, Text("\n".join(settings))
            )
        console.print(table)
        hidden = len(self.rows) - len(shown)
        more = f", {hidden} more in {TRIALS}" if hidden else ""
        console.print(f"{self.best}{more}", soft_wrap=True, highlight=False, markup=False)


def run(
    config: TrainConfig,
    space: Space,
    path: Path,
    *,
    trials: int = 20,
    timeout: float | None = None,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter,
    launch: Launch = running,
) -> Outcome:
    """Try ``trials`` configs and write the best one.

    Args:
        config: What all trials have in common; its seed seeds the sampler as well.
        space: What they differ in.
        path: The folder of the study.
        trials: In all, those before a resumption included.
        timeout: Begin no trial after so many seconds.
        resume: Go on with a study of the same config and space.
        overwrite: Replace a study.
        reporter: Told of every trial.
        launch: Starts a command line; see ``processes.running``.

    Raises:
        ConfigError: If the space does not fit, or a study of another one is to be resumed.
        DataError: If the data set is not as it must be, or no trial came to its end.
        MissingExtraError: If Optuna is not installed.
    """
    if config.fold is not None and config.fold.index is None:
        raise ConfigError(
            "a trial trains once, not for each fold", fix="set fold.index, or no fold"
        )
    require_optuna()
    refuse_impossible(space, config)
    _refuse_dataset(config)
    with _opened(config, space, path, resume=resume, overwrite=overwrite) as study:
        repeated = study.take_up()
        if repeated:
            reporter.say(f"{counted(repeated, 'interrupted trial')} taken up again")
        search = _Search(study, config, space, path, reporter, launch)
        started = time.monotonic()
        while len(study.rows()) < trials:
            if timeout is not None and time.monotonic() - started >= timeout:
                reporter.say(f"no further trial after {timeout:g} s")
                break
            search.one_trial()
        rows = ranked(study.rows(), minimize=study.minimize)
    if not rows or rows[0].state != COMPLETE:
        raise DataError(
            f"no trial of {path} came to its end",
            fix="allow more --trials or a longer --timeout, and repeat with --resume",
        )
    return Outcome(path, config.monitor, rows)


@dataclass(frozen=True)
class _Search:
    """What all trials have in common."""

    study: Study
    config: TrainConfig
    space: Space
    path: Path
    reporter: Reporter
    launch: Launch

    def one_trial(self) -> None:
        """Draw, train, judge, and write down what is best so far."""
        trial, started = self.study.ask(), time.monotonic()
        base = self.config.model_copy(update={"predict": "val"})  # the test splits are left alone
        try:
            drawn, config = sample(self.space, base, trial.suggest)
        except ConfigError as error:
            drawn, result = {}, Result(FAILED, attributes={"reason": " ".join(error.what.split())})
        else:
            result = self._train(trial, config)
        seconds = round(time.monotonic() - started, 1)
        self.study.tell(trial, result.state, result.value, seconds=seconds, **result.attributes)
        self._write()
        said = [f"trial {trial.number}: {result.state}", result.said(self.config.monitor)]
        said += [f"{key}={_short(value)}" for key, value in drawn.items()]
        self.reporter.say("  ".join(said))
        self._refuse_failing()

    def _train(self, trial: Trial, config: TrainConfig) -> Result:
        """What became of a trial, which is killed as soon as it is hopeless."""
        run = self._run(trial.number)
        if run.path.exists() and not (run.is_run() and run.config.read_text() == to_yaml(config)):
            run.remove()
        run.path.parent.mkdir(exist_ok=True)
        given, log = run.path.with_suffix(".yaml"), run.path.with_suffix(".log")
        write_text(given, to_yaml(config))
        arguments = ["train", "--config", str(given), "--run", str(run.path), "--resume"]
        with log.open("ab") as stderr, self.launch(arguments, stderr=stderr) as process:
            for epoch, value in epochs_of(run, config.monitor, process):
                if trial.is_hopeless(epoch, value) and epoch < config.epochs:
                    return Result(PRUNED, attributes={"epochs": epoch, "last": value})
            code = process.wait()
        if code:
            return Result(FAILED, attributes={"reason": reason_of(code, log)})
        record = run.record()
        best = record["best"]
        attributes = {"best_epoch": best["epoch"], "epochs": record["epochs"]}
        return Result(COMPLETE, best[config.monitor], attributes)

    def _run(self, number: int) -> RunDir:
        return RunDir(self.path / "trials" / f"{number:04d}")

    def _write(self) -> None:
        """Write trials.csv and best.yaml, and keep no run but the best."""
        rows, best = self.study.rows(), self.study.best()
        _write_trials(self.path / TRIALS, rows, self.space)
        if best is not None:
            winner = with_values(self.config.model_dump(mode="json"), best.params)
            text = to_yaml(validate(winner, TrainConfig, where="the best trial"))
            write_text(self.path / BEST, text)
        for row in rows:
            if best is None or row.number != best.number:
                self._run(row.number).remove()

    def _refuse_failing(self) -> None:
        rows = self.study.rows()
        if len(rows) < MAX_FAILED or any(row.state != FAILED for row in rows):
            return
        raise DataError(
            f"the first {len(rows)} trials failed, the last by: {rows[-1].attributes['reason']}",
            expected="a config that can be trained as it is",
            fix=f"try skinlesion train --config {self.path / BASE}; logs are in trials/",
        )


@contextlib.contextmanager
def _opened(
    config: TrainConfig, space: Space, path: Path, *, resume: bool, overwrite: bool
) -> Iterator[Study]:
    """The study in ``path``, made or taken up, with this process alone in it."""
    begun = (path / BASE).is_file()
    if path.exists() and any(path.iterdir()) and not (resume and begun):
        refuse_existing(path, overwrite=overwrite)
        if not begun:
            raise DataError(
                f"{path} is not a study, so --overwrite does not delete it",
                fix="choose another --study",
            )
        RunDir(path).remove()
    path.mkdir(parents=True, exist_ok=True)
    with alone_in(path):
        for name, text in ((SPACE, to_yaml(space)), (BASE, to_yaml(config))):
            then = (path / name).read_text(encoding="utf-8") if begun and resume else text
            if changes := differences(then, text):
                raise ConfigError(
                    f"{path} was begun with another {NAMES[name]} (- then, + now):\n{changes}",
                    expected="the same in all trials of a study",
                    fix=f"pass what {path / name} holds, or another --study",
                )
            write_text(path / name, text)
        minimize = config.monitor == "val_loss"
        study = Study(path / DATABASE, minimize=minimize, seed=config.seed)
        try:
            yield study
        finally:
            study.close()


def _refuse_dataset(config: TrainConfig) -> None:
    """Raise what every trial would end with."""
    from skinlesion.training.examples import choose_examples

    choose_examples(
        open_dataset(config.dataset),
        target=config.target,
        limit=config.limit,
        seed=config.seed,
        fold=config.fold,
    )


def _write_trials(path: Path, rows: list[Row], space: Space) -> None:
    keys, attributes = sorted(space.parameters), ["best_epoch", "epochs", "seconds", "reason"]
    table = [
        [row.number, row.state, "" if row.value is None else row.value]
        + [row.attributes.get(name, "") for name in attributes]
        + [row.params.get(key, "") for key in keys]
        for row in rows
    ]
    write_rows(path, ["trial", "state", "value", *attributes, *keys], table)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
