"""kill -9 and every other end in the middle: the next run fetches what is missing."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from download_steps import broken, contents, interrupted, one_after_the_other
from isic_stub import jpeg, zip_of

from skinlesion.config import ChallengeFiles
from skinlesion.data.isic.fetch import file_size
from skinlesion.data.isic.unzip import unpack

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
FIRST = "/images/ISIC_0000000.jpg"


def kill_in_the_middle(stub, settings, until, tmp_path, **values):
    """Run the command in a process of its own; kill it when the stub stalls."""
    config = tmp_path / "config.json"
    given = {**settings, "connections": 1, "timeout_seconds": 60, **values}
    config.write_text(json.dumps(given))
    process = subprocess.Popen(
        [sys.executable, "-m", "skinlesion", "download-isic", "--config", config, "--out", "raw"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    try:
        assert stub.stalled.wait(60)
        part = tmp_path / "raw" / ".partial" / "ISIC_0000003.jpg"
        deadline = time.monotonic() + 20
        while file_size(part) < 65536:  # not held back in a buffer
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        until.set()


def test_after_kill_9_only_what_was_missing_comes_and_no_byte_differs(
    stub, settings, download, raw, tmp_path
):
    big = jpeg(9, width=200, height=200, quality=100)
    stub.files["/images/ISIC_0000003.jpg"] = big
    stub.items["ISIC_0000003"]["files"]["full"]["size"] = len(big)
    until = threading.Event()
    stub.fault("/images/ISIC_0000003.jpg", cut=70_000, until=until)
    kill_in_the_middle(stub, settings, until, tmp_path, archive={})
    assert not (raw / "manifest.csv").exists()
    assert len(list((raw / "images").iterdir())) == 3
    asked = len(stub.log)

    summary = download()
    again = [(path, headers.get("Range")) for _, path, headers in stub.log[asked:]]
    download("whole")

    images = [(path, extent) for path, extent in again if path.startswith("/images/")]
    assert sorted(images) == [
        ("/images/ISIC_0000003.jpg", "bytes=65536-"),
        ("/images/ISIC_0000004.jpg", None),
        ("/images/ISIC_0000005.jpg", None),
    ]
    assert not [path for path, _ in again if "search" in path]  # the listing was kept, too
    assert summary.outcomes[raw].fetched == 3
    assert contents(raw) == contents(tmp_path / "whole")


@pytest.mark.parametrize("where", ["zip", "member"])
def test_a_challenge_goes_on_in_the_middle_of_a_zip(
    stub, download, raw, tmp_path, monkeypatch, where
):
    folder = "ISIC-2017_Validation_Data"
    path = f"/challenges/2017/{folder}.zip"
    images = {name: jpeg(1, width=250, height=250, quality=100) for name in ("a.jpg", "b.jpg")}
    stub.files[path] = zip_of({f"{folder}/{name}": content for name, content in images.items()})
    challenge = {"archive": None, "challenge": ChallengeFiles(years=(2017,), splits=("val",))}
    if where == "zip":
        stub.fault(path, cut=70_000)
        download(**challenge, retries=0)
    else:
        with monkeypatch.context() as patch:
            patch.setattr("skinlesion.data.isic.from_challenge.each", one_after_the_other)
            patch.setattr("skinlesion.data.isic.from_challenge.unpack", killed_at("b.jpg"))
            with pytest.raises(KeyboardInterrupt):
                download(**challenge)
        assert [file.name for file in (raw / folder).iterdir()] == ["a.jpg"]
    asked = len(stub.log)

    download(**challenge)
    again = [headers.get("Range") for method, at, headers in stub.log[asked:] if at == path]
    download("whole", **challenge)

    assert again == [None, "bytes=65536-"] if where == "zip" else [None]  # HEAD, GET
    assert contents(raw) == contents(tmp_path / "whole")


def killed_at(name):
    """Unpacking that ends in the middle of the member ``name``."""

    def unpack_or_die(archive, info, target):
        unpack(archive, info, target)
        if info.filename.endswith(name):
            target.write_bytes(target.read_bytes()[:100])
            raise KeyboardInterrupt

    return unpack_or_die


@pytest.mark.parametrize("max_pixels", [None, 4096])
@pytest.mark.parametrize("step", ["digest", "replace", "discard", "reduce_jpeg", "check_jpeg"])
def test_a_kill_between_any_two_steps_of_keeping_a_file_loses_and_mixes_nothing(
    stub, download, raw, tmp_path, monkeypatch, step, max_pixels
):
    big = jpeg(9, width=300, height=200)
    stub.files[FIRST], stub.items["ISIC_0000000"]["files"]["full"]["size"] = big, len(big)
    places = {
        "digest": "hashlib.file_digest",
        "replace": "pathlib.Path.replace",
        "discard": "skinlesion.data.isic.folder.discard",
        "reduce_jpeg": "skinlesion.data.isic.keeping.reduce_jpeg",
        "check_jpeg": "skinlesion.data.isic.keeping.check_jpeg",
    }

    replace = Path.replace

    def killed(path, *others):
        if step == "replace" and path.suffix != ".jpg":
            return replace(path, *others)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(places[step], killed)
        patch.setattr("skinlesion.data.isic.from_archive.each", one_after_the_other)
        reached = step != "reduce_jpeg" or max_pixels
        with pytest.raises(KeyboardInterrupt) if reached else contextlib.nullcontext():
            download(max_pixels=max_pixels)

    download(max_pixels=max_pixels)
    download("whole", max_pixels=max_pixels)

    assert contents(raw) == contents(tmp_path / "whole")


def test_a_torn_line_of_the_journal_costs_one_file_not_two(stub, download, raw, monkeypatch):
    broken(stub, 5, status=404)
    # After the last image, before the manifest.
    monkeypatch.setattr("skinlesion.data.isic.from_archive.fetch_licences", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download()
    journal = raw / ".partial" / "journal.csv"
    lines = journal.read_text().splitlines(keepends=True)
    images = [line for line in lines if line.startswith("images/")]
    journal.write_text("".join(images)[:-30])
    stub.faults.clear()

    fetched = []
    for _ in range(2):
        asked = len(stub.fetched())
        with pytest.raises(KeyboardInterrupt):
            download(connections=1)
        fetched.append([path for path in stub.fetched()[asked:] if path.startswith("/images/")])

    assert [len(paths) for paths in fetched] == [2, 0]


def test_ctrl_c_says_how_to_go_on_and_keeps_what_came(
    stub, settings, type_command, raw, tmp_path, monkeypatch
):
    config = tmp_path / "mine.yaml"
    config.write_text(json.dumps({"archive": {}, **settings}))
    monkeypatch.setattr("skinlesion.data.isic.from_archive.fetch_licences", interrupted)

    shown = type_command("download-isic", "--config", config)

    assert shown.code == 130
    assert "interrupted; raw keeps what has come: repeat the command to go on" in shown.err
    assert len(list((raw / "images").iterdir())) == 6
