"""export --format web: the folder, what may go wrong, and its answers in a real browser."""

import base64
import csv
import functools
import hashlib
import io
import json
import os
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import browser
import numpy as np
import pytest
from PIL import Image
from training_fixtures import QuickReporter

from skinlesion import api, models
from skinlesion.bundle import Description, WeightsFile, encode_tensors, write_bundle
from skinlesion.commands import export_web
from skinlesion.data.synthetic import draw_lesion
from skinlesion.errors import ConfigError, DataError, IntegrityError, MissingExtraError
from skinlesion.export.browser import package
from skinlesion.export.browser.registry import registry
from skinlesion.training.bundling import _names

pytest.importorskip("onnxruntime", reason="the extra export is not installed")

pytestmark = pytest.mark.tensorflow
SIZE = 40
# A folder or file as for --onnxruntime-web; else what the command has downloaded before.
RUNTIME = Path(os.environ.get("SKINLESION_ONNXRUNTIME_WEB", package.cached()))
LOSSLESS, LARGE = 1e-5, 0.02  # in probability


def member(**changes):
    given = {
        "build": {"backbone": "efficientnet_lite0", "weights": "none", "image_size": SIZE},
        "preprocessing": {"stored_size": 48, "fit": "squash", "cleaning": {}},
        "views": [{"symmetry": one, "scale": 1.0} for one in range(8)],
        "average": "logit",
    }
    return {**given, **changes}


def write_model(path, *members, dtype="float32", **changes):
    """A bundle of random networks whose answers depend on what they see."""
    stored, rows = [], []
    for number, row in enumerate(members):
        network = models.build_model(**row["build"], seed=number)
        arrays = dict(zip(_names(network), network.get_weights(), strict=True))
        arrays = {
            name: value * 30 if value.shape == (8, 1) else value for name, value in arrays.items()
        }
        content = encode_tensors(arrays, dtype=dtype)
        digest = hashlib.sha256(content).hexdigest()
        name = f"member-{number:02d}.safetensors"
        stored.append(
            (WeightsFile(name=name, bytes=len(content), sha256=digest, dtype=dtype), content)
        )
        rows.append({**row, "parameters": network.count_params()})
    values = {
        "skinlesion": "0.1.0",
        "name": "tiny",
        "kind": "single",
        "target": "malignant",
        "classes": ["benign", "malignant"],
        "members": rows,
        "operating_points": {
            "youden": {"threshold": 0.3, "words": "Youden on val"},
            "fixed-0.50": {"threshold": 0.5, "words": "fixed"},
        },
        "calibration": {"method": "platt", "params": {"slope": 0.7, "intercept": -0.3}},
        "conformal": {
            "benign_up_to": 0.6,
            "malignant_from": 0.4,
            "benign_groups": 9,
            "malignant_groups": 9,
            "benign_coverage": 0.9,
            "malignant_coverage": 0.95,
        },
        "training": {"datasets": [], "images": {"train": 3, "val": 2}},
    }
    write_bundle(path, Description.model_validate({**values, **changes}), stored)
    return path


@pytest.fixture(scope="module")
def single(tiny_backbone, tmp_path_factory):
    return write_model(
        tmp_path_factory.mktemp("single") / "m.skinlesion", member(), dtype="float16"
    )


@pytest.fixture
def fake_package(tmp_path, monkeypatch):
    """Two short files that stand for the runtime, as an installed package."""
    files = {name: name.encode() * 3 for name in package.SHA256}
    folder = tmp_path / "node_modules" / "onnxruntime-web"
    (folder / "dist").mkdir(parents=True)
    for name, content in files.items():
        (folder / "dist" / name).write_bytes(content)
        monkeypatch.setitem(package.SHA256, name, hashlib.sha256(content).hexdigest())
    return folder


def exported(source, out, **options):
    return export_web.run(source, out, reporter=QuickReporter(), **options)


# --- the folder --------------------------------------------------------------------------------


def test_overwriting_deletes_no_folder_of_something_else(single, tmp_path):
    theirs = tmp_path / "site"
    theirs.mkdir()
    (theirs / "index.html").write_text("a site of their own")

    with pytest.raises(DataError, match="is not such a page, so --overwrite"):
        exported(single, theirs, overwrite=True)
    with pytest.raises(DataError, match="there is no folder"):
        exported(single, tmp_path / "page", images=tmp_path / "nowhere")
    assert [file.name for file in theirs.iterdir()] == ["index.html"]


