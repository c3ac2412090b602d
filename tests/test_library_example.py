"""docs/examples/library.py runs, and docs/api.md shows its cells and what they print."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "docs" / "examples" / "library.py"
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def blocks(language):
    """The page's code blocks of ``language``."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def without_numbers(text):
    """Numbers differ from machine to machine, and the order of a leaderboard with them."""
    return sorted(re.sub(r"-?\d+(\.\d+)?", "#", line) for line in text.splitlines())


@pytest.mark.parametrize("block", blocks("python"))
def test_the_page_shows_pieces_of_the_script(block):
    assert block in SCRIPT.read_text(encoding="utf-8")


@pytest.mark.tensorflow
def test_the_script_prints_what_the_page_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    runpy.run_path(str(SCRIPT))

    printed = capsys.readouterr()
    assert printed.err == ""
    assert without_numbers(printed.out) == without_numbers("".join(blocks("text")))


def test_the_page_names_every_function():
    from skinlesion import api

    functions = {function.__name__ for function in api.COMMANDS.values()}

    assert functions - set(re.findall(r"`(\w+)`", PAGE)) == set()
