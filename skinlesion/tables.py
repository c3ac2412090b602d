"""Manifest and Predictions: the two tables at which stages meet; both check themselves."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np

from skinlesion.errors import DataError
from skinlesion.folders import atomic_path
from skinlesion.wording import counted

TRAIN, VAL, TEST = "train", "val", "test"
# In split.csv of a cross-validation: trained on by all folds but the one that predicts it.
OUT_OF_FOLD = "out_of_fold"
TARGETS = ("malignant", "melanoma")
UNKNOWN = -1


@dataclass(frozen=True)
class Manifest:
    """One row an image; row ``i`` of the pixel store is row ``i`` here.

    Attributes:
        image_id: Unique name of the image.
        path: Where it was read from, relative to its source's root.
        label: 0 benign, 1 malignant.
        melanoma: 0 or 1; ``UNKNOWN`` (-1, an empty cell on disk) where the source does not say.
        group: Patient, else lesion, else image: never divided between splits.
        split: ``train``, ``val``, ``test`` or a benchmark's name.
        diagnosis: The source's word for it, in our vocabulary; "" if unknown.
        source: Name of the source.
    """

    image_id: np.ndarray
    path: np.ndarray
    label: np.ndarray
    melanoma: np.ndarray
    group: np.ndarray
    split: np.ndarray
    diagnosis: np.ndarray
    source: np.ndarray

    def __post_init__(self) -> None:
        sizes = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(sizes.values())) != 1:
            raise DataError(f"columns of unequal length in a manifest: {sizes}")
        refuse_duplicates(self.image_id, where="the manifest")
        _refuse_values("label", self.label, (0, 1), self.image_id)
        _refuse_values("melanoma", self.melanoma, (UNKNOWN, 0, 1), self.image_id)
        self._refuse_divided_groups()

    def __len__(self) -> int:
        return len(self.image_id)

    def _refuse_divided_groups(self) -> None:
        pairs = {*zip(self.group.tolist(), self.split.tolist(), strict=True)}
        counts = Counter(group for group, _ in pairs)
        divided = sorted(group for group, count in counts.items() if count > 1)
        if divided:
            raise DataError(
                f"{counted(len(divided), 'group')} divided between splits",
                expected="all images of one patient or lesion in one split",
                which=divided,
            )

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of ``split``, ascending; empty if there is no such split."""
        return np.flatnonzero(self.split == split)

    def target(self, name: str) -> np.ndarray:
        """Labels of target ``name`` (one of ``TARGETS``), shape (n,), int64.

        Raises:
            DataError: If a row does not say whether it is melanoma.
        """
        if name == "malignant":
            return self.label
        unknown = self.image_id[self.melanoma == UNKNOWN]
        if len(unknown):
            raise DataError(
                f"target melanoma: {counted(len(unknown), 'image')} not labelled melanoma or not",
                expected="a diagnosis (melanoma, nevus, ...) for every image",
                fix="train with target: malignant, or preprocess sources that give diagnoses",
                which=unknown.tolist(),
            )
        return self.melanoma

    def take(self, rows: np.ndarray) -> Manifest:
        """The manifest of ``rows``, in that order."""
        return Manifest(*(getattr(self, field.name)[rows] for field in fields(self)))

    def write_csv(self, path: Path) -> None:
        """Write all columns to ``path``."""
        melanoma = ["" if value == UNKNOWN else int(value) for value in self.melanoma]
        columns = [
            melanoma if field.name == "melanoma" else getattr(self, field.name)
            for field in fields(self)
        ]
        write_rows(path, [field.name for field in fields(self)], zip(*columns, strict=True))

    @classmethod
    def read_csv(cls, path: Path) -> Self:
        """Read what ``write_csv`` wrote.

        Raises:
            DataError: If the file is missing, lacks a column or breaks a rule of the table.
        """
        names = [field.name for field in fields(cls)]
        table = read_columns(path, required=names)
        columns: list[np.ndarray] = []
        for name in names:
            if name in ("label", "melanoma"):
                columns.append(_integers(path, name, table[name]))
            else:
                columns.append(np.array(table[name], dtype=np.str_))
        return cls(*columns)


