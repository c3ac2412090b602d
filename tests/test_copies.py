"""Copies are told by id, by bytes and by likeness, within one table, between two and beyond it."""

import numpy as np
import pytest

from skinlesion.data.copies import (
    IDENTICAL,
    NEAR,
    SAME_ID,
    Link,
    Photos,
    clusters,
    find_copies,
    find_copies_between,
    find_protected,
    links_by_key,
)
from skinlesion.data.duplicates import signature
from skinlesion.data.protected import NAMES, Protected, load
from skinlesion.data.sources import isic_id
from skinlesion.data.synthetic import draw_lesion

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def drawn():
    """Six lesions."""
    return [
        draw_lesion(index % 2, size=96, rng=np.random.default_rng(index)).image
        for index in range(6)
    ]


def photos(images, ids=None, digests=None):
    count = len(images)
    return Photos(
        np.array(ids or [f"i{row}" for row in range(count)]),
        np.array(digests or [f"d{row}" for row in range(count)]),
        np.stack([signature(pixels) for pixels in images]),
    )


def told(links):
    return {(link.first, link.second, link.kind) for link in links}


def test_each_kind_of_copy_is_found_once_within_a_table(drawn):
    images = [drawn[0], drawn[0], drawn[1], drawn[1][::-1], drawn[2], drawn[3], drawn[4]]
    ids = ["a", "b", "c", "d", "ISIC_0000001", "ISIC_0000001_downsampled", "e"]
    digests = ["same", "same", "3", "4", "5", "6", "7"]

    assert told(find_copies(photos(images, ids, digests))) == {
        (0, 1, IDENTICAL),
        (2, 3, NEAR),
        (4, 5, SAME_ID),
    }


def test_between_two_tables_every_row_that_is_copied_is_told(drawn):
    first = photos([drawn[0], drawn[0], drawn[1], drawn[2]], digests=["x", "x", "y", "z"])
    second = photos([drawn[3], drawn[1][:, ::-1], drawn[0]], ["p", "q", "r"], ["u", "v", "x"])

    found = told(find_copies_between(first, second))

    assert {(0, 2, IDENTICAL), (1, 2, IDENTICAL), (2, 1, NEAR)} <= found
    assert {row for row, _, _ in found} == {0, 1, 2}


def test_protected_images_that_are_absent_are_numbered_after_the_table(drawn):
    own = photos([drawn[0], np.rot90(drawn[1]), drawn[2]], ["ISIC_0000009", "b", "c"])
    split = np.array(["bench", "train", "train"])
    benchmark = Protected(
        "bench",
        np.array(["ISIC_0000009", "ISIC_0000010"]),
        photos([drawn[0], drawn[1]]).signature,
    )

    beyond, links = find_protected(own, split, [benchmark])

    assert beyond.image_id.tolist() == ["ISIC_0000010"]
    assert beyond.split.tolist() == ["bench"]
    assert told(links) == {(1, 3, NEAR)}
    assert links[0].symmetry != 0
    assert find_protected(own, split, [])[1] == []


def test_a_protected_image_in_train_is_not_taken_for_present(drawn):
    own = photos([drawn[0]], ["ISIC_0000009"])
    benchmark = Protected("bench", np.array(["ISIC_0000009"]), own.signature)

    beyond, links = find_protected(own, np.array(["train"]), [benchmark])

    assert beyond.image_id.tolist() == ["ISIC_0000009"]
    assert (0, 1, SAME_ID) in told(links)


def test_the_shipped_benchmark_is_the_600_of_isic_2017():
    assert NAMES == ("isic2017-test",)
    table = load("isic2017-test")

    assert len(set(table.image_id.tolist())) == len(table.signature) == 600
    assert all(isic_id(name) == name for name in table.image_id.tolist())


@pytest.mark.real_data
def test_the_shipped_benchmark_is_made_from_the_ground_truth(real_data):
    from skinlesion.data.images import decode
    from skinlesion.data.sources import read_source

    source = read_source(real_data / "isic2017")
    records = sorted(record for record in source.records if record.split == "isic2017-test")
    table = load("isic2017-test")

    assert table.image_id.tolist() == [record.image_id for record in records]
    for row in (0, 299, 599):
        pixels = decode(source.root / records[row].path, 256)
        assert (table.signature[row] == signature(pixels)).all()


def test_links_by_key_leave_out_the_empty_key():
    assert links_by_key(["", "x", "", "y", "x", "x"], IDENTICAL) == [
        Link(1, 4, IDENTICAL),
        Link(4, 5, IDENTICAL),
    ]


def test_clusters_join_by_way_of_others():
    number = clusters(5, [Link(0, 3, NEAR), Link(3, 4, IDENTICAL)])

    assert number[0] == number[3] == number[4]
    assert len(set(number.tolist())) == 3
