"""An audit finds anew what the guard should have left out, and counts what there is."""

import numpy as np
import pytest

from skinlesion.data.audit import (
    age_band,
    copies_between,
    copies_within,
    facets,
    label_conflicts,
    leaks,
)
from skinlesion.data.duplicates import signature
from skinlesion.data.evidence import Evidence
from skinlesion.data.protected import Protected
from skinlesion.data.synthetic import draw_lesion
from skinlesion.tables import Manifest

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def drawn():
    """Six lesions."""
    return [
        draw_lesion(index % 2, size=96, rng=np.random.default_rng(index)).image
        for index in range(6)
    ]


def data_set(images, splits, labels=None, prefix="i", **metadata):
    """A manifest with evidence, each image of its own group."""
    count = len(images)
    ids = np.array([f"{prefix}{row}" for row in range(count)])
    label = np.array(labels or [row % 2 for row in range(count)])
    manifest = Manifest(
        image_id=ids,
        path=ids,
        label=label,
        melanoma=label,
        group=ids,
        split=np.array(splits),
        diagnosis=np.where(label, "melanoma", "nevus"),
        source=np.full(count, "s"),
    )
    columns = {name: [""] * count for name in ("patient", "lesion", "sex", "age", "site")}
    columns |= {"width": ["600"] * count, "height": ["450"] * count}
    columns |= {"sha256": [f"{prefix}{row}" for row in range(count)], "image_id": ids.tolist()}
    signatures = np.stack([signature(pixels) for pixels in images])
    return manifest, Evidence({**columns, **metadata}, signatures, {}, {}, None)


def test_copies_on_two_sides_are_leaks_and_others_are_not(drawn):
    turned = np.rot90(drawn[0])
    manifest, evidence = data_set(
        [drawn[0], turned, drawn[1], drawn[1][::-1], drawn[2], drawn[2][:, ::-1]],
        ["train", "test", "train", "train", "test", "bench"],
    )

    found = copies_within(manifest, evidence)

    assert {(pair.first, pair.second) for pair in found} == {
        ("i0", "i1"),
        ("i2", "i3"),
        ("i4", "i5"),
    }
    assert [(pair.first, pair.second) for pair in leaks(found)] == [("i0", "i1")]


def test_a_protected_image_in_train_is_a_leak_though_its_benchmark_is_not_there(drawn):
    manifest, evidence = data_set([drawn[0], drawn[1]], ["train", "val"])
    benchmark = Protected("bench", np.array(["x"]), signature(drawn[1][::-1])[None])

    (leak,) = leaks(copies_within(manifest, evidence, [benchmark]))

    assert (leak.first, leak.second, leak.second_split, leak.second_row) == (
        "i1",
        "x",
        "bench",
        None,
    )


def test_two_data_sets_share_what_is_in_both(drawn):
    first = data_set([drawn[0], drawn[1], drawn[2]], ["train"] * 3, prefix="a")
    second = data_set([drawn[3], np.rot90(drawn[1])], ["test"] * 2, prefix="b")

    found = copies_between(first, second)
    back = copies_between(second, first)

    assert [(pair.first, pair.second, pair.first_row, pair.second_row) for pair in found] == [
        ("a1", "b1", 1, 1)
    ]
    assert [(pair.first, pair.second) for pair in back] == [("b1", "a1")]


def test_copies_with_different_labels_are_conflicts(drawn):
    manifest, evidence = data_set(
        [drawn[0], drawn[0][::-1], drawn[1], drawn[1][::-1]], ["train"] * 4, labels=[0, 1, 0, 0]
    )

    assert label_conflicts(manifest, copies_within(manifest, evidence)) == [["i0", "i1"]]


def test_counts_by_facet_sum_to_the_number_of_images(drawn):
    manifest, evidence = data_set(
        drawn[:4],
        ["train", "train", "val", "test"],
        sex=["male", "", "female", "male"],
        age=["45.0", "49", "", "3"],
    )

    counts = facets(manifest, evidence.metadata)

    assert counts["sex"] == {
        "female": {"val": (1, 0)},
        "male": {"train": (1, 0), "test": (1, 1)},
        "unknown": {"train": (1, 1)},
    }
    assert counts["age"]["40-49"] == {"train": (2, 1)}
    assert counts["resolution"] == {"600 x 450": counts["source"]["s"]}
    for facet in counts.values():
        assert sum(images for cells in facet.values() for images, _ in cells.values()) == 4


@pytest.mark.parametrize(
    ("cell", "band"),
    [
        ("0", "00-09"),
        ("9.9", "00-09"),
        ("85", "80-89"),
        ("", "unknown"),
        ("-1", "unknown"),
        ("nan", "unknown"),
        ("inf", "unknown"),
        ("old", "unknown"),
    ],
)
def test_age_bands(cell, band):
    assert age_band(cell) == band
