"""train, finetune: from a data set to a run; find-lr: at which learning rate."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from skinlesion.cli.options import ConfigFile, Overrides, Overwrite, Resume, default_run, reporter


def train(
    config: ConfigFile = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="What preprocess wrote.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Run folder to make; default runs/CONFIG.")
    ] = None,
    overrides: Overrides = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a classifier, from pretrained weights or from scratch."""
    from skinlesion.commands import train as command
    from skinlesion.config import TrainConfig, load_config

    given = [f"dataset={json.dumps(str(dataset))}"] if dataset else []
    settings = load_config(config, TrainConfig, [*(overrides or []), *given])
    name = config.stem if config else settings.model.backbone
    path = run or default_run(name, resume=resume, overwrite=overwrite)
    with _resumable(path):
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
    from skinlesion.config import FinetuneConfig, load_config
    from skinlesion.errors import ConfigError

    given = [
        f"{name}={json.dumps(str(value))}"
        for name, value in (("run", run), ("dataset", dataset))
        if value
    ]
    settings = load_config(config, FinetuneConfig, [*(overrides or []), *given])
    if settings.run is None:
        raise ConfigError("finetune needs a run to start from", fix="pass --run runs/NAME")
    path = out or default_run(
        f"{settings.run.name}-ft",
        root=settings.run.parent,
        resume=resume,
        overwrite=overwrite,
    )
    with _resumable(path):
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

    given = [
        f"{name}={json.dumps(str(value))}"
        for name, value in (("run", run), ("dataset", dataset))
        if value
    ]
    settings = load_recipe(config, [*(overrides or []), *given])
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
        )
    )


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
