"""config: show, check, describe and copy configs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from skinlesion.config import SCHEMAS, Section, find_config, load_config, read_yaml, to_yaml
from skinlesion.errors import ConfigError, DataError
from skinlesion.folders import write_text


def show(name: Path, command: str | None, overrides: Sequence[str]) -> str:
    """The config with all defaults, YAML."""
    return to_yaml(load_config(name, SCHEMAS[command_of(name, command)], overrides))


def check(name: Path, command: str | None, overrides: Sequence[str]) -> str:
    """One line saying which command's config ``name`` is; ConfigError if it is none."""
    found = command_of(name, command)
    load_config(name, SCHEMAS[found], overrides)
    return f"{find_config(name)}: a valid {found} config"


def schema(command: str) -> str:
    """The JSON schema of ``command``'s config, for editors."""
    return json.dumps(_schema_of(command).model_json_schema(), indent=2)


def init(name: Path, out: Path | None) -> Path:
    """Copy the preset ``name`` to ``out``; returns the copy's path.

    Raises:
        DataError: If the file exists.
    """
    source = find_config(name)
    target = out or Path(source.name)
    if target.exists():
        raise DataError(f"{target} exists already", fix="choose another name with --out")
    write_text(target, source.read_text(encoding="utf-8"))
    return target


def _schema_of(command: str) -> type[Section]:
    if command not in SCHEMAS:
        raise ConfigError(
            f"no command {command!r} takes a config", expected=f"one of {', '.join(SCHEMAS)}"
        )
    return SCHEMAS[command]


def command_of(name: Path, given: str | None) -> str:
    """Whose config ``name`` is: its file name says, else the schema that its keys fit best."""
    if given:
        _schema_of(given)
        return given
    if name.stem in SCHEMAS:
        return name.stem
    keys = set(read_yaml(find_config(name)))

    def fit(command: str) -> tuple[int, bool]:
        fields = SCHEMAS[command].model_fields
        complete = all(key in keys for key, field in fields.items() if field.is_required())
        return len(keys & set(fields)), complete

    return max(SCHEMAS, key=fit)
