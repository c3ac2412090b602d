"""Which images a run has learnt from, and the refusal to test it on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from skinlesion.errors import IntegrityError
from skinlesion.runs import RunDir
from skinlesion.tables import OUT_OF_FOLD, TRAIN, VAL, read_columns, write_rows
from skinlesion.wording import counted

# How much a use of an image says against judging on it.
STRENGTH = {VAL: 1, OUT_OF_FOLD: 2, TRAIN: 3}


def learnt_from(run: RunDir) -> dict[str, set[str]]:
    """Image ids by what the run used them for: ``train``, ``val`` and ``out_of_fold``."""
    table = read_columns(run.split, required=["image_id", "split"])
    seen: dict[str, set[str]] = {TRAIN: set(), VAL: set(), OUT_OF_FOLD: set()}
    for image_id, split in zip(table["image_id"], table["split"], strict=True):
        if split in seen:
            seen[split].add(image_id)
    return seen


def refuse_leak(run: RunDir, ids: Iterable[str], *, split: str, parent: bool = False) -> None:
    """Raise IntegrityError if ``run`` learnt from images of a split it is to be judged on.

    Args:
        run: A finished run; images that its parents or members learnt from count as its own.
        ids: Image ids of the split.
        split: Its name. ``val`` may have been used as val, or predicted out of fold; other splits
            for nothing.
        parent: Whether another model is to come of ``run``; its predictions out of fold are then
            no excuse, since some of its models did learn from each of these images.
    """
    seen = learnt_from(run)
    forbidden = set(seen[TRAIN])
    if split != VAL:
        forbidden |= seen[VAL]
    if split != VAL or parent:
        forbidden |= seen[OUT_OF_FOLD]
    leaked = sorted(forbidden & set(ids))
    if leaked:
        raise IntegrityError(
            f"{run.path} learnt from {counted(len(leaked), 'image')} of {split}:"
            " its scores would be inflated",
            expected="no image in common",
            fix="retrain on a data set that keeps these images out of train and val",
            which=leaked,
        )


def inherit(run: RunDir, others: Iterable[RunDir]) -> None:
    """Add to ``run``'s split table the images that ``others`` learnt from.

    Where they were used differently, train beats out of fold, and that beats val.
    """
    use = _uses(run)
    for other in others:
        for image_id, (group, split) in _uses(other).items():
            if split in STRENGTH:
                group, before = use.get(image_id, (group, split))
                use[image_id] = (group, max(before, split, key=lambda one: STRENGTH.get(one, 0)))
    _write_uses(run, use)


def inherit_folds(run: RunDir, folds: Iterable[RunDir]) -> None:
    """Add to the split table of a cross-validation what ``folds`` learnt from beyond its images."""
    use = _uses(run)
    for fold in folds:
        for image_id, (group, split) in _uses(fold).items():
            if split in STRENGTH:
                use.setdefault(image_id, (group, TRAIN))
    _write_uses(run, use)


def _write_uses(run: RunDir, use: Mapping[str, tuple[str, str]]) -> None:
    rows = [(image_id, *use[image_id]) for image_id in sorted(use)]
    write_rows(run.split, ["image_id", "group", "split"], rows)


def _uses(run: RunDir) -> dict[str, tuple[str, str]]:
    """Group and split of each image in ``run``'s split table."""
    table = read_columns(run.split, required=["image_id", "group", "split"])
    columns = (table[name] for name in ("image_id", "group", "split"))
    return {image_id: (group, split) for image_id, group, split in zip(*columns, strict=True)}
