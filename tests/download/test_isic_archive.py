"""Pages of the archive: read to their end and no further, each field checked."""

import copy
import json

import pytest
from isic_stub import Stub, other_host

from skinlesion.data.isic.archive import Archive, Item, Refused, flatten
from skinlesion.data.isic.client import Client
from skinlesion.data.isic.listing import read_listing
from skinlesion.errors import DataError

pytestmark = pytest.mark.thorough


@pytest.fixture
def stub():
    with Stub(7, page_size=3) as running:
        yield running


@pytest.fixture
def archive(stub):
    client = Client([stub.host], retries=0)
    yield Archive(client, f"{stub.url}api/v2/", "", (), "full")
    client.close()


def ids(listing):
    return [item.isic_id for item in listing.items]


def pages_asked(stub):
    return stub.fetched("/api/v2/images/search/")


# --- paging -----------------------------------------------------------------------------------


def test_all_pages_are_read_in_order_and_counted(stub, archive):
    told = []

    listing = read_listing(archive, progress=lambda done, total: told.append((done, total)))

    assert ids(listing) == list(stub.items)
    assert (listing.announced, listing.complete, listing.refused) == (7, True, [])
    assert told == [(3, 7), (6, 7), (7, 7)]


def test_the_query_the_collections_and_a_page_of_a_hundred_are_asked_for(stub, archive):
    archive = Archive(archive.client, archive.api_url, "diagnosis_1:Malignant", (70, 72), "full")

    listing = read_listing(archive)

    assert ids(listing) == ["ISIC_0000001"]
    assert archive.total_bytes() == stub.items["ISIC_0000001"]["files"]["full"]["size"]


def test_a_limit_reads_no_page_more_than_it_needs(stub, archive):
    listing = read_listing(archive, limit=4)

    assert ids(listing) == list(stub.items)[:4]
    assert len(pages_asked(stub)) == 2


def test_the_licence_filter_counts_what_it_leaves_out(archive):
    listing = read_listing(archive, licences=["CC-BY"], limit=2)

    assert ids(listing) == ["ISIC_0000001", "ISIC_0000004"]
    assert listing.other_licences == {"CC-0": 2, "CC-BY-NC": 1}


def test_a_look_at_the_first_pages_says_that_it_is_one(archive):
    assert not read_listing(archive, max_pages=2).complete
    assert read_listing(archive, max_pages=3).complete


def test_pages_are_kept_and_never_asked_for_again(stub, archive, tmp_path):
    cache = tmp_path / "listing.jsonl"
    first = read_listing(archive, limit=2, cache=cache)
    assert len(pages_asked(stub)) == 1

    whole = read_listing(archive, cache=cache)
    again = read_listing(archive, cache=cache)

    assert ids(first) == ids(whole)[:2]
    assert ids(whole) == ids(again) == list(stub.items)
    assert len(pages_asked(stub)) == 3
    assert whole.announced == again.announced == 7


def test_what_a_kill_left_of_a_page_is_asked_for_again(stub, archive, tmp_path):
    cache = tmp_path / "listing.jsonl"
    read_listing(archive, cache=cache)
    text = cache.read_text()
    cache.write_text(text[:-100])

    assert ids(read_listing(archive, cache=cache)) == list(stub.items)
    assert cache.read_text() == text
    assert len(pages_asked(stub)) == 4


# --- pages that lead nowhere ------------------------------------------------------------------


def never(page, **changes):
    """The page with another ``next``, and so without end."""
    return {**page, **changes}


def test_a_page_that_leads_to_itself_ends_the_listing(stub, archive):
    stub.edit_page = lambda page: never(page, next=f"{archive.api_url}images/search/?cursor=0")

    with pytest.raises(DataError, match="pages do not end: a page leads to one that was there"):
        read_listing(archive)

    assert len(pages_asked(stub)) == 2


def test_pages_without_anything_new_end_the_listing(stub, archive):
    first = archive.client.get_json(f"{archive.api_url}images/search/")["results"]
    numbers = iter(range(1000, 2000))
    stub.edit_page = lambda page: never(
        page, results=first, next=f"{archive.api_url}images/search/?cursor={next(numbers)}"
    )

    with pytest.raises(DataError, match="pages do not end"):
        read_listing(archive)

    assert len(pages_asked(stub)) == 3


def test_more_images_than_announced_end_the_listing(stub, archive):
    numbers = iter(range(10**6))

    def invent(page):
        made = [
            {**copy.deepcopy(stub.items["ISIC_0000000"]), "isic_id": f"ISIC_{next(numbers):07}"}
            for _ in range(50)
        ]
        following = f"{archive.api_url}images/search/?cursor={next(numbers)}"
        return json.loads(json.dumps(never(page, results=made, next=following), default=list))

    stub.edit_page = invent

    with pytest.raises(DataError, match="150 images were listed and 7 announced"):
        read_listing(archive)


