"""Which images belong together: those of a patient, else a lesion, else a cluster of copies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skinlesion.errors import DataError
from skinlesion.wording import counted

RESAMPLED = "_downsampled"  # what ISIC 2019 appends to the id of an image that it has reduced


def resolve_groups(
    image_id: np.ndarray,
    patient: np.ndarray,
    lesion: np.ndarray,
    *,
    links: np.ndarray | Sequence[tuple[int, int]] = (),
) -> np.ndarray:
    """Join the images that share a patient, a lesion or a link, also by way of others.

    So a missing patient is that of another image of the lesion. An image and its
    ``_downsampled`` copy are one image. A patient, a lesion and an image of one name have nothing
    to do with each other.

    Args:
        image_id: Unique, shape (n,).
        patient: "" where unknown, shape (n,).
        lesion: "" where unknown, shape (n,).
        links: Pairs of row numbers, such as near-duplicates, shape (m, 2).

    Returns:
        The group of each image, shape (n,): the first in sorting order of its patients, else of
        its lesions, else of its images. A name that two groups would have is prefixed by
        ``patient:``, ``lesion:`` or ``image:``. The order of rows and links does not matter.

    Raises:
        DataError: If a lesion has two patients.
    """
    _refuse_shared_lesions(patient, lesion)
    kinds = {"patient": patient, "lesion": lesion, "image": image_id}
    count = len(image_id)
    ends = [np.array(links, dtype=np.int64).reshape(-1, 2)]
    originals = [name.removesuffix(RESAMPLED) for name in image_id.tolist()]
    for names in (patient, lesion, np.array(originals, dtype=np.str_)):
        known = np.flatnonzero(names != "")
        values, code = np.unique(names[known], return_inverse=True)
        ends.append(np.stack([known, count + code], axis=1))
        count += len(values)
    first, second = np.concatenate(ends).T
    graph = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    return _group_names(component[: len(image_id)], kinds)


def _group_names(component: np.ndarray, kinds: dict[str, np.ndarray]) -> np.ndarray:
    """The name of each image's component, after the first kind that it has a name of."""
    chosen: dict[int, tuple[str, str]] = {}
    for kind, names in kinds.items():
        known = np.flatnonzero(names != "")
        order = known[np.lexsort((names[known], component[known]))]
        numbers, firsts = np.unique(component[order], return_index=True)
        for number, name in zip(numbers.tolist(), names[order[firsts]].tolist(), strict=True):
            chosen.setdefault(number, (kind, name))
    uses = Counter(name for _, name in chosen.values())
    prefixes = tuple(f"{kind}:" for kind in kinds)
    final = {
        number: f"{kind}:{name}" if uses[name] > 1 or name.startswith(prefixes) else name
        for number, (kind, name) in chosen.items()
    }
    return np.array([final[number] for number in component.tolist()], dtype=np.str_)


def _refuse_shared_lesions(patient: np.ndarray, lesion: np.ndarray) -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for name, owner in zip(lesion.tolist(), patient.tolist(), strict=True):
        if name and owner:
            owners[name].add(owner)
    shared = {name: sorted(who) for name, who in sorted(owners.items()) if len(who) > 1}
    if shared:
        raise DataError(
            f"{counted(len(shared), 'lesion')} claimed by two patients",
            expected="every lesion of one patient",
            fix="correct the patients of those lesions in the source's table, or leave one empty",
            which=[f"lesion {name} (patients {', '.join(who)})" for name, who in shared.items()],
        )
