"""The main job, end to end, through the command line: on drawn lesions and on real images."""

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest

from skinlesion import cli
from skinlesion.data.synthetic import write_synthetic

pytestmark = pytest.mark.tensorflow

ISIC2017 = Path(__file__).resolve().parents[2] / "shared" / "data" / "isic2017"


def type_command(monkeypatch, *words):
    """Run a command line in this process and in the working directory."""
    monkeypatch.setattr(sys, "argv", ["skinlesion", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert not stopped.value.code, f"skinlesion {words} exited with {stopped.value.code}"


def run_chain(monkeypatch, source, split, *, image_size):
    """What the README's tour does, with the smoke presets."""
    small = ["--set", f"model.image_size={image_size}", "--set", "epochs=2"]
    type_command(monkeypatch, "preprocess", "--source", source, "--set", f"image_size={image_size}")
    type_command(monkeypatch, "train", "--config", "smoke/efficientnet_lite0.yaml", *small)
    type_command(monkeypatch, "train", "--config", "smoke/alexnet.yaml", *small)
    type_command(
        monkeypatch,
        *("finetune", "--run", "runs/efficientnet_lite0", "--config", "smoke/finetune.yaml"),
        *("--set", "epochs=1", "--set", "trainable=1 blocks"),
    )
    type_command(monkeypatch, "ensemble", "--members", *sorted(Path("runs").iterdir()))
    type_command(monkeypatch, "evaluate", "--split", split)
    return json.loads(Path("reports", split, "leaderboard.json").read_text())


def check_leaderboard(board, *, images, malignant):
    rows = {row["name"]: row for row in board["rows"]}
    assert set(rows) == {
        "efficientnet_lite0",
        "efficientnet_lite0-ft",
        "alexnet",
        "ensemble",
        "always benign",
    }
    assert {(row["n"], row["positives"]) for row in rows.values()} == {(images, malignant)}
    for row in rows.values():
        auc = row["scores"]["roc_auc"]
        assert 0 <= auc["low"] <= auc["value"] <= auc["high"] <= 1
    benign = rows["always benign"]["scores"]["accuracy"]["value"]
    assert benign == pytest.approx(1 - malignant / images)


def check_run_folder(run, split):
    for name in ("config.yaml", "run.json", "split.csv"):
        assert (run / name).is_file()
    for name in ("confusion.png", "roc.png", "precision_recall.png"):
        assert (run / "eval" / split / "figures" / name).stat().st_size > 1000
    assert not (run / "state").exists()


def test_chain_on_drawn_lesions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_synthetic(Path("drawn"), count=120, size=64, seed=1)

    board = run_chain(monkeypatch, "drawn/labels.csv", "test", image_size=64)

    with open("drawn/labels.csv") as file:
        test = [row for row in csv.DictReader(file) if row["split"] == "test"]
    malignant = sum(row["label"] == "malignant" for row in test)
    check_leaderboard(board, images=len(test), malignant=malignant)
    for name in ("efficientnet_lite0", "efficientnet_lite0-ft", "alexnet"):
        check_run_folder(Path("runs", name), "test")
        assert Path("runs", name, "eval", "test", "figures", "training.png").is_file()
    check_run_folder(Path("runs", "ensemble"), "test")


@pytest.mark.real_data
@pytest.mark.skipif(not ISIC2017.is_dir(), reason="the real images (../shared/data) are absent")
def test_chain_on_real_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = copy_subset(ISIC2017, tmp_path / "isic2017", {"Training": 60, "Validation": 30})

    board = run_chain(monkeypatch, source, "isic2017-test", image_size=96)

    check_leaderboard(board, images=24, malignant=12)
    check_run_folder(Path("runs", "ensemble"), "isic2017-test")


def copy_subset(source, target, counts):
    """ISIC 2017's layout with a few images of each part, half of them melanomas."""
    for part, count in {**counts, "Test_v2": 24}.items():
        folder = f"ISIC-2017_{part}_Data"
        truth = f"ISIC-2017_{part}_Part3_GroundTruth.csv"
        (target / folder).mkdir(parents=True)
        header, *lines = (source / truth).read_text().splitlines()
        melanoma = [line for line in lines if line.split(",")[1] == "1.0"][: count // 2]
        other = [line for line in lines if line.split(",")[1] == "0.0"][: count // 2]
        for line in melanoma + other:
            shutil.copy(source / folder / f"{line.split(',')[0]}.jpg", target / folder)
        (target / truth).write_text("\n".join([header, *melanoma, *other]) + "\n")
    return target
