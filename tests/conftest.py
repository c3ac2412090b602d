"""Shared fixtures: fabricated runs, a typed command line, and the real data."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fabricated import TEST, VAL, predictions
from hypothesis import settings

from skinlesion import cli
from skinlesion.runs import RunDir, write_json
from skinlesion.tables import write_rows

# A law is tried on so many examples unless its test says otherwise.
settings.register_profile("quick", max_examples=30, deadline=None)
settings.load_profile("quick")

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def make_run(tmp_path):
    """A function that fabricates a finished run of train in ``tmp_path/runs``."""

    def make(name, *, val=VAL, test=TEST, train=("t0", "t1"), **record):
        run = RunDir(tmp_path / "runs" / name)
        (run.path / "predictions").mkdir(parents=True)
        tables = {"val": val, "test": test}
        for split, rows in tables.items():
            if rows:
                predictions(rows).write_csv(run.predictions(split))
        used = [(image, image, "train") for image in train]
        used += [(image, image, split) for split, rows in tables.items() for image in rows or ()]
        write_rows(run.split, ["image_id", "group", "split"], used)
        run.config.write_text("monitor: val_auc\n")
        history = [(0, 0.7, 0.8, 0.6), (1, 0.6, 0.7, 0.8)]
        write_rows(run.history, ["epoch", "loss", "val_loss", "val_auc"], history)
        given = {
            "kind": "train",
            "status": "finished",
            "target": "malignant",
            "classes": ["benign", "malignant"],
            "backbone": "resnet50",
            "seed": 0,
        }
        write_json(run.record_file, {**given, **record})
        return run

    return make


@pytest.fixture
def type_command(monkeypatch, capsys, tmp_path):
    """A function that types a command line in ``tmp_path``: its exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def type_words(*words):
        monkeypatch.setattr(sys, "argv", ["skinlesion", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        shown = capsys.readouterr()
        return SimpleNamespace(code=stopped.value.code or 0, out=shown.out, err=shown.err)

    return type_words


@pytest.fixture
def unrendered(monkeypatch):
    """Figures are not drawn: an empty file each, for speed."""
    from skinlesion.report import figures

    for name in ("confusion", "roc", "precision_recall", "training"):
        monkeypatch.setattr(figures, f"{name}_figure", lambda *_, **__: None)
    monkeypatch.setattr(figures, "save", lambda figure, path: path.touch())


@pytest.fixture(scope="module")
def tiny_backbone():
    """Within the module ``efficientnet_lite0`` is a network of three small blocks."""
    from training_fixtures import use_tiny_backbone  # imports TensorFlow

    with pytest.MonkeyPatch.context() as monkeypatch:
        use_tiny_backbone(monkeypatch)
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A fabricated data set folder of 40 lesions, one for the module."""
    from training_fixtures import write_lesions  # imports TensorFlow

    return write_lesions(tmp_path_factory.mktemp("data") / "dataset")


@pytest.fixture(scope="session")
def real_data():
    """The folder of the real images; without it the test is skipped."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data in {REAL_DATA}")
    return REAL_DATA
