"""The dataset folder: what was written comes back, and any change is noticed."""

import json

import numpy as np
import pytest

from skinlesion.data.store import PixelStore, open_dataset, write_dataset, write_pixels
from skinlesion.errors import DataError, IntegrityError
from skinlesion.tables import Manifest

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)


def manifest(count=4):
    ids = np.array([f"image{number}" for number in range(count)])
    label = np.arange(count) % 2
    split = np.full(count, "train")
    return Manifest(ids, ids, label, label, ids, split, np.full(count, "x"), np.full(count, "s"))


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "dataset"
    folder.mkdir()
    write_dataset(folder, manifest(), PIXELS, size=8, description={"counts": {"train": 4}})
    return folder


def test_what_was_written_comes_back(dataset):
    opened = open_dataset(dataset, verify=True)

    assert (opened.pixels.read(np.array([3, 0, 3])) == PIXELS[[3, 0, 3]]).all()
    assert opened.pixels.image_size == 8
    assert len(opened.pixels) == len(opened.manifest) == 4
    assert opened.info["counts"] == {"train": 4}
    assert opened.fingerprint == opened.info["fingerprint"]


def test_the_pixels_are_a_plain_npy_file(dataset):
    assert (np.load(dataset / "pixels.npy") == PIXELS).all()


def test_the_fingerprint_names_the_content(dataset, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_dataset(other, manifest(), PIXELS[::-1], size=8, description={})

    assert open_dataset(other).fingerprint != open_dataset(dataset).fingerprint


def test_a_batch_may_be_changed_without_changing_the_store(dataset):
    store = PixelStore(dataset / "pixels.npy")

    store.read(np.array([0]))[:] = 0

    assert (store.read(np.array([0])) == PIXELS[0]).all()


def test_no_dataset_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path / "nothing")

    assert "skinlesion preprocess --source DIR" in caught.value.fix


def test_a_changed_manifest_is_noticed(dataset):
    path = dataset / "manifest.csv"
    path.write_text(path.read_text().replace("train", "val"))

    with pytest.raises(IntegrityError, match=r"manifest\.csv was changed"):
        open_dataset(dataset)


def test_changed_pixels_are_noticed_when_asked(dataset):
    content = bytearray((dataset / "pixels.npy").read_bytes())
    content[-1] ^= 1
    (dataset / "pixels.npy").write_bytes(content)

    open_dataset(dataset)
    with pytest.raises(IntegrityError, match=r"pixels\.npy was changed"):
        open_dataset(dataset, verify=True)


@pytest.mark.parametrize("key", ["fingerprint", "pixels_sha256"])
def test_a_changed_record_is_noticed(dataset, key):
    info = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps({**info, key: "0" * 64}))

    with pytest.raises(IntegrityError, match=r"dataset\.json was changed"):
        open_dataset(dataset)


@pytest.mark.parametrize("change", [{"version": 99}, {"fingerprint": None}])
def test_another_version_is_refused(dataset, change):
    info = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps(info | change))

    with pytest.raises(IntegrityError, match="another version"):
        open_dataset(dataset)


def test_pixels_cut_short_are_refused(dataset):
    content = (dataset / "pixels.npy").read_bytes()
    (dataset / "pixels.npy").write_bytes(content[:-1])

    with pytest.raises(IntegrityError, match="not a pixel store"):
        open_dataset(dataset)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 8, 9, 3), np.uint8), np.zeros(3)]
)
def test_other_arrays_are_refused(tmp_path, array):
    np.save(tmp_path / "pixels.npy", array)

    with pytest.raises(IntegrityError, match="not a pixel store"):
        PixelStore(tmp_path / "pixels.npy")


def test_pixels_and_manifest_must_agree(dataset):
    np.save(dataset / "pixels.npy", PIXELS[:3])

    with pytest.raises(IntegrityError, match="4 rows but 3 images"):
        open_dataset(dataset)


@pytest.mark.parametrize("rows", [PIXELS[:3], PIXELS[:, :4], PIXELS.astype(np.float32)])
def test_wrong_rows_are_not_written_silently(tmp_path, rows):
    with pytest.raises(IntegrityError):
        write_pixels(tmp_path / "pixels.npy", rows, count=4, size=8)