@pytest.mark.parametrize("where", ["another server", "not encrypted", "a file host"])
def test_next_leads_to_the_api_only(stub, archive, where):
    with other_host() as other:
        link = {
            "another server": f"{other.url}api/v2/images/search/",
            "not encrypted": "http://api.isic-archive.com/api/v2/images/search/",
            "a file host": "https://isic-archive.s3.amazonaws.com/x",
        }[where]
        stub.edit_page = lambda page: never(page, next=link)
        archive.client.hosts |= {"isic-archive.s3.amazonaws.com"}

        with pytest.raises(DataError, match=r"host that is not expected|not https"):
            read_listing(archive)

        assert other.log == []


@pytest.mark.parametrize("page", [{}, {"results": {}}, {"results": [], "next": 3}])
def test_what_is_no_page_is_refused(stub, archive, page):
    stub.edit_page = lambda _: page

    with pytest.raises(DataError, match="is not a page of results"):
        read_listing(archive)


# --- items ------------------------------------------------------------------------------------


def test_an_item_is_read_and_its_metadata_made_text(stub, archive):
    raw = json.loads(json.dumps(stub.items["ISIC_0000001"], default=list))

    item = archive.item(raw)

    assert item == Item(
        "ISIC_0000001",
        "CC-BY",
        "Anonymous",
        f"{stub.url}images/ISIC_0000001.jpg",
        len(stub.files["/images/ISIC_0000001.jpg"]),
        {
            "pixels_x": "40",
            "pixels_y": "30",
            "image_type": "dermoscopic",
            "diagnosis_1": "Malignant",
            "age_approx": "21",
            "melanocytic": "false",
        },
    )


def test_a_name_that_both_parts_of_the_metadata_have_is_kept_twice():
    assert flatten({"acquisition": {"a": 1, "b": [1, "é"]}, "clinical": {"a": 2}}) == {
        "a": "2",
        "acquisition_a": "1",
        "b": '[1, "é"]',
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"isic_id": "../x"}, "its name is not an ISIC id"),
        ({"isic_id": "ISIC_0000001/../x"}, "its name is not an ISIC id"),
        ({"isic_id": "ISIC_0000001\n"}, "its name is not an ISIC id"),
        ({"isic_id": "ISIC_000000\u0661"}, "its name is not an ISIC id"),
        ({"isic_id": "isic_0000001"}, "its name is not an ISIC id"),
        ({"isic_id": 7}, "its name is not an ISIC id"),
        ({"isic_id": None}, "its name is not an ISIC id"),
        ({"copyright_license": "../x"}, "its licence ../x is not a known one"),
        ({"copyright_license": "All rights reserved"}, "is not a known one"),
        ({"attribution": None}, "not of the known shape"),
        ({"files": {}}, "not of the known shape"),
        ({"files": {"full": {"url": 1, "size": 1}}}, "not of the known shape"),
        ({"files": {"full": {"url": "https://isic.example/x", "size": 1}}}, "not expected"),
        ({"files": {"full": {"url": "http://isic.example/x", "size": 1}}}, "is not https"),
        ({"files": {"full": {"url": "file:///etc/passwd", "size": 1}}}, "is not https"),
        ({"files": {"full": {"url": "<own>", "size": 0}}}, "size of 0 bytes"),
        ({"files": {"full": {"url": "<own>", "size": 10**12}}}, "is not one of an image"),
        ({"files": {"full": {"url": "<own>", "size": True}}}, "not of the known shape"),
        ({"metadata": []}, "not of the known shape"),
        ({"metadata": {"clinical": [1]}}, "not of the known shape"),
    ],
)
def test_an_item_with_a_wrong_field_is_refused_with_the_reason(stub, archive, change, reason):
    raw = json.loads(json.dumps(stub.items["ISIC_0000001"], default=list)) | change
    if raw["files"].get("full", {}).get("url") == "<own>":
        raw["files"]["full"]["url"] = f"{stub.url}x"

    refused = archive.item(raw)

    assert isinstance(refused, Refused)
    assert reason in refused.reason


@pytest.mark.parametrize("raw", [None, [], "ISIC_0000001", {}])
def test_what_is_no_item_is_refused(archive, raw):
    assert isinstance(archive.item(raw), Refused)


def test_a_refused_item_does_not_stop_the_others_nor_steer_the_terminal(stub, archive):
    stub.items["ISIC_0000002"]["isic_id"] = "../\x1b[2J"

    listing = read_listing(archive)

    assert len(listing.items) == 6
    assert [one.name for one in listing.refused] == ["../?[2J"]


def test_thumbnails_are_another_file(stub, archive):
    small = Archive(archive.client, archive.api_url, "", (), "thumbnail_256")

    items = read_listing(small).items

    assert items[0].url == f"{stub.url}thumbnails/ISIC_0000000_thumbnail.jpg"
    assert items[0].size == len(stub.files["/thumbnails/ISIC_0000000_thumbnail.jpg"])


def test_a_collection_that_does_not_exist_is_named_beside_those_that_do(archive):
    Archive(archive.client, archive.api_url, "", (70,), "full").refuse_unknown_collections()

    with pytest.raises(DataError, match="has no collection 72") as caught:
        Archive(archive.client, archive.api_url, "", (70, 72), "full").refuse_unknown_collections()

    assert caught.value.which == ["70 SIIM-ISIC 2020: Training", "71 Another"]
