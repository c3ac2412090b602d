"""download-isic of challenge years: their own layout, and zips that are bad."""

import shutil

import pytest
from download_steps import contents
from isic_stub import CHALLENGE_2017, jpeg, zip_of

from skinlesion.commands import download_isic as command
from skinlesion.config import ChallengeFiles
from skinlesion.data.isic.challenges import CHALLENGES
from skinlesion.data.sources import read_source
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.progress import Reporter

pytestmark = pytest.mark.thorough


def test_the_challenge_of_2017_is_read_by_preprocess(stub, download, raw):
    stub.faults.clear()

    summary = download(archive=None, challenge=ChallengeFiles(years=(2017,)))

    source = read_source(raw)
    assert source.layout == "isic2017"
    assert [record.split for record in source.records] == [
        "train", "train", "val", "val", "isic2017-test", "isic2017-test"
    ]  # fmt: skip
    assert not list(raw.rglob("*.png"))
    assert not list(raw.rglob("*.zip"))
    assert "not unpacked: 6 superpixel images and the like" in summary.to_text()
    assert f"{raw}: 6 images, 6 of them new\n" in summary.to_text()
    assert (raw / "licenses/CC-0.txt").exists()
    assert "arXiv:1710.05006" in (raw / "attribution.txt").read_text()
    assert command.verify(raw, reporter=Reporter(quiet=True)).endswith("as the manifest says")


@pytest.mark.parametrize("year", CHALLENGES)
def test_each_year_lands_in_its_own_layout(stub, download, raw, year):
    stub.add_challenge(year)

    summary = download(archive=None, challenge=ChallengeFiles(years=(year,)))

    assert summary.failures == []
    zips = [file for file in CHALLENGES[year].files if file.is_zip]
    assert summary.outcomes[raw].images == len(zips)
    for file in CHALLENGES[year].files:
        assert (raw / (file.folder or file.name)).exists()
    assert [path.name for path in (raw / "licenses").iterdir()] == [
        f"{CHALLENGES[year].licence}.txt"
    ]


def test_splits_choose_files_and_more_of_them_may_follow(stub, download, raw):
    val = ChallengeFiles(years=(2017,), splits=("val",))
    download(archive=None, challenge=val)
    folders = sorted(path.name for path in raw.iterdir() if path.name.startswith("ISIC-2017"))
    assert folders == list(CHALLENGE_2017["val"])
    asked = len(stub.fetched())

    download(archive=None, challenge=ChallengeFiles(years=(2017,), splits=("val", "test")))

    folder, truth = CHALLENGE_2017["test"]
    assert sorted(stub.fetched()[asked:]) == sorted(
        [f"/challenges/2017/{folder}.zip", f"/challenges/2017/{truth}"]
    )


def test_a_challenge_again_fetches_nothing_and_a_missing_image_its_zip(stub, download, raw):
    challenge = {"archive": None, "challenge": ChallengeFiles(years=(2017,))}
    download(**challenge)
    before, asked = contents(raw), len(stub.fetched())
    download(**challenge)
    assert (contents(raw), len(stub.fetched())) == (before, asked)
    next((raw / "ISIC-2017_Validation_Data").glob("*.jpg")).unlink()

    download(**challenge)

    assert contents(raw) == before
    assert stub.fetched()[asked:] == ["/challenges/2017/ISIC-2017_Validation_Data.zip"]


BAD_ZIPS = {
    "..": zip_of({"../evil.jpg": b"x"}),
    "absolute": zip_of({"/evil.jpg": b"x"}),
    "bomb": zip_of({"evil.csv": bytes(3 * 2**20)}, compression=8),
    "no zip": b"<html>",
}


def test_what_was_left_incomplete_stays_so_without_its_hidden_folder(stub, download, raw):
    folder = "ISIC-2017_Validation_Data"
    path = f"/challenges/2017/{folder}.zip"
    whole = stub.files[path]
    stub.files[path] = zip_of({f"{folder}/a.jpg": jpeg(1), f"{folder}/b.jpg": b"<html>"})
    val = {"archive": None, "challenge": ChallengeFiles(years=(2017,), splits=("val",))}
    download(**val)
    shutil.rmtree(raw / ".partial")
    stub.files[path] = whole

    assert download(**val).failures == []
    assert stub.fetched().count(path) == 2


@pytest.mark.parametrize("how", BAD_ZIPS)
def test_a_bad_zip_leaves_nothing_and_stops_nothing_else(stub, download, raw, tmp_path, how):
    name = "ISIC-2017_Validation_Data.zip"
    stub.files[f"/challenges/2017/{name}"] = BAD_ZIPS[how]

    summary = download(archive=None, challenge=ChallengeFiles(years=(2017,)))

    assert [failure[0] for failure in summary.failures] == [name]
    assert not (raw / "ISIC-2017_Validation_Data").exists()
    assert len(list(raw.glob("*/*.jpg"))) == 4
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_a_broken_image_in_a_zip_is_named_until_it_is_whole(stub, download, raw):
    folder = "ISIC-2017_Validation_Data"
    path = f"/challenges/2017/{folder}.zip"
    stub.files[path] = zip_of({f"{folder}/a.jpg": jpeg(1), f"{folder}/b.jpg": b"<html>"})
    val = {"archive": None, "challenge": ChallengeFiles(years=(2017,), splits=("val",))}

    for _ in range(2):
        assert [name for name, _ in download(**val).failures] == [f"{folder}/b.jpg"]

    assert stub.fetched().count(path) == 1
    assert (raw / folder / "a.jpg").exists()


def test_a_table_that_is_a_web_page_is_refused(stub, download, raw):
    truth = CHALLENGE_2017["val"][1]
    stub.files[f"/challenges/2017/{truth}"] = b"<?xml version='1.0'?><Error>a, b</Error>"

    summary = download(archive=None, challenge=ChallengeFiles(years=(2017,)))

    assert summary.failures == [(truth, f"{truth}: not a CSV table")]
    assert not (raw / truth).exists()


def test_several_sources_get_a_folder_each(download, raw):
    both = {"challenge": ChallengeFiles(years=(2017,), splits=("val",))}

    text = download(**both).to_text()

    assert sorted(path.name for path in raw.iterdir()) == ["archive", "isic2017"]
    assert f"preprocess --source {raw / 'archive'}" in text
    assert f"preprocess --source {raw / 'isic2017'}" in text
    command.verify(raw, reporter=Reporter(quiet=True))
    (raw / "isic2017" / "attribution.txt").write_text("nobody")
    with pytest.raises(IntegrityError) as caught:
        command.verify(raw, reporter=Reporter(quiet=True))
    assert caught.value.which == ["isic2017/attribution.txt (changed)"]


def test_a_licence_filter_refuses_a_challenge_under_another(download):
    with pytest.raises(ConfigError, match="ISIC 2019 is under CC-BY-NC"):
        download(archive=None, challenge=ChallengeFiles(years=(2019,)), licences=("CC-0",))


def test_a_split_that_a_year_does_not_have_is_refused(download, raw):
    with pytest.raises(DataError, match="ISIC 2016 has no split val"):
        download(archive=None, challenge=ChallengeFiles(years=(2016,), splits=("val",)))

    assert not raw.exists()
