"""The bundle's file: what was written comes back, and nothing else is ever opened."""

import hashlib
import io
import json
import os
import pickle
import stat
import struct
import zipfile

import h5py
import numpy as np
import pytest

from skinlesion.bundle import (
    Description,
    WeightsFile,
    decode_tensors,
    encode_tensors,
    read_bundle,
    write_bundle,
)
from skinlesion.bundle.container import _checksum
from skinlesion.errors import DataError, IntegrityError, MissingExtraError

SHAPES = {"0000.kernel": (2, 3), "0001.bias": (3,)}
ARRAYS = {
    "0000.kernel": np.arange(6, dtype="float32").reshape(2, 3) / 7,
    "0001.bias": np.array([1e6, -1, 0.1], "float32"),
}


def described(**changes):
    member = {
        "build": {"backbone": "resnet50", "weights": "none"},
        "parameters": 9,
        "preprocessing": {"stored_size": 64, "fit": "squash", "cleaning": {}},
        "views": [{"symmetry": 0, "scale": 1.0}],
        "average": "logit",
    }
    values = {
        "skinlesion": "0.1.0",
        "name": "model",
        "kind": "single",
        "target": "malignant",
        "classes": ["benign", "malignant"],
        "members": [member],
        "operating_points": {"fixed-0.50": {"threshold": 0.5, "words": "fixed"}},
        "calibration": {"method": "none", "params": {}},
        "training": {"datasets": [], "images": {"train": 3, "val": 2}},
    }
    return Description.model_validate({**values, **changes})


def weights(dtype="float32", arrays=ARRAYS):
    content = encode_tensors(arrays, dtype=dtype)
    digest = hashlib.sha256(content).hexdigest()
    file = WeightsFile(name="member-00.safetensors", bytes=len(content), sha256=digest, dtype=dtype)
    return [(file, content)]


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "model.skinlesion"
    write_bundle(path, described(), weights())
    return path


def read_whole(path):
    """All that loading looks at: the description and the arrays."""
    opened = read_bundle(path)
    return opened.description, [
        decode_tensors(content, SHAPES, where=str(path)) for content in opened.weights()
    ]


def entries(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path, files, *, compression=zipfile.ZIP_STORED, mode=stat.S_IFREG | 0o644):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = compression
            archive.writestr(entry, content)
    return path


def with_model(path, out, change, *, sign=True):
    """The bundle with its model.json changed, with a right checksum if ``sign``."""
    files = entries(path)
    values = json.loads(files["model.json"])
    checksum = values.pop("checksum")
    change(values)
    values["checksum"] = _checksum(values) if sign else checksum
    files["model.json"] = json.dumps(values).encode()
    return zipped(out, files.items())


# --- what is kept ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["b.skinlesion", "folder"])
def test_a_bundle_comes_back_as_it_was_written(tmp_path, name):
    written = write_bundle(tmp_path / name, described(name="mine"), weights())

    description, (arrays,) = read_whole(tmp_path / name)

    assert description == written
    assert description.name == "mine"
    assert {key: array.tolist() for key, array in arrays.items()} == {
        key: array.tolist() for key, array in ARRAYS.items()
    }


def test_the_same_content_is_the_same_bytes(tmp_path):
    for name in ("a.skinlesion", "b.skinlesion"):
        write_bundle(tmp_path / name, described(), weights())

    assert (tmp_path / "a.skinlesion").read_bytes() == (tmp_path / "b.skinlesion").read_bytes()


def test_half_precision_halves_kernels_and_leaves_vectors():
    (_, content), (_, whole) = weights("float16")[0], weights()[0]

    arrays = decode_tensors(content, SHAPES, where="here")

    assert len(whole) - len(content) == 6 * 2
    assert arrays["0001.bias"].tolist() == ARRAYS["0001.bias"].tolist()
    assert arrays["0000.kernel"] == pytest.approx(ARRAYS["0000.kernel"], rel=2**-11)


