"""serve over real sockets, with a model that needs no TensorFlow: every limit has its answer."""

import asyncio
import csv
import io
import json
import os
import re
import socket
import struct
import tempfile
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import pytest
import requests
from fastapi import Request
from web_fixtures import FakeModel, picture, probability_of, serving

from skinlesion.errors import ConfigError
from skinlesion.web import rates, server
from skinlesion.web.guard import HEADERS
from skinlesion.web.limits import Limits
from skinlesion.web.refusals import Refusal
from skinlesion.web.uploads import read_images
from skinlesion.web.worker import Worker

pytestmark = pytest.mark.thorough

TOKEN = "correct-horse-battery"
FORM = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def client():
    with serving(file_bytes=100_000, files=3, request_bytes=250_000, pixels=10_000) as found:
        yield found


def part(content, *, name="files", filename="a.png"):
    shown = f'; filename="{filename}"' if filename is not None else ""
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def error_of(answer, status, code):
    """Check what every refusal has; returns the error."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["error"]


# --- answers -----------------------------------------------------------------------------------


def test_each_picture_has_its_row_in_order(client):
    files = [(f"{shade}.png", picture(shade)) for shade in (10, 20, 30)]

    answer = client.post("/api/predict", *files).json()

    rows = answer["answers"]
    assert [row["file"] for row in rows] == ["10.png", "20.png", "30.png"]
    assert [row["probability"] for row in rows] == [probability_of(file) for _, file in files]
    assert (answer["model"], answer["threshold"]) == (FakeModel.identity, "youden")
    assert "not a medical device" in answer["notice"]


def test_decisions_are_those_of_the_operating_point_asked_for(client):
    shades = [s for s in range(50) if 0.3 <= probability_of(picture(s)) < 0.5]
    file = ("a.png", picture(shades[0]))

    said = [
        client.post(f"/api/predict?threshold={name}", file).json()["answers"][0]["decision"]
        for name in ("youden", "fixed-0.50")
    ]

    assert said == ["malignant", "benign"]
    error = error_of(client.post("/api/predict?threshold=mine", file), 422, "unknown_threshold")
    assert "youden" in error["expected"]


def test_a_broken_picture_is_a_row_and_the_others_have_answers(client):
    answer = client.post("/api/predict", ("a.jpg", b"no picture"), ("b.png", picture()))

    rows = answer.json()["answers"]
    assert answer.status_code == 200
    assert [bool(row["error"]) for row in rows] == [True, False]
    alone = client.post("/api/predict", ("a.jpg", b"no picture"))
    assert "a.jpg" in error_of(alone, 422, "unreadable")["message"]
    assert alone.json()["answers"][0]["error"] == rows[0]["error"]


def test_the_csv_says_what_the_json_says(client):
    files = [("=1+1.png", picture(1)), ("b,\u00e9.png", picture(2)), ("c.jpg", b"")]

    rows = client.post("/api/predict", *files).json()["answers"]
    text = client.post("/api/predict?format=csv", *files).content.decode()

    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["file"] for line in lines] == ["'=1+1.png", "b,\u00e9.png", "c.jpg"]
    assert [line["probability"] for line in lines[:2]] == [str(r["probability"]) for r in rows[:2]]
    assert [line["error"] == "" for line in lines] == [True, True, False]
    assert {line["model"] for line in lines} == {FakeModel.identity}


@pytest.mark.parametrize("name", ["=1", "+1", "-1", "@A1", " =1", "\uff1d1", "\uff20A1"])
def test_a_spreadsheet_computes_no_name(client, name):
    text = client.post("/api/predict?format=csv", (name, picture())).content.decode()

    assert next(csv.DictReader(io.StringIO(text)))["file"] == f"'{name}"


def test_a_map_comes_as_json_or_as_png(client):
    told = client.post("/api/explain?evidence=against", ("a.png", picture())).json()
    drawn = client.post("/api/explain?format=png", ("a.png", picture()))

    assert (told["evidence"], told["method"], told["side"]) == ("against", "gradcam", 32)
    assert drawn.headers["content-type"] == "image/png"
    assert drawn.content.startswith(b"\x89PNG")
    error_of(client.post("/api/explain?evidence=maybe", ("a.png", picture())), 422, "invalid")
    error_of(client.post("/api/explain", *[("a.png", picture())] * 2), 413, "too_many_files")
    error_of(client.post("/api/explain", ("a.png", b"x")), 422, "unreadable")


def test_a_model_without_maps_says_why():
    model = FakeModel()
    model.why_no_map = "its members vote"
    with serving(model) as client:
        answer = client.post("/api/explain", ("a.png", picture()))

    assert error_of(answer, 422, "no_map")["message"] == "its members vote"


def test_the_card_has_limits_and_openapi_names_every_route(client):
    card = client.get("/api/model").json()
    told = client.get("/api/openapi.json").json()

    assert card["name"] == "fake"
    assert card["limits"] == {"file_bytes": 100_000, "files": 3, "pixels": 10_000, "rate": 0}
    routes = {"/api/predict", "/api/explain", "/api/model", "/healthz", "/metrics"}
    assert set(told["paths"]) == routes
    form = told["paths"]["/api/predict"]["post"]["requestBody"]["content"]
    assert list(form) == ["multipart/form-data"]


def test_metrics_count_requests_and_pictures(client):
    before = [client.metric(f'skinlesion_images_total{{outcome="{o}"}}') for o in OUTCOMES]

    client.post("/api/predict", ("a.png", picture()), ("b.png", b"no picture"))
    client.get("/no/such/place/../../of-a-stranger")

    after = [client.metric(f'skinlesion_images_total{{outcome="{o}"}}') for o in OUTCOMES]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1]
    text = client.get("/metrics").text
    assert client.metric("skinlesion_queue_length") == 0
    assert 'route="other"' in text
    assert "of-a-stranger" not in text


OUTCOMES = ("answered", "unreadable")


# --- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("image/png", b"x", 415, "not_a_form"),
        ("application/json", b"{}", 415, "not_a_form"),
        ("multipart/form-data", b"--b--", 400, "malformed"),
        (FORM, b"", 400, "malformed"),
        (FORM, b"nothing of the kind", 400, "malformed"),
        (FORM, part(b"x" * 100)[:-50], 400, "malformed"),
        (FORM, b"--b--\r\n", 400, "no_file"),
        (FORM, part(b"x", name="image") + b"--b--", 400, "unexpected_field"),
        (FORM, part(b"youden", filename=None) + b"--b--", 400, "unexpected_field"),
        (FORM, part(b"x") * 4 + b"--b--", 413, "too_many_files"),
        (FORM, part(b"x" * 100_001) + b"--b--", 413, "file_too_large"),
        (FORM, part(b"x" * 90_000) * 3 + b"--b--", 413, "request_too_large"),
    ],
)
def test_whatever_is_sent_has_a_clear_answer(client, kind, body, status, code):
    headers = {"Content-Type": kind}
    for data in (body, iter([body[:7], body[7:]])):  # with its length, and in chunks without
        answer = requests.post(f"{client.url}/api/predict", data=data, headers=headers, timeout=60)
        error_of(answer, status, code)
    assert client.api.memory.held == 0


def request_of(*chunks, ends=True):
    """A request with this body; who asks for more than it has gets an error."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if ends:
        messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return messages.pop(0)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", FORM.encode())]}
    return Request(scope, receive)


