"""How 92 % accuracy happens: what each faulty practice adds on the ISIC 2017 test set.

python benchmarks/inflation.py --dataset dataset --out runs/inflation     # prints a Markdown table

``--dataset`` is what preprocess made of ISIC 2017. Four networks are trained with one recipe and
one seed; they differ in what they may see of the test images:

honest         nothing
twins          595 of them as re-encoded copies (mirrored, cropped, rescaled, JPEG) in training,
               as many as ISIC 2019's training set holds
epoch on test  the epoch is chosen by the test images
both           twins and epoch on test

and each is scored with thresholds chosen on val or on the test images, on all of these and on
balanced subsets of them. The data sets with leaks are written past preprocess, which refuses them.
Finished runs are taken up.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from skinlesion.data.store import Dataset, is_dataset, open_dataset, write_dataset
from skinlesion.folders import new_folder
from skinlesion.metrics.scores import score_all
from skinlesion.runs import RunDir
from skinlesion.tables import TRAIN, VAL, Manifest, Predictions

TEST = "isic2017-test"
TWINS = 595  # test images whose copies are in ISIC 2019's training set
DRAWS = 500  # balanced subsets
RECIPE = [
    "trainable=all",
    "freeze_batch_norm=true",
    "optimizer={name: adamw, learning_rate: 3.0e-4, weight_decay: 1.0e-2}",
    "loss={name: binary_crossentropy}",
    "early_stop_epochs=null",
]


@dataclass(frozen=True)
class Practice:
    """What a network may see of the test images."""

    twins: bool = False
    epoch_on_test: bool = False


PRACTICES = {
    "honest": Practice(),
    "twins in training": Practice(twins=True),
    "epoch chosen on test": Practice(epoch_on_test=True),
    "both": Practice(twins=True, epoch_on_test=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="of preprocess, ISIC 2017")
    parser.add_argument("--out", type=Path, required=True, help="folder of data sets and runs")
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    clean = open_dataset(given.dataset)
    print_header()
    for name, practice in PRACTICES.items():
        dataset = given.out / f"{name.replace(' ', '-')}-dataset"
        if not is_dataset(dataset):
            write_variant(clean, practice, dataset, np.random.default_rng(given.seed))
        run = train(dataset, given.out / name.replace(" ", "-"), given)
        print_row(name, run, np.random.default_rng(given.seed))


def write_variant(
    clean: Dataset, practice: Practice, folder: Path, rng: np.random.Generator
) -> None:
    """Write ``clean`` with more rows: twins of test images in train, the test images as val."""
    manifest, test = clean.manifest, clean.manifest.rows(TEST)
    parts, sources = [manifest], [np.arange(len(manifest))]
    twins = np.sort(rng.choice(test, TWINS, replace=False)) if practice.twins else test[:0]
    if practice.epoch_on_test:
        kept = np.flatnonzero(manifest.split != VAL)
        parts, sources = [manifest.take(kept)], [kept]
        parts.append(renamed(manifest.take(test), "chosen", VAL))
        sources.append(test)
    parts.append(renamed(manifest.take(twins), "twin", TRAIN))

    def pixels() -> Iterator[np.ndarray]:
        for row in np.concatenate(sources):
            yield clean.pixels.read(np.array([row]))[0]
        for row in twins:
            yield reencoded(clean.pixels.read(np.array([row]))[0])

    with new_folder(folder) as partial:
        write_dataset(
            partial,
            joined(parts),
            pixels(),
            size=clean.pixels.image_size,
            description={"settings": clean.info["settings"]},
        )


def renamed(manifest: Manifest, prefix: str, split: str) -> Manifest:
    """The same images under other names, each a group of its own, in ``split``."""
    names = np.array([f"{prefix}_{name}" for name in manifest.image_id.tolist()], dtype=np.str_)
    return replace(manifest, image_id=names, group=names, split=np.full(len(names), split))


def joined(parts: list[Manifest]) -> Manifest:
    names = Manifest.__dataclass_fields__
    return Manifest(
        *(np.concatenate([getattr(part, name) for part in parts if len(part)]) for name in names)
    )


def reencoded(pixels: np.ndarray) -> np.ndarray:
    """The image mirrored, cropped by a twentieth, rescaled and compressed: no hash finds it."""
    side = len(pixels)
    margin = side // 20
    image = Image.fromarray(pixels[:, ::-1]).crop((margin, margin, side - margin, side - margin))
    stream = io.BytesIO()
    image.resize((side, side), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=75)
    return np.asarray(Image.open(stream).convert("RGB"))


def train(dataset: Path, path: Path, given: argparse.Namespace) -> RunDir:
    run = RunDir(path)
    if run.is_finished():
        return run
    settings = [
        *RECIPE,
        f"model.image_size={given.image_size}",
        f"epochs={given.epochs}",
        f"seed={given.seed}",
    ]
    words = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "skinlesion", "train", "--config", "efficientnet_lite0.yaml"]
    where = ["--dataset", str(dataset), "--run", str(path), "--resume"]
    subprocess.run([*command, *where, *words], check=True, stdout=sys.stderr)
    return run


def print_header() -> None:
    print(
        "| what the network saw | ROC AUC | accuracy, threshold of val | threshold of test |"
        " balanced subsets, 0.5 | balanced subsets, threshold of each |"
    )
    print("|---|---|---|---|---|---|", flush=True)


def print_row(name: str, run: RunDir, rng: np.random.Generator) -> None:
    val = Predictions.read_csv(run.predictions(VAL))
    test = Predictions.read_csv(run.predictions(TEST))
    draws = [balanced_subset(test, rng) for _ in range(DRAWS)]
    at_half = np.mean([accuracy(y_true, y_prob, 0.5) for y_true, y_prob in draws])
    chosen = np.mean([accuracy(*draw, most_accurate(*draw)) for draw in draws])
    cells = [
        score_all(test.y_true, test.y_prob, threshold=0.5)["roc_auc"],
        accuracy(test.y_true, test.y_prob, most_accurate(val.y_true, val.y_prob)),
        accuracy(test.y_true, test.y_prob, most_accurate(test.y_true, test.y_prob)),
        at_half,
        chosen,
    ]
    print(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |", flush=True)


def balanced_subset(table: Predictions, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """All malignant images and as many benign ones."""
    malignant, benign = np.flatnonzero(table.y_true == 1), np.flatnonzero(table.y_true == 0)
    rows = np.concatenate([malignant, rng.choice(benign, len(malignant), replace=False)])
    return table.y_true[rows], table.y_prob[rows]


def most_accurate(y_true: np.ndarray, y_prob: np.ndarray) -> float:
    """The threshold of the highest accuracy; the highest of equals."""
    order = np.argsort(-y_prob, kind="stable")
    # Of the k most suspicious called malignant: right are their malignant and the others' benign.
    right = np.cumsum(np.where(y_true[order] == 1, 1, -1))
    is_end = np.append(np.diff(y_prob[order]) != 0, True)
    best = int(np.argmax(np.where(is_end, right, -len(right))))
    return float(y_prob[order][best]) if right[best] > 0 else float(np.nextafter(y_prob.max(), 2))


def accuracy(y_true: np.ndarray, y_prob: np.ndarray, threshold: float) -> float:
    return float(((y_prob >= threshold) == (y_true == 1)).mean())


if __name__ == "__main__":
    main()
