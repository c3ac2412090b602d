"""preprocess: counts, splits and files on small sources and on the real ones; nothing half-made."""

import errno
import resource
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skinlesion.commands import preprocess
from skinlesion.commands.preprocess import run
from skinlesion.config import PreprocessConfig
from skinlesion.data.duplicates import signature
from skinlesion.data.evidence import FILES, read_evidence
from skinlesion.data.protected import Protected
from skinlesion.data.store import open_dataset
from skinlesion.data.synthetic import artefacts
from skinlesion.data.synthetic.folder import draw_image
from skinlesion.errors import DataError, IntegrityError, SkinlesionError

pytestmark = pytest.mark.thorough

REAL = Path(__file__).resolve().parents[2] / "shared" / "data"
KEPT = ["manifest.csv", "pixels.npy", "dataset.json", *FILES]


def write_image(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def folders(root, prefix="", **classes):
    """A folder of images for each class; every image has other pixels."""
    for name, count in classes.items():
        for number in range(count):
            file = root / name / f"{prefix}{name}{number}.png"
            write_image(file, [*file.relative_to(root).as_posix().encode()])
    return root


def table(root, header, rows):
    for row in rows:
        if not (root / row.split(",")[0]).exists():
            write_image(root / row.split(",")[0], [*row.split(",")[0].encode()])
    path = root / "table.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def config(*sources, **settings):
    return PreprocessConfig(sources=sources, **{"image_size": 32, **settings})


@pytest.fixture(autouse=True)
def no_protected_benchmark(request, monkeypatch):
    """Half the time of a small data set is spent on the 600 protected images."""
    if "real_data" not in request.keywords:
        monkeypatch.setattr(preprocess, "NAMES", ())


@pytest.fixture
def source(tmp_path):
    return folders(tmp_path / "source", benign=40, malignant=20)


@pytest.fixture
def out(tmp_path):
    (tmp_path / "results").mkdir()
    return tmp_path / "results" / "dataset"


def splits_of(dataset):
    return dict(
        zip(dataset.manifest.image_id.tolist(), dataset.manifest.split.tolist(), strict=True)
    )


def test_a_dataset_from_class_folders(source, out):
    summary = run(config(source), out)
    dataset = open_dataset(out, verify=True)

    assert summary.counts == dataset.info["counts"]
    assert summary.counts == {
        "test": {"benign": 6, "malignant": 3},
        "train": {"benign": 28, "malignant": 14},
        "val": {"benign": 6, "malignant": 3},
    }
    row = int(np.flatnonzero(dataset.manifest.image_id == "benign7")[0])
    assert dataset.manifest.path[row] == "benign/benign7.png"
    with Image.open(source / "benign" / "benign7.png") as image:
        expected = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR))
    assert (dataset.pixels.read(np.array([row]))[0] == expected).all()


def test_rows_are_by_source_in_order_and_then_image_id(source, tmp_path, out):
    other = folders(tmp_path / "other", prefix="a", nevus=3)

    run(config(source, other), out)
    manifest = open_dataset(out).manifest

    assert manifest.source.tolist() == ["source"] * 60 + ["other"] * 3
    assert manifest.image_id[:60].tolist() == sorted(manifest.image_id[:60].tolist())


def test_threads_change_no_byte(source, out, tmp_path):
    run(config(source, workers=1), out)
    run(config(source, workers=3), tmp_path / "again")

    for name in KEPT:
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_progress_counts_to_the_number_of_images(source, out):
    calls = []

    run(config(source), out, progress=lambda done, total: calls.append((done, total)))

    assert calls[-1] == (60, 60)


def test_seed_fractions_and_size_are_obeyed(source, out, tmp_path):
    run(config(source), out)
    run(config(source, seed=1), tmp_path / "seed")
    summary = run(
        config(source, val_fraction=0.3, test_fraction=0, image_size=40), tmp_path / "other"
    )

    assert splits_of(open_dataset(out)) != splits_of(open_dataset(tmp_path / "seed"))
    assert summary.counts["val"] == {"benign": 12, "malignant": 6}
    assert "test" not in summary.counts
    assert open_dataset(tmp_path / "other").pixels.image_size == 40


def test_undersampling_balances_train_and_val_only(source, out):
    summary = run(config(source, balance="undersample"), out)

    assert summary.counts == {
        "test": {"benign": 6, "malignant": 3},
        "train": {"benign": 14, "malignant": 14},
        "val": {"benign": 3, "malignant": 3},
    }
    assert summary.unbalanced == {"train": 14, "val": 3}


