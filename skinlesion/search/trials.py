"""A trial's process: its epochs as they come, and what became of it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skinlesion.errors import DataError, error_of
from skinlesion.processes import refuse_failure
from skinlesion.runs import RunDir
from skinlesion.search.study import FAILED, PRUNED
from skinlesion.tables import read_columns

LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Result:
    """What became of a trial.

    Attributes:
        state: One of ``COMPLETE``, ``PRUNED``, ``FAILED``.
        value: The best score of a complete one.
        attributes: Epochs and the like, or the reason.
    """

    state: str
    value: float | None = None
    attributes: dict[str, Any] = field(default_factory=dict)

    def said(self, monitor: str) -> str:
        """In words: the score and its epoch, or the reason."""
        if self.state == FAILED:
            return str(self.attributes["reason"])
        if self.state == PRUNED:
            return f"{monitor} {self.attributes['last']:.4f} at epoch {self.attributes['epochs']}"
        return f"{monitor} {self.value:.4f} at epoch {self.attributes['best_epoch']}"


def epochs_of(run: RunDir, monitor: str, process: Any) -> Iterator[tuple[int, float]]:
    """Number and monitor of each epoch, as they come, until the process has ended."""
    seen, ended = 0, False
    while not ended:
        ended = process.poll() is not None  # asked before the last look, so that none is missed
        if run.history.exists():
            table = read_columns(run.history, required=["epoch", monitor])
            for epoch, value in list(zip(table["epoch"], table[monitor], strict=True))[seen:]:
                seen += 1
                yield int(epoch), float(value)
        if not ended:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=LOOK_SECONDS)


def reason_of(code: int, log: Path) -> str:
    """Why a trial failed, if the next one may not; else raise what the search ends with."""
    text = log.read_text(encoding="utf-8", errors="replace")
    said = text.rpartition("error: ")[2].strip().splitlines() if "error: " in text else []
    if code < 0 or error_of(code) is DataError:
        return said[0] if said else f"killed by signal {-code}"
    kind = error_of(code)
    if kind is None or not said:
        refuse_failure(code, f"a trial, whose log is {log},")
    raise (kind or DataError)(f"a trial failed: {said[0]}", fix=f"see {log}")
