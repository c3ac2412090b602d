"""Peak memory of a head and of a short fine-tuning on small and large data sets.

python benchmarks/memory.py                           # 10,000 and 50,000 images of 64 pixels; Linux
python benchmarks/memory.py --sizes 2000 10000        # a quick look

Of each process two numbers: its own memory (anonymous pages), and the most that was resident,
which adds the pages of files mapped into it: the data set and the features. The system takes those
back when something else needs the space. Fails if its own memory grows by more than ``TOLERANCE``
from the first size to the last.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skinlesion.config import PreprocessConfig
from skinlesion.data.store import write_dataset
from skinlesion.tables import TRAIN, VAL, Manifest

SIZE = 64
DISTINCT = 64  # images; the others repeat them
TOLERANCE = 0.20  # peaks of one size differ by a tenth; 40,000 more images would be 490 MB
POLL_SECONDS = 0.05
MODEL = "{backbone: efficientnet_lite0, weights: imagenet, image_size: 64}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--limit", type=int, default=512, help="images that fine-tuning trains on")
    given = parser.parse_args()
    own: dict[str, list[float]] = {"head": [], "fine-tuning": []}
    print("| images | command | seconds | own memory MB | resident MB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for count in given.sizes:
            work = Path(folder) / str(count)
            write_images(work / "dataset", count)
            for name, arguments in commands(work, given.limit).items():
                seconds, anonymous, resident = watch(arguments)
                own[name].append(anonymous)
                print(
                    f"| {count:,} | {name} | {seconds:.0f} | {anonymous:.0f} | {resident:.0f} |",
                    flush=True,
                )
    grown = [name for name, peaks in own.items() if peaks[-1] > (1 + TOLERANCE) * peaks[0]]
    if grown:
        sys.exit(f"the memory of {', '.join(grown)} grows with the data set")


def commands(work: Path, limit: int) -> dict[str, list[str]]:
    """A head on all images, then its fine-tuning on ``limit`` of them."""
    skinlesion = [sys.executable, "-m", "skinlesion"]
    head, config = work / "runs" / "head", work / "head.yaml"
    config.write_text(f"model: {MODEL}\ntrainable: head\nepochs: 3\n")
    of_head = ["train", "--config", str(config), "--dataset", str(work / "dataset")]
    of_tuning = ["finetune", "--run", str(head), "--set", f"limit={limit}", "--set", "epochs=2"]
    return {
        "head": [*skinlesion, *of_head, "--run", str(head)],
        "fine-tuning": [*skinlesion, *of_tuning],
    }


def watch(command: list[str]) -> tuple[float, float, float]:
    """Run ``command``: seconds, peak of anonymous memory and of resident memory, both in MB."""
    started = time.perf_counter()
    anonymous = resident = 0.0
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        while process.poll() is None:
            anonymous = max(anonymous, _status(process.pid, "RssAnon"))
            resident = max(resident, _status(process.pid, "VmHWM"))
            time.sleep(POLL_SECONDS)
        if process.returncode:
            errors.seek(0)
            sys.exit(errors.read())
    return time.perf_counter() - started, anonymous, resident


def _status(pid: int, field: str) -> float:
    """A field of /proc/PID/status in MB; 0 where the process has just ended."""
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    except FileNotFoundError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def write_images(folder: Path, count: int) -> None:
    """A data set of ``count`` noisy images, one in a hundred of them in val."""
    folder.mkdir(parents=True)
    ids = np.array([f"i{index:06d}" for index in range(count)])
    number = np.arange(count)
    manifest = Manifest(
        image_id=ids,
        path=ids,
        label=number % 2,
        melanoma=number % 2,
        group=ids,
        split=np.where(number // 2 % 100 == 0, VAL, TRAIN),
        diagnosis=np.full(count, ""),
        source=np.full(count, "noise"),
    )
    settings = PreprocessConfig(image_size=SIZE).model_dump(mode="json")
    description = {"settings": settings}
    write_dataset(folder, manifest, noise(count), size=SIZE, description=description)


def noise(count: int) -> Iterator[np.ndarray]:
    """``count`` images one by one, the odd ones darker."""
    rng = np.random.default_rng(0)
    images = rng.integers(100, 200, (DISTINCT, SIZE, SIZE, 3), dtype=np.uint8)
    images[1::2] -= 60
    for index in range(count):
        yield images[index % DISTINCT]


if __name__ == "__main__":
    main()
