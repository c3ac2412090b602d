"""Self-contained HTML pages: everything inside one file, nothing fetched, all text escaped."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from skinlesion import __version__

if TYPE_CHECKING:
    import jinja2


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


@dataclass(frozen=True)
class Script:
    """A script of ours inside a page, which runs no other.

    Attributes:
        text: Its source.
        allowed: Names it to the page's Content-Security-Policy.
    """

    text: str
    allowed: str


def render(template: str, **values: Any) -> str:
    """The page that ``report/templates/TEMPLATE`` makes of ``values``."""
    return _environment().get_template(template).render(version=__version__, **values)


@functools.cache
def script(name: str) -> Script:
    """The script ``report/templates/NAME``."""
    text = (resources.files("skinlesion.report") / "templates" / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return Script(text, f"'sha256-{digest}'")


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("skinlesion.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
