"""Fixtures of the download tests: a stub of the archive, and downloads from it."""

import os

import pytest
from isic_stub import Stub

from skinlesion.commands import download_isic as command
from skinlesion.config import ArchiveQuery, DownloadConfig
from skinlesion.progress import Reporter


@pytest.fixture(autouse=True)
def no_flush(monkeypatch):
    """Flushing to disk takes most of the time here, and no test pulls the plug."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def stub():
    with Stub(6, page_size=4) as running:
        running.add_challenge_2017()
        yield running


@pytest.fixture
def settings(stub):
    """Values that point to the stub and do not wait."""
    return {
        "api_url": f"{stub.url}api/v2/",
        "challenge_url": f"{stub.url}challenges/",
        "hosts": (),
        "backoff_seconds": 0.001,
        "retries": 1,
        "timeout_seconds": 5,
    }


@pytest.fixture
def make(settings):
    """A config with the settings and others."""
    return lambda **values: DownloadConfig(**{"archive": ArchiveQuery(), **settings, **values})


@pytest.fixture
def download(make, tmp_path):
    """Run with a config of the settings and others, into ``raw``."""

    def run(out="raw", **values):
        return command.run(make(**values), tmp_path / out, reporter=Reporter(quiet=True))

    return run


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"
