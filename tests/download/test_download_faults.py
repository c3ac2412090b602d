"""Every misbehaviour of a server: one image goes wrong and is listed, the others come."""

import json
from collections import namedtuple

import pytest
from download_steps import broken, contents, table
from isic_stub import other_host

from skinlesion.commands import download_isic as command
from skinlesion.config import ArchiveQuery, ChallengeFiles
from skinlesion.data.isic.folder import RawFolder
from skinlesion.errors import DataError

pytestmark = pytest.mark.thorough

FIRST = "/images/ISIC_0000000.jpg"


def misbehave(stub, other, how):
    """One image of the six goes wrong in this way."""
    item = stub.items["ISIC_0000002"]
    path = "/images/ISIC_0000002.jpg"
    if how in ("429", "503", "404"):
        broken(stub, 2, status=int(how))
    elif how == "cut body":
        broken(stub, 2, cut=500)
    elif how == "wrong size":
        item["files"]["full"]["size"] += 1
    elif how == "HTML for JPEG":
        stub.files[path] = b"<html>" + bytes(len(stub.files[path]) - 6)
    elif how == "PNG for JPEG":
        stub.files[path] = b"\x89PNG" + bytes(len(stub.files[path]) - 4)
    elif how == "cut JPEG":
        stub.files[path] = stub.files[path][:-300] + bytes(300)
    elif how == "redirect to another host":
        broken(stub, 2, status=302, headers={"Location": f"{other.url}x.jpg"})
    elif how == "file on another host":
        item["files"]["full"]["url"] = f"{other.url}x.jpg"
    elif how == "isic_id of ../x":
        item["isic_id"] = "../x"
    else:
        stub.items["ISIC_0000002"]["copyright_license"] = how


REASONS = {
    "429": "the server answered 429 (tried 2 times)",
    "503": "the server answered 503 (tried 2 times)",
    "404": "the server answered 404",
    "cut body": "the connection broke before the end (tried 2 times)",
    "wrong size": "were announced",
    "HTML for JPEG": "not a JPEG but a web page or XML",
    "PNG for JPEG": "not a JPEG but something else",
    "cut JPEG": "not a whole JPEG",
    "redirect to another host": "on a host that is not expected",
    "file on another host": "on a host that is not expected",
    "isic_id of ../x": "its name is not an ISIC id",
    "Secret": "its licence Secret is not a known one",
}


@pytest.mark.parametrize("how", REASONS)
def test_one_image_that_goes_wrong_is_listed_and_the_others_come(
    stub, download, raw, tmp_path, how
):
    with other_host() as other:
        misbehave(stub, other, how)
        summary = download()
        assert other.log == []

    name = "../x" if how == "isic_id of ../x" else "ISIC_0000002"
    assert [failure[0] for failure in summary.failures] == [name]
    assert REASONS[how] in summary.failures[0][1]
    assert [row["name"] for row in table(raw / "failed.csv")] == [name]
    kept = sorted(path.name for path in (raw / "images").iterdir())
    assert kept == [f"ISIC_{n:07}.jpg" for n in (0, 1, 3, 4, 5)]
    assert [row["isic_id"] for row in table(raw / "metadata.csv")] == [n[:-4] for n in kept]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]
    with pytest.raises(DataError, match="1 file could not be had") as caught:
        command.refuse_failures(summary)
    assert caught.value.exit_code == 3
    assert "next:" not in summary.to_text()


def test_what_failed_is_fetched_by_the_next_run_alone(stub, download, raw, tmp_path):
    broken(stub, 2, status=503)
    broken(stub, 4, cut=500)
    download()
    stub.faults.clear()
    asked = len(stub.fetched())

    summary = download()
    download("whole")

    new = stub.fetched()[asked:][:2]
    assert sorted(new) == ["/images/ISIC_0000002.jpg", "/images/ISIC_0000004.jpg"]
    assert (summary.outcomes[raw].fetched, summary.failures) == (2, [])
    assert contents(raw) == contents(tmp_path / "whole")