def test_weights_too_large_for_half_precision_are_refused():
    with pytest.raises(DataError, match="not finite in float16"):
        encode_tensors({"0000.kernel": np.full((2, 2), 1e5, "float32")}, dtype="float16")


def test_an_existing_file_is_replaced_only_if_asked(bundle):
    before = bundle.read_bytes()
    with pytest.raises(DataError, match="exists already"):
        write_bundle(bundle, described(name="other"), weights())
    assert bundle.read_bytes() == before

    write_bundle(bundle, described(name="other"), weights(), overwrite=True)

    assert read_bundle(bundle).description.name == "other"


def test_a_bundle_that_fails_leaves_nothing(tmp_path):
    def broken():
        yield weights()[0]
        raise KeyboardInterrupt

    combiner = {"name": "mean", "params": {"weights": [0.5, 0.5]}}
    both = described(kind="ensemble", members=described().members * 2, combiner=combiner)
    for name in ("b.skinlesion", "folder"):
        with pytest.raises(KeyboardInterrupt):
            write_bundle(tmp_path / name, both, broken())
    assert list(tmp_path.iterdir()) == []


# --- what was changed --------------------------------------------------------------------------


def test_no_flipped_byte_changes_what_is_read(bundle, tmp_path):
    whole, content = read_whole(bundle), bundle.read_bytes()
    rng = np.random.default_rng(0)
    tampered = tmp_path / "tampered.skinlesion"
    refused = 0
    for place in rng.choice(len(content), 300, replace=False):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        tampered.write_bytes(flipped)
        try:
            description, arrays = read_whole(tampered)
        except (DataError, IntegrityError):
            refused += 1
            continue
        assert description == whole[0]
        assert str(arrays) == str(whole[1])
    assert refused > 250  # dates and versions in the zip's own tables say nothing


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_bundle_is_refused(bundle, share):
    content = bundle.read_bytes()
    bundle.write_bytes(content[: int(share * len(content))])

    with pytest.raises(DataError, match="not a model bundle"):
        read_bundle(bundle)


@pytest.mark.parametrize("where", ["before", "after"])
def test_nothing_hides_around_the_archive(bundle, where):
    content = bundle.read_bytes()
    bundle.write_bytes(b"#!/bin/sh\n" + content if where == "before" else content + b"more")

    with pytest.raises(DataError, match="not a model bundle"):
        read_bundle(bundle)


def test_a_changed_folder_is_refused(tmp_path):
    write_bundle(tmp_path / "b", described(), weights())
    for name, old, new in (
        ("model.json", b'"threshold": 0.5', b'"threshold": 0.9'),
        ("member-00.safetensors", b"0001.bias", b"0001.bsai"),
    ):
        file = tmp_path / "b" / name
        before = file.read_bytes()
        file.write_bytes(before.replace(old, new))
        with pytest.raises(IntegrityError, match="was changed"):
            read_whole(tmp_path / "b")
        file.write_bytes(before)
    read_whole(tmp_path / "b")


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(schema_version=2),
        lambda v: v.update(schema_version="1"),
        lambda v: v.pop("schema_version"),
        lambda v: v.update(run="os.system('true')"),
        lambda v: v["members"][0]["build"].update(backbone="mine"),
        lambda v: v["members"][0]["build"].update(image_size=10**9),
        lambda v: v["members"][0]["build"].update(weights="/etc/passwd.weights.h5"),
        lambda v: v["members"][0]["preprocessing"].update(stored_size=10**9),
        lambda v: v["members"][0]["weights"].update(name="../../member-00.safetensors"),
        lambda v: v["members"][0].update(weights=None),
        lambda v: v["members"].append(v["members"][0]),
        lambda v: v["members"][0].update(views=[]),
        lambda v: v.update(members=[]),
        lambda v: v.update(kind="ensemble"),
        lambda v: v.update(combiner={"name": "mean", "params": {"weights": [1.0]}}),
        lambda v: v.update(calibration={"method": "platt", "params": {"slope": 1.0}}),
        lambda v: v.update(calibration={"method": "pickle", "params": {}}),
        lambda v: v.update(
            calibration={"method": "platt", "params": {"slope": 1.0, "intercept": float("nan")}}
        ),
        lambda v: v["operating_points"].clear(),
        lambda v: v["operating_points"]["fixed-0.50"].update(threshold=float("nan")),
        lambda v: v.update(name="\x1b]0;owned\x07"),
    ],
)
def test_a_description_that_describes_no_model_is_refused(bundle, tmp_path, change):
    changed = with_model(bundle, tmp_path / "c.skinlesion", change)

    with pytest.raises((DataError, IntegrityError)):
        read_whole(changed)


