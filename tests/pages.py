"""What tests read out of a page: its elements with attributes and text."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "input", "br", "link", "base"}


@dataclass
class Element:
    """One element; ``text`` is all text inside it."""

    tag: str
    attributes: dict
    text: str = ""
    children: list = field(default_factory=list)

    def all(self, tag=None, **wanted):
        """Elements inside it of this tag with these attributes, in order."""
        for child in self.children:
            same = all(child.attributes.get(name) == value for name, value in wanted.items())
            if (tag is None or child.tag == tag) and same:
                yield child
            yield from child.all(tag, **wanted)


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = [Element("document", {})]

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> ends a {self.open[-1].tag}"
        self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element.text += data


def read_page(path):
    """The page as a tree; AssertionError if an end tag is missing or out of order."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert [element.tag for element in reader.open] == ["document"]
    return reader.open[0]


def table(page, caption):
    """The rows of the table whose caption begins so: cells as text, the heading first."""
    for found in page.all("table"):
        if next(found.all("caption")).text.startswith(caption):
            return [
                [cell.text.strip() for cell in row.all() if cell.tag in ("th", "td")]
                for row in found.all("tr")
            ]
    raise AssertionError(f"no table {caption}")


def embedded(page):
    """What the explorer of the page works on."""
    return json.loads(next(page.all("script", id="models")).text)
