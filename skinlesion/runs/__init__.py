"""Run folders: their layout and record, how they are made, found and named."""

from skinlesion.runs.finding import expand, find_runs, free_run_path, latest_run_path, named_run
from skinlesion.runs.folder import FINISHED, FOLDS, RUNNING, RunDir
from skinlesion.runs.opening import differences, finished_run, open_run, refuse_to_replace
from skinlesion.runs.record import environment, read_json, write_json

__all__ = [
    "FINISHED",
    "FOLDS",
    "RUNNING",
    "RunDir",
    "differences",
    "environment",
    "expand",
    "find_runs",
    "finished_run",
    "free_run_path",
    "latest_run_path",
    "named_run",
    "open_run",
    "read_json",
    "refuse_to_replace",
    "write_json",
]