def test_indeterminate_images_are_excluded_or_labelled(tmp_path, out):
    root = folders(tmp_path / "source", nevus=10, melanoma=10, akiec=4)
    word = "actinic keratosis or intraepithelial carcinoma"

    excluded = run(config(root), out)
    labelled = run(config(root, indeterminate="malignant"), tmp_path / "labelled")

    assert excluded.excluded == {word: 4}
    assert sum(counts.get(word, 0) for counts in labelled.counts.values()) == 4
    assert open_dataset(tmp_path / "labelled").manifest.label.sum() == 14


def test_the_summary_says_what_was_left_out_and_nothing_else(tmp_path, out):
    root = folders(tmp_path / "source", nevus=20, melanoma=20, akiec=4)

    lines = run(config(root), out).to_text().splitlines()

    assert lines[0].startswith(f"{out}: 40 of 44 images in ")
    assert lines[1:] == [
        "  test: 6 (melanoma 3, nevus 3)",
        "  train: 28 (melanoma 14, nevus 14)",
        "  val: 6 (melanoma 3, nevus 3)",
        "  excluded as indeterminate: actinic keratosis or intraepithelial carcinoma 4",
    ]


def test_own_classes(tmp_path, out):
    root = folders(tmp_path / "source", wart=10, evil=10)

    run(config(root, classes={"wart": "benign", "evil": "malignant"}), out)

    assert open_dataset(out).manifest.label.sum() == 10


def test_groups_and_official_splits_of_a_csv(tmp_path, out):
    rows = [f"b{n}.png,nevus,p{n // 3}," for n in range(30)]
    rows += [f"m{n}.png,melanoma,q{n // 3}," for n in range(30)]
    rows += ["t0.png,nevus,p0,test", "t1.png,melanoma,q0,clinic-b", "t2.png,nevus,,clinic-b"]

    run(config(table(tmp_path, "path,label,group,split", rows)), out)
    dataset = open_dataset(out)
    splits = splits_of(dataset)

    # Patient p0 follows its image in test; patient q0's other images cannot join a benchmark.
    assert {splits[name] for name in ("b0", "b1", "b2", "t0")} == {"test"}
    assert {name for name, place in splits.items() if place == "clinic-b"} == {"t1", "t2"}
    assert [entry["image_id"] for entry in dataset.info["dropped"]] == ["m0", "m1", "m2"]
    assert "group q0 is in clinic-b" in dataset.info["dropped"][0]["reason"]


@pytest.mark.parametrize("order", [1, -1])
def test_patients_and_lesions_make_groups(tmp_path, out, order):
    rows = [
        f"{word}{n}.png,{word},P{n},L{word}{n}" for word in ("nevus", "melanoma") for n in range(5)
    ]
    rows += ["x.png,nevus,,Lnevus0", "y.png,nevus,,", "z.png,nevus,,Lother"]

    run(config(table(tmp_path, "path,label,group,lesion", rows[::order])), out)
    manifest = open_dataset(out).manifest

    found = dict(zip(manifest.image_id.tolist(), manifest.group.tolist(), strict=True))
    assert found["x"] == found["nevus0"] == found["melanoma0"] == "P0"
    assert (found["y"], found["z"]) == ("y", "Lother")


@pytest.mark.parametrize(
    "change",
    [
        {"fit": "letterbox"},
        {"cleaning": {"border_crop": True}},
        {"cleaning": {"hair_removal": True}},
        {"cleaning": {"color_constancy": "shades_of_gray"}},
    ],
)
def test_fit_and_cleaning_change_the_pixels_and_no_signature(tmp_path, out, change):
    rng = np.random.default_rng(0)
    for number in range(8):
        word = ("benign", "malignant")[number % 2]
        drawn = draw_image(number % 2, index=5 * number, seed=0, size=160).image
        hairy = artefacts.paint(drawn / 255, artefacts.draw_hair(160, rng), np.full(3, 0.1))
        rimmed = hairy * artefacts.draw_dark_corner(160, rng)[..., None]
        file = tmp_path / "source" / word / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((np.clip(rimmed[:120], 0, 1) * 255).astype(np.uint8)).save(file)
    source = tmp_path / "source"

    run(config(source, image_size=128), out)
    run(config(source, image_size=128, **change), tmp_path / "changed")
    plain, changed = open_dataset(out), open_dataset(tmp_path / "changed")

    assert plain.info["pixels_sha256"] != changed.info["pixels_sha256"]
    difference = np.abs(
        read_evidence(out).signatures.astype(int)
        - read_evidence(tmp_path / "changed").signatures.astype(int)
    )
    assert difference.mean() < 1


