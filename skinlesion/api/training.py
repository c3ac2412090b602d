"""train, finetune: from a data set to a run; search, find_lr: with which settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skinlesion.api.checking import Between, checked
from skinlesion.api.mirror import Place, given, mirrors, path_of, reporter_for
from skinlesion.api.results import Run, load_run
from skinlesion.config import (
    FinetuneConfig,
    Given,
    Space,
    TrainConfig,
    make_config,
    make_recipe,
)
from skinlesion.errors import ConfigError
from skinlesion.places import beside, new_run
from skinlesion.runs import RunDir

if TYPE_CHECKING:
    from skinlesion.commands.find_lr import Outcome as RateTest
    from skinlesion.commands.search import Outcome as Searched


@mirrors(TrainConfig)
def train(
    config: Given = None,
    *,
    run: Place | None = None,
    folds: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    **fields: Any,
) -> Run:
    """Train a classifier, from pretrained weights or from scratch.

    Args:
        config: A file, a preset such as ``"resnet50.yaml"``, a ``TrainConfig`` or a mapping.
        run: Run folder to make; None: runs/CONFIG, or runs/BACKBONE without a file.
        folds: Cross-validate: a run for each of so many folds, each in a process of its own.
        resume: Go on with an unfinished run; a finished one is returned as it is.
        overwrite: Replace an existing run.
        progress: Tell on stderr how far it has come.
        fields: Of the config, over ``config``.

    Raises:
        ConfigError: If the config is not valid, or is not that of the run to be resumed.
        DataError: If the data set or the folder is not as it must be, or the loss is no number.
        MissingExtraError: If the pretrained weights cannot be had.
    """
    from skinlesion.commands import folds as for_each_fold
    from skinlesion.commands import train as command

    settings = make_config(config, TrainConfig, fields)
    if folds is not None:
        fold = {"count": folds, "index": None}
        settings = make_config(settings, TrainConfig, {"fold": fold})
    path = path_of(run) or new_run(_name(config, settings), resume=resume, overwrite=overwrite)
    options: Any = {"resume": resume, "overwrite": overwrite, "reporter": reporter_for(progress)}
    if settings.fold and settings.fold.index is None:
        return load_run(for_each_fold.train(settings, path, **options).run.path)
    return load_run(command.run(settings, path, **options).path)


@mirrors(FinetuneConfig)
def finetune(
    run: Place | None = None,
    *,
    config: Given = None,
    out: Place | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    **fields: Any,
) -> Run:
    """Train a finished run further, with more of its backbone unfrozen.

    Args:
        run: Run to start from, or a cross-validation: each of its folds then.
        config: A file, a preset, a ``FinetuneConfig`` or a mapping.
        out: Run folder to make; None: RUN-ft.
        resume: Go on with an unfinished run; a finished one is returned as it is.
        overwrite: Replace an existing run.
        progress: Tell on stderr how far it has come.
        fields: Of the config, over ``config``.

    Raises:
        ConfigError: If there is no run to start from, or the config is not valid.
        DataError: If ``run`` is not a finished run with a model.
        IntegrityError: If it was trained on images that the new one is to be judged on.
    """
    from skinlesion.commands import finetune as command
    from skinlesion.commands import folds as for_each_fold

    settings = make_config(config, FinetuneConfig, {**fields, **given(run=run)})
    if settings.run is None:
        raise ConfigError("finetune needs a run to start from", fix="pass run=")
    path = path_of(out) or beside(settings.run, "ft", resume=resume, overwrite=overwrite)
    options: Any = {"resume": resume, "overwrite": overwrite, "reporter": reporter_for(progress)}
    if RunDir(settings.run).is_folds():
        return load_run(for_each_fold.finetune(settings, path, **options).run.path)
    return load_run(command.run(settings, path, **options).path)


@checked(trials=Between(1))
@mirrors(TrainConfig)
def search(
    config: Given = None,
    *,
    space: Given,
    study: Place | None = None,
    trials: int = 20,
    timeout: float | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    **fields: Any,
) -> Searched:
    """Try configs drawn from a space, judged on val, and write the best one.

    Args:
        config: What all trials have in common, as for ``train``.
        space: What varies: a file, a preset, a ``Space`` or a mapping of dotted keys.
        study: Folder to make; None: runs/search-CONFIG.
        trials: Configs to try in all, at least 1; each in a process of its own.
        timeout: Begin no trial after so many seconds.
        resume: Go on with a study of the same config and space.
        overwrite: Replace a study.
        progress: Tell on stderr of every trial.
        fields: Of the config, over ``config``.

    Returns:
        ``best``, a config file for ``train``, and ``rows``: the trials, the best first.

    Raises:
        ConfigError: If config or space are not valid.
        DataError: If no trial came to its end.
        MissingExtraError: If Optuna is not installed.
    """
    from skinlesion.commands import search as command

    settings = make_config(config, TrainConfig, fields)
    name = f"search-{_name(config, settings)}"
    return command.run(
        settings,
        make_config(space, Space, {}),
        path_of(study) or new_run(name, resume=resume, overwrite=overwrite),
        trials=trials,
        timeout=timeout,
        resume=resume,
        overwrite=overwrite,
        reporter=reporter_for(progress),
    )


@checked(steps=Between(20), smoothing=Between(0, 0.99))
@mirrors(TrainConfig, FinetuneConfig)
def find_lr(
    config: Given = None,
    *,
    out: Place = "lr.png",
    start: float = 1e-7,
    stop: float = 1e-1,
    steps: int = 100,
    smoothing: float = 0.9,
    overwrite: bool = False,
    progress: bool = False,
    **fields: Any,
) -> RateTest:
    """Suggest a learning rate by a short training at a growing one; it makes no run.

    Args:
        config: A config of train or of finetune; None: finetune's defaults, or, with a ``model``
            among ``fields``, train's.
        out: PNG to make, or a folder; a CSV lies beside it.
        start: First rate, above 0.
        stop: Last rate, above ``start``.
        steps: From one to the other, at least 20.
        smoothing: Share of the past in the curve, in [0, 0.99].
        overwrite: Replace both files.
        progress: Tell on stderr how far it has come.
        fields: Of the config, over ``config``.

    Returns:
        ``suggestions``, rates by name, nan where the curve says nothing; ``found``, the curve.

    Raises:
        ConfigError: If the config or a rate is not valid.
        DataError: If the data set, the parent run or a file is not as it must be.
    """
    from skinlesion.commands import find_lr as command

    return command.run(
        make_recipe(config, fields),
        Path(out),
        start=start,
        stop=stop,
        steps=steps,
        smoothing=smoothing,
        overwrite=overwrite,
        reporter=reporter_for(progress),
    )


def _name(config: Given, settings: TrainConfig) -> str:
    """What a run is called if nobody says."""
    return Path(config).stem if isinstance(config, str | os.PathLike) else settings.model.backbone
