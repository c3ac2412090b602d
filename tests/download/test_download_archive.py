"""download-isic of an archive query: what lands where, and that it is always the same."""

import hashlib
import io
import threading

import pytest
from download_steps import contents, table
from isic_stub import jpeg
from PIL import Image

from skinlesion.errors import ConfigError, DataError

pytestmark = pytest.mark.thorough

FIRST = "/images/ISIC_0000000.jpg"


def test_images_tables_attributions_and_licences_land_in_their_places(stub, download, raw):
    summary = download()

    names = [f"images/ISIC_{n:07}.jpg" for n in range(6)]
    texts = ["attribution.txt", "licenses/CC-0.txt", "licenses/CC-BY-NC.txt", "licenses/CC-BY.txt"]
    assert set(contents(raw)) == {*names, *texts, "metadata.csv", "manifest.csv", "download.json"}
    for name in names:
        assert (raw / name).read_bytes() == stub.files[f"/{name}"]
    assert (raw / "attribution.txt").read_text() == "Clinic of Tests\n\nAnonymous\n"
    assert (raw / "licenses/CC-BY.txt").read_text() == "The text of CC-BY\n"
    assert summary.failures == []
    assert summary.to_text().splitlines() == [
        f"{raw}: 6 images, 6 of them new",
        "  licences: CC-0 2, CC-BY 2, CC-BY-NC 2",
        f"  next: skinlesion preprocess --source {raw}",
    ]


def test_metadata_has_a_row_an_image_and_a_column_a_field(download, raw):
    download()

    rows = table(raw / "metadata.csv")

    assert [row["isic_id"] for row in rows] == [f"ISIC_{n:07}" for n in range(6)]
    assert rows[1] == {
        "isic_id": "ISIC_0000001",
        "copyright_license": "CC-BY",
        "attribution": "Anonymous",
        "age_approx": "21",
        "diagnosis_1": "Malignant",
        "image_type": "dermoscopic",
        "melanocytic": "false",
        "pixels_x": "40",
        "pixels_y": "30",
    }


def test_the_manifest_has_the_sha256_of_every_file(download, raw):
    download()

    rows = {row["file"]: row for row in table(raw / "manifest.csv")}

    kept = contents(raw)
    assert list(rows) == sorted(set(kept) - {"manifest.csv", "download.json"})
    for name, row in rows.items():
        assert row["sha256"] == hashlib.sha256(kept[name]).hexdigest()
        assert int(row["bytes"]) == len(kept[name])


def test_a_second_run_fetches_no_file_and_changes_no_byte(stub, download, raw):
    download()
    before, asked = contents(raw), len(stub.fetched())

    summary = download()

    assert contents(raw) == before
    assert summary.outcomes[raw].fetched == 0
    assert all("/images/search/" in path for path in stub.fetched()[asked:])


def test_order_and_threads_change_no_byte(stub, download, raw, tmp_path):
    download(connections=1)
    stub.items = dict(reversed(stub.items.items()))
    download("again", connections=8)

    assert contents(raw) == contents(tmp_path / "again")


def test_at_most_so_many_connections_are_open(stub, download):
    # Two requests wait for each other: fewer connections would wait in vain.
    answer, pair, lock = stub.answer, threading.Barrier(2), threading.Lock()
    now, most = [0], [0]

    def watched(path, query):
        if not path.startswith("/images/"):
            return answer(path, query)
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        pair.wait(5)
        with lock:
            now[0] -= 1
        return answer(path, query)

    stub.answer = watched

    assert download(connections=2).failures == []
    assert most == [2]


def test_more_of_the_same_download_is_no_other_download(stub, download, raw):
    download(limit=2)
    assert len(table(raw / "metadata.csv")) == 2

    download(limit=5)

    assert len(table(raw / "metadata.csv")) == 5
    assert len(stub.fetched("/images/")) == 5


@pytest.mark.parametrize(
    "change", [{"thumbnails": True}, {"max_pixels": 4096}, {"licences": ("CC-0",)}]
)
def test_another_download_does_not_go_into_the_same_folder(download, raw, change):
    download()
    before = contents(raw)

    with pytest.raises(ConfigError, match="holds another download"):
        download(**change)

    assert contents(raw) == before


def test_a_folder_of_something_else_is_left_alone(stub, download, raw):
    raw.mkdir()
    (raw / "thesis.tex").write_text("kept")

    with pytest.raises(DataError, match="is not a download"):
        download()

    assert contents(raw) == {"thesis.tex": b"kept"}
    assert stub.log == []


def test_an_image_that_the_archive_no_longer_lists_is_named(stub, download, raw):
    download()
    del stub.items["ISIC_0000003"]

    summary = download()

    assert "not of this download, remove them: images/ISIC_0000003.jpg" in summary.to_text()
    assert len(table(raw / "metadata.csv")) == 5


def test_larger_images_are_stored_reduced_always_to_the_same_bytes(stub, download, raw, tmp_path):
    big = jpeg(9, width=300, height=200)
    stub.files[FIRST], stub.items["ISIC_0000000"]["files"]["full"]["size"] = big, len(big)

    for out in ("raw", "again"):
        download(out, max_pixels=5000)

    with Image.open(raw / FIRST[1:]) as image:
        assert image.size == (86, 57)
    assert (raw / "images/ISIC_0000001.jpg").read_bytes() == stub.files["/images/ISIC_0000001.jpg"]
    assert contents(raw) == contents(tmp_path / "again")


def test_a_reduced_image_stands_upright(stub, download, raw):
    with Image.open(io.BytesIO(jpeg(9, width=300, height=200))) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", exif=exif)
    turned = buffer.getvalue()
    stub.files[FIRST], stub.items["ISIC_0000000"]["files"]["full"]["size"] = turned, len(turned)

    download(max_pixels=5000)

    with Image.open(raw / FIRST[1:]) as image:
        assert (image.size, image.getexif()) == ((57, 86), {})
