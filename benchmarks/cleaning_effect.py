"""Measure what cleaning does to the validation AUC on ISIC 2017, without opening its test set.

python benchmarks/cleaning_effect.py --source ISIC2017_FOLDER        # prints a Markdown table

Each option preprocesses train and validation alone (the test set is not even linked into the
source) and trains a head of EfficientNet-Lite0 with 3 seeds: 5 options, 15 short trainings. The
seed changes the training, not the images; a range over seeds is no confidence interval.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from skinlesion.data.store import INFO
from skinlesion.metrics.scores import score_all
from skinlesion.runs import RunDir
from skinlesion.tables import Predictions

BORDER = "cleaning.border_crop=true"
HAIR = "cleaning.hair_removal=true"
COLOUR = "cleaning.color_constancy=shades_of_gray"
OPTIONS = {
    "none": [],
    "border_crop": [BORDER],
    "hair_removal": [HAIR],
    "shades_of_gray": [COLOUR],
    "all three": [BORDER, HAIR, COLOUR],
}
PARTS = ("Training", "Validation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="ISIC 2017 in its own layout")
    parser.add_argument("--config", default="efficientnet_lite0.yaml", help="of train")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        source = without_test(given.source.resolve(), work / "isic2017")
        areas = {
            name: measure(work / name.replace(" ", "_"), source, settings, given)
            for name, settings in OPTIONS.items()
        }
    print_table(areas)


def without_test(source: Path, folder: Path) -> Path:
    """A folder that links to the training and validation parts only."""
    folder.mkdir()
    for part in PARTS:
        for name in (f"ISIC-2017_{part}_Data", f"ISIC-2017_{part}_Part3_GroundTruth.csv"):
            (folder / name).symlink_to(source / name)
    return folder


def measure(
    folder: Path, source: Path, settings: list[str], given: argparse.Namespace
) -> np.ndarray:
    """ROC AUC on val for each seed, shape (seeds,)."""
    dataset = folder / "dataset"
    folder.mkdir()
    skinlesion("preprocess", "--source", source, "--out", dataset, *sets(settings))
    refuse_ignored(dataset, settings)
    areas = []
    for seed in range(given.seeds):
        run = RunDir(folder / f"seed{seed}")
        options = ("--dataset", dataset, "--run", run.path, *sets([f"seed={seed}"]))
        skinlesion("train", "--config", given.config, *options)
        val = Predictions.read_csv(run.predictions("val"))
        areas.append(score_all(val.y_true, val.y_prob, threshold=0.5)["roc_auc"])
        print(f"{folder.name} seed {seed}: {areas[-1]:.4f}", file=sys.stderr, flush=True)
    return np.array(areas)


def refuse_ignored(dataset: Path, settings: list[str]) -> None:
    """Stop where an option changed no pixel: its AUC would be that of none."""
    plain = dataset.parent.parent / "none" / "dataset" / INFO
    same = hash_of(dataset / INFO) == hash_of(plain)
    if settings and same:
        sys.exit(f"preprocess changed nothing with {' '.join(settings)}")


def hash_of(info: Path) -> str:
    return str(json.loads(info.read_text(encoding="utf-8"))["pixels_sha256"])


def sets(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def skinlesion(*words: object) -> None:
    command = [sys.executable, "-m", "skinlesion", "-q", *map(str, words)]
    subprocess.run(command, check=True, stdout=sys.stderr)


def print_table(areas: dict[str, np.ndarray]) -> None:
    """Mean and range over seeds, and the mean difference from none with the same seed."""
    print("| cleaning | val AUC, mean | range | difference from none |")
    print("|---|---|---|---|")
    for name, values in areas.items():
        difference = "" if name == "none" else f"{(values - areas['none']).mean():+.3f}"
        spread = f"{values.min():.3f} to {values.max():.3f}"
        print(f"| {name} | {values.mean():.3f} | {spread} | {difference} |")


if __name__ == "__main__":
    main()