def test_val_is_taken_from_train_where_a_source_has_none(tmp_path, out):
    folders(tmp_path / "source" / "train", benign=20, malignant=20)
    folders(tmp_path / "source" / "test", prefix="t", benign=5, malignant=5)

    summary = run(config(tmp_path / "source", val_fraction=0.2), out)

    assert summary.counts["val"] == {"benign": 4, "malignant": 4}
    assert summary.counts["test"] == {"benign": 5, "malignant": 5}


def test_a_dataset_of_a_test_set_alone_needs_no_train(tmp_path, out):
    rows = ["a.png,nevus,clinic", "b.png,melanoma,clinic"]

    summary = run(config(table(tmp_path, "path,label,split", rows)), out)

    assert list(summary.counts) == ["clinic"]


def test_identical_files_stay_together_and_contradictions_are_listed(source, out):
    shutil.copy(source / "benign" / "benign0.png", source / "benign" / "copy.png")
    shutil.copy(source / "benign" / "benign1.png", source / "malignant" / "wrong.png")

    summary = run(config(source), out)
    dataset = open_dataset(out)
    splits = splits_of(dataset)

    assert splits["benign0"] == splits["copy"]
    assert summary.contradictory == 2
    assert dataset.info["contradictory"] == [["benign1", "wrong"]]


def test_training_copies_of_held_out_images_are_dropped(source, tmp_path, out):
    bench = tmp_path / "bench"
    bench.mkdir()
    shutil.copy(source / "benign" / "benign0.png", bench / "held.png")

    summary = run(config(source, table(bench, "path,label,split", ["held.png,nevus,clinic"])), out)
    dataset = open_dataset(out)

    assert len(summary.dropped) == 1
    assert dataset.info["dropped"] == [
        {
            "image_id": "benign0",
            "split": "",
            "diagnosis": "benign",
            "source": "source",
            "reason": "byte-identical to held of clinic",
        }
    ]
    assert "benign0" not in dataset.manifest.image_id


def test_strict_refuses_what_would_leak(source, tmp_path, out):
    bench = tmp_path / "bench"
    bench.mkdir()
    shutil.copy(source / "benign" / "benign0.png", bench / "held.png")
    clinic = table(bench, "path,label,split", ["held.png,nevus,clinic"])

    message = fails(config(source, clinic, strict=True), out, error=IntegrityError, code=4)

    assert "1 image would leak" in message
    assert "benign0" in message


def test_official_splits_that_divide_a_patient_lose_the_training_side(tmp_path, out):
    rows = [f"{word}{n}.png,{word},,train" for word in ("nevus", "melanoma") for n in range(3)]
    rows += [f"{word}-v.png,{word},p,val" for word in ("nevus", "melanoma")]
    rows += ["extra.png,nevus,p,train"]
    source = table(tmp_path, "path,label,group,split", rows)

    summary = run(config(source), out)

    assert [(row["image_id"], row["reason"]) for row in summary.dropped] == [
        ("extra", "its group p is in val")
    ]


def test_a_resized_turned_copy_of_a_test_image_is_dropped(tmp_path, out):
    source, bench = tmp_path / "source", tmp_path / "bench"
    for index in range(12):
        file = source / ("benign" if index % 2 else "malignant") / f"lesion{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_image(index % 2, index=5 * index, seed=0, size=96).image).save(file)
    bench.mkdir()
    with Image.open(source / "benign" / "lesion1.png") as image:
        small = image.transpose(Image.Transpose.ROTATE_90).resize((90, 90))
        small.save(bench / "held.jpg", quality=80)

    clinic = table(bench, "path,label,split", ["held.jpg,nevus,clinic"])
    run(config(source, clinic, image_size=64), out)
    dropped = open_dataset(out).info["dropped"]

    assert [row["image_id"] for row in dropped] == ["lesion1"]
    assert dropped[0]["reason"].startswith("near-duplicate of held of clinic (similarity 0.9")


def test_a_protected_image_is_dropped_though_its_benchmark_is_no_source(tmp_path, out, monkeypatch):
    for index in range(12):
        file = tmp_path / "source" / ("benign" if index % 2 else "malignant") / f"l{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        drawn = draw_image(index % 2, index=5 * index, seed=0, size=96).image
        Image.fromarray(drawn).save(file)
        if index == 3:
            held_out = signature(np.rot90(drawn))
    benchmark = Protected("bench", np.array(["ISIC_0000001"]), held_out[None])
    monkeypatch.setattr(preprocess, "NAMES", ("bench",))
    monkeypatch.setattr(preprocess, "load", {"bench": benchmark}.__getitem__)

    run(config(tmp_path / "source"), out)

    (dropped,) = open_dataset(out).info["dropped"]
    assert dropped["image_id"] == "l3"
    assert dropped["reason"].startswith("near-duplicate of ISIC_0000001 of bench")


