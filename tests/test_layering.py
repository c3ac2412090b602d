"""Imports point down only, and only a few modules know TensorFlow; read from the source."""

import ast
import functools
from pathlib import Path

import pytest

import skinlesion

PACKAGE = Path(skinlesion.__file__).parent

# By the first name below skinlesion; a smaller number never imports a larger one.
LEVELS = {
    "errors": 0,
    "arguments": 0.5,
    "extras": 0.5,
    "folders": 0.5,
    "wording": 0.5,
    "config": 1,
    "odds": 0.5,
    "offline": 0.5,
    "serving": 0.5,
    "places": 1.5,
    "pretrained": 1,
    "progress": 1,
    "processes": 1,
    "provenance": 1,
    "runs": 1,
    "runtime": 1,
    "tables": 1,
    "bundle": 2,
    "data": 2,
    "ensemble": 2,
    "losses": 2,
    "metrics": 2,
    "models": 2,
    "inference": 2.5,
    "explain": 3,
    "report": 3,
    "search": 3,
    "training": 3,
    "web": 3,
    "export": 3.2,
    "asking": 3.5,
    "loading": 3.5,
    "commands": 4,
    "api": 4.5,
    "cli": 5,
    "__main__": 6,
}
# Within level 1 some modules stand on others; elsewhere a level's packages do not meet.
SIDEWAYS = {
    "provenance": {"runs", "tables"},
}
TENSORFLOW = {"tensorflow", "keras"}
KNOW_TENSORFLOW = (
    "runtime",
    "losses",
    "models",
    "training",
    "explain",
    "export",
    "data.augment",
    "data.pipeline",
)
HEAVY_FOR_COMMANDS = (
    "losses",
    "models",
    "training",
    "explain",
    "export",
    "data.augment",
    "data.pipeline",
)


def module_name(path):
    """``data.images`` of ``skinlesion/data/images.py``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}
NAMED = sorted(name for name in MODULES if name)


@functools.cache
def parsed(name):
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def imported(name, *, inside_functions=True):
    """Full names of what the module imports when it runs, without what only types need."""
    found = []

    def visit(node):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not inside_functions:
            return
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            found.extend(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(parsed(name))
    return found


def own(names):
    """The imported modules of this package, such as ``data.store``."""
    modules = set()
    for full in names:
        parts = full.split(".")
        if parts[0] != "skinlesion":
            continue
        inner = parts[1:]
        while inner and ".".join(inner) not in MODULES:
            inner.pop()
        modules.add(".".join(inner))
    return modules - {""}


def belongs(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_the_imports_of_a_known_module_are_read_whole():
    assert {"yaml", "skinlesion.errors.ConfigError"} <= {*imported("config.loading")}
    assert "models" in own(imported("commands.train"))
    assert "models" not in own(imported("commands.train", inside_functions=False))


def test_every_module_has_a_level():
    assert {name.partition(".")[0] for name in NAMED} == set(LEVELS)


@pytest.mark.parametrize("name", NAMED)
def test_imports_point_down(name):
    package = name.partition(".")[0]

    for other in own(imported(name)):
        below = other.partition(".")[0]
        if below == package and package != "commands":
            continue
        allowed = LEVELS[below] < LEVELS[package] or below in SIDEWAYS.get(package, ())
        assert allowed, f"{name} imports {other}"


@pytest.mark.parametrize("name", NAMED)
def test_only_the_modules_that_compute_know_tensorflow(name):
    known = {full.partition(".")[0] for full in imported(name)} & TENSORFLOW

    assert not known or belongs(name, KNOW_TENSORFLOW), f"{name} imports {known}"


@pytest.mark.parametrize("name", [n for n in NAMED if LEVELS[n.partition(".")[0]] < 2])
def test_the_foundation_imports_tensorflow_when_it_is_called_not_before(name):
    outside = {full.partition(".")[0] for full in imported(name, inside_functions=False)}

    assert not outside & (TENSORFLOW | {"sklearn", "matplotlib", "scipy"})


@pytest.mark.parametrize("name", [n for n in NAMED if belongs(n, ("commands", "cli", "__main__"))])
def test_commands_import_what_needs_tensorflow_when_they_run(name):
    outside = own(imported(name, inside_functions=False))

    assert not [module for module in outside if belongs(module, HEAVY_FOR_COMMANDS)]


@pytest.mark.parametrize("name", [n for n in NAMED if belongs(n, ("cli", "__main__"))])
def test_the_command_line_imports_its_commands_when_they_run(name):
    outside = own(imported(name, inside_functions=False))

    assert all(belongs(module, ("arguments", "cli", "errors", "serving")) for module in outside)


def test_only_the_onnx_writer_needs_onnx_before_it_is_called():
    writer = ("export.onnx", "export.graph", "export.halving")

    needing = [
        name
        for name in NAMED
        if any(full.partition(".")[0] == "onnx" for full in imported(name))
        or own(imported(name, inside_functions=False)) & {*writer}
    ]

    assert sorted(needing) == sorted(writer)


def test_only_downloads_and_the_server_open_sockets():
    sockets = {"socket", "urllib", "http", "requests", "ftplib", "urllib3"}

    speaking = [
        name for name in NAMED if {full.partition(".")[0] for full in imported(name)} & sockets
    ]

    others = [name for name in speaking if not belongs(name, ("data.isic",))]
    assert sorted(others) == [
        "export.browser.package",
        "models.weights",
        "pretrained.fetch",
        "web.server",
    ]
    assert "data.isic.client" in speaking
