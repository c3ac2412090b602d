"""preview: a contact sheet of training images as training will see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skinlesion import runtime
from skinlesion.config import FinetuneConfig, Recipe, Target, TrainConfig, load_recipe, read_yaml
from skinlesion.data.sampling import Images
from skinlesion.data.store import Dataset, open_dataset
from skinlesion.errors import ConfigError, DataError
from skinlesion.folders import atomic_path
from skinlesion.report.contact_sheet import SheetRow, contact_sheet
from skinlesion.runs import RunDir, read_json
from skinlesion.wording import counted

if TYPE_CHECKING:
    from skinlesion.training.examples import Examples

IMAGE_SIZE = 224


@dataclass(frozen=True)
class Settings:
    """What a config says of the images: all that a preview needs.

    Attributes:
        recipe: The config itself.
        dataset: Where the images are; None where the config does not say.
        target: Whose labels are shown.
        image_size: Pixels a side of the network's input.
        seed: Of order and augmentation.
        feature_views: Views cached for a head, the first of them clean; None: no head is trained.
    """

    recipe: Recipe
    dataset: Path | None
    target: Target
    image_size: int
    seed: int
    feature_views: int | None


def read_settings(path: Path | None, overrides: Sequence[str]) -> Settings:
    """Read a config of train or of finetune; without one, finetune's defaults.

    Args:
        path: As in ``find_config``. With a section ``model`` it is train's.
        overrides: ``key=value``.

    Raises:
        ConfigError: If it is neither, or its parent run cannot be read.
    """
    return settings_of(load_recipe(path, overrides))


def settings_of(config: TrainConfig | FinetuneConfig) -> Settings:
    """What ``config`` says of the images; see ``read_settings``."""
    if isinstance(config, TrainConfig):
        views = config.feature_views if config.trainable == "head" else None
        size = config.model.image_size
        return Settings(config, config.dataset, config.target, size, config.seed, views)
    parent = _parent(config.run) if config.run else {}
    dataset = config.dataset or parent.get("dataset")
    return Settings(
        config,
        dataset and Path(dataset),
        parent.get("target", "malignant"),
        parent.get("image_size", IMAGE_SIZE),
        parent.get("seed", 0) if config.seed is None else config.seed,
        1 if config.trainable == "head" else None,
    )


def run(
    given: Settings,
    dataset: Path | None,
    out: Path,
    *,
    split: str,
    count: int,
    views: int,
    overwrite: bool = False,
) -> str:
    """Write the sheet and return the line to print.

    Args:
        given: What ``read_settings`` returned.
        dataset: Instead of the config's.
        out: The PNG to make.
        split: Whose images; they are shown as if they were trained on.
        count: Images, half of them malignant if there are so many.
        views: Augmented views of each.
        overwrite: Replace the file.

    Raises:
        ConfigError: If ``out`` is no name of a PNG.
        DataError: If there is no such split or data set, or the file is there already.
    """
    _refuse_out(out, overwrite=overwrite)
    from skinlesion.training.examples import choose_examples

    opened = open_dataset(dataset or given.dataset or Path("dataset"))
    _refuse_split(opened, split)
    recipe = given.recipe
    examples = choose_examples(opened, target=given.target, limit=recipe.limit, seed=given.seed)
    runtime.prepare(seed=given.seed)
    titles, rows = _rows(examples, given, split=split, count=count, views=views)
    with atomic_path(out) as temporary:
        contact_sheet(titles, rows).save(temporary, "PNG", optimize=True)
    images, each = counted(len(rows), "image"), counted(views, "augmented view")
    wrote = f"wrote {out}: {images} of {split}, {each} each"
    if given.feature_views:
        wrote += f"; a head is trained on the original and {given.feature_views - 1} of them"
    return wrote


def _rows(
    examples: Examples, given: Settings, *, split: str, count: int, views: int
) -> tuple[list[str], list[SheetRow]]:
    """Column titles and rows of the sheet."""
    images, ids = examples.images(split), examples.ids(split)
    chosen = choose(images.labels, count)
    columns = _columns(images, chosen, given, views)
    classes = ["benign" if given.target == "malignant" else f"not {given.target}", given.target]
    rows = []
    for number, example in enumerate(chosen):
        label = int(images.labels[example])
        pictures = [_eight_bits(column[number][0]) for column in columns]
        notes = [_note(column[number][1], label, given.target) for column in columns[1:]]
        rows.append(SheetRow(f"{ids[example]}  {classes[label]}", pictures, notes))
    name, first = ("view", 2) if given.feature_views else ("epoch", 1)
    return ["original", *(f"{name} {first + view}" for view in range(views))], rows


def _columns(
    images: Images, chosen: np.ndarray, given: Settings, views: int
) -> list[list[tuple[np.ndarray, float]]]:
    """Pictures and labels of the examples ``chosen``: the originals, then each view."""
    from skinlesion.data.augment import Ranges
    from skinlesion.data.pipeline import view_batches
    from skinlesion.training.tasks import image_batches

    some = Images(images.pixels, images.rows[chosen], images.labels[chosen])
    ranges, size = Ranges(**given.recipe.augment.model_dump()), given.image_size

    count = len(chosen)

    def cached(view: int) -> list[tuple[np.ndarray, float]]:
        """A view as a head's features are made of it; 0 is the clean one."""
        (batch,) = view_batches(
            some, image_size=size, batch_size=count, view=view, seed=given.seed, ranges=ranges
        )
        return [*zip(batch.numpy(), some.labels.astype(float).tolist(), strict=True)]

    batches = image_batches(images, given.recipe, image_size=size, seed=given.seed)
    blank = (np.full((size, size, 3), 255.0), float("nan"))
    columns = [cached(0)]
    for view in range(views):
        if given.feature_views:
            columns.append(cached(view + 1))
        else:
            columns.append([batches.seen(example, view) or blank for example in chosen])
    return columns


