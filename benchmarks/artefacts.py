"""How often the artefact detectors are right, against the flags of people, and how long they take.

python benchmarks/artefacts.py ISIC_2017_FOLDER isic_artefacts.csv              # train and val
python benchmarks/artefacts.py ISIC_2017_FOLDER isic_artefacts.csv --test       # and the test set

Detectors and thresholds are chosen on train and val only; --test is for the last look. Where the
test set has no image with the artefact, a random half of train and val stands in for it: the
threshold was chosen on the other half. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from scipy import ndimage, stats

from skinlesion.data.images import decode
from skinlesion.data.quality import DETECTORS, artefact_scores, is_blank, measure, sharpness
from skinlesion.data.sources import isic2017
from skinlesion.metrics.thresholds import youden
from skinlesion.tables import read_columns

SIZE = 256
HEADER = "| artefact | images | with it | AUC | balanced accuracy | sensitivity | specificity |"
BLURS = (0.5, 1.0, 2.0)  # standard deviations, in pixels
TIMED = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("isic2017", type=Path)
    parser.add_argument("flags", type=Path)
    parser.add_argument("--test", action="store_true")
    options = parser.parse_args()
    flags = read_columns(options.flags, required=["image_id", *DETECTORS])
    splits = {"train and val": ("train", "val"), "test": ("isic2017-test",)}
    if not options.test:
        del splits["test"]
    results = {}
    for title, names in splits.items():
        rows, pixels = _flagged(options.isic2017, flags, names)
        truth = {name: np.array(flags[name])[rows] == "1" for name in DETECTORS}
        results[title] = truth, _scores(pixels)
    truth, scores = results["train and val"]
    _print_table("train and val (used to choose)", truth, scores)
    _print_halves(truth, scores)
    if options.test:
        _print_table("test", *results["test"])
    _print_sharpness(pixels)
    _print_time(pixels[:TIMED])


def _flagged(
    folder: Path, flags: dict[str, list[str]], splits: tuple[str, ...]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Rows of the table whose images are in ``splits``, and their pixels."""
    paths = {
        record.image_id: folder / record.path
        for record in isic2017.read(folder).records
        if record.split in splits
    }
    rows = [row for row, name in enumerate(flags["image_id"]) if name in paths]
    files = [paths[flags["image_id"][row]] for row in rows]
    return np.array(rows), [decode(file, SIZE) for file in files]


def _scores(pixels: list[np.ndarray]) -> dict[str, np.ndarray]:
    found = [artefact_scores(image) for image in pixels]
    return {name: np.array([row[name] for row in found]) for name in DETECTORS}


def _print_table(title: str, truth: dict[str, np.ndarray], scores: dict[str, np.ndarray]) -> None:
    print(f"\n{title}\n\n{HEADER}\n|---|--:|--:|--:|--:|--:|--:|")
    for name, detector in DETECTORS.items():
        print(_line(name, truth[name], scores[name], detector.threshold))


def _print_halves(truth: dict[str, np.ndarray], scores: dict[str, np.ndarray]) -> None:
    """Thresholds that train and val would choose, and how one chosen on a half does on the rest."""
    count = len(next(iter(truth.values())))
    chosen = np.random.default_rng(0).permutation(count) < count // 2
    print(f"\nthreshold chosen on a half of train and val, measured on the other\n\n{HEADER}")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name in DETECTORS:
        best = _best(truth[name][chosen], scores[name][chosen])
        print(_line(f"{name} at {best:.4g}", truth[name][~chosen], scores[name][~chosen], best))
    whole = {name: f"{_best(truth[name], scores[name]):.4g}" for name in DETECTORS}
    print("\nbest thresholds on all of train and val:", whole)


def _best(truth: np.ndarray, scores: np.ndarray) -> float:
    scale = max(1.0, float(scores.max()))  # youden expects [0, 1]
    return youden(truth.astype(int), np.clip(scores / scale, 0, 1)) * scale


def _line(name: str, truth: np.ndarray, scores: np.ndarray, threshold: float) -> str:
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives:
        specificity = (scores < threshold).mean()
        return f"| {name} | {len(truth)} | 0 | - | - | - | {specificity:.3f} |"
    ranks = stats.rankdata(scores)[truth].sum()
    auc = (ranks - positives * (positives + 1) / 2) / (positives * negatives)
    sensitivity = (scores[truth] >= threshold).mean()
    specificity = (scores[~truth] < threshold).mean()
    balanced = (sensitivity + specificity) / 2
    figures = " | ".join(f"{value:.3f}" for value in (auc, balanced, sensitivity, specificity))
    return f"| {name} | {len(truth)} | {positives} | {figures} |"


def _print_sharpness(pixels: list[np.ndarray]) -> None:
    """Quantiles of the images as they are and blurred, and how well that tells them apart."""
    quantiles = (0.01, 0.05, 0.5, 0.95)
    sharp = np.array([sharpness(image) for image in pixels])
    print(f"\nsharpness of {len(pixels)} images; {sum(map(is_blank, pixels))} are blank\n")
    print("| blur, pixels | 1 % | 5 % | median | 95 % | AUC against unblurred |")
    print("|--:|--:|--:|--:|--:|--:|")
    for blur in (0.0, *BLURS):
        soft = np.array([sharpness(_blurred(image, blur)) for image in pixels])
        cells = [f"{value:.5f}" for value in np.quantile(soft, quantiles)]
        auc = stats.mannwhitneyu(sharp, soft).statistic / (len(sharp) * len(soft))
        print(f"| {blur} | {' | '.join(cells)} | {auc:.3f} |")


def _blurred(image: np.ndarray, blur: float) -> np.ndarray:
    return ndimage.gaussian_filter(image, (blur, blur, 0)) if blur else image


def _print_time(pixels: list[np.ndarray]) -> None:
    seconds = []
    for image in pixels:
        begun = time.perf_counter()
        measure(image)
        seconds.append(time.perf_counter() - begun)
    low = min(seconds)
    middle = statistics.median(seconds)
    print(f"\nall measures of an image: median {middle * 1e3:.1f} ms, fastest {low * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
