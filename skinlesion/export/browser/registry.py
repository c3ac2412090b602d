"""Which npm registry to ask: the one that npm itself would, told without npm."""

from __future__ import annotations

import os
import re
from pathlib import Path

from skinlesion.errors import ConfigError

PUBLIC = "https://registry.npmjs.org"
VARIABLE = "npm_config_registry"
_LINE = re.compile(r"""^\s*registry\s*=\s*["']?([^"'\s]+)""")
_NAMED = re.compile(r"\$\{(\w+)\}")


def registry() -> str:
    """Address of the registry, without a slash at its end.

    The environment variable ``npm_config_registry`` (in any case), else the key ``registry`` of
    ``.npmrc`` in the working directory, else of the user's (``npm_config_userconfig``, or
    ``~/.npmrc``), else the public one.

    Raises:
        ConfigError: If it is no http or https address.
    """
    found = _variable(VARIABLE), _of_file(Path(".npmrc")), _of_file(_users())
    address = next(filter(None, found), PUBLIC).rstrip("/")
    if not address.startswith(("https://", "http://")):
        raise ConfigError(
            f"npm's registry is {address}",
            expected="an address that begins with https:// or http://",
            fix=f"set {VARIABLE}, or give the package by --onnxruntime-web FILE",
        )
    return address


def _users() -> Path:
    return Path(_variable("npm_config_userconfig") or "~/.npmrc").expanduser()


def _variable(name: str) -> str | None:
    """Npm takes its variables in lower case, in upper case or mixed."""
    return next((value for key, value in os.environ.items() if key.lower() == name), None)


def _of_file(path: Path) -> str | None:
    """The last registry that an ini file names, its ``${VARIABLES}`` replaced."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    named = [found[1] for found in map(_LINE.match, lines) if found]
    if not named:
        return None
    return _NAMED.sub(lambda found: os.environ.get(found[1], found[0]), named[-1])
