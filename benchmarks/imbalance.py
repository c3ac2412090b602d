"""What each remedy for class imbalance does to the ROC AUC on ISIC 2017, at one budget for all.

python benchmarks/imbalance.py --dataset dataset --out runs/imbalance     # prints a Markdown table

``--dataset`` is what preprocess made of ISIC 2017. EfficientNet-Lite0 is fine-tuned whole from its
ImageNet weights with every remedy and seed: one recipe, one number of images an epoch, the best
epoch chosen by the validation AUC. Finished runs are taken up; ``results.csv`` gets a row as each
comes to its end. The test images are scored at the end, and nothing is chosen by them. The
comparison with plain cross-entropy is DeLong's test of the mean probability over the seeds, its p
after Holm's correction over the remedies.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

import numpy as np

from skinlesion.config import TrainConfig, load_config, to_yaml
from skinlesion.metrics.comparison import holm
from skinlesion.metrics.delong import DelongTest, delong_test
from skinlesion.metrics.scores import score_all
from skinlesion.runs import RunDir
from skinlesion.tables import VAL, Predictions

CONFIG = "efficientnet_lite0.yaml"
RECIPE = [
    "trainable=all",
    "freeze_batch_norm=true",
    "optimizer={name: adamw, learning_rate: 1.0e-4, weight_decay: 1.0e-2}",
    "early_stop_epochs=null",
]
PLAIN = "plain cross-entropy"
CROSSENTROPY = "loss={name: binary_crossentropy}"
REMEDIES = {
    PLAIN: [CROSSENTROPY],
    "focal": ["loss={name: focal}"],
    "focal, balanced weights": ["loss={name: focal, class_weight: balanced}"],
    "balanced weights": ["loss={name: weighted_crossentropy, class_weight: balanced}"],
    "effective number": ["loss={name: weighted_crossentropy, class_weight: effective_number}"],
    "balanced sampler": [CROSSENTROPY, "sampling={name: balanced}"],
    "logit adjustment": ["loss={name: logit_adjusted}"],
}
COLUMNS = ["remedy", "seed", "val_auc", "best_epoch", "seconds", "run"]

Runs = dict[str, list[RunDir]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="of preprocess, ISIC 2017")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and results.csv")
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3, help="so many, from 0 on")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--split", default="isic2017-test")
    parser.add_argument("--only", action="append", choices=REMEDIES, help="repeat for several")
    parser.add_argument("--set", action="append", default=[], help="key=value of train, for all")
    given = parser.parse_args()
    chosen = [name for name in REMEDIES if name in (given.only or REMEDIES)]
    runs: Runs = {name: [] for name in chosen}
    for seed in range(given.seeds):
        for name in chosen:
            runs[name].append(train(name, seed, given))
            add_row(given.out / "results.csv", name, seed, runs[name][-1])
    print_table(runs, given.split)


def train(name: str, seed: int, given: argparse.Namespace) -> RunDir:
    """The finished run of a remedy and a seed, trained if it is not there."""
    run = RunDir(given.out / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}")
    settings = [
        *RECIPE,
        *REMEDIES[name],
        f"dataset={given.dataset}",
        f"model.image_size={given.image_size}",
        f"epochs={given.epochs}",
        f"batch_size={given.batch}",
        f"seed={seed}",
        *given.set,
    ]
    if run.is_finished():
        if run.config.read_text() != to_yaml(load_config(Path(CONFIG), TrainConfig, settings)):
            raise SystemExit(f"{run.path} was made with other settings: choose another --out")
        return run
    words = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "skinlesion", "train", "--config", CONFIG]
    where = ["--run", str(run.path), "--resume"]
    subprocess.run([*command, *where, *words], check=True, stdout=sys.stderr)
    return run


def add_row(path: Path, name: str, seed: int, run: RunDir) -> None:
    """Append a run to the CSV, unless it stands there."""
    is_new = not path.exists()
    if not is_new:
        with path.open(newline="") as file:
            if any(row["run"] == run.path.name for row in csv.DictReader(file)):
                return
    record = run.record()
    best = record["best"]
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(COLUMNS)
        cells = [f"{best['val_auc']:.4f}", best["epoch"], record["seconds"], run.path.name]
        writer.writerow([name, seed, *cells])


def print_table(runs: Runs, split: str) -> None:
    print(
        "| remedy | val AUC, mean (sd) | test AUC, mean (sd) | test sensitivity at 0.5 |"
        " test specificity at 0.5 | test AUC of the seeds' mean | minus plain | p (Holm) |"
    )
    print("|---|---|---|---|---|---|---|---|")
    tests = {name: compared(runs[name], runs[PLAIN], split) for name in runs if PLAIN in runs}
    remedies = [name for name in tests if name != PLAIN]
    corrected = dict(
        zip(remedies, holm([tests[name].p for name in remedies]), strict=True),
    )
    for name, of_seeds in runs.items():
        val, test = scored(of_seeds, VAL), scored(of_seeds, split)
        y_true, y_prob, _ = together(of_seeds, split)
        cells = [
            mean_and_sd(val["roc_auc"]),
            mean_and_sd(test["roc_auc"]),
            f"{test['sensitivity'].mean():.3f}",
            f"{test['specificity'].mean():.3f}",
            f"{score_all(y_true, y_prob, threshold=0.5)['roc_auc']:.3f}",
        ]
        if name in corrected:
            difference = tests[name].difference
            interval = f"({difference.low:+.3f} to {difference.high:+.3f})"
            cells += [f"{difference.value:+.3f} {interval}", f"{corrected[name]:.3f}"]
        else:
            cells += ["", ""]
        print(f"| {name} | " + " | ".join(cells) + " |")


def scored(runs: list[RunDir], split: str) -> dict[str, np.ndarray]:
    """Every score by name, shape (seeds,)."""
    tables = [Predictions.read_csv(run.predictions(split)) for run in runs]
    scores = [score_all(table.y_true, table.y_prob, threshold=0.5) for table in tables]
    return {name: np.array([row[name] for row in scores]) for name in scores[0]}


def together(runs: list[RunDir], split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, mean probability over the runs, and groups."""
    tables = [Predictions.read_csv(run.predictions(split)) for run in runs]
    mean = np.mean([table.y_prob for table in tables], axis=0)
    return tables[0].y_true, mean, tables[0].group


def compared(runs: list[RunDir], others: list[RunDir], split: str) -> DelongTest:
    """DeLong's test of the runs' mean against that of others."""
    y_true, first, group = together(runs, split)
    _, second, _ = together(others, split)
    return delong_test(y_true, first, second, confidence=0.95, group=group)


def mean_and_sd(values: np.ndarray) -> str:
    spread = f"{values.std(ddof=1):.3f}" if len(values) > 1 else "-"
    return f"{values.mean():.3f} ({spread})"


if __name__ == "__main__":
    main()
