"""From a source's word for a lesion to our diagnosis, benign or malignant, melanoma or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from skinlesion.data.labels.levels import deepest_words
from skinlesion.data.labels.table import ALIASES, BARE, DIAGNOSES, PERHAPS_MELANOMA, canonical
from skinlesion.data.labels.words import Kind, normalize
from skinlesion.errors import ConfigError, DataError
from skinlesion.tables import UNKNOWN
from skinlesion.wording import counted

__all__ = [
    "ALIASES",
    "DIAGNOSES",
    "Kind",
    "Labels",
    "canonical",
    "deepest_words",
    "normalize",
    "read_labels",
]


@dataclass(frozen=True)
class Labels:
    """What the words of n images mean.

    Attributes:
        diagnosis: In our vocabulary or, for a class of the user's own, the user's word; shape (n,).
        label: 0 benign, 1 malignant, ``UNKNOWN`` (-1) for an image to exclude; shape (n,).
        melanoma: 1 for melanoma, 0 for any other diagnosis and for a bare "benign",
            ``UNKNOWN`` for a bare "malignant", a collision of a malignant lesion with another, or
            a malignant class of the user's own; shape (n,).
    """

    diagnosis: np.ndarray
    label: np.ndarray
    melanoma: np.ndarray


def read_labels(
    words: Sequence[str],
    image_ids: Sequence[str],
    *,
    classes: Mapping[str, Literal["benign", "malignant"]],
    indeterminate: Literal["exclude", "benign", "malignant"],
) -> Labels:
    """Look up every word; none is guessed.

    Args:
        words: One an image: a diagnosis, an abbreviation, ``benign``, ``malignant``, 0 or 1, in
            any case, with ``_`` or ``-`` for a space.
        image_ids: One an image, for the error message.
        classes: Words of the user's own; they go before the built-in ones. A built-in diagnosis
            among them means all words for it.
        indeterminate: What becomes of diagnoses that are neither benign nor malignant.

    Raises:
        ConfigError: If two names of ``classes`` are one word and contradict each other.
        DataError: If a word is unknown.
    """
    own = _own_classes(classes)
    _refuse_unknown(words, image_ids, own)
    meaning = {word: _meaning(word, own, indeterminate) for word in set(words)}
    rows = [meaning[word] for word in words]
    return Labels(
        diagnosis=np.array([row[0] for row in rows], dtype=np.str_),
        label=np.array([row[1] for row in rows], dtype=np.int64),
        melanoma=np.array([row[2] for row in rows], dtype=np.int64),
    )


def _own_classes(classes: Mapping[str, Literal["benign", "malignant"]]) -> dict[str, Kind]:
    own: dict[str, Kind] = {}
    for name, kind in classes.items():
        if own.setdefault(normalize(name), kind) != kind:
            raise ConfigError(
                f"classes: {name} is both benign and malignant",
                expected="each class once; case, '_' and '-' make no difference",
            )
    return own


def _refuse_unknown(words: Sequence[str], ids: Sequence[str], own: Mapping[str, Kind]) -> None:
    unknown = {
        word
        for word in set(words)
        if normalize(word) not in own and canonical(word) not in {*own, *DIAGNOSES}
    }
    if not unknown:
        return
    counts = Counter(word for word in words if word in unknown)
    first = dict(zip(reversed(words), reversed(ids), strict=True))
    example = min(unknown) or "NAME"
    examples = [name for name in DIAGNOSES if name not in BARE][:3]
    raise DataError(
        f"{counted(len(unknown), 'unknown class name')},"
        f" of {counted(sum(counts.values()), 'image')}",
        expected=f"a diagnosis, such as {', '.join(examples)}, or benign or malignant",
        fix=f"say what they are in the config: classes: {{{example}: benign}} (or malignant)",
        which=[
            f"{word or '(empty)'} ({counted(count, 'image')}, first {first[word]})"
            for word, count in sorted(counts.items())
        ],
    )


def _meaning(word: str, own: Mapping[str, Kind], indeterminate: str) -> tuple[str, int, int]:
    diagnosis = canonical(word)
    kind = own.get(normalize(word)) or own.get(diagnosis) or DIAGNOSES[diagnosis]
    if kind == "indeterminate" and indeterminate != "exclude":
        kind = "benign" if indeterminate == "benign" else "malignant"
    label = {"benign": 0, "malignant": 1, "indeterminate": UNKNOWN}[kind]
    named = diagnosis in DIAGNOSES and diagnosis not in PERHAPS_MELANOMA
    if diagnosis == "melanoma":
        return diagnosis, label, 1
    return diagnosis, label, 0 if named or kind == "benign" else UNKNOWN
