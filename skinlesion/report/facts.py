"""What is recorded of a model and its data, for the report: nothing is guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skinlesion.config import YoudenThreshold, read_yaml
from skinlesion.data.store import Dataset, open_dataset
from skinlesion.errors import SkinlesionError
from skinlesion.report.subjects import Foreign, Subject, fitted_threshold
from skinlesion.runs import RunDir, environment, read_json
from skinlesion.tables import OUT_OF_FOLD, TRAIN, VAL, Predictions, read_columns

Open = Callable[[Path], Dataset]
YOUDEN = YoudenThreshold(rule="youden")


@dataclass(frozen=True)
class Member:
    """A member of an ensemble on the split.

    Attributes:
        name: Of its folder.
        backbone: Its architecture; "" if it is not recorded.
        threshold: Where it calls malignant: Youden on its own val, else 0.5.
        y_prob: By image id; None if its predictions are not at hand.
    """

    name: str
    backbone: str
    threshold: float = 0.5
    y_prob: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Facts:
    """What is known of a model beside its predictions; empty where nothing is.

    Attributes:
        record: Its ``run.json``.
        config: Its ``config.yaml`` as text.
        settings: The same as values.
        model: Its ``model.json``; of tta the one of the run it asked.
        splits: Images by split, as the run used them.
        learnt_from_split: How many images of the split it learnt from; None: not known.
        dataset: Its data set, if it is at hand and unchanged.
        dataset_note: Why it is not.
        members: Of an ensemble.
        evaluation: Versions and command line of this evaluation.
    """

    record: Mapping[str, Any] = field(default_factory=dict)
    config: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    splits: Mapping[str, int] = field(default_factory=dict)
    learnt_from_split: int | None = None
    dataset: Dataset | None = None
    dataset_note: str = ""
    members: Sequence[Member] = ()
    evaluation: Mapping[str, Any] = field(default_factory=environment)

    @property
    def info(self) -> Mapping[str, Any]:
        """The content of the data set's ``dataset.json``; empty if it is not at hand."""
        return self.dataset.info if self.dataset else {}

    def pixels(self, image_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """The stored pixels of those of the images that are at hand, by id."""
        if self.dataset is None:
            return {}
        rows = np.flatnonzero(np.isin(self.dataset.manifest.image_id, list(image_ids)))
        found = self.dataset.pixels.read(rows)
        ids = self.dataset.manifest.image_id[rows].tolist()
        return dict(zip(ids, found, strict=True))

    def diagnoses(self, image_ids: Sequence[str]) -> dict[str, str]:
        """The diagnoses of those of the images that the data set has, by id."""
        if self.dataset is None:
            return {}
        manifest = self.dataset.manifest
        rows = np.flatnonzero(np.isin(manifest.image_id, list(image_ids)))
        pairs = zip(
            manifest.image_id[rows].tolist(), manifest.diagnosis[rows].tolist(), strict=True
        )
        return dict(pairs)


def opener() -> Open:
    """``open_dataset`` that opens each folder once."""
    opened: dict[Path, Dataset] = {}

    def open_once(path: Path) -> Dataset:
        if path not in opened:
            opened[path] = open_dataset(path)
        return opened[path]

    return open_once


def gather(subject: Subject, split: str, foreign: Foreign | None, open_: Open) -> Facts:
    """What is recorded of ``subject``.

    Args:
        subject: What is scored.
        split: On which split.
        foreign: Where it comes from, if it is no run.
        open_: What ``opener`` returned.
    """
    run = subject.run
    if run is None:
        path = foreign.dataset if foreign else None
        dataset, note = _dataset(path, "", open_)
        return Facts(dataset=dataset, dataset_note=note)
    record = run.record()
    settings = _values(run.config)
    members = [_member(entry, run, split) for entry in _entries(run)]
    path, fingerprint = _where(settings, record, run)
    dataset, note = _dataset(path, fingerprint, open_)
    used = read_columns(run.split, required=["image_id", "split"])
    learnt = {
        image_id
        for image_id, name in zip(used["image_id"], used["split"], strict=True)
        if name == TRAIN or (name in (VAL, OUT_OF_FOLD) and split != VAL)
    }
    return Facts(
        record=record,
        config=run.config.read_text(encoding="utf-8") if run.config.exists() else "",
        settings=settings,
        model=_model(run, record),
        splits=dict(Counter(used["split"])),
        learnt_from_split=len(learnt & set(subject.test.image_id.tolist())),
        dataset=dataset,
        dataset_note=note,
        members=members,
    )


def _dataset(path: Path | None, fingerprint: str, open_: Open) -> tuple[Dataset | None, str]:
    if path is None:
        return None, "No data set is recorded."
    try:
        dataset = open_(path)
    except (SkinlesionError, OSError):
        return None, f"The data set {path} is not at hand, or was changed."
    if fingerprint and dataset.fingerprint != fingerprint:
        return None, f"{path} is another data set than the one the model was trained on."
    return dataset, ""


def _where(
    settings: Mapping[str, Any], record: Mapping[str, Any], run: RunDir
) -> tuple[Path | None, str]:
    """Folder and fingerprint of the run's data set; an ensemble's are its first member's."""
    if settings.get("dataset"):
        return _at_hand(Path(str(settings["dataset"])), run), str(record.get("dataset") or "")
    for entry in _entries(run):
        member = RunDir(_at_hand(Path(str(entry.get("path", ""))), run))
        inner = _values(member.config)
        if inner.get("dataset"):
            path = _at_hand(Path(str(inner["dataset"])), member)
            return path, str(entry.get("dataset") or "")
    return None, ""


def _model(run: RunDir, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ``model.json`` of the run, or of the one it averages views of."""
    if record.get("kind") == "tta" and record.get("parent"):
        run = RunDir(_at_hand(Path(str(record["parent"])), run))
    model = read_json(run.model) if run.model.exists() else {}
    # Another run may have taken the parent's place since.
    return model if model.get("backbone") in (None, record.get("backbone")) else {}


def _at_hand(path: Path, run: RunDir) -> Path:
    """The path as recorded, or, from another working directory, beside the folder of runs."""
    beside = run.path.parent.parent / path
    return beside if not path.exists() and beside.exists() else path


def _entries(run: RunDir) -> list[Mapping[str, Any]]:
    return read_json(run.members).get("members", []) if run.members.exists() else []


def _member(entry: Mapping[str, Any], ensemble: RunDir, split: str) -> Member:
    run = RunDir(_at_hand(Path(str(entry.get("path", ""))), ensemble))
    backbone = str(entry.get("backbone") or "")
    try:
        table = Predictions.read_csv(run.predictions(split))
        val = Predictions.read_csv(run.predictions(VAL))
    except SkinlesionError:
        return Member(run.name, backbone)
    both = 0 < val.y_true.sum() < len(val)
    threshold = fitted_threshold(YOUDEN, val)[0] if both else 0.5
    y_prob = dict(zip(table.image_id.tolist(), table.y_prob.tolist(), strict=True))
    return Member(run.name, backbone, threshold, y_prob)


def _values(config: Path) -> Mapping[str, Any]:
    return read_yaml(config) if config.exists() else {}
