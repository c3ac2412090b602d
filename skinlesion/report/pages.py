"""Self-contained HTML pages: everything inside one file, nothing fetched, all text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skinlesion import __version__


@dataclass(frozen=True)
class Table:
    """A table of a page; the first cell of a row names it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Side:
    """One image of a ``Picture``: its data URI ("" if it is not at hand), name and note."""

    image_id: str
    picture: str
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """One image, or two beside each other, and a sentence on them."""

    sides: Sequence[Side]
    text: str = ""


def render(template: str, **values: Any) -> str:
    """The page that ``report/templates/TEMPLATE`` makes of ``values``."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("skinlesion.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(version=__version__, **values)
