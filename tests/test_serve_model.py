"""serve with a real network: the numbers of predict, the maps of explain, and a load of clients."""

import csv
import io
import json
import os
import re
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
import tensorflow as tf
from PIL import Image
from training_fixtures import (
    QuickReporter,
    combine_pair,
    train_pair,
    use_tiny_backbone,
)
from web_fixtures import serving

from skinlesion import api
from skinlesion.commands import bundle as bundling
from skinlesion.commands import explain, export, serve
from skinlesion.commands.serve import Served
from skinlesion.config import ExplainConfig
from skinlesion.data.images import ImageBytes
from skinlesion.data.store import open_dataset
from skinlesion.report.overlay import LINE, MARGIN, SIDE
from skinlesion.runs import RunDir
from skinlesion.serving import Serving
from skinlesion.training import inference

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs, two ensembles and six photos."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_tiny_backbone(monkeypatch)
        train_pair(place)
        combine_pair(place)
        pixels = open_dataset(place / "dataset").pixels.read(np.arange(6))
        for number, image in enumerate(pixels):
            picture = Image.fromarray(image).resize((90 + number, 70))
            picture.save(place / f"{number}.{('jpg', 'png', 'tiff')[number % 3]}")
        yield place


@pytest.fixture(scope="module")
def served(made):
    bundling.run(made / "a", made / "a.skinlesion", reporter=QuickReporter())
    return Served(api.load_model(made / "a.skinlesion"))


@pytest.fixture(scope="module")
def client(served):
    with serving(served) as found:
        yield found


def photos(made):
    return sorted(path for path in made.glob("?.*") if path.suffix in (".jpg", ".png", ".tiff"))


def files_of(paths):
    return [(path.name, path.read_bytes()) for path in paths]


def test_an_upload_is_predicted_as_its_file_is(made, client, type_command):
    paths = photos(made)
    assert len(paths) == 6
    typed = type_command(
        "predict", *paths, "--model", made / "a.skinlesion", "--format", "csv", "--threshold",
        "sensitivity-0.95",
    )  # fmt: skip

    answer = client.post("/api/predict?format=csv&threshold=sensitivity-0.95", *files_of(paths))

    said, expected = (list(csv.DictReader(io.StringIO(t))) for t in (answer.text, typed.out))
    for row, other in zip(said, expected, strict=True):
        assert other["path"].endswith(row["file"])
        for name in ("probability", "calibrated", "decision", "refer", "flags", "error", "model"):
            assert row[name] == other[name]


def test_the_spread_is_that_of_the_eight_symmetries(made, served):
    # An image that is not resized: turned, it is the same eight images in another order.
    pixels = open_dataset(made / "dataset").pixels.read(np.array([3]))[0]
    rows = []
    for turned in (pixels, np.rot90(pixels), pixels[:, ::-1]):
        file = io.BytesIO()
        Image.fromarray(turned).save(file, "PNG")
        rows += served.predict([ImageBytes("x", file.getvalue())], threshold="youden")

    assert rows[0].low < rows[0].high
    assert [row.low for row in rows] == pytest.approx([rows[0].low] * 3, abs=1e-6)
    assert [row.high for row in rows] == pytest.approx([rows[0].high] * 3, abs=1e-6)
    for row in rows:  # each one alone is one of the eight
        assert row.low - 1e-6 <= row.probability <= row.high + 1e-6


def test_the_spread_of_a_model_with_eight_views_costs_nothing_more(made):
    model = api.load_model(made / "a", views=8)
    calls = []
    network = model.networks[0]
    model.networks[0] = lambda pixels, scale: calls.append(len(pixels)) or network(pixels, scale)
    paths = photos(made)

    plain = list(model.predict(paths))
    assert calls == [6] * 8
    spread = list(model.predict(paths, spread=True))

    assert calls == [6] * 16
    assert [one.probability for one in spread] == [one.probability for one in plain]
    assert all(one.low <= one.probability <= one.high for one in spread)
    assert all(one.low is None for one in plain)


@pytest.mark.parametrize(("name", "evidence"), [("a", "for"), ("mean", "against")])
def test_a_map_is_that_of_the_command(made, tmp_path, name, evidence):
    path = photos(made)[1]
    config = ExplainConfig(
        run=made / name, images=(path,), method={"name": "gradcam"}, evidence=evidence
    )
    explain.run(config, tmp_path / "out", reporter=QuickReporter())
    with Image.open(tmp_path / "out" / "001_1.png") as picture:
        expected = np.asarray(picture, int)

    image = ImageBytes(path.name, path.read_bytes())
    found = Served(api.load_model(made / name)).explain(image, evidence=evidence)

    with Image.open(io.BytesIO(found.overlay)) as picture:
        drawn = np.asarray(picture, int)
    top = MARGIN + 2 * LINE
    square = np.s_[top : top + SIDE, MARGIN : MARGIN + SIDE]
    assert drawn.shape == expected.shape
    assert np.abs(drawn[square] - expected[square]).max() <= 1


def test_a_member_of_more_weight_colours_more(made, tmp_path):
    model = Served(api.load_model(weighed(made, tmp_path, [0.25, 0.75])))
    side = max(one.build.image_size for one in model.predictor.description.members)
    left = np.arange(side) < side // 2
    for number, half in enumerate((left, ~left)):
        drawn = np.tile(half.astype("float32"), (1, side, 1))
        model._maps[number, 1] = lambda _, drawn=drawn: tf.constant(drawn)

    found = model.explain(ImageBytes("x", photos(made)[1].read_bytes()), evidence="for")

    alpha = np.asarray(Image.open(io.BytesIO(found.layer)))[..., 3]
    assert 0 < alpha[:, left].max() < alpha[:, ~left].min()


