"""audit: the verdict and its exit code, the page, and what it says of another data set."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from skinlesion.commands import preprocess
from skinlesion.config import PreprocessConfig
from skinlesion.data.store import MANIFEST, sha256
from skinlesion.data.store import fingerprint as fingerprint_of
from skinlesion.data.synthetic.folder import draw_image
from skinlesion.runs import read_json, write_json

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder of 16 lesions, one of them twice, and the data set made of it."""
    root = tmp_path_factory.mktemp("audit")
    rows = ["path,label,split,sex"]
    for number in range(16):
        name = f"l{number}.png"
        pixels = draw_image(number % 2, index=5 * number, seed=0, size=96).image
        Image.fromarray(pixels).save(root / name)
        split = "val" if number < 4 else "train"
        rows.append(f"{name},{('nevus', 'melanoma')[number % 2]},{split},male")
    with Image.open(root / "l4.png") as image:
        image.transpose(Image.Transpose.ROTATE_90).save(root / "turned.jpg", quality=90)
    rows.append("turned.jpg,nevus,train,female")
    (root / "table.csv").write_text("\n".join(rows) + "\n")
    make(root / "table.csv", root / "dataset")
    return root


def make(source, out):
    preprocess.run(PreprocessConfig(sources=(source,), image_size=64), out)


def test_a_clean_data_set_passes_and_its_copies_are_pictured(drawn, type_command, tmp_path):
    typed = type_command("audit", drawn / "dataset", "--out", tmp_path / "report")
    page = (tmp_path / "report" / "audit.html").read_text()
    found = read_json(tmp_path / "report" / "audit.json")

    assert typed.code == 0
    assert "No leaks" in typed.out
    assert "copies inside a split: 1," in typed.out
    assert [(pair["first"], pair["second"]) for pair in found["copies"]] == [("l4", "turned")]
    assert found["counts"]["sex"]["female"] == {"train": [1, 0]}
    assert found["quality"]["measured"] == 17
    # 2 of the pair, and the least sharp ones.
    assert page.count("data:image/jpeg;base64,") == 2 + len(found["quality"]["least_sharp"])
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)


def test_a_split_that_was_changed_by_hand_is_a_leak(drawn, type_command, tmp_path):
    changed = shutil.copytree(drawn / "dataset", tmp_path / "changed")
    table = (changed / MANIFEST).read_text()
    row = next(line for line in table.splitlines() if line.startswith("turned,"))
    cells = row.split(",")
    cells[cells.index("train")] = "test"
    cells[4] = "turned"  # a group of its own
    (changed / MANIFEST).write_text(table.replace(row, ",".join(cells)))
    info = read_json(changed / "dataset.json")
    info["manifest_sha256"] = sha256(changed / MANIFEST)
    info["fingerprint"] = fingerprint_of(info["manifest_sha256"], info["pixels_sha256"])
    write_json(changed / "dataset.json", info)

    typed = type_command("audit", changed, "--sample", 0, "--json")

    assert typed.code == 4
    assert json.loads(typed.out)["quality"] is None
    assert "1 leaks" in typed.err
    assert "l4 of train: near-duplicate of turned of test" in typed.err


def test_against_finds_what_is_in_both(drawn, type_command, tmp_path):
    rows = ["path,label,split"]
    for number in range(20, 24):
        pixels = draw_image(number % 2, index=5 * number, seed=0, size=96).image
        Image.fromarray(pixels).save(tmp_path / f"n{number}.png")
        rows.append(f"n{number}.png,{('nevus', 'melanoma')[number % 2]},clinic")
    alone = tmp_path / "alone.csv"
    alone.write_text("\n".join(rows) + "\n")
    with Image.open(drawn / "l7.png") as image:
        image.resize((80, 80)).save(tmp_path / "shared.png")
    both = tmp_path / "both.csv"
    both.write_text("\n".join([*rows, "shared.png,melanoma,clinic"]) + "\n")
    make(alone, tmp_path / "alone")
    make(both, tmp_path / "both")

    clean = type_command("audit", drawn / "dataset", "--against", tmp_path / "alone")
    leaking = type_command("audit", drawn / "dataset", "--against", tmp_path / "both")

    assert clean.code == 0
    assert "No image of" in clean.out
    assert leaking.code == 4
    assert "l7 of train: near-duplicate of shared of clinic" in leaking.err
    assert (tmp_path / "reports" / "audit-against" / "audit.html").exists()


def test_a_data_set_without_evidence_is_an_error(drawn, type_command, tmp_path):
    changed = shutil.copytree(drawn / "dataset", tmp_path / "changed")
    np.save(changed / "signatures.npy", np.zeros((1, 2), np.uint8))
    (changed / "copies.csv").unlink()

    typed = type_command("audit", changed)

    assert typed.code == 3
    assert "copies.csv does not exist" in typed.err


def test_no_data_set_is_an_error_that_says_what_to_do(type_command):
    typed = type_command("audit", "nowhere")

    assert typed.code == 3
    assert "skinlesion preprocess" in typed.err
