"""train, finetune: from a data set to a run; find-lr: at which learning rate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from skinlesion.cli.options import (
    ConfigFile,
    Overrides,
    Overwrite,
    Resume,
    reporter,
    set_by,
)


def train(
    config: ConfigFile = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="What preprocess wrote.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Run folder to make; default runs/CONFIG.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option("--folds", help="Cross-validate: a run for each of so many folds.")
    ] = None,
    overrides: Overrides = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a classifier, from pretrained weights or from scratch."""
    from skinlesion.commands import folds as for_each_fold
    from skinlesion.commands import train as command
    from skinlesion.config import TrainConfig, load_config
    from skinlesion.places import new_run

    given = set_by(overrides, dataset=dataset)
    given += [f"fold.count={folds}", "fold.index=null"] if folds is not None else []
    settings = load_config(config, TrainConfig, given)
    name = config.stem if config else settings.model.backbone
    path = run or new_run(name, resume=resume, overwrite=overwrite)
    with _resumable(path):
        if settings.fold and settings.fold.index is None:
            all_folds = for_each_fold.train(
                settings, path, resume=resume, overwrite=overwrite, reporter=reporter()
            )
            print(all_folds.to_text())
            return
        made = command.run(settings, path, resume=resume, overwrite=overwrite, reporter=reporter())
    _print_run(made.path)


def finetune(
    run: Annotated[Path | None, typer.Option("--run", help="Run to start from.")] = None,
    config: ConfigFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder to make; default RUN-ft.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="Another data set than the run's.")
    ] = None,
    overrides: Overrides = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a finished run further, with more of its backbone unfrozen."""
    from skinlesion.commands import finetune as command
    from skinlesion.commands import folds as for_each_fold
    from skinlesion.config import FinetuneConfig, load_config
    from skinlesion.errors import ConfigError
    from skinlesion.places import beside
    from skinlesion.runs import RunDir

    settings = load_config(config, FinetuneConfig, set_by(overrides, run=run, dataset=dataset))
    if settings.run is None:
        raise ConfigError("finetune needs a run to start from", fix="pass --run runs/NAME")
    path = out or beside(settings.run, "ft", resume=resume, overwrite=overwrite)
    with _resumable(path):
        if RunDir(settings.run).is_folds():
            all_folds = for_each_fold.finetune(
                settings, path, resume=resume, overwrite=overwrite, reporter=reporter()
            )
            print(all_folds.to_text())
            return
        made = command.run(settings, path, resume=resume, overwrite=overwrite, reporter=reporter())
    _print_run(made.path)


def find_lr(
    config: ConfigFile = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Run that a config of finetune starts from.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="Another data set than the config's.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="PNG to make, or a folder; a CSV lies beside it.")
    ] = Path("lr.png"),
    start: Annotated[float, typer.Option("--start", help="First learning rate.")] = 1e-7,
    stop: Annotated[float, typer.Option("--stop", help="Last learning rate.")] = 1e-1,
    steps: Annotated[int, typer.Option("--steps", min=20, help="From one to the other.")] = 100,
    smoothing: Annotated[
        float, typer.Option("--smoothing", min=0, max=0.99, help="Share of the past in the curve.")
    ] = 0.9,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Suggest a learning rate for a config of train or finetune, by a short test that is no run."""
    from skinlesion.commands import find_lr as command
    from skinlesion.config import load_recipe

    settings = load_recipe(config, set_by(overrides, run=run, dataset=dataset))
    print(
        command.run(
            settings,
            out,
            start=start,
            stop=stop,
            steps=steps,
            smoothing=smoothing,
            overwrite=overwrite,
            reporter=reporter(),
        ).to_text()
    )


def search(
    config: ConfigFile = None,
    space: Annotated[
        Path | None, typer.Option("--space", help="YAML file of what varies, or a preset.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="What preprocess wrote.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option("--study", help="Folder to make; default runs/search-CONFIG.")
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Configs to try in all.")] = 20,
    timeout: Annotated[
        float | None, typer.Option("--timeout", help="Begin no trial after so many seconds.")
    ] = None,
    overrides: Overrides = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Try configs drawn from a space, judged on val, and write the best one."""
    from rich.console import Console

    from skinlesion.commands import search as command
    from skinlesion.config import Space, TrainConfig, load_config
    from skinlesion.errors import ConfigError
    from skinlesion.places import new_run

    if space is None:
        raise ConfigError("search needs a space", fix="pass --space space.yaml")
    settings = load_config(config, TrainConfig, set_by(overrides, dataset=dataset))
    name = f"search-{config.stem if config else settings.model.backbone}"
    path = study or new_run(name, resume=resume, overwrite=overwrite)
    with _resumable(path):
        outcome = command.run(
            settings,
            load_config(space, Space),
            path,
            trials=trials,
            timeout=timeout,
            resume=resume,
            overwrite=overwrite,
            reporter=reporter(),
        )
    outcome.print(Console())


@contextlib.contextmanager
def _resumable(path: Path) -> Iterator[None]:
    """Say after Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        reporter().say(f"interrupted; {path} keeps its finished epochs: repeat with --resume")
        raise


def _print_run(path: Path) -> None:
    from skinlesion.runs import RunDir

    print(RunDir(path).summary())
