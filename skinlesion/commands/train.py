"""train: a new classifier from pretrained weights or from scratch."""

from __future__ import annotations

from pathlib import Path

from skinlesion import runtime
from skinlesion.config import TrainConfig, to_yaml
from skinlesion.data.store import open_dataset
from skinlesion.errors import ConfigError
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir, finished_run, open_run


def run(
    config: TrainConfig,
    path: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter,
) -> RunDir:
    """Train and return the finished run.

    Args:
        config: What to train on what.
        path: The run folder to make.
        resume: Go on with an unfinished run; a finished one is returned as it is.
        overwrite: Replace an existing run.
        reporter: Told of the progress.

    Raises:
        ConfigError: If a run of another config is to be resumed, or the weights to start from
            lie in the run to be replaced.
        DataError: If the data set or the folder is not as it must be.
        MissingExtraError: If the pretrained weights cannot be had.
    """
    if resume and (finished := finished_run(path, to_yaml(config))):
        reporter.say(f"{path} is finished already")
        return finished
    if overwrite:
        _refuse_weights_inside(path, config.model.weights)
    from skinlesion.training.examples import choose_examples

    examples = choose_examples(
        open_dataset(config.dataset),
        target=config.target,
        limit=config.limit,
        seed=config.seed,
        fold=config.fold,
    )
    with open_run(path, to_yaml(config), kind="train", resume=resume, overwrite=overwrite) as made:
        examples.record(made)
        made.update_record(backbone=config.model.backbone, seed=config.seed)
        runtime.prepare(
            seed=config.seed, threads=config.threads, deterministic=config.deterministic
        )
        from skinlesion import models
        from skinlesion.training.session import inherit_weights, train_model

        made.update_record(devices=runtime.devices())
        inherit_weights(config.model.weights, made, examples)
        model = models.build_model(**config.model.model_dump(), seed=config.seed)
        train_model(
            model,
            made,
            examples,
            config=config.model,
            recipe=config,
            trainable=config.trainable,
            freeze_batch_norm=config.freeze_batch_norm,
            seed=config.seed,
            feature_views=config.feature_views,
            reporter=reporter,
        )
    return made


def _refuse_weights_inside(path: Path, weights: str) -> None:
    if path.resolve() in Path(weights).resolve().parents:
        raise ConfigError(
            f"the weights {weights} would be deleted with {path}", fix="choose another --run"
        )
