"""A model that needs no TensorFlow, a real server in a thread, and pictures to send."""

import contextlib
import io
import threading
import zlib

import numpy as np
import requests
from PIL import Image

from skinlesion.web import server
from skinlesion.web.app import make_app
from skinlesion.web.limits import Limits
from skinlesion.web.served import Explanation, Row

POINTS = {"youden": 0.3, "fixed-0.50": 0.5}
QUICK = {"upload_seconds": 20.0, "stop_seconds": 20}


def picture(shade=100, size=(64, 48), kind="PNG"):
    """The bytes of an image file; noise, so that it does not shrink."""
    rng = np.random.default_rng(shade)
    pixels = rng.integers(0, 255, (size[1], size[0], 3)) // 2 + shade // 2
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, kind)
    return file.getvalue()


class FakeModel:
    """Answers by the checksum of the bytes.

    Attributes:
        seen: Names of the images that it was asked about.
        gate: Set: it answers; cleared: it waits.
        entered: Released once each time that it begins.
        watch: Called whenever it is asked.
    """

    identity, target, why_no_map = "0123456789ab", "malignant", None
    operating_points = tuple(POINTS)

    def __init__(self):
        self.seen, self.watch = [], lambda: None
        self.gate, self.entered = threading.Event(), threading.Semaphore(0)
        self.gate.set()

    def predict(self, images, *, threshold):
        self.entered.release()
        assert self.gate.wait(60)
        self.watch()
        self.seen += [image.name for image in images]
        return [self._row(image, threshold) for image in images]

    def _row(self, image, threshold):
        value = probability_of(image.content)
        called = {name: ("benign", "malignant")[value >= cut] for name, cut in POINTS.items()}
        return Row(
            file=image.name,
            probability=value,
            low=value / 2,
            high=(1 + value) / 2,
            calibrated=value,
            decision=called[threshold],
            decisions=called,
            refer=False,
            flags=["small"],
        )

    def explain(self, image, *, evidence):
        layer = np.zeros((32, 32, 4), np.uint8)
        layer[8:24, 8:24] = (213, 94, 0, 255)
        files = []
        for pixels in (layer[..., :3], layer, layer[..., :3]):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            files.append(file.getvalue())
        return Explanation(32, False, True, *files)

    def card(self):
        interval = {"value": 0.8, "low": 0.7, "high": 0.9}
        return {
            "name": "fake",
            "identity": self.identity,
            "kind": "single",
            "target": self.target,
            "classes": ["benign", "malignant"],
            "members": [{"backbone": "none", "image_size": 32, "parameters": 7, "views": 1}],
            "combiner": None,
            "operating_points": {
                name: {"threshold": cut, "words": "chosen", "calibrated": cut}
                for name, cut in POINTS.items()
            },
            "calibration": "platt",
            "conformal": {"benign_coverage": 0.9, "malignant_coverage": 0.95},
            "training": {
                "datasets": [], "images": {"train": 10}, "sources": ["drawn"], "licence": "CC0-1.0"
            },
            "metrics": {
                "test": {
                    "images": 6,
                    "positives": 3,
                    "threshold_rule": "Youden on val",
                    "calibration": "none",
                    "scores": {"roc_auc": interval},
                }
            },
            "flags": {"small": "a side below 224 pixels"},
            "why_no_map": None,
            "skinlesion": "0",
        }  # fmt: skip


def probability_of(content):
    return zlib.crc32(content) % 1000 / 1000


class Client:
    """Talks to a server in this process.

    Attributes:
        url: Of it.
        api: What the application is made of.
        model: Whom it asks.
    """

    def __init__(self, url, api, model, stop):
        self.url, self.api, self.model, self.stop = url, api, model, stop

    def get(self, path, **options):
        return requests.get(self.url + path, timeout=60, **options)

    def post(self, path, *files, **options):
        """Send files, each ``(name, bytes)``."""
        form = [("files", file) for file in files]
        return requests.post(self.url + path, files=form, timeout=60, **options)

    def metric(self, line):
        """The value of one line of the metrics."""
        lines = self.get("/metrics").text.splitlines()
        return next(float(one.split()[-1]) for one in lines if one.startswith(line + " "))


@contextlib.contextmanager
def serving(model=None, *, token=None, hosts=server.LOOPBACK_NAMES, **limits):
    """Yield a ``Client`` of a server that runs until the block ends."""
    model, started = model or FakeModel(), threading.Event()
    bounded = Limits(**{**QUICK, "rate": 0, **limits})
    app, api = make_app(model, bounded, token=token, hosts=None if token else hosts)
    bound = server.bind("127.0.0.1", 0)
    url = server.address_of(bound)
    running = server._Server(server.configured(app, bounded), started.set)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [bound]})
    thread.start()

    def stop():
        running.should_exit = True
        thread.join(60)
        assert not thread.is_alive()

    try:
        assert started.wait(60)
        yield Client(url, api, model, stop)
    finally:
        getattr(model, "gate", started).set()
        stop()
        bound.close()
