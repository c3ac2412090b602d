"""Which images a run has learnt from, and the refusal to test it on them."""

from __future__ import annotations

from collections.abc import Iterable

from skinlesion.errors import IntegrityError
from skinlesion.runs import RunDir
from skinlesion.tables import TRAIN, VAL, read_columns, write_rows


def learnt_from(run: RunDir) -> dict[str, set[str]]:
    """Image ids by what the run used them for: ``train`` and ``val``."""
    table = read_columns(run.split, required=["image_id", "split"])
    seen: dict[str, set[str]] = {TRAIN: set(), VAL: set()}
    for image_id, split in zip(table["image_id"], table["split"], strict=True):
        if split in seen:
            seen[split].add(image_id)
    return seen


def refuse_leak(run: RunDir, ids: Iterable[str], *, split: str) -> None:
    """Raise IntegrityError if ``run`` learnt from images of a split it is to be judged on.

    Args:
        run: A finished run; images that its parents or members learnt from count as its own.
        ids: Image ids of the split.
        split: Its name. ``val`` may have been used as val, other splits for nothing.
    """
    seen = learnt_from(run)
    forbidden = seen[TRAIN] if split == VAL else seen[TRAIN] | seen[VAL]
    leaked = sorted(forbidden & set(ids))
    if leaked:
        raise IntegrityError(
            f"{run.path} learnt from {len(leaked)} images of {split}: its scores would be inflated",
            expected="no image in common",
            fix="retrain on a data set that keeps these images out of train and val",
            which=leaked,
        )


def inherit(run: RunDir, others: Iterable[RunDir]) -> None:
    """Add to ``run``'s split table the images that ``others`` learnt from; train beats val."""
    use = _uses(run)
    for other in others:
        for image_id, (group, split) in _uses(other).items():
            if split in (TRAIN, VAL):
                group, before = use.get(image_id, (group, split))
                use[image_id] = (group, TRAIN if TRAIN in (before, split) else VAL)
    rows = [(image_id, *use[image_id]) for image_id in sorted(use)]
    write_rows(run.split, ["image_id", "group", "split"], rows)


def _uses(run: RunDir) -> dict[str, tuple[str, str]]:
    """Group and split of each image in ``run``'s split table."""
    table = read_columns(run.split, required=["image_id", "group", "split"])
    columns = (table[name] for name in ("image_id", "group", "split"))
    return {image_id: (group, split) for image_id, group, split in zip(*columns, strict=True)}
