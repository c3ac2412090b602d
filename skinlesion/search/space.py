"""From a space and a base config to the config of one trial."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from skinlesion.config import Choices, Parameter, Space, TrainConfig, keys_of, problems_of, validate
from skinlesion.errors import ConfigError

# With these, trials would answer different questions, or the same one by luck.
FIXED = ("dataset", "target", "monitor", "seed", "fold", "predict", "tracking", "limit")

# Draws a value for a key.
Suggest = Callable[[str, Parameter], Any]


def refuse_impossible(space: Space, base: TrainConfig) -> None:
    """Check a space before anything is trained.

    Raises:
        ConfigError: If a key is unknown or may not vary, or a value can be in no config.
    """
    known = sorted(set(keys_of(TrainConfig)))
    for key in space.parameters:
        _refuse_key(key, known)
    for key, parameter in space.parameters.items():
        contexts = _contexts(key, space, base)
        for value in _ends(parameter):
            problems = [_problem(with_values(one, {key: value})) for one in contexts]
            if all(problems):
                raise ConfigError(
                    f"the space gives {key} a value that no config can have: {value!r}",
                    expected=str(problems[0]),
                    fix="change its low, high or choices",
                )


def sample(space: Space, base: TrainConfig, suggest: Suggest) -> tuple[dict[str, Any], TrainConfig]:
    """Draw a config: names of sections first, then the keys that the sections so named have.

    A key that they lack (``optimizer.momentum`` of adamw) is not drawn.

    Returns:
        What was drawn by key, and the config.

    Raises:
        ConfigError: If the values drawn do not go together.
    """
    values, drawn = base.model_dump(mode="json"), dict[str, Any]()
    for key in _names_first(space.parameters):
        parameter = space.parameters[key]
        if _is_unknown(with_values(values, {**drawn, key: _ends(parameter)[0]}), key):
            continue
        drawn[key] = suggest(key, parameter)
    config = validate(with_values(values, drawn), TrainConfig, where="what was drawn")
    return drawn, config


def with_values(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of ``values`` with dotted keys changed; a new name clears its section."""
    changed = copy.deepcopy(dict(values))
    for key in _names_first(changes):
        *parents, last = key.split(".")
        section = changed
        for parent in parents:
            if section.get(parent) is None:
                section[parent] = {}
            section = section[parent]
        if last == "name" and section.get("name") != changes[key]:
            section.clear()
        section[last] = changes[key]
    return changed


def _names_first(keys: Iterable[str]) -> list[str]:
    return sorted(keys, key=lambda key: (not key.endswith(".name"), key))


def _refuse_key(key: str, known: list[str]) -> None:
    if key not in known:
        close = difflib.get_close_matches(key, known, n=1)
        raise ConfigError(
            f"the space has the key {key}, which TrainConfig has not",
            expected="a dotted key of train, such as optimizer.learning_rate",
            fix=f"did you mean {close[0]}?" if close else "see skinlesion config schema train",
        )
    if key.partition(".")[0] in FIXED:
        raise ConfigError(
            f"{key} may not vary in a search",
            expected="the same data and the same question in every trial",
            fix=f"set it in the config; fixed are {', '.join(FIXED)}",
        )
    inside = [one for one in known if one.startswith(f"{key}.")]
    if inside:
        raise ConfigError(f"{key} is a section", expected=f"keys of it, such as {inside[0]}")


def _contexts(key: str, space: Space, base: TrainConfig) -> list[dict[str, Any]]:
    """The base config, and the base with each name that the space gives to the key's section."""
    values, name = base.model_dump(mode="json"), f"{key.rpartition('.')[0]}.name"
    named = space.parameters.get(name)
    if not isinstance(named, Choices) or key == name:
        return [values]
    return [values, *(with_values(values, {name: choice}) for choice in named.choices)]


def _ends(parameter: Parameter) -> list[Any]:
    """Every choice, or the two ends of a range."""
    if isinstance(parameter, Choices):
        return list(parameter.choices)
    return [parameter.low, parameter.high]


def _problem(values: dict[str, Any]) -> str:
    """Why ``values`` are no TrainConfig; "" if they are one."""
    try:
        TrainConfig.model_validate(values)
    except ValidationError as error:
        return problems_of(error, TrainConfig)[0]
    return ""


def _is_unknown(values: dict[str, Any], key: str) -> bool:
    """Whether ``values`` have ``key`` in a section that knows no such key."""
    try:
        TrainConfig.model_validate(values)
    except ValidationError as error:
        first, last = key.partition(".")[0], key.rpartition(".")[2]
        return any(
            item["type"] == "extra_forbidden" and (item["loc"][0], item["loc"][-1]) == (first, last)
            for item in error.errors(include_url=False)
        )
    return False
