"""What a command says where an optional package is not installed."""

import re
import sys
from importlib import metadata

import pytest

from skinlesion.commands import export, serve
from skinlesion.errors import MissingExtraError
from skinlesion.extras import require
from skinlesion.inference.runtimes import LITERT, ONNX


def test_all_that_is_missing_is_named_at_once():
    modules = {"json": "json", "nowhere_one": "nowhere-one", "nowhere_two": "nowhere-two"}

    with pytest.raises(MissingExtraError) as caught:
        require("web", modules, purpose="serve", otherwise=", or do without")

    assert "serve needs nowhere-one and nowhere-two, which are not installed" in str(caught.value)
    assert "pip install 'skinlesion[web]', or do without" in str(caught.value)


def test_what_is_installed_is_not_imported():
    sys.modules.pop("this", None)

    require("web", {"this": "zen"}, purpose="serve")

    assert "this" not in sys.modules


@pytest.mark.parametrize(
    ("words", "missing", "package"),
    [
        ("export model --format onnx --out made", "onnx", "onnx"),
        ("export model --format onnx --out made", "onnxruntime", "onnxruntime"),
        ("export model --format litert --out made", "ai_edge_litert", "ai-edge-litert"),
        ("export model --format web --out made", "onnx", "onnx"),
        ("serve --port 0", "prometheus_client", "prometheus-client"),
    ],
)
def test_a_command_refuses_before_it_starts(
    type_command, monkeypatch, tmp_path, words, missing, package
):
    monkeypatch.setitem(sys.modules, missing, None)

    typed = type_command(*words.split())

    assert typed.code == MissingExtraError.exit_code
    assert f"needs {package}, which is not installed" in typed.err
    assert "pip install 'skinlesion[" in typed.err
    assert "Traceback" not in typed.err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("extra", "packages"),
    [
        ("onnx", ONNX),
        ("litert", LITERT),
        ("web", serve.PACKAGES),
        *(("export", packages) for packages in export.PACKAGES.values()),
    ],
)
def test_the_extra_that_is_advised_brings_what_is_missing(extra, packages):
    brought = {
        re.match(r"[\w.-]+", requirement)[0]
        for requirement in metadata.requires("skinlesion")
        if re.search(rf"extra == ['\"]{extra}['\"]", requirement)
    }

    assert {*packages.values()} <= brought
