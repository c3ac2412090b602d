"""The ISIC Archive and its challenges on loopback, in the real shapes, misbehaving on demand."""

import contextlib
import functools
import hashlib
import http.server
import io
import json
import threading
import urllib.parse
import zipfile
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from skinlesion.data.isic.challenges import CHALLENGES

LICENCES = ("CC-0", "CC-BY", "CC-BY-NC")
DIAGNOSES = ("Benign", "Malignant", "Indeterminate")
CHALLENGE_2017 = {
    "train": ("ISIC-2017_Training_Data", "ISIC-2017_Training_Part3_GroundTruth.csv"),
    "val": ("ISIC-2017_Validation_Data", "ISIC-2017_Validation_Part3_GroundTruth.csv"),
    "test": ("ISIC-2017_Test_v2_Data", "ISIC-2017_Test_v2_Part3_GroundTruth.csv"),
}


@functools.cache
def jpeg(seed, *, width=40, height=30, quality=90):
    """A JPEG of noise: as good as incompressible."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def zip_of(members, **options):
    """A zip of ``{name: content}``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@dataclass
class Fault:
    """What a path answers instead, once, or ``always``.

    A status with headers and a body; or the right answer cut after so many bytes of its body, and
    then, if there is an event ``until``, held open until it is set.
    """

    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes | None = None
    cut: int | None = None
    until: threading.Event | None = None
    always: bool = False


