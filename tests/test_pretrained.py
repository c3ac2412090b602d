"""Sources of ImageNet weights: as Keras has them, fetched whole or not at all, and offline."""

import hashlib
import http.server
import inspect
import threading
import time

import pytest

from skinlesion.commands import weights
from skinlesion.errors import ConfigError, IntegrityError, MissingExtraError
from skinlesion.pretrained import SOURCES, KerasFile, inventory
from skinlesion.pretrained.fetch import fetch
from skinlesion.progress import Reporter

CONTENT = bytes(range(256)) * 5000


class Server(http.server.BaseHTTPRequestHandler):
    """Answers /whole, /cut (half of what it announces), /silent and 404."""

    def do_GET(self):
        if self.path == "/silent":
            time.sleep(1)
            return
        self.send_response(200 if self.path in ("/whole", "/cut") else 404)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path in ("/whole", "/cut"):
            half = len(CONTENT) // 2 if self.path == "/cut" else len(CONTENT)
            self.wfile.write(CONTENT[:half])

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("SKINLESION_OFFLINE", raising=False)
    return tmp_path / "models"


def source(server, path="whole", *, content=CONTENT):
    return KerasFile("weights.h5", f"{server}/{path}", hashlib.md5(content).hexdigest())


def test_a_file_comes_whole(server, home):
    seen = []

    fetch(source(server), advance=lambda done, total: seen.append((done, total)))

    assert (home / "weights.h5").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert source(server).state() == "present"
    assert [path.name for path in home.iterdir()] == ["weights.h5"]


@pytest.mark.parametrize(
    ("path", "content", "error"),
    [
        ("whole", b"another", IntegrityError),
        ("cut", CONTENT, MissingExtraError),
        ("nowhere", CONTENT, MissingExtraError),
        ("silent", CONTENT, MissingExtraError),
    ],
)
def test_nothing_is_left_of_what_did_not_come_whole(server, home, path, content, error):
    with pytest.raises(error) as caught:
        fetch(source(server, path, content=content), timeout=0.2)

    assert server in str(caught.value)
    assert list(home.iterdir()) == []


def test_a_damaged_file_stays_until_a_whole_one_is_there(server, home):
    home.mkdir()
    (home / "weights.h5").write_bytes(b"damaged")
    assert source(server).state() == "damaged"

    with pytest.raises(MissingExtraError):
        fetch(source(server, "cut"))
    assert (home / "weights.h5").read_bytes() == b"damaged"

    fetch(source(server))
    assert source(server).state() == "present"


def test_offline_asks_no_server(server, home, monkeypatch):
    monkeypatch.setenv("SKINLESION_OFFLINE", "1")

    with pytest.raises(MissingExtraError, match="forbids the network") as caught:
        fetch(source(server))

    assert str(home / "weights.h5") in caught.value.fix
    assert not home.exists()


def test_verify_names_what_is_damaged_and_what_is_missing(home):
    assert weights.verify([])["resnet50"] == "missing"
    with pytest.raises(MissingExtraError, match="missing"):
        weights.verify(["resnet50"])
    home.mkdir()
    (home / SOURCES["resnet50"].name).write_bytes(b"something else")

    with pytest.raises(IntegrityError, match="damaged") as caught:
        weights.verify([])

    assert caught.value.which == [f"resnet50: {home / SOURCES['resnet50'].name}"]


def test_what_is_there_is_not_fetched_again(monkeypatch):
    monkeypatch.setenv("SKINLESION_OFFLINE", "1")

    (line,) = weights.fetch(["efficientnet_lite0"], reporter=Reporter(quiet=True))

    assert "is there and whole" in line


@pytest.mark.parametrize("backbone", ["resnet51", "alexnet"])
def test_what_has_no_weights_is_refused(backbone):
    with pytest.raises(ConfigError, match=backbone):
        weights.fetch([backbone], reporter=Reporter(quiet=True))


def test_the_inventory_has_a_row_for_each_backbone(home):
    rows = {row["backbone"]: row for row in inventory()}

    assert set(rows) == set(SOURCES)
    assert rows["efficientnet_lite0"]["state"] == "present"
    assert rows["resnet50"]["path"] == str(home / SOURCES["resnet50"].name)
    assert rows["alexnet"]["state"] == "none"


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("backbone", "module"),
    [
        ("inceptionv3", "inception_v3"),
        ("resnet50", "resnet"),
        ("densenet121", "densenet"),
        ("efficientnetb0", "efficientnet"),
    ],
)
def test_name_place_and_sum_are_those_of_the_keras_that_is_installed(backbone, module):
    import importlib

    # Names and addresses are put together from pieces there; the last piece and the sum are whole.
    text = inspect.getsource(importlib.import_module(f"keras.src.applications.{module}"))
    known = SOURCES[backbone]

    assert known.md5 in text
    assert known.url.rpartition("/")[0].rpartition("/")[2] in text
    assert known.name.endswith("_notop.h5")


@pytest.mark.tensorflow
def test_every_backbone_has_its_source():
    from skinlesion.models import BACKBONES

    assert {name: row.imagenet for name, row in BACKBONES.items()} == SOURCES
