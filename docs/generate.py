"""Write docs/reference.md from the command line and the config schemas.

    python docs/generate.py          # after a change of an option or a config field

A test fails where the page and the code differ.
"""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from skinlesion.cli import app
from skinlesion.config import SCHEMAS

PAGE = Path(__file__).parent / "reference.md"


def page() -> str:
    """The whole page."""
    lines = [
        "# Reference",
        "",
        "Made by `python docs/generate.py` from the code; a test keeps it true.",
        "",
        "- [Commands](#commands)",
        *(f"- [Config of {name}](#config-of-{name})" for name in SCHEMAS),
        "- [Exit codes](#exit-codes)",
        "",
        "## Commands",
    ]
    root: Any = typer.main.get_command(app)
    lines += _command("skinlesion", root)
    for name, command in root.commands.items():
        for sub_name, sub in getattr(command, "commands", {"": command}).items():
            lines += _command(f"skinlesion {name} {sub_name}".strip(), sub)
    for name, schema in SCHEMAS.items():
        lines += ["", f"## Config of {name}", "", (schema.__doc__ or "").strip()]
        lines += ["", "| key | values | default | meaning |", "|---|---|---|---|"]
        lines += _fields(schema, "")
    lines += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(lines) + "\n"


EXIT_CODES = {
    0: "done",
    1: "a bug; please report it with the traceback",
    2: "usage or config",
    3: "data: missing, broken or contradictory images, tables or folders",
    4: "integrity: a checksum, or a leak between splits",
    5: "a missing package, weights file or device",
    6: "a score below `--fail-under`, or a soup worse on `val` than its best member",
    130: "interrupted; `--resume` goes on",
}


def _command(name: str, command: Any) -> list[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([name, *(p.name.upper() for p in arguments)])
    lines = ["", f"### {name}", "", (command.help or "").strip(), "", f"    {usage} [OPTIONS]", ""]
    lines += ["| option | meaning |", "|---|---|"]
    for parameter in [*arguments, *options]:
        names = ", ".join(f"`{o}`" for o in parameter.opts) if parameter in options else ""
        shown = names or f"`{parameter.name.upper()}`"
        lines.append(f"| {shown} | {_cell((parameter.help or '').strip())} |")
    return lines


def _fields(schema: type[BaseModel], prefix: str) -> list[str]:
    lines = []
    for name, field in schema.model_fields.items():
        sections = [t for t in _members(field.annotation) if _is_section(t)]
        if not sections:
            lines.append(_row(prefix + name, field))
            continue
        default = field.get_default(call_default_factory=True)
        for section in sections:
            tag = _tag(section)
            chosen = f" when `{tag}`" if tag else ""
            lines.append(f"| **{prefix}{name}**{chosen} | | | {_cell(section.__doc__ or '')} |")
            same = isinstance(default, section)
            lines += _section_rows(section, f"{prefix}{name}.", default if same else None)
    return lines


def _section_rows(section: type[BaseModel], prefix: str, default: Any) -> list[str]:
    rows = []
    for name, field in section.model_fields.items():
        shown = getattr(default, name) if default is not None else ...
        rows.append(_row(prefix + name, field, shown))
    return rows


def _row(key: str, field: FieldInfo, default: Any = ...) -> str:
    if default is ... and not field.is_required():
        default = field.get_default(call_default_factory=True)
    shown = "required" if default is ... else f"`{_plain(default)}`"
    return f"| `{key}` | {_cell(_values(field))} | {shown} | {_cell(field.description or '')} |"


def _values(field: FieldInfo) -> str:
    words = [_type(t) for t in _members(field.annotation)]
    bounds = [
        f"{sign} {getattr(item, name)}"
        for item in field.metadata
        for name, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
        if hasattr(item, name)
    ]
    return " or ".join(dict.fromkeys(words)) + (f", {', '.join(bounds)}" if bounds else "")


def _type(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if origin is Annotated:
        base, *metadata = get_args(annotation)
        info = FieldInfo.from_annotation(annotation)
        return _values(info) if metadata else _type(base)
    if origin is tuple:
        inner = [a for a in get_args(annotation) if a is not Ellipsis]
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return "mapping"
    names = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path"}
    return "null" if annotation is type(None) else names.get(annotation, str(annotation))


def _members(annotation: Any) -> list[Any]:
    """The alternatives of a union, however it is wrapped."""
    if get_origin(annotation) is Annotated and _members(get_args(annotation)[0])[1:]:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    return [annotation]


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _tag(section: type[BaseModel]) -> str:
    for name in ("name", "rule"):
        if name in section.model_fields:
            value = get_args(section.model_fields[name].annotation)
            return f"{name}: {value[0]}" if value else ""
    return ""


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value))
    return str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