def test_the_folder_holds_the_page_the_network_and_the_runtime(single, fake_package, tmp_path):
    outcome = exported(single, tmp_path / "page", onnxruntime_web=fake_package)

    files = {
        str(path.relative_to(tmp_path / "page")): path.read_bytes()
        for path in (tmp_path / "page").rglob("*")
        if path.is_file()
    }
    told = json.loads(files["model.json"])
    network = told["members"][0]["onnx"]
    assert {"index.html", "app.js", "worker.js", "style.css", "model.onnx"} <= set(files)
    assert {name for name in files if "/" in name} == {
        "onnxruntime/LICENSE.txt",
        "onnxruntime/ort-wasm-simd-threaded.wasm",
        "onnxruntime/ort.wasm.bundle.min.js",
    }
    assert outcome.bytes == sum(map(len, files.values()))
    assert network["sha256"] == hashlib.sha256(files["model.onnx"]).hexdigest()
    assert (network["bytes"], network["dtype"]) == (len(files["model.onnx"]), "float16")
    assert told["identity"] == api.load_model(single).identity
    assert outcome.networks[0][1].max_difference < 1e-5
    # It runs from any folder of any server, and asks for nothing elsewhere.
    assert b"http" not in files["index.html"].replace(b"http://127.0.0.1:8000", b"").replace(
        b"http-equiv", b""
    ).replace(b"http.server", b"")


def test_half_the_size_is_a_choice_for_a_model_of_whole_weights(
    tiny_backbone, fake_package, tmp_path
):
    source = write_model(tmp_path / "m.skinlesion", member())

    whole = exported(source, tmp_path / "whole", onnxruntime_web=fake_package)
    half = exported(source, tmp_path / "half", onnxruntime_web=fake_package, dtype="float16")

    assert (whole.dtype, half.dtype) == ("float32", "float16")
    assert half.networks[0][0] < whole.networks[0][0]
    assert whole.networks[0][1].max_difference < 1e-5 < half.networks[0][1].max_difference < 0.1


def test_what_the_page_cannot_do_is_refused(tiny_backbone, fake_package, tmp_path):
    how = {"stored_size": 48, "fit": "squash", "cleaning": {"hair_removal": True}}
    source = write_model(tmp_path / "m.skinlesion", member(preprocessing=how))

    with pytest.raises(ConfigError, match="hair_removal"):
        exported(source, tmp_path / "page", onnxruntime_web=fake_package)

    assert not (tmp_path / "page").exists()


def test_the_command_line_says_what_does_not_fit(type_command, single, tmp_path):
    taken = type_command("export", single, "--format", "web", "--out", tmp_path)
    other = type_command("export", single, "--format", "onnx", "--dtype", "float16")
    eight = type_command("export", single, "--format", "web", "--int8")

    assert (taken.code, other.code, eight.code) == (3, 2, 2)
    assert "exists already" in taken.err
    assert "--format web" in other.err
    assert "--int8 is not for web" in eight.err


# --- the runtime's package ---------------------------------------------------------------------