@dataclass(frozen=True)
class Predictions:
    """What a model says of each image of one split.

    Attributes:
        image_id: Shape (n,).
        group: Shape (n,); images of one group are resampled together.
        y_true: Labels, shape (n,), 1 for the target class.
        y_prob: Probability of the target class, shape (n,), in [0, 1].
    """

    image_id: np.ndarray
    group: np.ndarray
    y_true: np.ndarray
    y_prob: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.image_id) == len(self.group) == len(self.y_true) == len(self.y_prob):
            raise DataError("columns of unequal length in a table of predictions")
        refuse_duplicates(self.image_id, where="the predictions")
        _refuse_values("y_true", self.y_true, (0, 1), self.image_id)
        bad = ~((self.y_prob >= 0) & (self.y_prob <= 1))
        if bad.any():
            raise DataError(
                f"{counted(int(bad.sum()), 'value')} of y_prob not in [0, 1]",
                expected="numbers from 0 to 1",
                which=self.image_id[bad].tolist(),
            )

    def __len__(self) -> int:
        return len(self.image_id)

    def write_csv(self, path: Path) -> None:
        """Write ``image_id,group,y_true,y_prob``; probabilities survive the round trip exactly."""
        rows = zip(
            self.image_id,
            self.group,
            self.y_true.tolist(),
            [repr(value) for value in self.y_prob.astype(np.float64).tolist()],
            strict=True,
        )
        write_rows(path, ["image_id", "group", "y_true", "y_prob"], rows)

    @classmethod
    def read_csv(cls, path: Path, *, score_column: str = "y_prob") -> Self:
        """Read ``image_id,y_true,y_prob`` and optionally ``group`` (else each image is its own).

        Args:
            path: The file.
            score_column: Where another program's file has the probabilities.

        Raises:
            DataError: If the file is missing, lacks a column or breaks a rule of the table.
        """
        table = read_columns(path, required=["image_id", "y_true", score_column])
        image_id = np.array(table["image_id"], dtype=np.str_)
        group = np.array(table["group"], dtype=np.str_) if "group" in table else image_id
        y_true = _integers(path, "y_true", table["y_true"])
        return cls(image_id, group, y_true, floats(path, score_column, table[score_column]))


def read_columns(
    path: Path, *, required: Sequence[str], may_be_empty: bool = False
) -> dict[str, list[str]]:
    """The columns of a CSV with a header, by name, cells stripped of surrounding space.

    Args:
        path: The file.
        required: Columns it must have.
        may_be_empty: Whether a header alone will do.

    Raises:
        DataError: If the file is missing, is not UTF-8 CSV, is empty, has a ragged row or a
            column twice, or lacks a required column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            rows, lines = [], []
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(reader.line_num)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", expected="a CSV file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a readable CSV file: {error}") from error
    if len(rows) < (1 if may_be_empty else 2):
        raise DataError(f"{path} has no rows", expected=f"a header with {', '.join(required)}")
    header = [name.strip() for name in rows[0]]
    missing = [name for name in required if name not in header]
    if missing:
        raise DataError(
            f"{path} lacks the column {', '.join(missing)}",
            expected=f"columns {', '.join(required)}",
            fix=f"it has {', '.join(header)}",
        )
    twice = sorted(name for name, count in Counter(header).items() if name and count > 1)
    if twice:
        raise DataError(f"{path} has the column {', '.join(twice)} twice", expected="it once")
    ragged = [line for line, row in zip(lines, rows, strict=True) if len(row) != len(header)]
    if ragged:
        raise DataError(
            f"{path} has rows with another number of cells than its header",
            expected=counted(len(header), "cell"),
            which=[f"line {line}" for line in ragged],
        )
    return {
        name: [row[index].strip() for row in rows[1:]] for index, name in enumerate(header) if name
    }


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV with ``header``, whole or not at all."""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def refuse_duplicates(ids: np.ndarray | Sequence[str], *, where: str) -> None:
    """Raise DataError naming the ids that occur more than once."""
    twice = sorted(name for name, count in Counter(map(str, ids)).items() if count > 1)
    if twice:
        raise DataError(
            f"{counted(len(twice), 'image id')} more than once in {where}",
            expected="every image_id once",
            fix="remove or rename the repeated rows",
            which=twice,
        )


def floats(path: Path, name: str, cells: Sequence[str]) -> np.ndarray:
    """The cells of column ``name`` as float64, shape (n,); DataError names the first bad line."""
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError as error:
        raise DataError(f"{path}: column {name}: {error}", expected="numbers") from None


def _integers(path: Path, name: str, cells: Sequence[str]) -> np.ndarray:
    values = floats(path, name, [cell or str(UNKNOWN) for cell in cells])
    whole = (np.abs(values) < 2**53) & (values == np.round(values))
    if not whole.all():
        raise DataError(f"{path}: column {name} holds other than whole numbers", expected="0 or 1")
    return values.astype(np.int64)


def _refuse_values(name: str, values: np.ndarray, allowed: Sequence[int], ids: np.ndarray) -> None:
    bad = ~np.isin(values, allowed)
    if bad.any():
        raise DataError(
            f"{counted(int(bad.sum()), 'value')} of {name} not among"
            f" {', '.join(map(str, allowed))}",
            which=ids[bad].tolist(),
        )