def test_what_was_found_is_kept_for_the_audit(source, out):
    shutil.copy(source / "benign" / "benign0.png", source / "benign" / "copy.png")

    run(config(source), out)
    dataset, evidence = open_dataset(out), read_evidence(out)

    assert evidence.metadata["image_id"] == dataset.manifest.image_id.tolist()
    assert set(evidence.metadata["width"]) == {"16"}
    assert len(evidence.signatures) == len(dataset.manifest)
    assert list(zip(evidence.copies["first"], evidence.copies["second"], strict=True)) == [
        ("benign0", "copy")
    ]
    assert evidence.dropped["image_id"] == []


def test_overwrite_replaces_a_dataset_and_nothing_else(source, out):
    run(config(source), out)
    run(config(source, seed=1), out, overwrite=True)
    assert open_dataset(out).info["settings"]["seed"] == 1

    (out.parent / "precious").mkdir()
    (out.parent / "precious" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="is not a dataset"):
        run(config(source), out.parent / "precious", overwrite=True)


def test_overwrite_does_not_delete_a_source(source, out):
    run(config(source), out)
    inside = shutil.copytree(source, out / "raw")

    with pytest.raises(DataError, match="would delete a source"):
        run(config(inside), out, overwrite=True)


# --- what goes wrong: the culprit is named, and nothing is left behind ---------------------


def fails(settings, out, *, error=DataError, code=3):
    """The error of ``run``, having checked its exit code and that it left nothing behind."""
    place = next(folder for folder in out.parents if folder.is_dir())
    before = sorted(place.rglob("*"))

    with pytest.raises(SkinlesionError) as caught:
        run(settings, out)

    assert isinstance(caught.value, error)
    assert caught.value.exit_code == code
    assert sorted(place.rglob("*")) == before
    return str(caught.value)


def test_broken_images_are_all_named(source, out):
    whole = (source / "benign" / "benign3.png").read_bytes()
    (source / "benign" / "benign3.png").write_bytes(whole[:100])
    (source / "malignant" / "text.jpg").write_text("not an image")

    message = fails(config(source), out)

    assert "2 of 61 images" in message
    assert "benign3.png" in message
    assert "text.jpg" in message


def test_a_single_truncated_jpeg_is_named(source, out):
    Image.new("RGB", (64, 64)).save(source / "benign" / "cut.jpg")
    content = (source / "benign" / "cut.jpg").read_bytes()
    (source / "benign" / "cut.jpg").write_bytes(content[: len(content) - 40])

    assert "cut.jpg is not a readable image" in fails(config(source), out)


@pytest.mark.parametrize(
    ("rows", "culprit"),
    [
        (["a.png,nevus,A", "b.png,melanoma,A"], "A"),
        (["a.png,nevus,A", "b.png,wart,B"], "wart (1 image, first B)"),
        (["a.png,nevus,A", "b.png,nevus,B"], "no malignant image in all sources together"),
    ],
)
def test_bad_tables(tmp_path, out, rows, culprit):
    assert culprit in fails(config(table(tmp_path, "path,label,image_id", rows)), out)


def test_a_missing_image_is_named(tmp_path, out):
    path = table(tmp_path, "path,label", ["a.png,nevus", "b.png,melanoma"])
    (tmp_path / "b.png").unlink()

    assert "b.png" in fails(config(path), out)


def test_tables_are_checked_before_any_image_is_opened(source, out, monkeypatch):
    monkeypatch.setattr(preprocess, "decode_shards", lambda *_, **__: pytest.fail("decoded"))
    folders(source, wart=1)

    assert "wart" in fails(config(source), out)


@pytest.mark.parametrize("name", ["train", "val"])
def test_a_class_that_is_empty_in_a_split_is_named(tmp_path, out, name):
    rows = [f"{s}{w}.png,{w},{s}" for s in ("train", "val") for w in ("nevus", "melanoma")]
    rows.remove(f"{name}melanoma.png,melanoma,{name}")

    message = fails(config(table(tmp_path, "path,label,split", rows)), out)

    assert f"no malignant image in split {name}" in message


def test_an_existing_folder_is_not_touched(source, out):
    out.mkdir()

    assert "exists already" in fails(config(source), out)


