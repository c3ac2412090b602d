"""What preprocess keeps for the audit comes back as it was, or is refused."""

import numpy as np
import pytest

from skinlesion.data.duplicates import SIGNATURE_SHAPE
from skinlesion.data.evidence import FILES, METADATA_COLUMNS, read_evidence, write_evidence
from skinlesion.data.store import sha256
from skinlesion.errors import DataError, IntegrityError

PAIR = {
    "first": "a",
    "second": "b",
    "kind": "near-duplicate of",
    "similarity": 0.98,
    "symmetry": 3,
    "first_split": "train",
    "second_split": "",
}
GONE = {"image_id": "x", "split": "", "diagnosis": "nevus", "source": "s", "reason": "a, b"}


@pytest.fixture
def written(tmp_path):
    def write(rows=2, copies=(PAIR,), dropped=(GONE,)):
        rng = np.random.default_rng(0)
        hashes = write_evidence(
            tmp_path,
            metadata={
                name: np.array([f"{name}{row}" for row in range(rows)]) for name in METADATA_COLUMNS
            },
            signatures=rng.integers(0, 256, (rows, *SIGNATURE_SHAPE), dtype=np.uint8),
            copies=copies,
            dropped=dropped,
            dropped_pixels=[np.full((4, 4, 3), 7, np.uint8) for _ in dropped],
            size=4,
        )
        return tmp_path, hashes

    return write


def test_evidence_comes_back(written):
    folder, hashes = written()

    evidence = read_evidence(folder)

    assert evidence.metadata["site"] == ["site0", "site1"]
    assert {name: cells[0] for name, cells in evidence.copies.items()} == {
        name: str(value) for name, value in PAIR.items()
    }
    assert evidence.dropped["reason"] == ["a, b"]
    assert (evidence.dropped_pixels.read(np.array([0])) == 7).all()
    assert evidence.signatures.shape == (2, *SIGNATURE_SHAPE)
    assert hashes == {name: sha256(folder / name) for name in FILES}


def test_nothing_found_is_evidence_too(written):
    folder, _ = written(copies=(), dropped=())

    evidence = read_evidence(folder)

    assert evidence.copies["first"] == []
    assert len(evidence.dropped_pixels) == 0


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_an_error(written, name):
    folder, _ = written()
    (folder / name).unlink()

    with pytest.raises((DataError, IntegrityError), match=name.partition(".")[0]):
        read_evidence(folder)


def test_tables_that_do_not_belong_together_are_refused(written):
    folder, _ = written()
    np.save(folder / "signatures.npy", np.zeros((1, *SIGNATURE_SHAPE), np.uint8))

    with pytest.raises(IntegrityError, match="do not belong together"):
        read_evidence(folder)