class Stub:
    """The server; ``files`` and ``items`` may be changed while it runs."""

    def __init__(self, images=0, *, page_size=100, **jpeg_options):
        self.page_size = page_size
        self.files, self.items, self.faults, self.log = {}, {}, {}, []
        self.edit_page = lambda page: page
        self.stalled = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.host}/"
        for number in range(images):
            self.add_image(number, **jpeg_options)
        self.collections = {70: "SIIM-ISIC 2020: Training", 71: "Another"}
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.005,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    # --- what it has --------------------------------------------------------------------------

    def add_image(self, number, **jpeg_options):
        isic_id = f"ISIC_{number:07}"
        full, thumbnail = jpeg(number, **jpeg_options), jpeg(number, width=16, height=12)
        self.files[f"/images/{isic_id}.jpg"] = full
        self.files[f"/thumbnails/{isic_id}_thumbnail.jpg"] = thumbnail
        self.items[isic_id] = {
            "isic_id": isic_id,
            "public": True,
            "copyright_license": LICENCES[number % 3],
            "attribution": "Anonymous" if number % 2 else "Clinic of Tests",
            "files": {
                "full": {"url": f"{self.url}images/{isic_id}.jpg", "size": len(full)},
                "thumbnail_256": {
                    "url": f"{self.url}thumbnails/{isic_id}_thumbnail.jpg",
                    "size": len(thumbnail),
                },
            },
            "metadata": {
                "acquisition": {"pixels_x": 40, "pixels_y": 30, "image_type": "dermoscopic"},
                "clinical": {
                    "diagnosis_1": DIAGNOSES[number % 3],
                    "age_approx": 20 + number,
                    "melanocytic": number % 2 == 0,
                    "sex": None,
                },
            },
            "_collections": {70 if number < 2 else 71},
        }
        return isic_id

    def add_challenge_2017(self, per_split=2):
        for start, (folder, table) in enumerate(CHALLENGE_2017.values()):
            ids = [f"ISIC_{100 * start + n:07}" for n in range(per_split)]
            members = {f"{folder}/{name}.jpg": jpeg(100 + int(name[5:])) for name in ids}
            members |= {f"{folder}/{name}_superpixels.png": b"\x89PNG" for name in ids}
            members[f"{folder}/{folder}_metadata.csv"] = b"image_id,age_approximate,sex\n"
            self.files[f"/challenges/2017/{folder}.zip"] = zip_of(members)
            rows = "".join(f"{name},{n % 2}.0,0.0\n" for n, name in enumerate(ids))
            truth = f"image_id,melanoma,seborrheic_keratosis\n{rows}"
            self.files[f"/challenges/2017/{table}"] = truth.encode()

    def add_challenge(self, year):
        """A zip of one image, or a table, for every file of the year."""
        for number, (_, name, folder) in enumerate(CHALLENGES[year].files):
            content = b"image,label\n"
            if folder:
                content = zip_of({f"{folder}/ISIC_{number:07}.jpg": jpeg(number)})
            self.files[f"/challenges/{year}/{name}"] = content

    def fault(self, path, **answer):
        """Answer so at ``path``; faults of one path come one after the other."""
        self.faults.setdefault(path, []).append(Fault(**answer))

    def fetched(self, beginning=""):
        """Paths of GET requests so far, in order."""
        return [
            path
            for method, path, _ in self.log
            if method == "GET" and path[: len(beginning)] == beginning
        ]

    # --- how it answers -----------------------------------------------------------------------

    def answer(self, path, query):
        """The body of ``path``; None if there is nothing."""
        if path in self.files:
            return self.files[path]
        below = path.removeprefix("/api/v2/")
        if below == "images/search/":
            return json.dumps(self.edit_page(self._page(path, query))).encode()
        if below == "images/search/size/":
            total = sum(item["files"]["full"]["size"] for item in self._found(query))
            return json.dumps({"size": total}).encode()
        if below == "collections/":
            results = [{"id": key, "name": name} for key, name in self.collections.items()]
            return json.dumps({"count": 2, "next": None, "results": results}).encode()
        if below.startswith("zip-download/license-file/"):
            return f"The text of {below.split('/')[2]}\n".encode()
        if below.startswith("images/ISIC_"):
            item = self.items.get(below.split("/")[1])
            return json.dumps(item, default=list).encode() if item else None
        return None

    def _found(self, query):
        wanted = [term.split(":") for term in query.get("query", [""])[0].split(" AND ") if term]
        numbers = {int(n) for n in query.get("collections", [""])[0].split(",") if n}
        for item in self.items.values():
            known = {**item["metadata"]["acquisition"], **item["metadata"]["clinical"]}
            if all(str(known.get(key)) == value for key, value in wanted) and (
                not numbers or numbers & item["_collections"]
            ):
                yield item

    def _page(self, path, query):
        found = list(self._found(query))
        start = int(query.get("cursor", ["0"])[0])
        size = min(int(query.get("limit", ["100"])[0]), self.page_size)
        shown = [
            {key: value for key, value in item.items() if key[0] != "_"}
            for item in found[start : start + size]
        ]
        following = None
        if start + size < len(found):
            again = {**{key: values[0] for key, values in query.items()}, "cursor": start + size}
            following = f"{self.url.rstrip('/')}{path}?{urllib.parse.urlencode(again)}"
        count = None if "cursor" in query else len(found)
        return {"count": count, "next": following, "previous": None, "results": shown}

    def _handler(stub):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                parts = urllib.parse.urlsplit(self.path)
                stub.log.append((self.command, parts.path, dict(self.headers)))
                faults = stub.faults.get(parts.path, [])
                fault = faults[0] if faults else Fault()
                if faults and not fault.always and self.command == "GET":
                    faults.pop(0)
                content = fault.body
                if content is None and fault.status == 200:
                    content = stub.answer(parts.path, urllib.parse.parse_qs(parts.query))
                if content is None:
                    self.reply(404 if fault.status == 200 else fault.status, fault, b"")
                elif fault.status != 200 or fault.body is not None:
                    self.reply(fault.status, fault, content)
                else:
                    self.reply_file(fault, content)

            def reply_file(self, fault, content):
                tag = f'"{hashlib.md5(content).hexdigest()}"'
                headers = {"ETag": tag, "Accept-Ranges": "bytes"}
                wanted = self.headers.get("Range")
                if wanted and self.headers.get("If-Range", tag) == tag:
                    start = int(wanted.removeprefix("bytes=").rstrip("-"))
                    extent = f"bytes {start}-{len(content) - 1}/{len(content)}"
                    headers["Content-Range"] = extent
                    self.reply(206, fault, content[start:], headers)
                else:
                    self.reply(200, fault, content, headers)

            def reply(self, status, fault, content, headers=()):
                self.send_response(status)
                for name, value in {
                    "Content-Length": len(content),
                    **dict(headers),
                    **fault.headers,
                }.items():
                    if value is not None:
                        self.send_header(name, str(value))
                self.end_headers()
                if self.command == "HEAD":
                    return
                self.wfile.write(content if fault.cut is None else content[: fault.cut])
                if fault.cut is not None or "Content-Length" in fault.headers:
                    self.wfile.flush()
                    if fault.until:
                        stub.stalled.set()
                        fault.until.wait(30)
                    self.close_connection = True

        return Handler


@contextlib.contextmanager
def other_host():
    """A second server, to which nothing may lead."""
    with Stub() as stub:
        yield stub
