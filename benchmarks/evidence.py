"""Time ensemble and evaluate as a user waits for them: six cached members, 600 val and test images.

python benchmarks/evidence.py       # medians of 5 runs, for each method

Seconds on the clock depend on what else the machine does; seconds of CPU hardly do.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from startup import write_member

from skinlesion.ensemble import COMBINERS

REPEATS = 5
SIZES = {"val": (600, 117), "isic2017-test": (600, 117)}
MEMBERS = 6
ENSEMBLE = ["ensemble", "--members", "runs/member*", "--run", "runs/e", "--overwrite"]
EVALUATE = ["evaluate", "--split", "isic2017-test"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for member in range(MEMBERS):
            write_member(work / "runs" / f"member{member}", seed=member, sizes=SIZES)
        ensembles = [
            _show(
                f"ensemble of {MEMBERS}, {method}", work, [*ENSEMBLE, "--set", f"method={method}"]
            )
            for method in COMBINERS
        ]
        evaluations = [
            _show("evaluate the ensemble", work, [*EVALUATE, "--run", "runs/e"]),
            _show("evaluate it and its members", work, EVALUATE),
        ]
    for what, evaluation in zip(("it", "all 7"), evaluations, strict=True):
        clock, cpu = np.max(ensembles, axis=0) + evaluation
        print(_line(f"slowest ensemble + evaluate {what}", clock, cpu))


def _show(what: str, work: Path, arguments: list[str]) -> tuple[float, float]:
    """Print and return the median seconds on the clock and of CPU."""
    command = [sys.executable, "-m", "skinlesion", *arguments]
    clock, cpu = [], []
    for _ in range(REPEATS):
        started, used = time.perf_counter(), _cpu_of_children()
        subprocess.run(command, cwd=work, check=True, capture_output=True)
        clock.append(time.perf_counter() - started)
        cpu.append(_cpu_of_children() - used)
    medians = statistics.median(clock), statistics.median(cpu)
    print(_line(what, *medians), flush=True)
    return medians


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _line(what: str, clock: float, cpu: float) -> str:
    return f"{what:36} {clock:6.2f} s, CPU {cpu:.2f} s"


if __name__ == "__main__":
    main()