def test_one_wrong_field_is_named_and_nothing_else(bundle, tmp_path):
    path = with_model(
        bundle,
        tmp_path / "c.skinlesion",
        lambda v: v["members"][0]["build"].update(image_size=10**9),
    )

    with pytest.raises(IntegrityError, match="does not describe a model") as refused:
        read_bundle(path)

    (problem,) = refused.value.which
    assert problem.startswith("members.0.build.image_size: ")


def test_a_link_in_a_folder_is_called_a_link(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").symlink_to("/etc/passwd")

    with pytest.raises(DataError, match=r"'model\.json' is a link"):
        read_bundle(folder)


def test_a_changed_description_does_not_match_its_checksum(bundle, tmp_path):
    path = with_model(bundle, tmp_path / "c", lambda v: v.update(name="b"), sign=False)

    with pytest.raises(IntegrityError, match=r"model\.json was changed"):
        read_bundle(path)


def test_a_later_version_says_so(bundle, tmp_path):
    path = with_model(bundle, tmp_path / "c", lambda v: v.update(schema_version=2, new=1))

    with pytest.raises(DataError, match="bundle of version 2"):
        read_bundle(path)


def test_a_json_that_nests_too_deep_is_refused(tmp_path):
    path = zipped(tmp_path / "deep", [("model.json", b"[" * 200_000)])

    with pytest.raises(DataError, match="not JSON"):
        read_bundle(path)


# --- what is something else --------------------------------------------------------------------


class Trap:
    """Makes a file if it is ever unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def object_array(path, trap):
    np.save(path, np.array([trap], dtype=object), allow_pickle=True)


def pickled(path, trap):
    path.write_bytes(pickle.dumps(trap))


def lambda_keras(path, trap):
    config = {"class_name": "Lambda", "config": {"function": f"os.mkdir({str(trap.path)!r})"}}
    zipped(path, [("config.json", json.dumps(config)), ("model.weights.h5", b"")])


def linked_hdf5(path, trap):
    with h5py.File(path, "w") as file:
        file["weights"] = h5py.ExternalLink("/etc/passwd", "/")


def slipped(path, trap):
    zipped(path, [("model.json", b"{}"), (f"../{trap.path.name}", b"x")])


def absolute(path, trap):
    zipped(path, [("model.json", b"{}"), (str(trap.path), b"x")])


def pickle_inside(path, trap):
    zipped(path, [("model.json", b"{}"), ("weights.pkl", pickle.dumps(trap))])


def twice(path, trap):
    with pytest.warns(UserWarning, match="Duplicate"):
        zipped(path, [("model.json", b"{}"), ("model.json", b"{}")])


def link(path, trap):
    zipped(path, [("model.json", b"/etc/passwd")], mode=stat.S_IFLNK | 0o777)


def bomb(path, trap):
    zipped(path, [("model.json", b"0" * 10**7)], compression=zipfile.ZIP_DEFLATED)


def many(path, trap):
    zipped(path, [(f"member-{number % 100:02d}.safetensors", b"") for number in range(40)])


def swollen(path, trap):
    """The table of contents promises a file of 1 GiB."""
    zipped(path, [("model.json", b"{}")])
    content = path.read_bytes()
    table = content.index(b"PK\x01\x02")
    size = struct.pack("<LL", 1 << 30, 1 << 30)
    path.write_bytes(content[: table + 20] + size + content[table + 28 :])


def large_model(path, trap):
    zipped(path, [("model.json", b" " * (9 << 20))])


def of_nothing(path, trap):
    path.write_bytes(b"")


def folder_with_pickle(path, trap):
    path.mkdir()
    (path / "model.json").write_text("{}")
    pickled(path / "weights.pkl", trap)


def folder_with_link(path, trap):
    path.mkdir()
    (path / "model.json").symlink_to("/etc/passwd")


def pipe(path, trap):
    os.mkfifo(path)


@pytest.mark.parametrize(
    "make",
    [
        object_array,
        pickled,
        lambda_keras,
        linked_hdf5,
        slipped,
        absolute,
        pickle_inside,
        twice,
        link,
        bomb,
        many,
        swollen,
        large_model,
        of_nothing,
        folder_with_pickle,
        folder_with_link,
        pipe,
    ],
)
def test_foreign_files_are_refused_and_run_nothing(tmp_path, make):
    trap = Trap(tmp_path / "trapped")
    path = tmp_path / "model.npy"
    make(path, trap)

    with pytest.raises((DataError, IntegrityError)):
        read_bundle(path)
    assert not trap.path.exists()


# --- tensors -----------------------------------------------------------------------------------


def tensor_file(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


F32 = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        struct.pack("<Q", 2**63),
        struct.pack("<Q", 10**9) + b"{}",
        struct.pack("<Q", 2 << 20) + b" " * (2 << 20),
        tensor_file(b"[" * 100_000),
        tensor_file(b"\x80\x04."),
        tensor_file([]),
        tensor_file({"a": 3}),
        tensor_file({"a": {**F32, "dtype": "F64"}}, b"0" * 24),
        tensor_file({"a": {**F32, "dtype": ["F32"]}}, b"0" * 12),
        tensor_file({"a": F32}, b"0" * 8),
        tensor_file({"a": F32}, b"0" * 16),
        tensor_file({"a": {**F32, "data_offsets": [0, 2**62]}}, b"0" * 12),
        tensor_file({"a": {**F32, "data_offsets": [12, 0]}}, b"0" * 12),
        tensor_file({"a": {**F32, "shape": [2**62]}}, b"0" * 12),
        tensor_file({"a": {**F32, "shape": "abc"}}, b"0" * 12),
        tensor_file({"b": F32}, b"0" * 12),
        tensor_file({"a": F32, "b": {**F32, "data_offsets": [12, 24]}}, b"0" * 24),
        tensor_file({"a": F32}, np.array([1, np.nan, 1], "float32").tobytes()),
        tensor_file({"a": F32}, np.array([1, np.inf, 1], "float32").tobytes()),
    ],
)
def test_weights_that_are_not_the_models_are_refused(content):
    with pytest.raises(IntegrityError):
        decode_tensors(content, {"a": (3,)}, where="here")


def test_the_good_file_of_that_table_is_read():
    content = tensor_file({"a": F32}, np.array([1, 2, 3], "float32").tobytes())

    assert decode_tensors(content, {"a": (3,)}, where="here")["a"].tolist() == [1, 2, 3]


def test_without_a_model_the_error_says_how_to_give_one(type_command, monkeypatch, tmp_path):
    monkeypatch.setattr("skinlesion.bundle.container.DEFAULT", tmp_path / "default.skinlesion")

    typed = type_command("predict", "lesion.jpg")

    assert typed.code == MissingExtraError.exit_code
    assert "--model" in typed.err


def test_numpy_arrays_of_objects_are_never_unpickled(tmp_path):
    """The library that reads weights has no such type; this says so should that ever change."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([Trap(tmp_path / "x")], dtype=object), allow_pickle=True)

    with pytest.raises(IntegrityError):
        decode_tensors(buffer.getvalue(), {"a": (1,)}, where="here")
    assert not (tmp_path / "x").exists()
