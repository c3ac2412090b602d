"""From a source's word for a lesion to our diagnosis, benign or malignant, melanoma or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from skinlesion.errors import ConfigError, DataError
from skinlesion.tables import UNKNOWN

Kind = Literal["benign", "malignant", "indeterminate"]

# Bare answers: they say the class without saying what the lesion is.
BARE: dict[str, Kind] = {"benign": "benign", "malignant": "malignant"}

DIAGNOSES: dict[str, Kind] = {
    **BARE,
    "nevus": "benign",
    "seborrheic keratosis": "benign",
    "benign keratosis": "benign",
    "lichenoid keratosis": "benign",
    "lentigo": "benign",
    "solar lentigo": "benign",
    "dermatofibroma": "benign",
    "vascular lesion": "benign",
    "melanoma": "malignant",
    "basal cell carcinoma": "malignant",
    "squamous cell carcinoma": "malignant",
    "merkel cell carcinoma": "malignant",
    "actinic keratosis": "indeterminate",
    # HAM10000's akiec mixes actinic keratosis with Bowen's disease (Tschandl et al. 2018);
    # ISIC 2019 calls 197 of its 327 images carcinoma.
    "actinic keratosis or intraepithelial carcinoma": "indeterminate",
    "atypical melanocytic proliferation": "indeterminate",
}

ALIASES: dict[str, str] = {
    **{"0": "benign", "0.0": "benign", "1": "malignant", "1.0": "malignant"},
    **dict.fromkeys(["nv", "nev", "naevus", "nevi", "naevi", "mole"], "nevus"),
    **dict.fromkeys(["melanocytic nevus", "melanocytic nevi", "melanocytic naevus"], "nevus"),
    **dict.fromkeys(["common nevus", "atypical nevus", "dysplastic nevus"], "nevus"),
    **dict.fromkeys(["spitz nevus", "blue nevus", "congenital nevus"], "nevus"),
    **dict.fromkeys(["mel", "malignant melanoma", "melanoma in situ"], "melanoma"),
    **dict.fromkeys(["invasive melanoma", "lentigo maligna", "melanoma metastasis"], "melanoma"),
    **dict.fromkeys(["sk", "sek", "seborrhoeic keratosis"], "seborrheic keratosis"),
    **dict.fromkeys(["bkl", "pigmented benign keratosis"], "benign keratosis"),
    **dict.fromkeys(["benign keratosis like lesions"], "benign keratosis"),
    **dict.fromkeys(["lichen planus like keratosis", "lplk"], "lichenoid keratosis"),
    **dict.fromkeys(["lentigo simplex", "lentigo nos"], "lentigo"),
    "df": "dermatofibroma",
    **dict.fromkeys(["vasc", "vascular", "vascular lesions", "angioma"], "vascular lesion"),
    **dict.fromkeys(["hemangioma", "haemangioma", "angiokeratoma"], "vascular lesion"),
    **dict.fromkeys(["pyogenic granuloma", "cherry angioma"], "vascular lesion"),
    "bcc": "basal cell carcinoma",
    **dict.fromkeys(["scc", "squamous cell carcinoma in situ"], "squamous cell carcinoma"),
    **dict.fromkeys(["bowen disease", "bowens disease"], "squamous cell carcinoma"),
    **dict.fromkeys(["ak", "ack", "solar keratosis", "actinic keratoses"], "actinic keratosis"),
    "akiec": "actinic keratosis or intraepithelial carcinoma",
    "aimp": "atypical melanocytic proliferation",
    "atypical intraepithelial melanocytic proliferation": "atypical melanocytic proliferation",
}


@dataclass(frozen=True)
class Labels:
    """What the words of n images mean.

    Attributes:
        diagnosis: In our vocabulary or, for a class of the user's own, the user's word; shape (n,).
        label: 0 benign, 1 malignant, ``UNKNOWN`` (-1) for an image to exclude; shape (n,).
        melanoma: 1 for melanoma, 0 for any other diagnosis and for a bare "benign",
            ``UNKNOWN`` for a bare "malignant" or a malignant class of the user's own; shape (n,).
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
        classes: Words of the user's own; they go before the built-in ones.
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


def normalize(word: str) -> str:
    """``word`` in lower case, without apostrophes, with single spaces for ``_`` and ``-``."""
    plain = word.casefold().replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", "")
    return " ".join(plain.replace("_", " ").replace("-", " ").split())


def canonical(word: str) -> str:
    """The diagnosis that ``word`` stands for, else the normalized word itself."""
    plain = normalize(word)
    return ALIASES.get(plain, plain)


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
        if normalize(word) not in own and canonical(word) not in DIAGNOSES
    }
    if not unknown:
        return
    counts = Counter(word for word in words if word in unknown)
    first = dict(zip(reversed(words), reversed(ids), strict=True))
    example = min(unknown) or "NAME"
    raise DataError(
        f"{len(unknown)} class names are unknown, of {sum(counts.values())} images",
        expected=f"a diagnosis, such as {', '.join(list(DIAGNOSES)[2:5])}, or benign or malignant",
        fix=f"say what they are in the config: classes: {{{example}: benign}} (or malignant)",
        which=[
            f"{word or '(empty)'} ({count} images, first {first[word]})"
            for word, count in sorted(counts.items())
        ],
    )


def _meaning(word: str, own: Mapping[str, Kind], indeterminate: str) -> tuple[str, int, int]:
    diagnosis = canonical(word)
    kind = own.get(normalize(word)) or DIAGNOSES[diagnosis]
    if kind == "indeterminate" and indeterminate != "exclude":
        kind = "benign" if indeterminate == "benign" else "malignant"
    label = {"benign": 0, "malignant": 1, "indeterminate": UNKNOWN}[kind]
    named = diagnosis in DIAGNOSES and diagnosis not in BARE
    if diagnosis == "melanoma":
        return diagnosis, label, 1
    return diagnosis, label, 0 if named or kind == "benign" else UNKNOWN
