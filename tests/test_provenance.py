"""A run is never judged on images that it, its parents or its members learnt from."""

import pytest

from skinlesion.errors import DataError, IntegrityError
from skinlesion.provenance import inherit, learnt_from, refuse_leak
from skinlesion.runs import RunDir
from skinlesion.tables import read_columns, write_rows


@pytest.fixture
def used(tmp_path):
    """A function that makes a run of {image: split}."""

    def make(name, splits):
        run = RunDir(tmp_path / name)
        run.path.mkdir()
        rows = [(image, f"patient of {image}", split) for image, split in splits.items()]
        write_rows(run.split, ["image_id", "group", "split"], rows)
        return run

    return make


@pytest.mark.parametrize(
    ("learnt", "judged", "leak"),
    [
        ("train", "test", True),
        ("train", "val", True),
        ("train", "isic2017-test", True),
        ("val", "test", True),
        ("val", "val", False),
        ("test", "test", False),
        ("isic2017-test", "test", False),
    ],
)
def test_what_a_run_learnt_from_is_no_test_of_it(used, learnt, judged, leak):
    run = used("run", {"a": learnt, "b": "train"})

    if not leak:
        refuse_leak(run, ["a", "z"], split=judged)
        return
    with pytest.raises(IntegrityError, match=f"learnt from 1 image of {judged}") as caught:
        refuse_leak(run, ["a", "z"], split=judged)
    assert (caught.value.exit_code, caught.value.which) == (4, ["a"])


def test_a_run_that_does_not_say_what_it_learnt_from_is_not_judged(tmp_path):
    with pytest.raises(DataError, match=r"split\.csv does not exist"):
        refuse_leak(RunDir(tmp_path), ["a"], split="test")


SPLITS = ("train", "val", "test", None)


@pytest.mark.parametrize("own", SPLITS)
@pytest.mark.parametrize("others", SPLITS)
def test_what_the_parent_learnt_from_counts_as_learnt(used, own, others):
    run = used("run", {"x": "train"} | ({"a": own} if own else {}))
    parent = used("parent", {"y": "val"} | ({"a": others} if others else {}))
    before = learnt_from(run), learnt_from(parent)

    inherit(run, [parent])

    after = learnt_from(run)
    assert after["train"] == before[0]["train"] | before[1]["train"]
    assert after["train"] | after["val"] == {
        image for seen in before for images in seen.values() for image in images
    }
    assert not after["train"] & after["val"]


def test_inheriting_goes_over_generations(used):
    grandparent = used("grandparent", {"a": "train"})
    parent, run = used("parent", {"b": "train"}), used("run", {"c": "train"})

    inherit(parent, [grandparent])
    inherit(run, [parent])

    assert learnt_from(run)["train"] == {"a", "b", "c"}


def test_groups_are_inherited_with_the_images(used):
    run, parent = used("run", {"a": "test"}), used("parent", {"b": "train", "c": "test"})

    inherit(run, [parent])

    table = read_columns(run.split, required=["image_id", "group", "split"])
    assert table["image_id"] == ["a", "b"]
    assert table["group"] == ["patient of a", "patient of b"]


def test_inheriting_twice_changes_nothing_and_own_groups_stay(used):
    run, parent = used("run", {"a": "val", "b": "test"}), used("parent", {"a": "train"})

    inherit(run, [parent])
    once = run.split.read_bytes()
    inherit(run, [parent])

    assert run.split.read_bytes() == once
    table = read_columns(run.split, required=["image_id", "group", "split"])
    assert table["group"] == ["patient of a", "patient of b"]
    assert table["split"] == ["train", "test"]