def choose(labels: np.ndarray, count: int) -> np.ndarray:
    """``count`` examples spread over ``labels``, half of them 1 as far as there are."""
    ones, zeros = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    wanted = min(len(ones), max(count // 2, count - len(zeros)))
    parts = ((zeros, min(len(zeros), count - wanted)), (ones, wanted))
    spread = [part[np.linspace(0, len(part) - 1, size).astype(int)] for part, size in parts if size]
    return np.sort(np.concatenate(spread))


def _note(label: float, own: int, target: str) -> str:
    """What a mixed image's label is; nothing where it is the original's."""
    if np.isnan(label):
        return "not shown"  # the sampler leaves it out of this epoch
    return "" if label == own else f"{label:.2f} {target}"


def _eight_bits(image: np.ndarray) -> np.ndarray:
    return np.round(np.clip(image, 0, 255)).astype(np.uint8)


def _parent(path: Path) -> dict[str, Any]:
    """What finetune would take from the run it starts from."""
    run = RunDir(path)
    if not run.model.exists() or not run.config.exists():
        raise DataError(
            f"{path} is not a run with a model",
            expected="a folder made by train or finetune",
            fix="choose another run, or leave it out",
        )
    config, model = read_yaml(run.config), read_json(run.model)
    return {
        "seed": config["seed"],
        "dataset": config["dataset"],
        "target": run.record()["target"],
        "image_size": model["image_size"],
    }


def _refuse_split(dataset: Dataset, split: str) -> None:
    splits = sorted(set(dataset.manifest.split.tolist()))
    if split not in splits:
        raise DataError(
            f"{dataset.path} has no split {split}", expected=f"one of {', '.join(splits)}"
        )


def _refuse_out(out: Path, *, overwrite: bool) -> None:
    if out.suffix.lower() != ".png":
        raise ConfigError(f"--out {out} is no PNG", expected="a name that ends in .png")
    if not out.parent.is_dir():
        raise DataError(f"there is no folder {out.parent}", fix="make it, or choose another --out")
    if out.exists() and (not overwrite or not out.is_file()):
        raise DataError(
            f"{out} exists already",
            expected="a file that does not exist yet",
            fix="choose another --out, or pass --overwrite to replace it",
        )
