"""demo: the whole chain in minutes, each step the command line that a user would type."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from skinlesion.errors import DataError
from skinlesion.folders import refuse_existing, write_text
from skinlesion.progress import Reporter
from skinlesion.tables import TRAIN, VAL

README = "README-demo.txt"
SYNTHETIC = "synthetic: no clinical meaning"
# Runs ``skinlesion ARGUMENTS`` to its end, or raises.
Launch = Callable[[Sequence[str]], None]


class StepFailedError(Exception):
    """A step of the demo failed and has printed why."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"a step exited with {exit_code}")
        self.exit_code = exit_code


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        dataset: The data set.
        runs: Two members, a fine-tuned one and their ensemble, by name.
        split: What they were evaluated on.
        leaderboard: Their scores, Markdown.
        seconds: Of wall time.
        note: Says of synthetic images that they are such.
    """

    dataset: Path
    runs: dict[str, Path]
    split: str
    leaderboard: Path
    seconds: float
    note: str

    def to_text(self) -> str:
        """What the command prints."""
        each = self.runs["ensemble"].with_name("*")
        return (
            f"made in {self.seconds:.0f} s{self.note}:\n"
            f"  {self.dataset / 'manifest.csv'}  which image is in which split\n"
            f"  {each}/eval/{self.split}/  scores and figures of each run\n"
            f"  {self.leaderboard}  the leaderboard{self.note}"
        )


def show_and_run(arguments: Sequence[str]) -> None:
    """Print a command line and run it; what it prints is seen.

    Raises:
        StepFailedError: If it fails.
    """
    print(f"\n$ skinlesion {shlex.join(arguments)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "skinlesion", *arguments], check=False)
    if done.returncode:
        raise StepFailedError(done.returncode)


def run(
    out: Path,
    *,
    source: Path | None,
    overwrite: bool,
    reporter: Reporter,
    launch: Launch = show_and_run,
) -> Outcome:
    """Preprocess, train two members, finetune one, ensemble, evaluate.

    Each step runs in a process of its own, as Keras grows over repeated fits.

    Args:
        out: The folder that everything goes into.
        source: Real images in a layout that preprocess reads; None: synthetic lesions.
        overwrite: Replace ``out``.
        reporter: Told of the steps.
        launch: Runs a command line.

    Raises:
        DataError: If ``out`` exists, or the source has no test split.
        StepFailedError: If a step fails.
    """

    def step(*words: object) -> None:
        launch([str(word) for word in words])

    note = f"  ({SYNTHETIC})" if source is None else ""
    _begin(out, note, overwrite=overwrite)
    started = time.perf_counter()
    if source is None:
        from skinlesion.data.synthetic import write_synthetic

        source = write_synthetic(out / "synthetic") / "labels.csv"
        reporter.say(f"{source}: drawn lesions{note}")
    dataset, runs = out / "dataset", out / "runs"
    members = [runs / "efficientnet_lite0-ft", runs / "alexnet"]
    step("preprocess", "--source", source, "--out", dataset, "--config", "smoke/preprocess.yaml")
    for name in ("efficientnet_lite0", "alexnet"):
        config = f"smoke/{name}.yaml"
        step("train", "--config", config, "--dataset", dataset, "--run", runs / name)
    step("finetune", "--run", runs / "efficientnet_lite0", "--config", "smoke/finetune.yaml")
    step("ensemble", "--members", *members, "--run", runs / "ensemble")
    split = _test_split(dataset)
    reports = out / "reports"
    everything = ["efficientnet_lite0", "efficientnet_lite0-ft", "alexnet", "ensemble"]
    step(
        *("evaluate", "--split", split, "--reports", reports),
        *("--run", *(runs / name for name in everything)),
        *(("--note", SYNTHETIC) if note else ()),
    )
    return Outcome(
        dataset,
        {name: runs / name for name in everything},
        split,
        reports / split / "leaderboard.md",
        time.perf_counter() - started,
        note,
    )


def _begin(out: Path, note: str, *, overwrite: bool) -> None:
    """Make ``out``, with the file by which a later --overwrite knows it for a demo's."""
    refuse_existing(out, overwrite=overwrite)
    if out.exists():
        if not (out / README).is_file():
            raise DataError(
                f"{out} was not made by demo, so --overwrite does not delete it",
                fix="choose another --out",
            )
        shutil.rmtree(out)
    out.mkdir(parents=True)
    write_text(out / README, f"Made by skinlesion demo{note}; it may be deleted.\n")


def _test_split(dataset: Path) -> str:
    """The data set's split for testing: a benchmark before ``test``."""
    from skinlesion.data.store import open_dataset

    splits = sorted(set(open_dataset(dataset).manifest.split.tolist()) - {TRAIN, VAL})
    if not splits:
        raise DataError(
            f"{dataset} has no test split", expected="an official test split, or test_fraction > 0"
        )
    return splits[0]
