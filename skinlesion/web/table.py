"""Answers as CSV, as the page also writes it."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from skinlesion.web.served import Answers

COLUMNS = ("file", "probability", "low", "high", "calibrated", "decision", "refer", "flags",
               "error", "threshold", "model")  # fmt: skip
# A spreadsheet would compute what begins like this; the last four are =+-@ as wide letters.
COMPUTED = re.compile(r"\s*[=+\-@\t\uff1d\uff0b\uff0d\uff20]")


def to_csv(answers: Answers) -> str:
    """A head, and a line for each file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in answers.answers:
        values = {**row.model_dump(), "threshold": answers.threshold, "model": answers.model}
        writer.writerow([_cell(values[name]) for name in COLUMNS])
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ";".join(value)
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and COMPUTED.match(text) else text