def packed(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def published(fake_package, monkeypatch, tmp_path):
    """The bytes that the registry gives, and a cache of our own."""
    content = packed({name: name.encode() * 3 for name in package.SHA256})
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    monkeypatch.setattr(package, "INTEGRITY", f"sha512-{digest}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in [name for name in os.environ if name.lower().startswith("npm_config_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
    monkeypatch.chdir(tmp_path)
    return content


class Answer:
    """What ``requests.get`` returns."""

    def __init__(self, content):
        self._content = content

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def raise_for_status(self):
        pass

    def iter_content(self, size):
        yield from (self._content[at : at + 100] for at in range(0, len(self._content), 100))


def test_the_package_is_downloaded_once(published, monkeypatch):
    asked = []

    def get(url, **_):
        asked.append(url)
        return Answer(published)

    monkeypatch.setattr(package.requests, "get", get)

    first, second = package.runtime_files(None), package.runtime_files(None)

    assert first == second == {name: name.encode() * 3 for name in package.SHA256}
    assert asked == ["https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz"]


def test_the_registry_is_the_one_that_npm_would_ask(published, monkeypatch, tmp_path):
    asked = []
    assert registry() == "https://registry.npmjs.org"
    for name, line in {
        "npmrc": "; mine\n//a.example/:_authToken=x\nregistry = ${WHERE}/npm/\n",
        ".npmrc": '@scope:registry=https://scoped.example\nregistry="https://project.example"\n',
    }.items():
        (tmp_path / name).write_text(line)
        monkeypatch.setenv("WHERE", "https://user.example")
        asked.append(registry())
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        monkeypatch.setenv(name, "http://127.0.0.1:4873/")
        asked.append(registry())
        monkeypatch.delenv(name)

    local = "http://127.0.0.1:4873"
    assert asked == ["https://user.example/npm", "https://project.example", local, local]
    monkeypatch.setenv("npm_config_registry", "ftp://elsewhere")
    with pytest.raises(ConfigError, match="ftp://elsewhere"):
        package.runtime_files(None)


def test_a_registry_that_does_not_answer_is_named_without_its_password(published, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://me:secret@127.0.0.1:9")

    with pytest.raises(MissingExtraError) as refused:
        package.runtime_files(None)

    assert "127.0.0.1:9/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz" in refused.value.expected
    assert "npm_config_registry" in refused.value.fix
    assert "secret" not in str(refused.value) + refused.value.expected


def test_another_package_is_refused_and_not_kept(published, monkeypatch):
    monkeypatch.setattr(package.requests, "get", lambda *_, **__: Answer(published[:-1] + b"x"))

    with pytest.raises(IntegrityError, match="as npm publishes it"):
        package.runtime_files(None)

    assert list(package.cached().parent.iterdir()) == []


def test_offline_the_error_says_how_to_get_it(published, monkeypatch):
    monkeypatch.setenv("SKINLESION_OFFLINE", "1")

    with pytest.raises(MissingExtraError) as refused:
        package.runtime_files(None)

    assert "npm pack onnxruntime-web@1.30.0" in refused.value.fix
    assert str(package.cached()) in refused.value.fix


def test_a_package_of_ones_own_is_taken_from_file_or_folder(published, fake_package, tmp_path):
    file = tmp_path / "any.tgz"
    file.write_bytes(published)

    given = [file, fake_package, fake_package / "dist", tmp_path]

    assert len({str(sorted(package.runtime_files(path).items())) for path in given}) == 1
    with pytest.raises(DataError, match="does not hold"):
        package.runtime_files(tmp_path / "node_modules")
    (fake_package / "dist" / package.SCRIPT).write_text("another version")
    with pytest.raises(IntegrityError, match=r"is not that of onnxruntime-web 1\.30\.0"):
        package.runtime_files(fake_package)


# --- in a browser ------------------------------------------------------------------------------


def in_a_browser(test):
    """Marks what needs Chromium and ONNX Runtime Web; neither is part of an installation."""
    for mark in (
        pytest.mark.thorough,
        pytest.mark.skipif(browser.program() is None, reason="no chromium on the PATH"),
        pytest.mark.skipif(
            not RUNTIME.exists(),
            reason="no ONNX Runtime Web: set SKINLESION_ONNXRUNTIME_WEB to its npm package",
        ),
    ):
        test = mark(test)
    return test


READY = "document.body.dataset.state !== undefined"
IDLE = "document.body.dataset.busy === undefined"
KEEP = """(() => { const kept = []; const make = URL.createObjectURL;
URL.createObjectURL = (blob) => { kept.push(blob); return make.call(URL, blob); };
document.getElementById('save').click(); URL.createObjectURL = make; return kept[0].text(); })()"""


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder; ``asked`` are the paths of all requests."""

    asked: list = []  # noqa: RUF012

    def log_message(self, *_):
        self.asked.append(self.path)


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    with browser.chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(window):
    """A page on which nothing has happened yet."""
    window.open("data:text/html,")
    window.requests.clear()
    window.complaints.clear()
    window.workers.clear()
    return window


@pytest.fixture
def serve():
    """A function that serves a folder: its address and what is asked for."""
    servers = []

    def start(folder):
        handler = type("Handler", (Quiet,), {"asked": []})
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
        )
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}", handler.asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def write_pictures(folder):
    """Files of several kinds and sizes, one large, one broken, one with an orientation."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    images = [Image.fromarray(draw_lesion(n % 2, size=300, rng=rng).image) for n in range(4)]
    exif = Image.Exif()
    exif[0x0112] = 6
    images[0].save(folder / "a.png")
    images[1].resize((130, 90)).save(folder / "b.png", icc_profile=b"x" * 200)
    images[2].resize((90, 110)).save(folder / "c, turned.jpg", quality=90, exif=exif)
    images[3].resize((1000, 800)).save(folder / "large.jpg", quality=90)
    clear = images[1].convert("RGBA")
    clear.putalpha(Image.radial_gradient("L").resize(clear.size))
    clear.save(folder / "transparent.png")
    (folder / "broken.jpg").write_bytes((folder / "large.jpg").read_bytes()[:5000])
    return sorted(folder.iterdir())


def compare(text, answers):
    """The page's table against Python's answers."""
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    for row, answer in zip(rows, answers, strict=True):
        assert row["path"] == Path(answer.path).name
        assert bool(row["error"]) == (answer.error is not None)
        if answer.error is None:
            near = pytest.approx(
                answer.probability, abs=LARGE if "large" in row["path"] else LOSSLESS
            )
            assert float(row["probability"]) == near, row
            assert float(row["calibrated"]) == pytest.approx(answer.calibrated, abs=LARGE)
            assert row["decision"] == answer.decision
            assert row["refer"] == ("yes" if answer.refer else "no")
            assert row["flags"] == ";".join(answer.flags)


def classified(page, files):
    """The page's table of ``files``, as the user saves it."""
    page.choose("#files", files)
    page.wait_for(IDLE)
    return page.run(KEEP)


@in_a_browser
def test_the_browser_answers_as_python_and_sends_nothing(page, single, serve, tmp_path):
    exported(single, tmp_path / "served/some where/page", onnxruntime_web=RUNTIME)
    files = write_pictures(tmp_path / "pictures")
    origin, asked = serve(tmp_path / "served")
    elsewhere, asked_elsewhere = serve(tmp_path)

    page.open(f"{origin}/some%20where/page/")
    page.wait_for(READY)
    assert page.run("document.body.dataset.state") == "ready"
    before = len(asked)
    text = classified(page, files)
    compare(text, api.load_model(single).predict(files))
    page.run("document.getElementById('point').value = 'fixed-0.50'")
    page.run("document.getElementById('point').dispatchEvent(new Event('change'))")
    fixed = api.load_model(single).predict(files, threshold="fixed-0.50")
    compare(page.run(KEEP), fixed)

    assert page.run("getComputedStyle(document.querySelector('.banner')).position") == "sticky"
    assert "not a medical device" in page.run("document.querySelector('.banner').innerText")
    assert page.complaints == []
    # Classifying asks for nothing, and nothing could be sent elsewhere, nor by the worker.
    assert len(asked) == before
    assert all(url.startswith((origin, f"blob:{origin}")) for url in page.requests)
    (worker,) = page.workers
    send = f"fetch('{elsewhere}/', {{method: 'POST'}}).then(() => 'sent', () => 'refused')"
    assert page.run(send) == "refused"
    assert page.run(send, session=worker) == "refused"
    assert asked_elsewhere == []


@in_a_browser
def test_an_ensemble_of_unlike_members_answers_as_in_python(page, tiny_backbone, serve, tmp_path):
    other = member(
        build={"backbone": "efficientnet_lite1", "weights": "none", "image_size": 48},
        preprocessing={"stored_size": 64, "fit": "letterbox", "cleaning": {}},
        views=[{"symmetry": 0, "scale": 1.25}, {"symmetry": 5, "scale": 0.8}],
        average="probability",
    )
    source = write_model(
        tmp_path / "m.skinlesion",
        member(),
        other,
        kind="ensemble",
        combiner={"name": "logit_mean", "params": {"weights": [0.3, 0.7]}},
    )
    exported(source, tmp_path / "page", onnxruntime_web=RUNTIME)
    files = write_pictures(tmp_path / "pictures")

    page.open(f"{serve(tmp_path / 'page')[0]}/", width=390)
    page.wait_for(READY)
    text = classified(page, files)

    compare(text, api.load_model(source).predict(files))
    assert page.run("document.documentElement.scrollWidth") <= 390


@pytest.mark.real_data
@in_a_browser
def test_real_images_are_answered_as_in_python(page, tiny_backbone, serve, real_data, tmp_path):
    how = {"stored_size": 256, "fit": "squash", "cleaning": {}}
    source = write_model(tmp_path / "m.skinlesion", member(preprocessing=how))
    exported(source, tmp_path / "page", onnxruntime_web=RUNTIME)
    folders = ("isic2017/ISIC-2017_Test_v2_Data", "ham10000/HAM10000_images")
    files = [file for folder in folders for file in sorted((real_data / folder).glob("*.jpg"))[:10]]

    page.open(f"{serve(tmp_path / 'page')[0]}/")
    page.wait_for(READY)
    text = classified(page, files)

    compare(text, api.load_model(source).predict(files))


@in_a_browser
def test_what_is_missing_is_said(page, single, serve, tmp_path):
    exported(single, tmp_path / "page", onnxruntime_web=RUNTIME)
    (tmp_path / "page/model.onnx").write_bytes(b"cut")

    page.open(f"{serve(tmp_path / 'page')[0]}/")
    page.wait_for(READY)
    assert "copy the folder again" in page.run("document.getElementById('problem').innerText")
    page.open(tmp_path / "page/index.html")
    shown = "getComputedStyle(document.getElementById('unserved')).visibility === 'visible'"
    page.wait_for(shown)
    assert "http.server" in page.run("document.getElementById('unserved').innerText")
