"""What a record holds of the program and the machine, and JSON that is read and written whole."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

from skinlesion import __version__
from skinlesion.errors import DataError
from skinlesion.folders import write_text


def environment() -> dict[str, Any]:
    """Versions and platform: what a reader needs to judge whether a run can be repeated."""
    from importlib import metadata  # slow, and seldom needed

    names = ["tensorflow", "keras", "numpy", "scikit-learn", "pillow"]
    return {
        "skinlesion": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: metadata.version(name) for name in names},
        "command": _command_line(),
    }


def _command_line() -> list[str]:
    """What was typed; of a script or a notebook that uses the package only its name."""
    program = Path(sys.argv[0])
    if program.stem == "skinlesion" or program.parts[-2:] == ("skinlesion", "__main__.py"):
        return ["skinlesion", *sys.argv[1:]]
    return ["python", program.name]


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        DataError: If it is missing, is not JSON, or is not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} is not a JSON object")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` indented; NaN must have become None before."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
