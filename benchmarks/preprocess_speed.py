"""Images a second and peak memory of preprocess, beside a plain Pillow loop and OpenCV's.

python benchmarks/preprocess_speed.py            # 200 drawn JPEGs of 4000 x 3000, medians of 3
python benchmarks/preprocess_speed.py --memory   # peak memory at 200 and at 2,000 images, too

OpenCV is timed if it is installed: pip install opencv-python-headless.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from skinlesion.data.shards import SHARD_IMAGES, decode_shards
from skinlesion.data.synthetic import draw_lesion

COUNT, WIDTH, HEIGHT, SIZE, REPEATS = 200, 4000, 3000, 256, 3
DRAWN = 8  # different lesions; each file differs in brightness

PEAK = """
import resource, sys
from pathlib import Path
from skinlesion.data.shards import SHARD_IMAGES, decode_shards
from skinlesion.data.duplicates import near_duplicates
files = sorted(Path(sys.argv[1]).glob("*.jpg"))[:int(sys.argv[3])]
near_duplicates(decode_shards(Path(sys.argv[2]), files, 256, shard_images=SHARD_IMAGES).signature)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", action="store_true")
    memory = parser.parse_args().memory
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = _write_images(work / "images")
        _report_speed(files, work)
        if memory:
            _report_memory(files, work)


def _write_images(folder: Path) -> list[Path]:
    """``COUNT`` JPEGs of camera size: drawn lesions, enlarged, with a camera's noise."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    files = []
    for index in range(COUNT):
        if index % (COUNT // DRAWN) == 0:
            drawn = draw_lesion(index % 2, size=512, rng=rng).image
            large = Image.fromarray(drawn).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
            grain = rng.normal(0, 4, (HEIGHT, WIDTH, 1)).astype(np.float32)
            pixels = np.asarray(large, dtype=np.float32) + grain
        file = folder / f"{index:04d}.jpg"
        changed = np.clip(pixels + index % 20 - 10, 0, 255).astype(np.uint8)
        Image.fromarray(changed).save(file, quality=92)
        files.append(file)
    return files


def _report_speed(files: Sequence[Path], work: Path) -> None:
    """All in one process, in turns, so that each meets the same machine."""
    ways: dict[str, Callable[[], object]] = {
        "Pillow: open, convert, resize, one core": lambda: _pillow(files),
        "skinlesion, one thread": lambda: _ours(files, work, workers=1),
        "skinlesion, two threads": lambda: _ours(files, work, workers=2),
    }
    if importlib.util.find_spec("cv2"):
        ways["OpenCV: imread, resize (area), one core"] = lambda: _opencv(files, reduced=False)
        ways["OpenCV: imread at 1/8 or 1/4, one core"] = lambda: _opencv(files, reduced=True)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    base = statistics.median(seconds["Pillow: open, convert, resize, one core"])
    print(f"{COUNT} JPEGs of {WIDTH} x {HEIGHT} to {SIZE} x {SIZE}, {os.cpu_count()} cores")
    print("| way | images/s | times Pillow's loop |\n|---|---|---|")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"| {name} | {COUNT / median:.1f} | {base / median:.2f} |")


def _pillow(files: Sequence[Path]) -> None:
    for file in files:
        with Image.open(file) as image:
            np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def _ours(files: Sequence[Path], work: Path, *, workers: int) -> None:
    """Decoding with hashes and signatures, written to disk: all that preprocess does an image."""
    with tempfile.TemporaryDirectory(dir=work) as folder:
        decode_shards(
            Path(folder) / "shards", files, SIZE, workers=workers, shard_images=SHARD_IMAGES
        )


def _opencv(files: Sequence[Path], *, reduced: bool) -> None:
    import cv2

    cv2.setNumThreads(1)
    flag = cv2.IMREAD_REDUCED_COLOR_4 if reduced else cv2.IMREAD_COLOR
    for file in files:
        pixels = cv2.imread(str(file), flag)
        cv2.cvtColor(
            cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB
        )


def _report_memory(files: Sequence[Path], work: Path) -> None:
    many = work / "many"
    many.mkdir()
    for index in range(10 * COUNT):
        os.link(files[index % COUNT], many / f"{index:05d}.jpg")
    for count in (COUNT, 10 * COUNT):
        with tempfile.TemporaryDirectory(dir=work) as folder:
            arguments = [str(many), f"{folder}/shards", str(count)]
            done = subprocess.run(
                [sys.executable, "-c", PEAK, *arguments], check=True, capture_output=True, text=True
            )
        print(f"peak memory at {count:,} images: {float(done.stdout):.0f} MiB")


if __name__ == "__main__":
    main()
