"""finetune: a finished run, trained further with more of its backbone unfrozen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from skinlesion import provenance, runtime
from skinlesion.config import FinetuneConfig, to_yaml
from skinlesion.data.store import Dataset, open_dataset
from skinlesion.errors import ConfigError
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir, finished_run, open_run
from skinlesion.tables import VAL

if TYPE_CHECKING:
    from skinlesion.training.examples import Examples

T = TypeVar("T")


def run(
    config: FinetuneConfig,
    path: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter,
) -> RunDir:
    """Train ``config.run`` further into a new run folder and return it.

    Args:
        config: How; seed and data set default to the parent's.
        path: The run folder to make.
        resume: Go on with an unfinished run; a finished one is returned as it is.
        overwrite: Replace an existing run.
        reporter: Told of the progress.

    Raises:
        ConfigError: If there is no parent, it is the run to be made, or a run of another config is
            to be resumed.
        DataError: If the parent is not a finished run with a model.
        IntegrityError: If the parent was trained on images that this run is to be judged on.
    """
    from skinlesion.training.parents import parent_of, with_parents_values

    parent = parent_of(config)
    if path.resolve() == parent.path.resolve():
        raise ConfigError(f"{path} cannot be its own parent", fix="pass another --out")
    config = with_parents_values(config, parent)
    from skinlesion.training.examples import fold_of

    dataset = open_dataset(_known(config.dataset))
    config = config.model_copy(update={"fold": config.fold or fold_of(parent, dataset)})
    if resume and (finished := finished_run(path, to_yaml(config))):
        reporter.say(f"{path} is finished already")
        return finished
    seed = _known(config.seed)
    examples = _examples(config, dataset, parent, seed=seed)
    with open_run(
        path, to_yaml(config), kind="finetune", resume=resume, overwrite=overwrite
    ) as made:
        examples.record(made)
        provenance.inherit(made, [parent])
        backbone = parent.record()["backbone"]
        made.update_record(backbone=backbone, seed=seed, parent=str(parent.path))
        runtime.prepare(seed=seed, threads=config.threads, deterministic=config.deterministic)
        from skinlesion.training.session import load_run_model, train_model

        made.update_record(devices=runtime.devices())
        model, model_config = load_run_model(parent, seed=seed)
        train_model(
            model,
            made,
            examples,
            config=model_config,
            recipe=config,
            trainable=config.trainable,
            freeze_batch_norm=config.freeze_batch_norm,
            seed=seed,
            reporter=reporter,
        )
    return made


def _examples(config: FinetuneConfig, dataset: Dataset, parent: RunDir, *, seed: int) -> Examples:
    """What to train on and predict; IntegrityError if the parent learnt from what is predicted."""
    from skinlesion.training.examples import choose_examples

    examples = choose_examples(
        dataset,
        target=parent.record()["target"],
        limit=config.limit,
        seed=seed,
        fold=config.fold,
    )
    for split in (VAL, *examples.predicted_splits()):
        provenance.refuse_leak(parent, examples.ids(split), split=split, parent=True)
    return examples


def _known(value: T | None) -> T:
    """A value that ``with_parents_values`` has filled in."""
    if value is None:
        raise ConfigError("the parent's config gives neither seed nor dataset")
    return value
