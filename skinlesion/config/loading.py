"""How YAML and ``--set`` become a config, or an error that names the wrong key."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError

from skinlesion.config.section import Section, prepared
from skinlesion.errors import ConfigError
from skinlesion.wording import reason

MAX_YAML_BYTES = 1_000_000
# In the package where it is installed, beside it in a checkout.
_PACKAGE = Path(__file__).parents[1]
PRESETS = next(
    folder for folder in (_PACKAGE / "presets", _PACKAGE.parent / "configs") if folder.is_dir()
)

S = TypeVar("S", bound=Section)

# How a wrong value is quoted: aliases can make one that is endless when it is written out.
_BRIEFLY = reprlib.Repr()
_BRIEFLY.maxlevel, _BRIEFLY.maxstring = 2, 80


def find_config(name: Path) -> Path:
    """The file that ``--config NAME`` means: as given, in ./configs, or a preset.

    Raises:
        ConfigError: If none of them exists.
    """
    places = [name]
    if not name.is_absolute():
        places += [Path("configs") / name, PRESETS / name]
    for place in places:
        if place.is_file():
            return place
    presets = sorted(path.relative_to(PRESETS).as_posix() for path in PRESETS.rglob("*.yaml"))
    raise ConfigError(
        f"there is no config {name}",
        expected="a file in the working directory, in ./configs, or a preset"
        f" ({', '.join(presets)})",
        fix=_did_you_mean(str(name), presets),
    )


def load_config(path: Path | None, schema: type[S], overrides: Sequence[str] = ()) -> S:
    """Read YAML, apply ``key=value`` overrides, validate.

    Args:
        path: As in ``find_config``; None: the schema's defaults.
        schema: One of ``SCHEMAS``' values.
        overrides: Like ``train.learning_rate=3e-4``: dotted keys, YAML values.

    Raises:
        ConfigError: If the file is missing, is not YAML, or does not fit the schema.
    """
    values = read_yaml(find_config(path)) if path else {}
    for override in overrides:
        _apply(_spelt_out(values, schema), override)
    given = [str(path)] if path else []
    given += ["--set" if path else "the command line"] if overrides or not path else []
    return validate(values, schema, where=" with ".join(given))


def validate(values: dict[str, Any], schema: type[S], *, where: str) -> S:
    """Make a ``schema`` of ``values``; ConfigError lists every wrong key with its path."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = "\n".join(f"    {line}" for line in problems_of(error, schema))
        raise ConfigError(f"{where} is not a valid {schema.__name__}:\n{problems}") from error


def to_yaml(config: Section) -> str:
    """The resolved config with all defaults."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file: safe loader, size cap, no key twice."""
    if path.stat().st_size > MAX_YAML_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_YAML_BYTES} bytes: not a config")
    values = _parse(path.read_bytes(), what=str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is not a YAML mapping", expected="lines of 'key: value'")
    return values


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, where YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        given = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        keys = [self.construct_object(key, deep=True) for key in given]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _parse(text: str | bytes, *, what: str) -> Any:
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)
    # PyYAML lets out what its readers of numbers, dates and nested lists raise.
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{what} is not valid YAML:\n    {error}") from error


def _spelt_out(values: dict[str, Any], schema: type[Section]) -> dict[str, Any]:
    """``values``, where a word that is short for a section has become one, to set its keys."""
    for key, field in schema.model_fields.items():
        if field.discriminator and isinstance(values.get(key), str):
            values[key] = prepared(values[key], field)
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}", expected="key=value, such as epochs=3")
    *parents, last = key.strip().split(".")
    section = values
    for parent in parents:
        if section.get(parent) is None:
            section[parent] = {}
        section = section[parent]
        if not isinstance(section, dict):
            raise ConfigError(f"--set {override}: {parent} is not a section")
    section[last] = _parse(text, what=f"--set {override}: the value")


def problems_of(error: ValidationError, schema: type[Section]) -> list[str]:
    """A line for each thing that keeps values from being a ``schema``: key and reason."""
    lines = []
    for item in error.errors(include_url=False):
        location = [str(part) for part in item["loc"]]
        path = ".".join(location)
        message = reason(item["msg"])
        if item["type"] == "extra_forbidden":
            hint = _similar_key(location, schema)
            message = "unknown key" + (f"; {hint}" if hint else "")
        elif item["type"] == "union_tag_invalid":
            context = item["ctx"]
            message = f"{context['tag']!r} is none of {context['expected_tags']}"
        elif item["type"] in ("model_type", "model_attributes_type"):
            below = [key for key in keys_of(schema) if key.startswith(f"{path}.")]
            message = "is a section" + (f", whose keys are {', '.join(below)}" if below else "")
            message += f" (received {_BRIEFLY.repr(item['input'])})"
        elif item["type"] != "missing" and item["loc"]:
            message += f" (received {_BRIEFLY.repr(item['input'])})"
        lines.append(f"{path}: {message}" if path else message)
    return lines


def _similar_key(location: Sequence[str], schema: type[Section]) -> str:
    """The key that was meant: first one of the same section, then of any."""
    keys = sorted(set(keys_of(schema)))
    beside = [key for key in keys if key.split(".")[:-1] == list(location[: len(location) > 1])]
    for candidates in (beside, keys):
        by_name = {key.rpartition(".")[2]: key for key in candidates}
        close = difflib.get_close_matches(location[-1], by_name, n=1)
        if close and candidates is beside and close[0] == location[-1]:
            return f"another kind of {location[0]} has it"
        if close:
            return f"did you mean {by_name[close[0]]}?"
    return ""


def keys_of(schema: type[Section], prefix: str = "") -> Iterator[str]:
    """Every key of ``schema`` and of the sections below it, dotted."""
    for name, field in schema.model_fields.items():
        yield prefix + name
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Section):
                yield from keys_of(part, f"{prefix}{name}.")


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else ""
