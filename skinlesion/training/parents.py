"""The run that finetune starts from, and what is taken over from it."""

from __future__ import annotations

from skinlesion.config import FinetuneConfig, read_yaml, validate
from skinlesion.errors import ConfigError, DataError
from skinlesion.runs import RunDir


def parent_of(config: FinetuneConfig) -> RunDir:
    """The finished run that ``config`` names.

    Raises:
        ConfigError: If it names none.
        DataError: If that is not a finished run with a model.
    """
    if config.run is None:
        raise ConfigError("finetune needs a run to start from", fix="pass --run runs/NAME")
    parent = RunDir(config.run)
    if not parent.is_finished() or not parent.model.exists():
        raise DataError(
            f"{config.run} is not a finished run with a model",
            expected="a folder made by train, finetune or soup, come to its end",
            fix="finish it with --resume, or choose another --run",
        )
    return parent


def with_parents_values(config: FinetuneConfig, parent: RunDir) -> FinetuneConfig:
    """``config`` with the parent's seed and data set where it leaves them open."""
    before = {"seed": 0, **read_yaml(parent.config)}  # a soup draws nothing, so it has no seed
    inherited = {
        name: before[name] for name in ("seed", "dataset") if getattr(config, name) is None
    }
    return validate(
        {**config.model_dump(mode="json"), **inherited}, FinetuneConfig, where="finetune"
    )
