"""The restricted reader of PyTorch's legacy files: it reads tensors, and nothing else."""

import os
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest

from skinlesion.errors import IntegrityError
from skinlesion.models import torch_file

# skinlesion.models imports TensorFlow.
pytestmark = pytest.mark.tensorflow

GLOBALS = {
    "rebuild": b"ctorch._utils\n_rebuild_tensor_v2\n",
    "FloatStorage": b"ctorch\nFloatStorage\n",
    "LongStorage": b"ctorch\nLongStorage\n",
}


class Named:
    """Pickles as a global of torch's, which is not installed."""

    def __init__(self, name):
        self.name = name


class Storage:
    def __init__(self, kind, key, count):
        self.pid = ("storage", Named(kind), key, "cpu", count, None)


class Tensor:
    def __init__(self, storage, offset, size, stride):
        self.arguments = (storage, offset, size, stride, False, OrderedDict())

    def __reduce__(self):
        return rebuild, self.arguments


def rebuild(*arguments):
    raise AssertionError("only its name is pickled")


class TorchPickler(pickle._Pickler):
    """Writes what torch.save wrote, with the pure-Python pickler."""

    def persistent_id(self, item):
        return item.pid if isinstance(item, Storage) else None

    def save(self, item, save_persistent_id=True):
        if isinstance(item, Named):
            self.write(GLOBALS[item.name])
        elif item is rebuild:
            self.write(GLOBALS["rebuild"])
        else:
            super().save(item, save_persistent_id)


def dumps(item, path):
    with path.open("wb") as file:
        TorchPickler(file, protocol=2).dump(item)
    return path.read_bytes()


def preamble(*, magic=torch_file.MAGIC, protocol=torch_file.PROTOCOL, little_endian=True):
    system = {"protocol_version": protocol, "little_endian": little_endian}
    return b"".join(pickle.dumps(part, protocol=2) for part in (magic, protocol, system))


@pytest.fixture
def write(tmp_path):
    """Write a file of one 2 x 3 tensor; each part can be replaced by a broken one."""

    def write(
        *,
        start=None,
        entries=None,
        storage=("FloatStorage", "7", 6),
        offset=0,
        size=(2, 3),
        stride=(3, 1),
        keys=("7",),
        written=6,
        values=(0, 1, 2, 3, 4, 5),
        tail=b"",
    ):
        path = tmp_path / "weights.pth"
        tensor = Tensor(Storage(*storage), offset, size, stride)
        content = preamble() if start is None else start
        content += dumps(OrderedDict(w=tensor), path) if entries is None else entries
        content += pickle.dumps(list(keys), protocol=2) + struct.pack("<q", written)
        dtype = "<i8" if storage[0] == "LongStorage" else "<f4"
        path.write_bytes(content + np.array(values, dtype).tobytes() + tail)
        return path

    return write


def test_a_tensor_is_read(write):
    tensors = torch_file.read_state_dict(write())

    assert tensors.keys() == {"w"}
    np.testing.assert_array_equal(tensors["w"], np.array([[0, 1, 2], [3, 4, 5]], "float32"))
    assert tensors["w"].dtype == np.float32


def test_strides_and_offset_are_followed(write):
    tensors = torch_file.read_state_dict(write(offset=1, size=(2, 2), stride=(1, 2)))

    np.testing.assert_array_equal(tensors["w"], [[1, 3], [2, 4]])


def test_integers_and_scalars_are_read(write):
    path = write(
        storage=("LongStorage", "7", 1), size=(), stride=(), written=1, values=(123456789012,)
    )

    assert torch_file.read_state_dict(path)["w"] == 123456789012


class RunsACommand:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_a_hostile_pickle_is_refused_and_does_not_run(write, tmp_path):
    marker = tmp_path / "ran"
    hostile = pickle.dumps(OrderedDict(w=RunsACommand(marker)), protocol=2)

    with pytest.raises(IntegrityError, match="system, which is not a tensor"):
        torch_file.read_state_dict(write(entries=hostile))

    assert not marker.exists()


@pytest.mark.parametrize("place", range(4))
def test_no_part_of_the_file_can_name_a_function(tmp_path, place):
    marker = tmp_path / "ran"
    parts = [torch_file.MAGIC, torch_file.PROTOCOL, {"little_endian": True}, OrderedDict(), []]
    parts[place if place < 3 else 4] = RunsACommand(marker)
    path = tmp_path / "weights.pth"
    path.write_bytes(b"".join(pickle.dumps(part, protocol=2) for part in parts))

    with pytest.raises(IntegrityError, match="which is not a tensor"):
        torch_file.read_state_dict(path)

    assert not marker.exists()


@pytest.mark.parametrize(
    "name", [b"cbuiltins\neval\n", b"ctorch\nHalfStorage\n", b"ccollections\nCounter\n"]
)
def test_every_other_global_is_refused(write, name):
    with pytest.raises(IntegrityError, match="which is not a tensor"):
        torch_file.read_state_dict(write(entries=b"\x80\x02" + name + b"."))


BROKEN = {
    "size beyond the storage": {"size": (3, 3)},
    "stride beyond the storage": {"stride": (4, 1)},
    "offset beyond the storage": {"offset": 1},
    "negative offset": {"offset": -1},
    "negative stride": {"stride": (-3, 1)},
    "expanded by stride 0": {"size": (2**40, 3), "stride": (0, 1)},
    "huge stride": {"size": (1, 3), "stride": (2**80, 1)},
    "fractional size": {"size": (2.0, 3)},
    "size and stride of unequal length": {"stride": (3,)},
    "more values declared than written": {"storage": ("FloatStorage", "7", 7)},
    "more values written than there are": {"storage": ("FloatStorage", "7", 9), "written": 9},
    "negative count": {"storage": ("FloatStorage", "7", -6), "written": -6},
    "another storage": {"keys": ("8",)},
    "a storage twice": {"keys": ("7", "7")},
    "bytes at the end": {"tail": b"\0"},
    "not a number": {"values": (0, 1, float("nan"), 3, 4, 5)},
    "infinity": {"values": (0, 1, 2, 3, 4, float("inf"))},
    "another magic number": {"start": preamble(magic=1)},
    "another protocol": {"start": preamble(protocol=1002)},
    "big-endian": {"start": preamble(little_endian=False)},
    "a list of tensors": {"entries": pickle.dumps([1, 2], protocol=2)},
    "not a pickle": {"entries": b"not a pickle."},
    "not a tensor": {"entries": pickle.dumps(OrderedDict(w=1), protocol=2)},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_broken_files_are_refused(write, broken):
    path = write(**broken)

    with pytest.raises(IntegrityError, match="was not read"):
        torch_file.read_state_dict(path)


def test_every_truncation_is_refused(write):
    path = write()
    content = path.read_bytes()

    for length in range(len(content)):
        with pytest.raises(IntegrityError):
            torch_file.parse_state_dict(content[:length], path=path)


def test_a_huge_file_is_not_opened(write, monkeypatch):
    monkeypatch.setattr(torch_file, "MAX_BYTES", 10)

    with pytest.raises(IntegrityError, match="larger than 10 bytes"):
        torch_file.read_state_dict(write())
