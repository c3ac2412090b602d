"""Client and fetch_file: limits, back-off and resuming, against a server that misbehaves."""

import email.utils
import threading
import time

import pytest
from isic_stub import Stub, jpeg, other_host

from skinlesion import __version__
from skinlesion.data.isic.answers import MAX_WAIT_SECONDS, HttpError
from skinlesion.data.isic.client import Client
from skinlesion.data.isic.fetch import fetch_file
from skinlesion.errors import DataError

pytestmark = pytest.mark.thorough

PATH = "/images/ISIC_0000000.jpg"


@pytest.fixture
def stub():
    with Stub(1, width=200, height=200, quality=100) as running:
        yield running


@pytest.fixture
def waits():
    """The seconds that the client would have slept."""
    return []


@pytest.fixture
def client(stub, waits):
    made = Client([stub.host], retries=2, backoff_seconds=1, timeout_seconds=5, sleep=waits.append)
    yield made
    made.close()


@pytest.fixture
def fetch(client, stub, tmp_path):
    """Fetch the stub's image into ``part``; returns its content."""

    def run(path=PATH, *, size=None, cap=10**7, advance=bool):
        part = tmp_path / "part"
        fetch_file(client, stub.url + path[1:], part, size=size, cap=cap, advance=advance)
        return part.read_bytes()

    return run


# --- where it goes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://api.isic-archive.com/api/v2/", "is not https"),
        ("ftp://127.0.0.1/x", "is not https"),
        ("file:///etc/passwd", "is not https"),
        ("https://elsewhere.example/x", "a host that is not expected"),
        ("https://api.isic-archive.com.elsewhere.example/", "a host that is not expected"),
        ("https://user:word@api.isic-archive.com/", "a host that is not expected"),
        ("https://api.isic-archive.com:8443/", "a host that is not expected"),
        ("http://127.0.0.1:1/", "a host that is not expected"),
        ("http://[::1", "is not a URL"),
        ("https://api.isic-archive.com:port/", "is not a URL"),
    ],
)
def test_only_known_hosts_are_spoken_to_and_encrypted(url, words):
    client = Client(["api.isic-archive.com"])

    with pytest.raises(DataError, match=words):
        client.get_bytes(url, cap=10)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_refused(stub, client, status):
    with other_host() as other:
        stub.fault("/x", status=status, headers={"Location": f"{other.url}x"})

        with pytest.raises(DataError, match="host that is not expected"):
            client.get_bytes(f"{stub.url}x", cap=10)

        assert other.log == []


def test_a_redirect_inside_is_followed_but_not_for_ever(stub, client):
    stub.fault("/x", status=302, headers={"Location": PATH})
    stub.fault("/loop", status=302, headers={"Location": "/loop"}, always=True)

    assert client.get_bytes(f"{stub.url}x", cap=10**7) == stub.files[PATH]
    with pytest.raises(DataError, match="more than 5 redirects"):
        client.get_bytes(f"{stub.url}loop", cap=10)


