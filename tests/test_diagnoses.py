"""Side tables replace the words of the images they list, and nothing else."""

import pytest
from source_fixtures import csv_file, facts, touch

from skinlesion.config import PreprocessConfig
from skinlesion.data.groups import resolve_groups
from skinlesion.data.planning import gather
from skinlesion.data.sources import read_source, read_sources, with_diagnoses
from skinlesion.errors import DataError


@pytest.fixture
def source(tmp_path):
    return read_source(touch(tmp_path / "data", "akiec/a.jpg", "akiec/b.jpg", "nevus/c.jpg"))


def replaced(source, *tables):
    [changed] = with_diagnoses([source], tables)
    return {name: word for name, (word,) in facts(changed, "diagnosis").items()}


def test_only_the_images_listed_change(source, tmp_path):
    side = csv_file(tmp_path / "side.csv", "image_id,isic2019_label", "a,SCC")

    assert replaced(source, side) == {"a": "SCC", "b": "akiec", "c": "nevus"}
    assert replaced(source) == {"a": "akiec", "b": "akiec", "c": "nevus"}


def test_the_column_diagnosis_goes_before_others(source, tmp_path):
    side = csv_file(tmp_path / "side.csv", "note,image_id,diagnosis", "AK?,a,SCC")

    assert replaced(source, side)["a"] == "SCC"


def test_two_tables_may_agree_in_other_words_and_may_not_disagree(source, tmp_path):
    one = csv_file(tmp_path / "one.csv", "image_id,diagnosis", "a,AK", "b,SCC")
    two = csv_file(tmp_path / "two.csv", "image_id,diagnosis", "a,actinic keratosis")
    three = csv_file(tmp_path / "three.csv", "image_id,diagnosis", "b,AK")

    assert replaced(source, one, two)["a"] == "AK"
    with pytest.raises(DataError, match=r"disagree about 1 image\b") as caught:
        replaced(source, one, three)
    assert caught.value.which == ["b (SCC in one.csv, AK in three.csv)"]


def test_images_that_no_source_has_are_named(source, tmp_path):
    side = csv_file(tmp_path / "side.csv", "image_id,diagnosis", "z,AK", "a,SCC", "y,AK")

    with pytest.raises(DataError, match="2 images that no source has") as caught:
        replaced(source, side)

    assert caught.value.which == ["y", "z"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["image_id,one,two", "a,AK,SCC"], "which column is the diagnosis"),
        (["image_id", "a"], "which column is the diagnosis"),
        (["id,diagnosis", "a,AK"], "lacks the column image_id"),
        (["image_id,diagnosis", "a,AK", "a,SCC"], "more than once"),
        (["image_id,diagnosis", "a,"], "1 image without a diagnosis"),
    ],
)
def test_unclear_tables_are_refused(source, tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        replaced(source, csv_file(tmp_path / "side.csv", *rows))


def test_the_config_names_the_tables(tmp_path):
    root = touch(
        tmp_path / "data", *(f"{word}/{word}{n}.jpg" for word in ("nv", "mel") for n in "012345")
    )
    side = csv_file(tmp_path / "side.csv", "image_id,diagnosis", "nv0,bcc")
    plain = PreprocessConfig(sources=(root,))

    before = gather(plain, read_sources(plain.sources))
    after = gather(plain.model_copy(update={"diagnoses": (side,)}), read_sources([root]))

    assert before.table["label"].sum() == 6
    assert after.table["label"].sum() == 7
    assert after.read[""] == {"basal cell carcinoma": 1, "melanoma": 6, "nevus": 5}


@pytest.mark.real_data
def test_akiec_of_ham10000_is_divided_by_isic2019(real_data):
    sources = read_sources([real_data / "ham10000"])
    side = real_data / "ham10000" / "akiec_as_isic2019.csv"

    found = gather(PreprocessConfig(diagnoses=(side,)), sources)

    assert found.excluded == {"actinic keratosis": 130}
    carcinoma = found.table["diagnosis"] == "squamous cell carcinoma"
    assert carcinoma.sum() == 197
    assert (found.table["label"][carcinoma] == 1).all()


@pytest.mark.real_data
def test_the_lesions_of_ham10000_are_its_groups(real_data):
    sources = read_sources([real_data / "ham10000"])

    table = gather(PreprocessConfig(indeterminate="benign"), sources).table
    group = resolve_groups(table["image_id"], table["patient"], table["lesion"])

    lesions = {record.image_id: record.lesion for record in sources[0].records}
    assert group.tolist() == [lesions[name] for name in table["image_id"].tolist()]
    assert len(set(group.tolist())) == 7470


@pytest.mark.real_data
def test_isic2017_and_ham10000_say_sex_age_and_site(real_data):
    isic2017, ham10000 = read_sources([real_data / "isic2017", real_data / "ham10000"])

    for source, ages in ((isic2017, 2446), (ham10000, 9958)):
        assert {record.sex for record in source.records} == {"male", "female", "unknown"}
        assert sum(record.age not in ("", "unknown") for record in source.records) == ages
    assert {record.site for record in isic2017.records} == {""}
    assert len({record.site for record in ham10000.records}) == 15
