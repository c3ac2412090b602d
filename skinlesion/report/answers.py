"""Answers as lines of text, CSV, JSON or JSON Lines, written as they come; and taken up again."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from skinlesion.errors import DataError, IntegrityError

COLUMNS = (
    "path",
    "probability",
    "calibrated",
    "decision",
    "refer",
    "flags",
    "error",
    "threshold",
    "model",
)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Format:
    """How answers are written.

    Attributes:
        begin: Text before the first row.
        row: From a row, whose keys are ``COLUMNS``, and whether it is the first, to its text.
        end: Text after the last row, from whether there was any.
        read: From the bytes of one row to the row; None: the format cannot be gone on with.
    """

    begin: str
    row: Callable[[Row, bool], str]
    end: Callable[[bool], str]
    read: Callable[[bytes], dict[str, Any]] | None = None


def _csv_line(cells: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _csv_row(row: Row, is_first: bool) -> str:
    return _csv_line([_cell(row[name]) for name in COLUMNS])


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ";".join(value)
    return "" if value is None else str(value)


def _read_csv(line: bytes) -> dict[str, Any]:
    cells = next(csv.reader(io.StringIO(line.decode(errors="surrogateescape"), newline="")))
    return dict(zip(COLUMNS, cells, strict=True))


def _table_row(row: Row, is_first: bool) -> str:
    """Fixed columns, the path last, whatever is in it that a terminal would obey made visible."""
    path = "".join(letter if letter.isprintable() else "?" for letter in row["path"])
    if row["error"] is not None:
        return f"{'-':>11}  {'-':>10}  {'error':<14}  {'-':<5}  {path}  ({row['error']})\n"
    flags = f"  ({', '.join(row['flags'])})" if row["flags"] else ""
    numbers = f"{row['probability']:>11.4f}  {row['calibrated']:>10.4f}"
    refer = _cell(row["refer"]) or "-"
    return f"{numbers}  {row['decision']:<14}  {refer:<5}  {path}{flags}\n"


def _json_row(row: Row, is_first: bool) -> str:
    return f"{'' if is_first else ','}\n  {json.dumps(dict(row))}"


FORMATS = {
    "table": Format(
        f"{'probability':>11}  {'calibrated':>10}  {'decision':<14}  {'refer':<5}  path\n",
        _table_row,
        lambda _: "",
    ),
    "csv": Format(_csv_line(list(COLUMNS)), _csv_row, lambda _: "", _read_csv),
    "json": Format("[", _json_row, lambda any_row: "\n]\n" if any_row else "]\n"),
    "jsonl": Format("", lambda row, _: json.dumps(dict(row)) + "\n", lambda _: "", json.loads),
}


def finished_paths(path: Path, how: Format, *, model: str, threshold: str) -> set[str]:
    """Paths that ``path`` has an answer for; a row that was being written is cut off.

    Raises:
        IntegrityError: If the file holds answers of another model or threshold.
        DataError: If it is no file of answers.
    """
    assert how.read is not None
    done: set[str] = set()
    with path.open("r+b") as file:
        end = 0
        for line in _whole_rows(file):
            end += len(line)
            if how.begin and end == len(line):
                if line.decode(errors="replace") != how.begin:
                    raise _not_answers(path)
                continue
            try:
                row = how.read(line)
                given = (row["model"], row["threshold"])
                done.add(row["path"])
            except (ValueError, KeyError, TypeError, StopIteration) as error:
                raise _not_answers(path) from error
            if given != (model, threshold):
                raise IntegrityError(
                    f"{path} holds answers of model {given[0]} at {given[1]}",
                    expected=f"those of {model} at {threshold}: one file, one model",
                    fix="pass the same --model, --threshold and --tta, or another --out",
                )
        if end < path.stat().st_size:
            file.truncate(end)
            file.flush()
            os.fsync(file.fileno())
    return done


def _whole_rows(file: BinaryIO) -> Iterator[bytes]:
    """Rows that end in a newline outside of quotes."""
    row = b""
    for line in file:
        row += line
        if row.endswith(b"\n") and (row.startswith(b"{") or row.count(b'"') % 2 == 0):
            yield row
            row = b""


def _not_answers(path: Path) -> DataError:
    return DataError(
        f"{path} is not a file of answers that can be gone on with",
        expected=f"CSV with {','.join(COLUMNS)}, or JSON Lines with these keys",
        fix="choose another --out, or pass --overwrite to replace it",
    )
