"""A config of train or of finetune, for commands that take either."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from skinlesion.config.loading import find_config, load_config, read_yaml
from skinlesion.config.training import FinetuneConfig, TrainConfig


def load_recipe(path: Path | None, overrides: Sequence[str] = ()) -> TrainConfig | FinetuneConfig:
    """Read a config of train or of finetune; without one, finetune's defaults.

    Args:
        path: As in ``find_config``. With a section ``model`` it is train's.
        overrides: ``key=value``.

    Raises:
        ConfigError: If it is neither.
    """
    keys = set(read_yaml(find_config(path))) if path else set()
    keys |= {override.partition("=")[0].strip().partition(".")[0] for override in overrides}
    return load_config(path, recipe_schema(keys), overrides)


def recipe_schema(keys: Collection[str]) -> type[TrainConfig] | type[FinetuneConfig]:
    """Whose config has ``keys``: one with a section ``model`` is train's."""
    return TrainConfig if "model" in keys else FinetuneConfig
