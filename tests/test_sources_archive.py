"""Images of the ISIC Archive: the deepest diagnosis that is known, and no contradiction."""

import pytest
from source_fixtures import csv_file, facts, touch

from skinlesion.data.sources import read_source
from skinlesion.errors import DataError

HEADER = (
    "isic_id,copyright_license,attribution,age_approx,sex,anatom_site_general,diagnosis_1,"
    "diagnosis_2,diagnosis_3,diagnosis_4,diagnosis_5,patient_id,lesion_id,image_type"
)
MELANOCYTIC = "Benign melanocytic proliferations"
ROWS = (
    f"ISIC_0000001,CC-0,A,50,male,anterior torso,Benign,{MELANOCYTIC},Nevus,"
    '"Nevus, Spitz",,IP_1,IL_1,dermoscopic',
    "ISIC_0000002,CC-BY,B,,,,Malignant,New group of 2031,,,,,IL_1,dermoscopic",
    "ISIC_0000003,CC-BY,B,,,,,,,,,,,dermoscopic",
)


def download(root, *rows, header=HEADER):
    touch(root, *(f"images/{row.split(',')[0]}.jpg" for row in rows))
    csv_file(root / "manifest.csv", "file,sha256,bytes")
    csv_file(root / "metadata.csv", header, *rows)
    return root


def levels(image_id, *words):
    quoted = [f'"{word}"' for word in words] + [""] * (5 - len(words))
    return f"{image_id},CC-0,A,50,male,arm,{','.join(quoted)},,,dermoscopic"


def test_a_download_has_diagnoses_patients_and_lesions(tmp_path):
    source = read_source(download(tmp_path / "raw", *ROWS))

    assert (source.name, source.layout) == ("raw", "isic archive")
    assert facts(source, "path", "diagnosis", "patient", "lesion", "sex", "age", "site") == {
        "ISIC_0000001": (
            *("images/ISIC_0000001.jpg", "Nevus, Spitz", "IP_1", "IL_1"),
            *("male", "50", "anterior torso"),
        ),
        "ISIC_0000002": ("images/ISIC_0000002.jpg", "Malignant", "", "IL_1", "", "", ""),
    }
    assert source.unlabelled == ("images/ISIC_0000003.jpg",)


def test_isic_cli_puts_the_table_among_the_images(tmp_path):
    root = download(tmp_path, ROWS[0])
    (root / "images" / "ISIC_0000001.jpg").rename(root / "ISIC_0000001.jpg")
    (root / "images").rmdir()

    assert facts(read_source(root), "path") == {"ISIC_0000001": ("ISIC_0000001.jpg",)}


def test_columns_that_an_export_leaves_out_are_unknown(tmp_path):
    root = download(tmp_path, "ISIC_0000001,Benign", header="isic_id,diagnosis_1")

    assert facts(read_source(root), "diagnosis", "patient") == {"ISIC_0000001": ("Benign", "")}


def test_contradictions_name_the_images(tmp_path):
    rows = [
        levels("ISIC_0000001", "Benign", MELANOCYTIC, "Melanoma in situ"),
        levels("ISIC_0000002", "Benign", MELANOCYTIC, "Nevus"),
        levels("ISIC_0000003", "Indeterminate", "", "Nevus"),
    ]

    with pytest.raises(DataError, match="the levels of 2 diagnoses") as caught:
        read_source(download(tmp_path, *rows))

    assert caught.value.exit_code == 3
    assert caught.value.which == [
        f"ISIC_0000001 (Benign > {MELANOCYTIC} > Melanoma in situ)",
        "ISIC_0000003 (Indeterminate > Nevus)",
    ]


@pytest.mark.parametrize(
    ("header", "fix"),
    [
        ("isic_id,benign_malignant,diagnosis", "benign_malignant and diagnosis"),
        ("isic_id,sex,age_approx", "download it again with the images' metadata"),
    ],
)
def test_a_table_without_the_tree_of_diagnoses_is_refused(tmp_path, header, fix):
    with pytest.raises(DataError, match="lacks the column diagnosis_1") as caught:
        read_source(download(tmp_path, "ISIC_0000001,benign,nevus", header=header))

    assert fix in caught.value.fix


def test_an_image_that_is_not_on_disk_is_named(tmp_path):
    root = download(tmp_path, *ROWS)
    (root / "images" / "ISIC_0000002.jpg").unlink()

    with pytest.raises(DataError, match="1 image missing") as caught:
        read_source(root)

    assert caught.value.which == ["ISIC_0000002"]


def test_a_challenge_that_was_downloaded_is_read_as_the_challenge(tmp_path):
    root = touch(download(tmp_path, *ROWS), "ISIC-2017_Training_Data/ISIC_0000001.jpg")
    csv_file(
        root / "ISIC-2017_Training_Part3_GroundTruth.csv",
        *("image_id,melanoma,seborrheic_keratosis", "ISIC_0000001,0,0"),
    )

    assert read_source(root).layout == "isic2017"
