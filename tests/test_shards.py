"""Decoding into shards: the same bytes however often it is broken off; nothing stale is kept."""

import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from skinlesion.config import Cleaning
from skinlesion.data import shards
from skinlesion.data.duplicates import SIGNATURE_SHAPE, signature
from skinlesion.data.images import decode
from skinlesion.data.shards import decode_shards, read_pixels
from skinlesion.errors import DataError

pytestmark = pytest.mark.thorough


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(10):
        pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return sorted(tmp_path.glob("*.png"))


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_facts_and_pixels_are_those_of_the_files(files, tmp_path):
    decoded = decode_shards(tmp_path / "s", files, 32, shard_images=4)
    rows = np.array([1, 2, 7, 9])

    assert decoded.digest.tolist() == [
        hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    ]
    assert set(zip(decoded.width, decoded.height, strict=True)) == {(50, 40)}
    assert decoded.signature.shape == (10, *SIGNATURE_SHAPE)
    for row, pixels in zip(rows, read_pixels(tmp_path / "s", rows, shard_images=4), strict=True):
        assert (pixels == decode(files[row], 32)).all()
        assert (decoded.signature[row] == signature(decode(files[row], 256))).all()


@pytest.mark.parametrize("workers", [1, 3])
def test_broken_off_and_taken_up_it_decodes_the_rest_and_leaves_the_same_bytes(
    files, tmp_path, workers, monkeypatch
):
    def break_off(done, _):
        if done == 7:
            raise KeyboardInterrupt

    opened = []
    real = decode
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    decode_shards(whole, files, 32, shard_images=3, workers=1)
    with pytest.raises(KeyboardInterrupt):
        decode_shards(broken, files, 32, shard_images=3, workers=workers, progress=break_off)
    monkeypatch.setattr(
        shards,
        "decode",
        lambda path, *given, **options: opened.append(path) or real(path, *given, **options),
    )
    calls = []

    decode_shards(
        broken, files, 32, shard_images=3, workers=workers, progress=lambda *c: calls.append(c)
    )

    assert sorted(set(opened)) == files[6:]
    assert calls[0] == (6, 10)
    assert calls[-1] == (10, 10)
    assert content(broken) == content(whole)


@pytest.mark.parametrize("change", ["size", "fit", "cleaning", "file", "order"])
def test_shards_of_another_job_are_not_taken(files, tmp_path, change):
    folder = tmp_path / "s"
    decode_shards(folder, files, 32, shard_images=4)
    size = 40 if change == "size" else 32
    if change == "file":
        Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(files[0])
        os.utime(files[0], ns=(1, 1))
    if change == "order":
        files = files[::-1]

    settings = {
        "fit": "letterbox" if change == "fit" else "squash",
        "cleaning": Cleaning(color_constancy="shades_of_gray") if change == "cleaning" else None,
    }

    decode_shards(folder, files, size, **settings, shard_images=4)

    first = next(read_pixels(folder, np.array([0]), shard_images=4))
    assert (first == decode(files[0], size, **settings)).all()


def test_all_broken_files_are_listed_at_once_and_a_missing_one_is_named(files, tmp_path):
    whole = files[2].read_bytes()
    files[2].write_bytes(whole[:50])
    files[5].write_text("no image")

    with pytest.raises(DataError) as caught:
        decode_shards(tmp_path / "s", files, 32, shard_images=2, workers=2)

    assert "2 of 10 images" in caught.value.what
    assert [str(files[2]) in caught.value.which[0], str(files[5]) in caught.value.which[1]] == [
        True,
        True,
    ]
    with pytest.raises(DataError, match=r"gone\.png"):
        decode_shards(tmp_path / "s", [tmp_path / "gone.png"], 32, shard_images=4)