def test_an_upload_over_the_limit_is_refused_while_it_streams():
    limits = Limits(file_bytes=1000, request_bytes=3000)
    endless = [part(b"x" * 100)[:-2], *[b"x" * 100] * 10]
    held = []

    with pytest.raises(Refusal) as refused:
        asyncio.run(read_images(request_of(*endless, ends=False), limits, held.append, most=9))

    assert refused.value.code == "file_too_large"
    assert sum(held) < 1300


def test_an_upload_that_never_ends_is_given_up():
    async def receive():
        await asyncio.Event().wait()

    request = request_of()
    request._receive = receive

    with pytest.raises(Refusal) as refused:
        asyncio.run(read_images(request, Limits(upload_seconds=0.01), print, most=1))

    assert refused.value.status == 408


def test_names_are_plain():
    body = [part(b"x", filename=n) for n in ("../../etc/passwd", "C:\\x\\y.png", "\x1b[2J", "")]

    images = asyncio.run(read_images(request_of(*body, b"--b--"), Limits(), lambda _: None, most=4))

    assert [image.name for image in images] == ["passwd", "y.png", "[2J", "picture-4"]


def bomb(width, height):
    """A PNG of few bytes that says it is large."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


@pytest.mark.parametrize("size", [(101, 100), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_never_reaches_the_model(client, size):
    client.model.seen.clear()

    answer = client.post("/api/predict", ("small.png", bomb(*size)))

    assert "pixels" in error_of(answer, 422, "unreadable")["message"]
    assert client.model.seen == []


@pytest.mark.parametrize(
    ("content", "is_read"),
    [
        (picture(kind="PNG"), True),
        (picture(kind="JPEG"), True),
        (picture(kind="BMP"), True),
        (picture(kind="TIFF"), True),
        (picture(kind="GIF"), False),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", False),
        (b"", False),
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.exe"])
def test_types_are_told_by_content(client, name, content, is_read):
    answer = client.post("/api/predict", (name, content))

    assert answer.status_code == (200 if is_read else 422)


def test_nothing_is_written_to_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model, found = FakeModel(), []

    def look():
        """Files in the folder for temporary ones, also those that have no name there."""
        links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        places = [os.readlink(link) for link in links if os.path.lexists(link)]
        found.append([p for p in places if p.startswith(str(tmp_path))] + os.listdir(tmp_path))

    model.watch = look
    with serving(model) as client:
        large = picture(size=(1500, 1000))
        assert len(large) > 2_000_000
        client.post("/api/predict", *[("a.png", large)] * 3)
        assert found == [[]]

        with tempfile.SpooledTemporaryFile(max_size=1) as file:  # what the test must see
            file.write(b"two")
            client.post("/api/predict", ("a.png", picture()))
            assert len(found[-1]) == 1


def test_what_is_held_at_a_time_is_bounded():
    memory = rates.Memory(100)

    with memory.holding() as take, memory.holding() as take_too:
        take(60)
        with pytest.raises(Refusal) as refused:
            take_too(50)
        take_too(40)

    assert (refused.value.status, refused.value.retry_after, memory.held) == (503, 2, 0)


# --- the queue and the rate --------------------------------------------------------------------


def test_a_full_queue_says_when_to_come_again():
    with serving(queue=2) as client, ThreadPoolExecutor(8) as pool:
        client.model.gate.clear()
        taken = [pool.submit(client.post, "/api/predict", ("a.png", picture(n))) for n in range(3)]
        while client.metric("skinlesion_queue_length") < 3:
            pass

        answer = client.post("/api/predict", ("b.png", picture()))
        assert client.get("/healthz").json() == {"status": "ok"}
        client.model.gate.set()

        error = error_of(answer, 503, "busy")
        assert int(answer.headers["retry-after"]) == error["retry_after"] >= 1
        assert [one.result().status_code for one in taken] == [200] * 3
    assert client.model.seen == ["a.png"] * 3


def test_answers_in_flight_are_finished_and_new_ones_refused():
    with serving() as client, ThreadPoolExecutor(4) as pool:
        client.model.gate.clear()
        taken = pool.submit(client.post, "/api/predict", ("a.png", picture()))
        assert client.model.entered.acquire(timeout=60)

        stopped = pool.submit(client.stop)
        while not refuses(client.url):
            pass
        client.model.gate.set()

        assert taken.result().status_code == 200
        stopped.result()
        assert not client.api.worker.is_well


def refuses(url):
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as knock:
        return knock.connect_ex((host, int(port))) != 0


def test_a_closed_worker_finishes_what_it_took():
    worker, gate = Worker(5), threading.Event()
    results = [worker.submit(lambda: gate.wait(60)), worker.submit(lambda: 7)]

    closing = threading.Thread(target=worker.close)
    closing.start()
    while worker.is_well:
        pass
    with pytest.raises(Refusal):
        worker.submit(lambda: 8)
    gate.set()
    closing.join(60)

    assert [future.result(0) for future in results] == [True, 7]


def test_a_job_that_fails_is_an_answer_and_the_next_is_done():
    worker = Worker(5)

    with pytest.raises(ZeroDivisionError):
        worker.submit(lambda: 1 / 0).result(60)
    assert worker.submit(lambda: 7).result(60) == 7
    worker.close()


def test_a_bug_is_an_answer_too(capsys):
    model = FakeModel()
    model.watch = lambda: 1 / 0
    with serving(model) as client:
        error = error_of(client.post("/api/predict", ("a.png", picture())), 500, "bug")
        assert "division" not in json.dumps(error)
        model.watch = lambda: None
        assert client.post("/api/predict", ("a.png", picture())).status_code == 200
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_clients_have_a_rate_each():
    now = [0.0]
    limit = rates.Rates(60, clock=lambda: now[0])

    limit.charge("a", 90)
    limit.check("b")
    with pytest.raises(Refusal) as refused:
        limit.check("a")
    assert refused.value.retry_after == pytest.approx(31)
    now[0] = 30.5
    with pytest.raises(Refusal):
        limit.check("a")
    now[0] = 31
    limit.check("a")


def test_only_so_many_clients_are_remembered():
    limit = rates.Rates(1)

    for number in range(rates.MAX_CLIENTS + 5):
        limit.charge(str(number), 1)

    assert len(limit._left) == rates.MAX_CLIENTS


def test_too_many_pictures_are_429_and_the_page_is_not():
    with serving(rate=3) as client:
        codes = [client.post("/api/predict", ("a.png", picture())).status_code for _ in range(3)]
        answer = client.post("/api/explain", ("a.png", picture()))

        assert codes == [200] * 3
        assert error_of(answer, 429, "rate_limit")["retry_after"] <= 20
        assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/").status_code == client.get("/healthz").status_code == 200


# --- who is let in -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked():
    with serving(token=TOKEN) as found:
        yield found


@pytest.mark.parametrize("path", ["/api/model", "/metrics", "/api/openapi.json", "/api/none"])
@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"]
)
def test_without_the_token_nothing_is_told(locked, path, given):
    answer = locked.get(path, headers={} if given is None else {"Authorization": given})

    error_of(answer, 401, "token")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_with_the_token_it_answers(locked):
    right = {"Authorization": f"Bearer {TOKEN}"}

    assert locked.get("/api/model", headers=right).status_code == 200
    assert locked.post("/api/predict", ("a.png", picture()), headers=right).status_code == 200
    assert error_of(locked.post("/api/predict", ("a.png", picture())), 401, "token")
    assert "security" in locked.get("/api/openapi.json", headers=right).json()["paths"][
        "/api/predict"]["post"]  # fmt: skip
    assert locked.get("/").status_code == locked.get("/healthz").status_code == 200


def test_a_large_upload_without_the_token_still_sees_the_answer(locked):
    answer = locked.post("/api/predict", ("a.png", b"x" * 20_000_000))

    error_of(answer, 401, "token")


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/model", "/metrics"])
def test_another_name_of_this_machine_is_refused(client, path):
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        error_of(client.get(path, headers={"Host": host}), 403, "unknown_host")
    for host in ("localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:80"):
        assert client.get(path, headers={"Host": host}).status_code == 200


def test_another_sites_page_is_refused(client):
    file = ("a.png", picture())

    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        answer = client.post("/api/predict", file, headers={"Origin": origin})
        error_of(answer, 403, "foreign_origin")
        assert "access-control-allow-origin" not in answer.headers
    assert client.post("/api/predict", file, headers={"Origin": client.url}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/app.js", "/style.css", "/icon.svg", "/api/model", "/none"])
def test_every_answer_has_the_headers(client, path):
    answer = client.get(path)

    assert HEADERS.items() <= dict(answer.headers.items()).items() | HEADERS.items()
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "server" not in answer.headers


def test_paths_lead_nowhere_else(client):
    for path in ("/docs", "/redoc", "/../pyproject.toml", "/%2e%2e/app.py", "//etc/passwd"):
        error_of(client.get(path), 404, "not_found")
    error_of(client.get("/api/predict"), 405, "method")


def test_the_page_asks_nobody_else():
    for file in resources.files("skinlesion.web").joinpath("static").iterdir():
        text = file.read_text(encoding="utf-8")
        addresses = re.findall(r"https?://[^\"' ]+|(?:src|href)=[\"']//", text)

        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, file.name
        if file.name == "index.html":
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", text)


@pytest.mark.parametrize(
    ("host", "token", "is_refused"),
    [
        ("127.0.0.1", None, False),
        ("127.8.8.8", None, False),
        ("::1", None, False),
        ("localhost", None, False),
        ("0.0.0.0", None, True),
        ("::", None, True),
        ("192.168.1.5", None, True),
        ("example.org", None, True),
        ("0.0.0.0", TOKEN, False),
        ("0.0.0.0", "short", True),
        ("127.0.0.1", "", True),
        ("127.0.0.1", "with space and \u00e9", True),
    ],
)
def test_others_are_let_in_only_with_a_token(host, token, is_refused):
    if not is_refused:
        server.refuse_open(host, token)
        return
    with pytest.raises(ConfigError, match="token"):
        server.refuse_open(host, token)


def test_the_command_refuses_before_it_loads_anything(type_command, monkeypatch, tmp_path):
    monkeypatch.delenv("SKINLESION_TOKEN", raising=False)
    open_to_all = type_command("serve", "--host", "0.0.0.0", "--model", "none")
    nothing = type_command("serve", "--model", tmp_path / "none", "--port", "0")

    assert open_to_all.code == 2
    assert "SKINLESION_TOKEN" in open_to_all.err
    assert nothing.code == 3
    assert open_to_all.out == nothing.out == ""


def test_a_port_that_is_taken_is_refused():
    with server.bind("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(ConfigError, match="cannot serve at"):
            server.bind("127.0.0.1", taken.getsockname()[1])


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch, type_command):
    import sys

    for name in [one for one in sys.modules if one.startswith("skinlesion.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    typed = type_command("serve")

    assert typed.code == 5
    assert "pip install 'skinlesion[web]'" in typed.err
