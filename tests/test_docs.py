"""Pages that are made from the code equal what the code makes, and links lead somewhere."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_reference_is_current():
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))

    assert (ROOT / "docs" / "reference.md").read_text() == generate["page"](), (
        "run: python docs/generate.py"
    )


def anchors(page):
    """What headings are called in links, as GitHub makes it."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = []
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.append(f"{name}-{found.count(name)}" if name in found else name)
    return found


def test_anchors_by_hand(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A `b`: c, d-e\n\n```\n# no heading\n```\n## Again\n## Again\n")

    assert anchors(page) == ["a-b-c-d-e", "again", "again-1"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files_and_headings(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    local = [link.partition("#") for link in links if "://" not in link]

    assert [link for link, _, _ in local if not (page.parent / link).exists()] == []
    to_headings = [(page.parent / link if link else page, name) for link, _, name in local if name]
    assert [link for link in to_headings if link[1] not in anchors(link[0])] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_docs_exist(page):
    import typer

    from skinlesion.cli import app

    known = set(typer.main.get_command(app).commands)
    # Lines of code blocks that begin with the program's name.
    typed = re.findall(r"^(?: {4}|\$ )?skinlesion ([a-z][\w-]*)", page.read_text(), re.MULTILINE)

    assert [word for word in typed if word not in known] == []


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.stem)
def test_a_benchmark_imports_what_there_is(path, monkeypatch):
    monkeypatch.syspath_prepend(path.parent)

    assert callable(runpy.run_path(str(path), run_name="imported")["main"])