def weighed(made, tmp_path, weights):
    """The ensemble with other weights."""
    shutil.copytree(made / "mean", tmp_path / "weighed")
    combiner = RunDir(tmp_path / "weighed").combiner
    told = {"method": "greedy", "params": {"weights": weights}}
    combiner.write_text(json.dumps({**json.loads(combiner.read_text()), **told}))
    return tmp_path / "weighed"


def test_a_member_of_no_weight_is_not_asked_for_a_map(made, tmp_path):
    image = ImageBytes("x", photos(made)[1].read_bytes())

    alone, both = (
        Served(api.load_model(run)).explain(image, evidence="for")
        for run in (made / "a", weighed(made, tmp_path, [1.0, 0.0]))
    )

    assert both.layer == alone.layer
    assert both.picture == alone.picture


def test_the_layer_over_the_picture_is_coloured_where_the_map_is(served, made):
    image = ImageBytes("x", photos(made)[1].read_bytes())

    found = [served.explain(image, evidence=which) for which in ("for", "against")]

    for one in found:
        with Image.open(io.BytesIO(one.layer)) as layer:
            alpha = np.asarray(layer.getchannel("A"))
            assert (layer.mode, layer.size) == ("RGBA", (one.side, one.side))
        assert one.is_empty == (alpha.max() == 0)
        assert one.is_whole
    assert not all(one.is_empty for one in found)


def test_an_ensemble_that_votes_has_no_map_but_answers(made):
    served = Served(api.load_model(made / "majority_vote"))
    path = photos(made)[0]

    with serving(served) as client:
        card = client.get("/api/model").json()
        answer = client.post("/api/predict", *files_of([path])).json()["answers"][0]

    assert "majority_vote" in card["why_no_map"]
    assert 0 <= answer["low"] <= answer["high"] <= 1


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_an_export_is_served_with_its_answers_and_without_maps(made, tmp_path, format):
    pytest.importorskip({"onnx": "onnxruntime", "litert": "ai_edge_litert"}[format])
    export.run(made / "a", tmp_path / "e", format=format, reporter=QuickReporter())
    visitor = Visitor(files_of(photos(made))[0], signal.SIGTERM, also=("/api/model",))

    serve.run(tmp_path / "e", Serving(port=0), reporter=visitor)

    visitor.thread.join(60)
    answer, card = (answer.json() for answer in visitor.answers)
    expected = next(iter(api.load_model(made / "a").predict(photos(made)[:1])))
    assert answer["answers"][0]["probability"] == pytest.approx(expected.probability, abs=1e-5)
    assert format in card["why_no_map"]


def test_the_card_says_what_the_bundle_says(made, client):
    card = client.get("/api/model").json()
    told = client.model.predictor.description

    assert card["members"][0]["backbone"] == told.members[0].build.backbone
    assert card["training"]["images"] == told.training.images
    assert list(card["operating_points"]) == list(told.operating_points)
    assert card["flags"].keys() >= {"small", "blank", "blurred", "unlike-dermoscopy"}


class Visitor(QuickReporter):
    """Once the server says where it is: asks it about a picture, then ends it by a signal."""

    def __init__(self, file, ending, *, also=()):
        super().__init__()
        self.file, self.ending, self.also = file, ending, also
        self.thread, self.answers = None, []

    def say(self, text):
        super().say(text)
        if address := re.search(r"http://[^;]+", text):
            self.thread = threading.Thread(target=self.visit, args=(address[0],))
            self.thread.start()

    def visit(self, url):
        try:
            form = [("files", self.file)]
            self.answers.append(requests.post(f"{url}/api/predict", files=form, timeout=60))
            self.answers += [requests.get(url + path, timeout=60) for path in self.also]
        finally:
            os.kill(os.getpid(), self.ending)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(made, served, monkeypatch, ending):
    monkeypatch.setattr(inference, "load_predictor", lambda path, **_: served.predictor)
    before = signal.getsignal(ending)
    visitor = Visitor(files_of(photos(made))[0], ending)

    serve.run(made / "a", Serving(port=0, max_file_mib=1), reporter=visitor)

    visitor.thread.join(60)
    assert [answer.status_code for answer in visitor.answers] == [200]
    assert visitor.said[-1] == "stopped"
    assert signal.getsignal(ending) == before


@pytest.mark.slow
def test_a_load_of_clients_is_answered_and_memory_stays(served, made):
    files, clients, each = files_of(photos(made)), 50, 12
    with serving(served, queue=8) as client:
        codes = []
        resident = []
        for _ in range(3):
            start = threading.Barrier(clients)

            def send(number, start=start):
                start.wait(60)
                with requests.Session() as session:
                    found = []
                    for turn in range(each):
                        form = [("files", files[(number + turn) % len(files)])]
                        answer = session.post(f"{client.url}/api/predict", files=form, timeout=120)
                        found.append(answer.status_code)
                        assert answer.ok or answer.headers["retry-after"]
                    return found

            with ThreadPoolExecutor(clients) as pool:
                for found in pool.map(send, range(clients)):
                    codes += found
            resident.append(client.metric("process_resident_memory_bytes"))
        assert client.metric("skinlesion_queue_length") == 0
        assert client.api.memory.held == 0

    assert len(codes) == 3 * clients * each
    assert set(codes) == {200, 503}
    assert resident[2] - resident[0] < 30e6
