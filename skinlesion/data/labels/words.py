"""How a source's word is spelt before it is looked up, and the three classes there are."""

from __future__ import annotations

from typing import Literal

Kind = Literal["benign", "malignant", "indeterminate"]


def normalize(word: str) -> str:
    """``word`` in lower case, without apostrophes, with single spaces for ``_`` and ``-``."""
    plain = word.casefold().replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", "")
    return " ".join(plain.replace("_", " ").replace("-", " ").split())
