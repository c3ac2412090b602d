"""What the shell hands over, put into the form the parser takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from skinlesion.errors import ConfigError


def spread(arguments: Sequence[str], several: Mapping[str, Sequence[str]]) -> list[str]:
    """Repeat an option before each of the values that follow it.

    The shell expands ``--members runs/*`` to ``--members runs/a runs/b``; the parser wants
    ``--members runs/a --members runs/b``.

    Args:
        arguments: Without the program's name.
        several: By command, the options that take several values.

    Raises:
        ConfigError: If such an option has no value, as ``--run $UNSET`` would give.
    """
    command = next((word for word in arguments if not word.startswith("-")), "")
    options = several.get(command, ())
    result: list[str] = []
    option = ""
    for word, following in pairwise([*arguments, "--"]):
        if _is_option(word):
            option = word if word in options else ""
            if option and _is_option(following):
                raise ConfigError(f"{option} has no value", expected="one or more values after it")
            if not option:
                result.append(word)
        elif option:
            result += [option, word]
        else:
            result.append(word)
    return result


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def hoist(arguments: Sequence[str], anywhere: Sequence[str]) -> list[str]:
    """Move flags that belong to the whole program to the front, wherever they stand."""
    flags = [word for word in arguments if word in anywhere]
    return flags + [word for word in arguments if word not in anywhere]
