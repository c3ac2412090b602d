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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    local = [link for link in links if "://" not in link]

    assert [link for link in local if not (page.parent / link).exists()] == []


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