def test_it_says_who_it_is_and_neither_cookies_nor_passwords(stub, client, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    stub.fault(PATH, headers={"Set-Cookie": "track=me; Path=/"})

    for _ in range(2):
        client.get_bytes(stub.url + PATH[1:], cap=10**7)

    sent = [headers for _, _, headers in stub.log]
    assert all(h["User-Agent"].startswith(f"skinlesion/{__version__} (") for h in sent)
    assert all("Cookie" not in h and "Authorization" not in h for h in sent)


# --- what comes back --------------------------------------------------------------------------


def test_what_is_larger_than_the_cap_is_not_read_to_its_end(stub, client):
    with pytest.raises(DataError, match="is larger than 1000 bytes"):
        client.get_bytes(stub.url + PATH[1:], cap=1000)


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(stub, client, body):
    stub.fault("/x", body=body)

    with pytest.raises(DataError, match=r"is not (JSON|a JSON object)"):
        client.get_json(f"{stub.url}x")


def test_no_letter_of_a_stranger_steers_the_terminal(stub, client):
    stub.fault("/x", status=302, headers={"Location": "https://[a\x1b[2J/\x07?signature=1"})
    stub.fault("/y", status=302, headers={"Location": "https://a\x1b2J/\x07?signature=1"})

    for path in "xy":
        with pytest.raises(DataError) as caught:
            client.get_bytes(stub.url + path, cap=10)

        assert "\x1b" not in str(caught.value)
        assert "signature" not in str(caught.value)


# --- when it does not work for the moment -----------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_later_and_later(stub, client, waits, status):
    for _ in range(2):
        stub.fault("/x", status=status)
    stub.files["/x"] = b"at last"

    assert client.get_bytes(f"{stub.url}x", cap=10) == b"at last"
    assert waits == pytest.approx([1, 2], abs=0.1)


def test_retry_after_in_seconds_and_as_a_date_is_obeyed_by_all(stub, client, waits):
    moment = email.utils.formatdate(time.time() + 30, usegmt=True)
    stub.fault("/x", status=429, headers={"Retry-After": "7"})
    stub.fault("/x", status=503, headers={"Retry-After": moment})
    stub.files["/x"] = stub.files["/y"] = b"at last"

    client.get_bytes(f"{stub.url}x", cap=10)

    assert waits[0] == pytest.approx(7, abs=0.1)
    assert waits[1] == pytest.approx(30, abs=1.5)
    client.get_bytes(f"{stub.url}y", cap=10)  # another request inside the pause
    assert waits[2] == pytest.approx(30, abs=1.5)


def test_a_server_that_asks_for_too_long_a_wait_is_left_alone(stub, client, waits):
    stub.fault("/x", status=429, headers={"Retry-After": str(int(MAX_WAIT_SECONDS) + 1)})

    with pytest.raises(DataError, match="asks to wait for 301 s"):
        client.get_bytes(f"{stub.url}x", cap=10)

    assert waits == []


def test_after_the_retries_it_gives_up_and_says_how_often_it_tried(stub, client, waits):
    stub.fault("/x", status=503, always=True)

    with pytest.raises(DataError, match=r"answered 503 \(tried 3 times\)"):
        client.get_bytes(f"{stub.url}x", cap=10)

    assert len(stub.log) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_will_not_get_better_is_not_tried_again(stub, client, waits, status):
    stub.fault("/x", status=status)

    with pytest.raises(HttpError) as caught:
        client.get_bytes(f"{stub.url}x", cap=10)

    assert (caught.value.status, waits, len(stub.log)) == (status, [], 1)


def test_nobody_at_home_is_told_in_words(stub, waits):
    client = Client(["127.0.0.1:9"], retries=1, sleep=waits.append)

    with pytest.raises(DataError, match=r"no connection to the server; .* \(tried 2 times\)"):
        client.get_bytes("http://127.0.0.1:9/x", cap=10)


def test_a_silent_server_is_not_waited_for(stub, waits):
    client = Client([stub.host], retries=0, timeout_seconds=0.02)
    until = threading.Event()
    stub.fault(PATH, cut=10, until=until)

    with pytest.raises(DataError, match="did not answer in time"):
        client.get_bytes(stub.url + PATH[1:], cap=10**7)

    until.set()
    client.close()


# --- files ------------------------------------------------------------------------------------


def test_a_file_comes_whole_and_is_counted(stub, fetch):
    counts = []

    content = fetch(size=len(stub.files[PATH]), advance=counts.append)

    assert content == stub.files[PATH]
    assert sum(counts) == len(content)


def test_a_cut_body_is_gone_on_with_by_range(stub, fetch, waits):
    content, counts = stub.files[PATH], []
    stub.fault(PATH, cut=70_000)

    assert fetch(size=len(content), advance=counts.append) == content

    first, second = (headers for _, _, headers in stub.log)
    assert "Range" not in first
    assert second["Range"] == "bytes=65536-"
    assert sum(counts) == len(content)
    assert len(waits) == 1


def test_a_body_that_ends_early_without_a_length_is_noticed(stub, fetch):
    content = stub.files[PATH]
    stub.fault(PATH, cut=70_000, headers={"Content-Length": None})

    assert fetch(size=len(content)) == content


def test_what_an_earlier_run_left_is_gone_on_with_or_is_whole(stub, fetch, client, tmp_path):
    content = stub.files[PATH]
    stub.fault(PATH, cut=70_000)
    client.retries = 0
    with pytest.raises(DataError):
        fetch(size=len(content))
    assert (tmp_path / "part").stat().st_size == 65536

    assert fetch(size=len(content)) == content
    assert stub.log[-1][2]["Range"] == "bytes=65536-"

    requests = len(stub.log)
    assert fetch(size=len(content)) == content
    assert len(stub.log) == requests


@pytest.mark.parametrize(
    "change", ["another file", "another tag", "no tag kept", "416", "another part", "weak tag"]
)
def test_a_part_that_does_not_belong_is_not_gone_on_with(stub, fetch, client, tmp_path, change):
    stub.fault(PATH, cut=70_000, headers={"ETag": 'W/"weak"'} if change == "weak tag" else {})
    client.retries = 0
    with pytest.raises(DataError):
        fetch()
    client.retries = 2
    size = len(stub.files[PATH])
    if change == "another file":
        stub.files[PATH] = jpeg(99, width=200, height=200, quality=100)
    elif change == "another tag":  # from a server that does not know If-Range
        headers = {"Content-Range": f"bytes 65536-{size - 1}/{size}", "ETag": '"other"'}
        stub.fault(PATH, status=206, body=bytes(size - 65536), headers=headers)
    elif change == "no tag kept":
        (tmp_path / "part.etag").unlink()
    elif change == "416":
        stub.fault(PATH, status=416)
    elif change == "another part":
        stub.fault(PATH, status=206, body=b"x", headers={"Content-Range": "bytes 0-0/1"})
    asked = len(stub.log)

    assert fetch(size=len(stub.files[PATH])) == stub.files[PATH]

    ranges = ["Range" in headers for _, _, headers in stub.log[asked:]]
    without_tag = change in ("no tag kept", "weak tag")
    # If-Range makes a server answer with the whole of another file at once.
    expected = [False] if without_tag else [True] if change == "another file" else [True, False]
    assert ranges == expected


@pytest.mark.parametrize("wrong", [-1, 1])
def test_another_size_than_announced_is_refused_before_it_comes(stub, fetch, tmp_path, wrong):
    with pytest.raises(DataError, match="were announced"):
        fetch(size=len(stub.files[PATH]) + wrong)

    assert not (tmp_path / "part").exists()
    assert len(stub.log) == 1


@pytest.mark.parametrize("size", [None, 5000])
def test_an_endless_body_is_cut_off(stub, fetch, tmp_path, size):
    stub.fault(PATH, cut=10**6, headers={"Content-Length": None})

    with pytest.raises(DataError, match="larger than the 5000 bytes"):
        fetch(size=size, cap=5000)

    assert not (tmp_path / "part").exists()


def test_the_retries_of_a_large_file_begin_anew_while_it_grows(stub, fetch, client, monkeypatch):
    monkeypatch.setattr("skinlesion.data.isic.fetch.GAIN", 2**16)
    content = stub.files[PATH] = bytes(6 * 2**16)
    for _ in range(5):
        stub.fault(PATH, cut=70_000)
    client.retries = 1

    assert fetch(size=len(content)) == content
    assert len(stub.log) == 6
