"""Each layout is recognized and read; what is missing or doubled is named."""

from pathlib import Path

import pytest
from source_fixtures import facts, table, touch

from skinlesion.data.sources import READERS, detect, isic_id, read_source, read_sources
from skinlesion.data.sources.records import name_images
from skinlesion.errors import ConfigError, DataError


def isic2017(root: Path, part="Training", rows=("a,1,0", "b,0.0,1.0", "c,0,0")) -> Path:
    text = "\n".join(["image_id,melanoma,seborrheic_keratosis", *rows]) + "\n"
    folder = f"ISIC-2017_{part}_Data"
    touch(root, *(f"{folder}/{row.split(',')[0]}.jpg" for row in rows))
    (root / f"ISIC-2017_{part}_Part3_GroundTruth.csv").write_text(text)
    return root


def ham10000(root: Path, folders=("HAM10000_images_part_1", "HAM10000_images_part_2")) -> Path:
    (root / "HAM10000_metadata.csv").parent.mkdir(parents=True, exist_ok=True)
    (root / "HAM10000_metadata.csv").write_text(
        "lesion_id,image_id,dx,dx_type,age,sex,localization\n"
        "L1,x,nv,histo,80.0,male,scalp\nL1,y,nv,histo,,female,unknown\nL2,z,mel,histo,3,,\n"
    )
    return touch(root, f"{folders[0]}/x.jpg", f"{folders[-1]}/y.jpg", f"{folders[-1]}/z.jpg")


def test_isic2017_has_official_splits_and_skips_superpixels(tmp_path):
    isic2017(tmp_path)
    isic2017(tmp_path, "Test_v2", ["t,0,0"])
    touch(tmp_path, "ISIC-2017_Training_Data/a_superpixels.png")

    source = read_source(tmp_path)

    assert source.layout == source.name == "isic2017"
    assert [(r.image_id, r.diagnosis, r.split) for r in source.records] == [
        ("a", "melanoma", "train"),
        ("b", "seborrheic keratosis", "train"),
        ("c", "nevus", "train"),
        ("t", "nevus", "isic2017-test"),
    ]
    assert source.records[0].path == "ISIC-2017_Training_Data/a.jpg"
    assert source.unlabelled == ()


def test_isic2017_names_images_missing_on_disk_and_lists_those_without_a_row(tmp_path):
    isic2017(tmp_path)
    touch(tmp_path, "ISIC-2017_Training_Data/extra.jpg")
    assert read_source(tmp_path).unlabelled == ("ISIC-2017_Training_Data/extra.jpg",)

    (tmp_path / "ISIC-2017_Training_Data" / "b.jpg").unlink()
    with pytest.raises(DataError, match="1 image missing") as caught:
        read_source(tmp_path)

    assert caught.value.which == ["b"]


def test_isic2017_needs_the_table_and_the_folder(tmp_path):
    touch(tmp_path / "one", "ISIC-2017_Training_Data/a.jpg")
    table(tmp_path / "two" / "ISIC-2017_Training_Part3_GroundTruth.csv", "image_id\na\n")

    with pytest.raises(DataError, match=r"Part3_GroundTruth\.csv does not exist"):
        read_source(tmp_path / "one")
    with pytest.raises(DataError, match="ISIC-2017_Training_Data is missing"):
        read_source(tmp_path / "two")


@pytest.mark.parametrize("row", ["a,1,1", "a,2,0"])
def test_isic2017_refuses_impossible_flags(tmp_path, row):
    with pytest.raises(DataError, match="flags other than") as caught:
        read_source(isic2017(tmp_path, rows=[row]))

    assert caught.value.which == ["a"]


@pytest.mark.parametrize(
    "folders", [["HAM10000_images"], ["HAM10000_images_part_1", "HAM10000_images_part_2"]]
)
def test_ham10000_is_grouped_by_lesion(tmp_path, folders):
    source = read_source(ham10000(tmp_path, folders))

    assert source.layout == "ham10000"
    assert [(r.image_id, r.diagnosis, r.lesion, r.split) for r in source.records] == [
        ("x", "nv", "L1", ""),
        ("y", "nv", "L1", ""),
        ("z", "mel", "L2", ""),
    ]

    assert facts(source, "age", "sex", "site") == {
        "x": ("80.0", "male", "scalp"),
        "y": ("", "female", "unknown"),
        "z": ("3", "", ""),
    }


def test_class_folders_name_images_by_stem_where_that_is_unique(tmp_path):
    touch(tmp_path, "benign/1.JPG", "benign/deep/2.png", "malignant/1.jpeg", "empty/notes.txt")
    touch(tmp_path, "benign/.hidden.jpg", ".thumbs/3.jpg", "loose.bmp")

    source = read_source(tmp_path)

    assert [(r.image_id, r.path, r.diagnosis) for r in source.records] == [
        ("benign/1", "benign/1.JPG", "benign"),
        ("2", "benign/deep/2.png", "benign"),
        ("malignant/1", "malignant/1.jpeg", "malignant"),
    ]
    assert source.name == tmp_path.name
    assert source.unlabelled == ("loose.bmp",)


def test_an_isic_id_is_never_renamed():
    assert name_images(["a/ISIC_0000001.jpg", "b/ISIC_0000001.jpg", "a/1.jpg", "b/1.jpg"]) == [
        "ISIC_0000001",
        "ISIC_0000001",
        "a/1",
        "b/1",
    ]


def test_one_isic_id_in_two_class_folders_is_an_error(tmp_path):
    touch(tmp_path, "benign/ISIC_0000001.jpg", "malignant/ISIC_0000001.jpg")

    with pytest.raises(DataError) as caught:
        read_source(tmp_path)

    assert caught.value.which == ["ISIC_0000001"]


def test_class_folders_below_split_folders(tmp_path):
    touch(tmp_path, "train/nevus/1.jpg", "valid/nevus/2.jpg", "Test/melanoma/3.jpg")

    records = read_source(tmp_path).records

    assert {(r.image_id, r.diagnosis, r.split) for r in records} == {
        ("1", "nevus", "train"),
        ("2", "nevus", "val"),
        ("3", "melanoma", "test"),
    }


def test_splits_beside_classes_and_loose_images_in_a_split_are_errors(tmp_path):
    touch(tmp_path / "mixed", "train/nevus/1.jpg", "melanoma/2.jpg")
    touch(tmp_path / "loose", "train/nevus/1.jpg", "train/2.jpg")

    with pytest.raises(DataError, match="beside folders of something else"):
        read_source(tmp_path / "mixed")
    with pytest.raises(DataError, match="no class folder") as caught:
        read_source(tmp_path / "loose")
    assert caught.value.which == ["2.jpg"]


def test_csv_with_all_columns(tmp_path):
    touch(tmp_path, "images/a.jpg", "images/b.tif", "images/c.png")
    path = table(
        tmp_path / "mine.csv",
        "path,label,image_id,group,split\n"
        "images/a.jpg,nevus,A,p1,Train\n"
        "images/b.tif,melanoma,B,,my-clinic\n"
        "./images/c.png,1,C,p1,\n",
    )

    source = read_source(path)

    assert (source.name, source.layout, source.root) == ("mine", "csv", tmp_path)
    assert [(r.image_id, r.path, r.diagnosis, r.patient, r.split) for r in source.records] == [
        ("A", "images/a.jpg", "nevus", "p1", "train"),
        ("B", "images/b.tif", "melanoma", "", "my-clinic"),
        ("C", "images/c.png", "1", "p1", ""),
    ]


def test_csv_may_say_more_of_each_image(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg")
    text = "path,label,lesion,sex,age,site\na.jpg,nevus,L1,female,40,arm\nb.jpg,nevus,,,,\n"

    source = read_source(table(tmp_path / "mine.csv", text))

    assert facts(source, "patient", "lesion", "sex", "age", "site") == {
        "a": ("", "L1", "female", "40", "arm"),
        "b": ("", "", "", "", ""),
    }


@pytest.mark.parametrize(
    ("rows", "message", "culprit"),
    [
        ("a.jpg,nevus,\na.jpg,nevus,", "more than once", "a.jpg"),
        ("d/a.jpg,nv,1\na.jpg,nv,1", "more than once", "1"),
        ("a.jpg,nevus,A\ngone.jpg,nevus,B", "missing", "gone.jpg"),
        ("a.jpg,nevus,A\nnotes.txt,nevus,B", "1 path not of images", "notes.txt"),
        ("a.jpg,nevus,", "are empty", "row 1"),
    ],
)
def test_csv_errors_name_the_culprit(tmp_path, rows, message, culprit):
    touch(tmp_path, "a.jpg", "d/a.jpg", "notes.txt")
    path = table(tmp_path / "mine.csv", f"path,label,image_id\n{rows}\n")

    with pytest.raises(DataError, match=message) as caught:
        read_source(path)

    assert caught.value.which == [culprit]


def test_csv_split_must_be_usable_as_a_file_name(tmp_path):
    touch(tmp_path, "a.jpg")
    path = table(tmp_path / "mine.csv", "path,label,split\na.jpg,nevus,../up\n")

    with pytest.raises(DataError, match="cannot be the name of a split"):
        read_source(path)


def test_unknown_layout_lists_all_layouts(tmp_path):
    touch(tmp_path, "notes.txt")

    with pytest.raises(DataError) as caught:
        detect(tmp_path)

    assert all(reader.describes in str(caught.value) for reader in READERS.values())
    with pytest.raises(DataError, match="does not exist"):
        detect(tmp_path / "nothing")


def test_sources_with_one_name_are_numbered(tmp_path):
    paths = [touch(tmp_path / letter / "data", f"nevus/{letter}.jpg") / "." for letter in "abc"]

    assert [source.name for source in read_sources(paths)] == ["data", "data-2", "data-3"]


def test_an_image_id_in_two_sources_is_an_error(tmp_path):
    one = touch(tmp_path / "one", "nevus/x.jpg", "nevus/y.jpg")
    two = touch(tmp_path / "two", "nevus/x.jpg")

    with pytest.raises(DataError, match="1 image id in two sources") as caught:
        read_sources([one, two])

    assert caught.value.which == ["x (one, two)"]


def test_an_isic_id_may_be_in_two_sources(tmp_path):
    one = touch(tmp_path / "one", "nevus/ISIC_0000001.jpg")
    two = touch(tmp_path / "two", "nevus/ISIC_0000001.jpg")

    assert len(read_sources([one, two])) == 2


def test_no_source_is_a_config_error():
    with pytest.raises(ConfigError, match="no source"):
        read_sources([])


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("ISIC_0012345", "ISIC_0012345"),
        ("ISIC_0012345_downsampled", "ISIC_0012345"),
        ("train/isic_0012345", "ISIC_0012345"),
        ("ISIC_00123456", ""),
        ("my_ISIC_0012345", ""),
        ("ISIC_0012345_segmentation", ""),
        ("a", ""),
    ],
)
def test_isic_ids_are_known_in_file_names(name, known):
    assert isic_id(name) == known
