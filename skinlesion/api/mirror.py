"""Signatures that show a config's fields: what ``help`` prints and a notebook completes."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from skinlesion.config import Section
from skinlesion.progress import Reporter

F = TypeVar("F", bound=Callable[..., Any])
Place = str | os.PathLike[str]
Places = Place | Iterable[Place]


class _OfTheConfig:
    """The default of a field that has none, or another one in each config."""

    def __repr__(self) -> str:
        return "<of the config>"


OF_THE_CONFIG = _OfTheConfig()


def mirrors(*schemas: type[Section]) -> Callable[[F], F]:
    """Let a function that ends in ``**fields`` show the fields of ``schemas`` in their place.

    Signature and docstring follow the schemas; parameters of the function's own stay as they are.
    """

    def decorate(function: F) -> F:
        own = inspect.signature(function)
        kept = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        shown, lines = _fields(schemas, {parameter.name for parameter in kept})
        changed = cast(Any, function)
        changed.__signature__ = own.replace(parameters=[*kept, *shown])
        changed.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Fields:", *lines])
        return function

    return decorate


def _fields(
    schemas: tuple[type[Section], ...], taken: set[str]
) -> tuple[list[inspect.Parameter], list[str]]:
    """Parameters of the fields that are not ``taken``, and a line of help for each."""
    parameters, lines = [], []
    names = dict.fromkeys(name for schema in schemas for name in schema.model_fields)
    for name in names:
        if name in taken:
            continue
        fields = [schema.model_fields[name] for schema in schemas if name in schema.model_fields]
        values = [field.get_default(call_default_factory=True) for field in fields]
        is_one = not fields[0].is_required() and all(value == values[0] for value in values)
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=values[0] if is_one else OF_THE_CONFIG,
                annotation=_shown(fields[0].annotation),
            )
        )
        lines.append(f"    {name}: {fields[0].description or _shown(fields[0].annotation)}")
    return parameters, lines


def _shown(annotation: Any) -> str:
    """A field's type as a reader knows it: ``AdamW | Sgd | Lion``, without bounds."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shown(parts[0])
    if origin in (Union, UnionType):
        return " | ".join(map(_shown, parts))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, parts))}]"
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(_shown, parts))}]"
    if annotation in (None, type(None), Ellipsis):
        return "..." if annotation is Ellipsis else "None"
    return str(getattr(annotation, "__name__", annotation))


def given(**values: Any) -> dict[str, Any]:
    """Those that are not None: an option left out changes nothing."""
    return {name: value for name, value in values.items() if value is not None}


def path_of(place: Place | None) -> Path | None:
    """``place`` as a path."""
    return None if place is None else Path(place)


def paths_of(places: Places | None) -> list[Path] | None:
    """One place or several, as a list."""
    if places is None:
        return None
    if isinstance(places, str | os.PathLike):
        return [Path(places)]
    return [Path(place) for place in places]


def reporter_for(progress: bool) -> Reporter:
    """What tells of the progress on stderr, or of nothing."""
    return Reporter(quiet=not progress)
