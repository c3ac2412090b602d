"""Time the commands that never load TensorFlow: --help, and ensemble + evaluate of six members.

python benchmarks/startup.py        # medians of 5 runs, in seconds
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from skinlesion.runs import FINISHED, RunDir, write_json
from skinlesion.tables import Predictions, write_rows

REPEATS = 5
SIZES = {"val": (150, 30), "isic2017-test": (600, 117)}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for member in range(6):
            write_member(work / "runs" / f"member{member}", seed=member)
        print(f"--help                      {_median(work, ['--help']):.2f} s")
        ensemble = _median(
            work, ["ensemble", "--members", "runs/member*", "--run", "runs/e", "--overwrite"]
        )
        evaluate = _median(work, ["evaluate", "--split", "isic2017-test"])
        print(f"ensemble of 6               {ensemble:.2f} s")
        print(f"evaluate 7 runs, 600 images {evaluate:.2f} s")
        print(f"ensemble + evaluate         {ensemble + evaluate:.2f} s")


def _median(work: Path, arguments: list[str]) -> float:
    command = [sys.executable, "-m", "skinlesion", *arguments]
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run(command, cwd=work, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def write_member(path: Path, *, seed: int, sizes: dict[str, tuple[int, int]] = SIZES) -> None:
    """A finished run with random predictions: the time does not depend on what they are."""
    rng = np.random.default_rng(seed)
    run = RunDir(path)
    run.predictions("val").parent.mkdir(parents=True)
    rows = []
    for split, (count, positives) in sizes.items():
        ids = np.array([f"{split}-{index:05d}" for index in range(count)])
        y_true = (np.arange(count) < positives).astype(np.int64)
        y_prob = 1 / (1 + np.exp(-rng.normal(y_true * 1.5, 1.0)))
        Predictions(ids, ids, y_true, y_prob).write_csv(run.predictions(split))
        rows += [(image_id, image_id, split) for image_id in ids]
    write_rows(run.split, ["image_id", "group", "split"], rows)
    write_json(
        run.record_file,
        {
            "kind": "train",
            "status": FINISHED,
            "backbone": "resnet50",
            "target": "malignant",
            "classes": ["benign", "malignant"],
        },
    )


if __name__ == "__main__":
    main()
