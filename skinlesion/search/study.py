"""An Optuna study on disk: the next trial, its pruning, and going on after a kill."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skinlesion.config import Choices, IntRange, Parameter
from skinlesion.extras import require

COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"
NAME = "skinlesion"
# Trials before the sampler models, and before the pruner judges, anything.
RANDOM_TRIALS, UNPRUNED_TRIALS = 10, 5


@dataclass(frozen=True)
class Row:
    """A trial that came to an end of its own.

    Attributes:
        number: From 0, without the trials that were interrupted.
        state: ``COMPLETE``, ``PRUNED`` or ``FAILED``.
        value: The monitor at the best epoch; of a pruned trial, so far; None: there is none.
        params: What was drawn, by key.
        attributes: What else was recorded.
    """

    number: int
    state: str
    value: float | None
    params: dict[str, Any]
    attributes: dict[str, Any]


class Study:
    """Trials in a SQLite file.

    The sampler is seeded anew for each trial by the number of those before it, so that a resumed
    study draws what an uninterrupted one draws.

    Args:
        path: The file; made if it is not there.
        minimize: Whether a lower value is better.
        seed: Of the sampler.

    Raises:
        MissingExtraError: If Optuna is not installed.
    """

    def __init__(self, path: Path, *, minimize: bool, seed: int) -> None:
        self._optuna = require_optuna()
        self._seed, self.minimize = seed, minimize
        self._study = self._optuna.create_study(
            storage=f"sqlite:///{path}",
            study_name=NAME,
            direction="minimize" if minimize else "maximize",
            pruner=self._optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS),
            load_if_exists=True,
        )

    def close(self) -> None:
        """Let go of the file."""
        self._study._storage.remove_session()

    def take_up(self) -> int:
        """Fail the trials that a killed process left running, and queue them again; how many."""
        state = self._optuna.trial.TrialState
        left = self._study.get_trials(deepcopy=False, states=(state.RUNNING,))
        for trial in left:
            self._study.tell(trial.number, state=state.FAIL)
            self._study.enqueue_trial(trial.params)
        return len(left)

    def ask(self) -> Trial:
        """The next trial; nothing of it is drawn yet."""
        number = len(self.rows())
        drawn = np.random.SeedSequence([self._seed, number]).generate_state(1)
        self._study.sampler = self._optuna.samplers.TPESampler(
            seed=int(drawn[0]), n_startup_trials=RANDOM_TRIALS
        )
        return Trial(self._study.ask(), number)

    def tell(self, trial: Trial, state: str, value: float | None = None, **attributes: Any) -> None:
        """End a trial of its own accord."""
        states = self._optuna.trial.TrialState
        for name, content in {"ended": state, "number": trial.number, **attributes}.items():
            trial.optuna.set_user_attr(name, content)
        if state == COMPLETE:
            self._study.tell(trial.optuna, value)
        else:
            ended = states.PRUNED if state == PRUNED else states.FAIL
            self._study.tell(trial.optuna, state=ended)

    def rows(self) -> list[Row]:
        """The trials that ended of their own accord, in order."""
        finished = self._optuna.trial.TrialState.is_finished
        rows = []
        for trial in self._study.get_trials(deepcopy=False):
            attributes = dict(trial.user_attrs)
            if not finished(trial.state) or "ended" not in attributes:
                continue
            state, number = attributes.pop("ended"), attributes.pop("number")
            rows.append(Row(number, state, trial.value, dict(trial.params), attributes))
        return rows

    def best(self) -> Row | None:
        """The complete trial with the best value, the earliest of equals; None: there is none."""
        complete = [row for row in self.rows() if row.state == COMPLETE and row.value is not None]
        return ranked(complete, minimize=self.minimize)[0] if complete else None


class Trial:
    """One draw of the space."""

    def __init__(self, trial: Any, number: int) -> None:
        self.optuna, self.number = trial, number

    def suggest(self, key: str, parameter: Parameter) -> Any:
        """A value for ``key``."""
        if isinstance(parameter, Choices):
            return self.optuna.suggest_categorical(key, list(parameter.choices))
        low, high = parameter.low, parameter.high
        if isinstance(parameter, IntRange):
            return self.optuna.suggest_int(key, low, high, step=parameter.step)
        return self.optuna.suggest_float(key, low, high, log=parameter.log)

    def is_hopeless(self, epoch: int, value: float) -> bool:
        """Report the monitor after an epoch; whether the median of earlier trials was better."""
        self.optuna.report(value, epoch)
        return bool(self.optuna.should_prune())


def ranked(rows: Sequence[Row], *, minimize: bool) -> list[Row]:
    """Complete trials first, the best value first; then the others in order."""
    sign = 1.0 if minimize else -1.0

    def place(row: Row) -> tuple[bool, float, int]:
        complete = row.state == COMPLETE and row.value is not None
        return (not complete, sign * (row.value or 0.0) if complete else 0.0, row.number)

    return sorted(rows, key=place)


def require_optuna() -> Any:
    """The package.

    Raises:
        MissingExtraError: If it is not installed.
    """
    require("hpo", {"optuna": "optuna"}, purpose="a search")
    optuna = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna
