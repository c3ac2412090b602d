"""The layouts of the ISIC challenges: splits, groups, diagnoses, and what they leave unlabelled."""

import pytest
from source_fixtures import csv_file, facts, table, touch

from skinlesion.data.labels import canonical
from skinlesion.data.sources import detect, read_source
from skinlesion.errors import DataError


def isic2016(root):
    touch(root, *(f"ISBI2016_ISIC_Part3_Training_Data/{name}.jpg" for name in "ab"))
    touch(root, "ISBI2016_ISIC_Part3_Test_Data/t.jpg", "ISBI2016_ISIC_Part3_Test_Data/u.jpg")
    csv_file(root / "ISBI2016_ISIC_Part3_Training_GroundTruth.csv", "a,benign", "b,malignant")
    csv_file(root / "ISBI2016_ISIC_Part3_Test_GroundTruth.csv", "t,0.0", "u,1.0")
    return root


def isic2017(root):
    touch(root, "ISIC-2017_Training_Data/a.jpg", "ISIC-2017_Training_Data/b.jpg")
    csv_file(
        root / "ISIC-2017_Training_Part3_GroundTruth.csv",
        *("image_id,melanoma,seborrheic_keratosis", "a,1.0,0.0", "b,0.0,0.0"),
    )
    rows = ("image_id,age_approximate,sex", "a,55,female", "b,unknown,male")
    csv_file(root / "ISIC-2017_Training_Data_metadata.csv", *rows)
    return touch(root, "ISIC-2017_Test_v2_Data/t.jpg")


def one_hot(file, classes, labels):
    """A table of ``{image: class}`` with a column for each class."""
    rows = [
        ",".join([image, *("1.0" if name == label else "0.0" for name in classes)])
        for image, label in labels.items()
    ]
    return csv_file(file, ",".join(["image", *classes]), *rows)


CLASSES_2018 = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
CLASSES_2019 = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")


def isic2018(root, *, nested=True):
    images = {
        "Training": dict(zip("abcdefg", CLASSES_2018, strict=True)),
        "Validation": {"v": "NV"},
        "Test": {"t": "MEL"},
    }
    for part, labels in images.items():
        touch(root, *(f"ISIC2018_Task3_{part}_Input/{image}.jpg" for image in labels))
        touch(root, f"ISIC2018_Task3_{part}_Input/ATTRIBUTION.txt")
        folder = root / f"ISIC2018_Task3_{part}_GroundTruth" if nested else root
        one_hot(folder / f"ISIC2018_Task3_{part}_GroundTruth.csv", CLASSES_2018, labels)
    lesions = [
        f"{image},HAM_{number // 2},histopathology" for number, image in enumerate("abcdefg")
    ]
    csv_file(
        root / "ISIC2018_Task3_Training_LesionGroupings.csv",
        *("image,lesion_id,diagnosis_confirm_type", *lesions),
    )
    return root


def isic2019(root):
    labels = dict(zip(["a", "b_downsampled", *"cdefgh"], CLASSES_2019[:-1], strict=True))
    touch(root, *(f"ISIC_2019_Training_Input/{image}.jpg" for image in labels))
    one_hot(root / "ISIC_2019_Training_GroundTruth.csv", CLASSES_2019, labels)
    rows = [f"{image},85.0,upper extremity,BCN_1,female" for image in labels]
    csv_file(
        root / "ISIC_2019_Training_Metadata.csv",
        *("image,age_approx,anatom_site_general,lesion_id,sex", *rows),
    )
    return touch(root, *(f"ISIC_2019_Test_Input/{image}.jpg" for image in "tu"))


ROWS_2020 = (
    "a,IP_1,IL_1,male,45.0,head/neck,unknown,benign,0",
    "b,IP_1,IL_2,male,45.0,torso,melanoma,malignant,1",
    "c,IP_2,,female,,,atypical melanocytic proliferation,benign,0",
    "d,IP_2,,,,,cafe-au-lait macule,benign,0",
)


def isic2020(root, rows=ROWS_2020):
    touch(root, *(f"train/{row[0]}.jpg" for row in rows), "ISIC_2020_Test_Input/t.jpg")
    csv_file(
        root / "ISIC_2020_Training_GroundTruth_v2.csv",
        "image_name,patient_id,lesion_id,sex,age_approx,anatom_site_general_challenge,diagnosis,"
        "benign_malignant,target",
        *rows,
    )
    return root


CHALLENGES = {
    "isic2016": isic2016,
    "isic2017": isic2017,
    "isic2018": isic2018,
    "isic2019": isic2019,
    "isic2020": isic2020,
}


@pytest.mark.parametrize("name", CHALLENGES)
def test_every_image_is_a_record_with_a_file_or_is_unlabelled(tmp_path, name):
    root = CHALLENGES[name](tmp_path)

    source = read_source(root)

    assert source.layout == source.name == detect(root) == name
    paths = [*(record.path for record in source.records), *source.unlabelled]
    assert sorted(paths) == sorted(
        file.relative_to(root).as_posix() for file in root.rglob("*.jpg")
    )
    assert all(record.diagnosis for record in source.records)


def test_isic2016_has_bare_classes(tmp_path):
    source = read_source(isic2016(tmp_path))

    assert facts(source, "diagnosis", "split") == {
        "a": ("benign", "train"),
        "b": ("malignant", "train"),
        "t": ("0.0", "isic2016-test"),
        "u": ("1.0", "isic2016-test"),
    }


def test_isic2016_names_rows_that_are_no_pair(tmp_path):
    csv_file(isic2016(tmp_path) / "ISBI2016_ISIC_Part3_Test_GroundTruth.csv", "t,0.0", "u")

    with pytest.raises(DataError, match="two cells") as caught:
        read_source(tmp_path)

    assert caught.value.which == ["row 2"]


def test_isic2017_reads_age_and_sex_where_it_has_them(tmp_path):
    assert facts(read_source(isic2017(tmp_path)), "age", "sex") == {
        "a": ("55", "female"),
        "b": ("unknown", "male"),
    }

    (tmp_path / "ISIC-2017_Training_Data_metadata.csv").unlink()

    assert facts(read_source(tmp_path), "age", "sex") == {"a": ("", ""), "b": ("", "")}


@pytest.mark.parametrize("nested", [True, False])
def test_isic2018_has_three_splits_and_the_lesions_of_training(tmp_path, nested):
    source = read_source(isic2018(tmp_path, nested=nested))

    assert facts(source, "diagnosis", "lesion", "split") == {
        "a": ("MEL", "HAM_0", "train"),
        "b": ("NV", "HAM_0", "train"),
        "c": ("BCC", "HAM_1", "train"),
        "d": ("AKIEC", "HAM_1", "train"),
        "e": ("BKL", "HAM_2", "train"),
        "f": ("DF", "HAM_2", "train"),
        "g": ("VASC", "HAM_3", "train"),
        "v": ("NV", "", "val"),
        "t": ("MEL", "", "isic2018-test"),
    }


def test_isic2019_keeps_its_ids_and_groups_by_lesion(tmp_path):
    records = facts(
        read_source(isic2019(tmp_path)), "path", "diagnosis", "lesion", "age", "sex", "site"
    )

    assert [record[1] for record in records.values()] == list(CLASSES_2019[:-1])
    assert records["b_downsampled"] == (
        "ISIC_2019_Training_Input/b_downsampled.jpg",
        "NV",
        *("BCN_1", "85.0", "female", "upper extremity"),
    )


def test_isic2019_test_is_a_benchmark_once_its_labels_are_there(tmp_path):
    isic2019(tmp_path)
    assert read_source(tmp_path).unlabelled == (
        "ISIC_2019_Test_Input/t.jpg",
        "ISIC_2019_Test_Input/u.jpg",
    )

    labels = tmp_path / "ISIC_2019_Test_GroundTruth.csv"
    one_hot(labels, CLASSES_2019, {"t": "SCC", "u": "UNK"})
    source = read_source(tmp_path)

    assert facts(source, "diagnosis", "split")["t"] == ("SCC", "isic2019-test")
    assert source.unlabelled == ("ISIC_2019_Test_Input/u.jpg",)


def test_isic2020_refines_benign_and_malignant_by_the_diagnosis(tmp_path):
    source = read_source(isic2020(tmp_path))

    assert facts(source, "diagnosis", "patient", "lesion", "sex", "age", "site") == {
        "a": ("benign", "IP_1", "IL_1", "male", "45.0", "head/neck"),
        "b": ("melanoma", "IP_1", "IL_2", "male", "45.0", "torso"),
        "c": ("atypical melanocytic proliferation", "IP_2", "", "female", "", ""),
        "d": ("cafe-au-lait macule", "IP_2", "", "", "", ""),
    }


