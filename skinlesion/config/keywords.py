"""How keyword arguments become a config: the fields of YAML and ``--set`` as Python values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic.fields import FieldInfo

from skinlesion.config.loading import find_config, read_yaml, validate
from skinlesion.config.recipes import recipe_schema
from skinlesion.config.section import Section, prepared
from skinlesion.config.training import FinetuneConfig, TrainConfig
from skinlesion.errors import ConfigError

S = TypeVar("S", bound=Section)

# A file or the name of a preset, a section, its values, or nothing: the defaults.
Given = str | os.PathLike[str] | Section | Mapping[str, Any] | None


def make_config(given: Given, schema: type[S], changes: Mapping[str, Any]) -> S:
    """The config that ``given`` is, with ``changes``.

    Args:
        given: As in ``Given``.
        schema: What it has to be.
        changes: By field. A mapping changes the keys it names of a section, unless it says which
            kind the section is, and then it replaces the section, as a ``Section`` does.

    Raises:
        ConfigError: If there is no such file, or the result does not fit the schema.
    """
    if isinstance(given, Section) and not isinstance(given, schema):
        raise ConfigError(f"config is a {type(given).__name__}", expected=f"a {schema.__name__}")
    values = _values(given)
    for name, change in changes.items():
        values[name] = _changed(values.get(name), change, schema.model_fields.get(name))
    where = str(given) if isinstance(given, str | os.PathLike) else "what was given"
    return validate(values, schema, where=where)


def make_recipe(given: Given, changes: Mapping[str, Any]) -> TrainConfig | FinetuneConfig:
    """As ``make_config``: a config of train, if it has a section ``model``, or else of finetune."""
    schema = recipe_schema({*_values(given), *changes})
    return make_config(given, schema, changes)


def _values(given: Given) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Section):
        return given.model_dump(mode="json")
    if isinstance(given, Mapping):
        return {name: _plain(value) for name, value in given.items()}
    return read_yaml(find_config(Path(given)))


def _changed(before: Any, change: Any, field: FieldInfo | None) -> Any:
    value = _plain(change)
    if isinstance(change, Section) or not isinstance(value, dict) or not _is_section(field):
        return value
    if field and isinstance(before, str):
        before = prepared(before, field)
    replaces = field is not None and field.discriminator in value
    return value if replaces or not isinstance(before, dict) else {**before, **value}


def _is_section(field: FieldInfo | None) -> bool:
    if field is None:
        return False
    parts = (field.annotation, *get_args(field.annotation))
    return any(isinstance(part, type) and issubclass(part, Section) for part in parts)


def _plain(value: Any) -> Any:
    """``value`` as YAML would have given it: no sections, paths or numbers of NumPy."""
    if isinstance(value, Section):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if hasattr(value, "item") else value