def test_every_failed_image_is_told(type_command, stub, settings, tmp_path):
    for number in range(6):
        stub.items[f"ISIC_{number:07}"]["files"]["full"]["size"] += 1
    for number in range(6, 14):
        stub.add_image(number)
        broken(stub, number, status=404)
    config = tmp_path / "mine.yaml"
    config.write_text(json.dumps({"archive": {}, **settings}))

    shown = type_command("download-isic", "--config", config)

    assert shown.code == 3
    for number in range(14):
        assert f"failed: ISIC_{number:07}: " in shown.err
    assert "error: 14 files could not be had, listed in raw/failed.csv" in shown.err


def test_a_signed_url_that_has_expired_is_asked_for_anew(stub, download):
    path = "/images/ISIC_0000002.jpg"
    stub.edit_page = lambda page: json.loads(
        json.dumps(page).replace("0002.jpg", "0002.jpg?Expires=1")
    )
    stub.fault(path, status=403)

    assert download().failures == []
    assert "/api/v2/images/ISIC_0000002/" in stub.fetched()


def test_a_failure_for_the_moment_is_no_failure(stub, download):
    stub.fault(FIRST, status=429, headers={"Retry-After": "0"})
    stub.fault("/images/ISIC_0000001.jpg", cut=300)
    stub.fault("/api/v2/images/search/", status=503)
    stub.fault("/api/v2/zip-download/license-file/CC-0/", status=500)

    assert download().failures == []


@pytest.mark.parametrize("body", [b"", b" \n", b"<!doctype html>"])
def test_a_licence_without_its_text_is_a_failure(stub, download, raw, body):
    stub.fault("/api/v2/zip-download/license-file/CC-0/", body=body)

    assert download().failures == [("licenses/CC-0.txt", "the text of CC-0 is empty or a web page")]
    assert download().failures == []
    assert (raw / "licenses/CC-0.txt").read_text() == "The text of CC-0\n"


@pytest.mark.parametrize("how", ["endless", "next to another host", "down", "not JSON"])
def test_a_listing_that_goes_wrong_ends_the_download_and_leaves_nothing(stub, download, raw, how):
    with other_host() as other:
        if how == "endless":
            stub.edit_page = lambda page: {**page, "next": f"{stub.url}api/v2/images/search/?a=1"}
        elif how == "next to another host":
            stub.edit_page = lambda page: {**page, "next": f"{other.url}api/v2/images/search/"}
        else:
            answer = {"status": 503} if how == "down" else {"body": b"<html>"}
            stub.fault("/api/v2/images/search/", always=True, **answer)

        with pytest.raises(DataError):
            download()

        assert other.log == []
    assert not raw.exists()


def test_fewer_images_than_announced_are_no_secret(stub, download):
    stub.edit_page = lambda page: {**page, "count": page["count"] and 8}

    assert "the archive announced 8 images and listed 6" in download().to_text()


def test_a_query_that_finds_nothing_is_an_error(download, raw):
    with pytest.raises(DataError, match="no image of the archive matches"):
        download(archive=ArchiveQuery(query="sex:none"))

    assert not raw.exists()


def test_licences_that_leave_nothing_are_named(stub, download, raw):
    for item in stub.items.values():
        item["copyright_license"] = "CC-BY-NC"

    with pytest.raises(DataError, match="no image of the archive matches") as caught:
        download(licences=("CC-0",))

    assert caught.value.which == ["6 under CC-BY-NC"]


@pytest.mark.parametrize("source", ["archive", "challenge"])
def test_a_full_disk_is_noticed_before_the_first_file(stub, download, monkeypatch, source):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(command.shutil, "disk_usage", lambda _: usage(1, 1, 64 * 2**20 + 5000))
    chosen = {"archive": None, "challenge": ChallengeFiles(years=(2017,))}

    with pytest.raises(DataError, match=r"too little room: 67\.1 MB needed"):
        download(**(chosen if source == "challenge" else {}))

    assert stub.fetched("/images/") + stub.fetched("/challenges/") == []


def test_two_processes_do_not_fill_one_folder(download, raw, make):
    pytest.importorskip("fcntl", reason="POSIX only")
    other = RawFolder(raw)
    download()

    with (
        other.opened(json.loads((raw / "download.json").read_text())),
        pytest.raises(DataError, match="another process downloads into"),
    ):
        download()