def test_isic2020_diagnoses_must_agree_with_the_label(tmp_path):
    rows = ("a,IP_1,,,,,melanoma,benign,0", "b,IP_1,,,,,nevus,benign,0")

    with pytest.raises(DataError, match="contradict each other") as caught:
        read_source(isic2020(tmp_path, rows))

    assert caught.value.which == ["a (benign > melanoma)"]


@pytest.mark.parametrize("folder", ["train", "jpeg/train"])
def test_isic2020_of_kaggle(tmp_path, folder):
    touch(tmp_path, f"{folder}/a.jpg", f"{folder.replace('train', 'test')}/t.jpg", "train/a.dcm")
    csv_file(
        tmp_path / "train.csv",
        "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,"
        "benign_malignant,target",
        "a,IP_1,male,45,torso,nevus,benign,0",
    )

    source = read_source(tmp_path)

    assert source.layout == "isic2020"
    assert facts(source, "patient", "lesion", "split") == {"a": ("IP_1", "", "train")}
    assert len(source.unlabelled) == 1


def test_the_words_of_isic2020_are_known():
    words = ["lentigo NOS", "lichenoid keratosis", "nevus", "seborrheic keratosis", "solar lentigo"]

    assert [canonical(word) for word in words] == ["lentigo", *words[1:]]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("isic2018", "ISIC2018_Task3_Training_LesionGroupings.csv"),
        ("isic2019", "ISIC_2019_Training_Metadata.csv"),
    ],
)
def test_training_images_need_their_lesions(tmp_path, name, file):
    (CHALLENGES[name](tmp_path) / file).unlink()

    with pytest.raises(DataError, match="is missing") as caught:
        read_source(tmp_path)

    assert file in caught.value.what
    assert "must stay together" in caught.value.expected


@pytest.mark.parametrize("name", CHALLENGES)
def test_training_images_need_their_labels(tmp_path, name):
    root = CHALLENGES[name](tmp_path)
    for file in [*root.glob("*Training*GroundTruth*.csv"), *root.glob("*Training_G*/*.csv")]:
        file.unlink()
    touch(root, "ISIC_2020_Training_JPEG/x.jpg" if name == "isic2020" else "notes.txt")

    with pytest.raises(DataError, match=r"GroundTruth.*\.csv does not exist"):
        read_source(root)


def test_a_test_set_without_labels_alone_has_nothing_to_read(tmp_path):
    with pytest.raises(DataError, match="no images with a label") as caught:
        read_source(touch(tmp_path, "ISIC_2019_Test_Input/t.jpg"))

    assert "it has 1 without" in caught.value.expected


@pytest.mark.parametrize("row", ["a,1,1,0", "a,0,0,0", "a,2,0,0", "a,0.5,0.5,0"])
def test_flags_are_one_1_and_zeros(tmp_path, row):
    root = isic2019(tmp_path)
    csv_file(
        root / "ISIC_2019_Training_GroundTruth.csv",
        "image," + ",".join(CLASSES_2019),
        row + ",0" * 6,
        "c,1,0,0,0,0,0,0,0,0",
    )

    with pytest.raises(DataError, match="flags other than") as caught:
        read_source(root)

    assert caught.value.which == ["a"]


def test_masks_are_no_images_and_two_files_of_one_name_are_an_error(tmp_path):
    root = touch(isic2016(tmp_path), "ISBI2016_ISIC_Part3_Training_Data/a_Segmentation.png")
    assert read_source(root).unlabelled == ()

    touch(root, "ISBI2016_ISIC_Part3_Training_Data/deep/a.png")
    with pytest.raises(DataError, match="two files with one name") as caught:
        read_source(root)

    assert caught.value.which == ["a"]


def test_two_datasets_in_one_folder_are_an_error(tmp_path):
    isic2017(isic2018(tmp_path))

    with pytest.raises(DataError, match="isic2017, isic2018"):
        detect(tmp_path)


def test_the_test_table_that_comes_with_ham10000_is_not_isic2018(tmp_path):
    table(tmp_path / "HAM10000_metadata", "lesion_id,image_id,dx\nL1,x,nv\n")
    csv_file(tmp_path / "ISIC2018_Task3_Test_GroundTruth.csv", "lesion_id,image_id,dx", "L2,t,nv")

    assert detect(touch(tmp_path, "HAM10000_images_part_1/x.jpg")) == "ham10000"
