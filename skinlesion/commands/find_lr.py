"""find-lr: at which learning rate a config of train or finetune learns; it makes no run."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from skinlesion import runtime
from skinlesion.config import FinetuneConfig, TrainConfig
from skinlesion.data.store import open_dataset
from skinlesion.errors import ConfigError, DataError
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir
from skinlesion.tables import write_rows

if TYPE_CHECKING:
    import keras

    from skinlesion.config import ModelConfig, Target
    from skinlesion.training.lr_finder import RangeTest

NAME = "lr.png"
HEADER = ["step", "learning_rate", "loss", "smoothed_loss"]
MEANINGS = {"valley": "middle of the longest fall", "steepest": "steepest descent"}


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        found: Rates and losses.
        picture: The curve.
        table: The same as CSV.
    """

    found: RangeTest = field(repr=False)
    picture: Path
    table: Path

    @property
    def suggestions(self) -> dict[str, float]:
        """Rates by how they were read off the curve; nan where it says nothing."""
        return self.found.suggestions()

    def to_text(self) -> str:
        """What the command prints."""
        wrote = f"wrote {self.picture} and {self.table}"
        return "\n".join([*_words(self.found), wrote])


@dataclass(frozen=True)
class _Start:
    """What a run of the config would start from.

    Attributes:
        dataset: What preprocess wrote.
        target: Whose labels.
        seed: Of everything.
        feature_views: Views cached for a head.
        build: Makes the network; loads TensorFlow.
    """

    dataset: Path
    target: Target
    seed: int
    feature_views: int
    build: Callable[[], tuple[keras.Model, ModelConfig]]


def run(
    config: TrainConfig | FinetuneConfig,
    out: Path,
    *,
    start: float,
    stop: float,
    steps: int,
    smoothing: float,
    overwrite: bool = False,
    reporter: Reporter,
) -> Outcome:
    """Write the curve as PNG and CSV.

    Args:
        config: Of train, or of finetune with a run.
        out: The PNG to make, or a folder for ``lr.png``; the CSV lies beside it.
        start: The first rate.
        stop: The last.
        steps: From one to the other.
        smoothing: Share of the past in the smoothed loss.
        overwrite: Replace both files.
        reporter: Told of the progress.

    Raises:
        ConfigError: If ``out`` is no name of a PNG or a folder, or ``stop`` is not above ``start``.
        DataError: If the data set, the parent run or a file is not as it must be.
    """
    if not 0 < start < stop:
        raise ConfigError(
            f"--start {start:g} and --stop {stop:g}", expected="rates above 0, the first the lower"
        )
    picture = _picture(out, overwrite=overwrite)
    begin = _start(config)
    from skinlesion.training.examples import choose_examples

    examples = choose_examples(
        open_dataset(begin.dataset), target=begin.target, limit=config.limit, seed=begin.seed
    )
    runtime.prepare(seed=begin.seed, threads=config.threads, deterministic=config.deterministic)
    from skinlesion.training.lr_finder import Sweep, find_rate

    model, model_config = begin.build()
    with tempfile.TemporaryDirectory(prefix="skinlesion-find-lr-") as scratch:
        found = find_rate(
            model,
            RunDir(Path(scratch)),
            examples,
            config=model_config,
            recipe=config,
            trainable=config.trainable,
            freeze_batch_norm=config.freeze_batch_norm,
            seed=begin.seed,
            feature_views=begin.feature_views,
            sweep=Sweep(start, stop, steps, smoothing),
            reporter=reporter,
        )
    title = f"{model_config.backbone}, {config.trainable}, {config.optimizer.name}"
    return Outcome(found, picture, _write(found, picture, title=title))


def _start(config: TrainConfig | FinetuneConfig) -> _Start:
    if isinstance(config, TrainConfig):
        model_config = config.model

        def build() -> tuple[keras.Model, ModelConfig]:
            from skinlesion import models

            fields = model_config.model_dump()
            return models.build_model(**fields, seed=config.seed), model_config

        return _Start(config.dataset, config.target, config.seed, config.feature_views, build)
    from skinlesion.training.parents import parent_of, with_parents_values

    parent = parent_of(config)
    whole = with_parents_values(config, parent)
    seed = whole.seed or 0

    def rebuild() -> tuple[keras.Model, ModelConfig]:
        from skinlesion.training.session import load_run_model

        return load_run_model(parent, seed=seed)

    if whole.dataset is None:
        raise ConfigError("the parent's config gives no dataset", fix="pass --dataset")
    return _Start(whole.dataset, parent.record()["target"], seed, 1, rebuild)


def _words(found: RangeTest) -> list[str]:
    """What the curve says."""
    suggested = found.suggestions()
    end = f"up to {found.rates[-1]:.2g}"
    lines = [f"{len(found.rates)} steps {end}" + (", where it diverged" * found.has_diverged)]
    lines += [
        f"{name}: {'none' if math.isnan(rate) else f'{rate:.1e}'} ({MEANINGS[name]})"
        for name, rate in suggested.items()
    ]
    if math.isnan(suggested["valley"]):
        lines.append("the loss does not fall: try a higher --stop, more --steps or other settings")
    else:
        lines.append(f"use it: --set optimizer.learning_rate={suggested['valley']:.1e}")
    return lines


def _write(found: RangeTest, picture: Path, *, title: str) -> Path:
    """Write both files and return the table's."""
    from skinlesion.report import figures
    from skinlesion.report.range_test import range_test_figure

    known = {
        f"{name} {rate:.1e}": rate
        for name, rate in found.suggestions().items()
        if not math.isnan(rate)
    }
    figure = range_test_figure(found.rates, found.losses, found.smoothed, known, title=title)
    table = picture.with_suffix(".csv")
    columns = (found.rates.tolist(), found.losses.tolist(), found.smoothed.tolist())
    picture.parent.mkdir(exist_ok=True)
    write_rows(table, HEADER, list(zip(range(1, len(found.rates) + 1), *columns, strict=True)))
    figures.save(figure, picture)
    return table


def _picture(out: Path, *, overwrite: bool) -> Path:
    """The PNG that ``out`` means."""
    if out.suffix and not out.is_dir() and out.suffix.lower() != ".png":
        raise ConfigError(
            f"--out {out} is no PNG", expected="a name that ends in .png, or a folder"
        )
    picture = out if out.suffix.lower() == ".png" and not out.is_dir() else out / NAME
    if not picture.parent.is_dir() and not picture.parent.parent.is_dir():
        raise DataError(
            f"there is no folder {picture.parent.parent}", fix="make it, or choose another --out"
        )
    for path in (picture, picture.with_suffix(".csv")):
        if path.exists() and (not overwrite or not path.is_file()):
            raise DataError(
                f"{path} exists already",
                expected="a file that does not exist yet",
                fix="choose another --out, or pass --overwrite to replace it",
            )
    return picture
