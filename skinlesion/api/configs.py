"""config show, validate, schema and init."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from skinlesion.api.mirror import Place, path_of
from skinlesion.config import SCHEMAS, Section, make_config


def read_config(
    name: Place, *, command: str | None = None, overrides: dict[str, Any] | None = None
) -> Section:
    """The config in a file or of a preset, checked, with all defaults; every function takes it.

    Args:
        name: A file, or the bare name of a preset such as ``resnet50.yaml``.
        command: Whose config it is, if its name and keys do not say.
        overrides: Fields to change, as the functions take them.

    Raises:
        ConfigError: If it does not exist or is not valid.
    """
    from skinlesion.commands import config as module

    return make_config(name, SCHEMAS[module.command_of(Path(name), command)], overrides or {})


def config_schema(command: str) -> dict[str, Any]:
    """The JSON schema of the config of ``command``, such as ``"train"``.

    Raises:
        ConfigError: If that takes no config.
    """
    from skinlesion.commands import config as module

    return dict(json.loads(module.schema(command)))


def copy_config(name: Place, out: Place | None = None) -> Path:
    """Copy a preset, to change it; returns the copy's path.

    Args:
        name: Of the preset.
        out: The file to write; None: the preset's own name.

    Raises:
        ConfigError: If there is no such preset.
        DataError: If the file exists.
    """
    from skinlesion.commands import config as module

    return module.init(Path(name), path_of(out))
