"""Time the search for near-duplicates among many images, and its peak memory.

python benchmarks/duplicates.py                     # 33,126 images, median of 3 runs
python benchmarks/duplicates.py --images 400000 --repeats 1
    --folder DIR      derive the signatures from the images in DIR instead of synthetic lesions

The signatures are those of lesions turned, cropped, stretched and shaded at random, so that they
are as like each other as different lesions are; one in a hundred is a copy of an earlier one,
flipped or turned, in another contrast and with noise, and must be found.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from skinlesion.data.duplicates import (
    SIGNATURE_SHAPE,
    apply_symmetry,
    near_duplicates,
)
from skinlesion.data.images import decode
from skinlesion.data.synthetic import draw_lesion

SOURCES, SOURCE_SIDE = 2000, 96
COPY_EVERY = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=33_126)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        search(options.search)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "signatures.npy"
        started = time.perf_counter()
        write_signatures(file, options.images, options.folder)
        print(f"made {options.images:,} signatures in {time.perf_counter() - started:.0f} s")
        # A process for each run: peak memory is known only of a whole process.
        command = [sys.executable, __file__, "--search", str(file)]
        runs = []
        for _ in range(options.repeats):
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds, peak, start, pairs, copies, found = map(float, done.stdout.split())
            runs.append(seconds)
            print(
                f"{seconds:7.1f} s, peak {peak:,.0f} MB ({start:,.0f} MB before the search), "
                f"{pairs:,.0f} pairs, {found:,.0f} of {copies:,.0f} copies found",
                flush=True,
            )
    print(f"median {statistics.median(runs):.1f} s for {options.images:,} images")


def search(file: Path) -> None:
    """One run; prints seconds, peak and first memory in MB, pairs, copies and copies found."""
    signatures = np.load(file, mmap_mode="r")
    before = _peak_megabytes()
    started = time.perf_counter()
    pairs = near_duplicates(signatures)
    seconds = time.perf_counter() - started
    copies = range(COPY_EVERY, len(signatures), COPY_EVERY)
    known = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    found = sum((_original(copy), copy) in known for copy in copies)
    print(seconds, _peak_megabytes(), before, len(pairs), len(copies), found)


def write_signatures(file: Path, count: int, folder: Path | None) -> None:
    rng = np.random.default_rng(0)
    sources = _sources(folder)
    signatures = np.lib.format.open_memmap(file, "w+", np.uint8, (count, *SIGNATURE_SHAPE))
    for row in range(count):
        if row and row % COPY_EVERY == 0:
            original = np.asarray(signatures[_original(row)])
            signatures[row] = _altered(original, rng)
        else:
            signatures[row] = _another(sources[rng.integers(len(sources))], rng)


def _original(row: int) -> int:
    """The row that ``row`` is a copy of: an earlier one, far away."""
    return row // 2 - (row // 2 % COPY_EVERY == 0)


def _sources(folder: Path | None) -> list[Image.Image]:
    if folder:
        paths = sorted(folder.rglob("*.jpg"))[:20_000]
        images = (decode(path, SOURCE_SIDE) for path in paths)
    else:
        images = (
            draw_lesion(index % 2, size=SOURCE_SIDE, rng=np.random.default_rng(index)).image
            for index in range(SOURCES)
        )
    return [Image.fromarray(pixels).convert("L") for pixels in images]


def _another(source: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """A cut-out at any angle, size and place, of another aspect ratio and in other light."""
    side, middle = SIGNATURE_SHAPE[0], SOURCE_SIDE / 2 + rng.normal(0, 3, 2)
    angle, step = rng.uniform(0, 2 * np.pi), rng.uniform(1, 2)
    stretch = np.diag([rng.uniform(0.8, 1.25), 1]) * step
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ stretch
    move = middle - turn @ np.full(2, side / 2)
    matrix = (*turn[0], move[0], *turn[1], move[1])
    cut = source.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    pixels = np.asarray(cut).astype(np.float32)
    pixels[pixels == 0] = np.median(pixels)  # beyond the source
    across = np.linspace(-1, 1, side)
    light = rng.normal(0, 8, 3) @ np.stack([across, across**2, across**3])
    pixels += light + rng.normal(0, 8) * across[:, None]
    return pixels.clip(0, 255).round().astype(np.uint8)


def _altered(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    copy = apply_symmetry(pixels, int(rng.integers(8))).astype(np.float32)
    copy = copy * rng.uniform(0.8, 1.2) + rng.normal(0, 5) + rng.normal(0, 0.5, copy.shape)
    return copy.clip(0, 255).round().astype(np.uint8)


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
