"""One word for a diagnosis that its source gives in levels, from the class to the subtype."""

from __future__ import annotations

from collections.abc import Sequence

from skinlesion.data.labels.table import DIAGNOSES, canonical
from skinlesion.errors import DataError


def deepest_words(
    levels: Sequence[tuple[str, ...]],
    image_ids: Sequence[str],
    *,
    where: str,
    binary: bool = False,
) -> list[str]:
    """The deepest level of each image that the table of diagnoses knows.

    An unknown level is never guessed, it falls back on the one above: at last on the class, a
    bare "benign", "malignant" or "indeterminate". All levels that are known must be of one class.

    Args:
        levels: One tuple an image: the class first, then ever finer diagnoses, "" for none.
        image_ids: One an image, for the error message.
        where: The table they are from, for the error message.
        binary: The first level knows only benign and malignant, so that an indeterminate
            diagnosis below it is no contradiction.

    Returns:
        Words as the source writes them; the class's word, whatever it is, if nothing is known;
        "" if no level says anything.

    Raises:
        DataError: If levels contradict each other.
    """
    kinds = {path: _kinds(path) for path in set(levels)}
    allowed = {"indeterminate"} if binary else set()
    wrong = [
        f"{image_id} ({' > '.join(filter(None, path))})"
        for image_id, path in zip(image_ids, levels, strict=True)
        if len(set(kinds[path].values()) - allowed) > 1
    ]
    if wrong:
        raise DataError(
            f"{where}: the levels of {len(wrong)} diagnoses contradict each other",
            expected="a diagnosis that is benign, malignant or indeterminate at every level",
            fix="correct those rows, or remove them",
            which=wrong,
        )
    words = {path: _deepest(path, kinds[path]) for path in kinds}
    return [words[path] for path in levels]


def _kinds(path: tuple[str, ...]) -> dict[str, str]:
    """The class of each level that is known, from the first to the deepest."""
    return {word: DIAGNOSES[canonical(word)] for word in path if canonical(word) in DIAGNOSES}


def _deepest(path: tuple[str, ...], known: dict[str, str]) -> str:
    return next(reversed(known), "") or next(filter(None, path), "")