def test_a_disk_with_too_little_room_is_known_beforehand(source, out, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**30, 2**30 - 2**20, 2**20))

    message = fails(config(source), out)

    assert "MiB needed, 1 MiB available" in message


def test_a_disk_that_fills_while_writing(source, out):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        message = fails(config(source), out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert f"{out} cannot be written" in message


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_an_error_of_the_disk_is_a_data_error(source, out, monkeypatch, code):
    def fail(*_, **__):
        raise OSError(code, "the disk says no")

    monkeypatch.setattr(preprocess, "write_dataset", fail)

    assert f"{out} cannot be written: the disk says no" in fails(config(source), out)


def test_a_target_below_a_file_is_named(source, out):
    (out.parent / "file").write_text("")
    target = out.parent / "file" / "deep" / "dataset"

    assert f"{target} cannot be written" in fails(config(source), target)


def test_an_interruption_leaves_no_data_set_and_the_same_line_goes_on(source, out, monkeypatch):
    monkeypatch.setattr(preprocess, "SHARD_IMAGES", 10)
    calls = []

    def interrupt(done, _):
        if done == 35:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config(source, workers=2), out, progress=interrupt)
    assert [path.name for path in out.parent.iterdir()] == [".dataset.unfinished"]

    run(config(source, workers=2), out, progress=lambda *call: calls.append(call))
    run(config(source), out.parent / "at once")

    assert calls[0] == (30, 60)
    assert sorted(path.name for path in out.parent.iterdir()) == ["at once", "dataset"]
    for name in KEPT:
        assert (out / name).read_bytes() == (out.parent / "at once" / name).read_bytes()


# --- the real data --------------------------------------------------------------------------

# Looked at one by one: photographs of one lesion, other colours or crops included.
NEAR_HELD_OUT = {
    "ISIC_0000157",
    "ISIC_0000162",
    "ISIC_0000171",
    "ISIC_0000174",
    "ISIC_0000179",
    "ISIC_0000182",
    "ISIC_0000184",
    "ISIC_0000185",
    "ISIC_0000186",
    "ISIC_0000189",
    "ISIC_0000193",
    "ISIC_0000201",
    "ISIC_0000209",
    "ISIC_0000215",
    "ISIC_0000217",
    "ISIC_0000218",
    "ISIC_0000220",
    "ISIC_0000226",
    "ISIC_0000227",
    "ISIC_0012222",
    "ISIC_0012887",
    "ISIC_0013163",
}
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason="the real images are absent")


@pytest.mark.real_data
@needs_real_data
def test_isic2017_as_a_whole(out):
    summary = run(PreprocessConfig(sources=(REAL / "isic2017",), image_size=64), out)
    dataset = open_dataset(out)

    assert summary.read == {
        "train": {"melanoma": 374, "nevus": 1372, "seborrheic keratosis": 254},
        "val": {"melanoma": 30, "nevus": 78, "seborrheic keratosis": 42},
        "isic2017-test": {"melanoma": 117, "nevus": 393, "seborrheic keratosis": 90},
    }
    assert summary.counts["isic2017-test"] == summary.read["isic2017-test"]
    # Found by this very check: 26 of the challenge's images are copies of held-out ones.
    reasons = {entry["image_id"]: entry["reason"] for entry in dataset.info["dropped"]}
    identical = {name: why for name, why in reasons.items() if why.startswith("byte")}
    assert identical == {
        "ISIC_0012970": "byte-identical to ISIC_0012127 of val",
        "ISIC_0012175": "byte-identical to ISIC_0015982 of isic2017-test",
        "ISIC_0012221": "byte-identical to ISIC_0016002 of isic2017-test",
        "ISIC_0012271": "byte-identical to ISIC_0016018 of isic2017-test",
    }
    assert set(reasons) - set(identical) == NEAR_HELD_OUT
    assert len(dataset.pixels) == 2750 - 26


@pytest.mark.real_data
@needs_real_data
@pytest.mark.slow
def test_isic2017_and_ham10000_together(out):
    sources = (REAL / "isic2017", REAL / "ham10000")

    summary = run(PreprocessConfig(sources=sources, image_size=64), out)
    manifest = open_dataset(out).manifest

    assert sum(summary.excluded.values()) == 327
    assert len(manifest) == 2750 + 10015 - 327 - 26
    assert len(manifest.rows("isic2017-test")) == 600
    lesions = manifest.source == "ham10000"
    assert len(set(manifest.group[lesions])) < lesions.sum()
