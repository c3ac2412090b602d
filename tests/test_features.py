"""Laws of the feature cache: no pass twice, nothing stale, nothing half-written, no dependence."""

import dataclasses
import os
import shutil

import keras
import numpy as np
import pytest
from training_fixtures import (
    COUNTS,
    SIZE,
    QuickReporter,
    head_config,
    outcome,
    run_train,
    write_lesions,
)

from skinlesion.config import ModelConfig
from skinlesion.data.augment import Ranges
from skinlesion.data.sampling import Images
from skinlesion.data.store import PixelStore
from skinlesion.training.features import FeatureCache, View, read_features, write_features

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("tiny_backbone")]

ALL = sum(COUNTS.values())
VALUES = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


# --- one file ------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path):
    write_features(tmp_path / "f.npy", [VALUES[:2], VALUES[2:]], shape=(5, 3))

    np.testing.assert_array_equal(read_features(tmp_path / "f.npy"), VALUES)
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), VALUES)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:-40],
        lambda content: content[:100],
        lambda content: b"",
        lambda content: content + b"x",
        lambda content: content[:-50] + bytes([content[-50] ^ 1]) + content[-49:],
    ],
    ids=["digest", "row", "header", "empty", "longer", "bit"],
)
def test_damaged_file_is_not_read(tmp_path, damage):
    path = tmp_path / "f.npy"
    write_features(path, [VALUES], shape=(5, 3))
    path.write_bytes(damage(path.read_bytes()))

    assert read_features(path) is None


def test_broken_off_write_leaves_nothing(tmp_path):
    def parts():
        yield VALUES
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_features(tmp_path / "f.npy", parts(), shape=(10, 3))

    assert list(tmp_path.iterdir()) == []


# --- names ---------------------------------------------------------------------------------


def cache(folder, **changes):
    extractor = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    extractor.set_weights([np.ones((2, 3)), np.zeros(3)])
    values = {
        "folder": folder / "shared",
        "own": folder / "own",
        "dataset": "abc",
        "config": ModelConfig(backbone="efficientnet_lite0", weights="none"),
        "seed": 0,
        "ranges": Ranges(flip=True),
        "extractor": lambda precision: extractor,
        "batch_size": 8,
    }
    return FeatureCache(**{**values, **changes})


def view(**changes):
    images = Images(None, np.arange(4), np.zeros(4, int))
    return dataclasses.replace(View("train", images, 1, "float32"), **changes)


def other_weights(precision):
    extractor = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    extractor.set_weights([np.full((2, 3), 2.0), np.zeros(3)])
    return extractor


def build(**changes):
    return ModelConfig(**{"backbone": "efficientnet_lite0", "weights": "none", **changes})


OTHER_ROWS = Images(None, np.array([0, 1, 2, 5]), np.zeros(4, int))


@pytest.mark.parametrize(
    ("of_cache", "of_view"),
    [
        ({"dataset": "abd"}, {}),
        ({"extractor": other_weights}, {}),
        ({"config": build(backbone="efficientnet_lite1")}, {}),
        ({"config": build(image_size=96)}, {}),
        ({"config": build(pooling="max")}, {}),
        ({"seed": 1}, {}),
        ({"ranges": Ranges(flip=True, hue=0.1)}, {}),
        ({}, {"images": OTHER_ROWS}),
        ({}, {"number": 2}),
        ({}, {"number": 0}),
        ({}, {"precision": "bfloat16"}),
    ],
)
def test_another_name_for_what_gives_other_features(tmp_path, of_cache, of_view):
    assert cache(tmp_path, **of_cache).paths([view(**of_view)]) != cache(tmp_path).paths([view()])


@pytest.mark.parametrize(
    "of_cache", [{"seed": 1}, {"ranges": Ranges()}, {"config": build(dropout=0.5)}]
)
def test_clean_view_depends_on_nothing_random(tmp_path, of_cache):
    clean = view(number=0)

    assert cache(tmp_path, **of_cache).paths([clean]) == cache(tmp_path).paths([clean])


# --- runs ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A data set with a run whose features it keeps."""
    folder = tmp_path_factory.mktemp("first")
    dataset = write_lesions(folder / "dataset")
    run_train(head_config(dataset, feature_views=2, epochs=1), folder / "run")
    return dataset


def test_second_head_reads_no_pixel(first, tmp_path, monkeypatch):
    reporter = QuickReporter()
    monkeypatch.setattr(PixelStore, "read", None)

    run_train(
        head_config(first, feature_views=2, epochs=1, **{"loss.name": "focal"}),
        tmp_path / "run",
        reporter=reporter,
    )

    assert "features" not in reporter.counted
    assert any("4 of 4 views taken from" in text for text in reporter.said)


def test_cached_or_not_the_run_is_the_same(first, tmp_path):
    config = head_config(first, feature_views=2)
    cached = run_train(config, tmp_path / "cached")
    shutil.move(first / "features", tmp_path / "elsewhere")

    fresh = run_train(config, tmp_path / "fresh")

    assert outcome(fresh) == outcome(cached)


def test_more_views_cost_the_new_ones_alone(first, tmp_path):
    reporter = QuickReporter()

    run_train(head_config(first, feature_views=4, epochs=1), tmp_path / "run", reporter=reporter)

    assert reporter.counted["features"] == 2 * COUNTS["train"]


def test_damaged_view_is_computed_again(first, tmp_path):
    [path] = (first / "features").glob("*-val-view0-*.npy")
    before = path.read_bytes()
    path.write_bytes(before[:-100])
    reporter = QuickReporter()

    run_train(head_config(first, feature_views=2, epochs=1), tmp_path / "run", reporter=reporter)

    assert reporter.counted["features"] == COUNTS["val"]
    assert any("is damaged" in text for text in reporter.said)
    assert path.read_bytes() == before


def test_folder_that_cannot_be_written_is_no_error(first, tmp_path):
    (tmp_path / "file").write_text("in the way")
    config = head_config(first, epochs=1, feature_cache=str(tmp_path / "file" / "cache"))
    reporter = QuickReporter()

    run = run_train(config, tmp_path / "run", reporter=reporter)

    assert run.is_finished()
    assert reporter.counted["features"] == ALL
    assert (tmp_path / "file").read_text() == "in the way"


def test_features_lie_where_the_config_says(first, tmp_path):
    before = sorted((first / "features").iterdir())
    abandoned, fresh = (tmp_path / "cache" / f".partial-{name}.npy" for name in ("old", "new"))
    abandoned.parent.mkdir()
    for path in (abandoned, fresh):
        path.touch()
    os.utime(abandoned, (0, 0))

    run_train(head_config(first, epochs=1, feature_cache=str(tmp_path / "cache")), tmp_path / "run")

    made = {path.name.rsplit("-", 1)[0] for path in (tmp_path / "cache").glob("[!.]*")}
    assert made == {f"efficientnet_lite0-{split}-view0" for split in COUNTS}
    assert sorted((first / "features").iterdir()) == before
    assert (abandoned.exists(), fresh.exists()) == (False, True)


def test_size_is_told(tmp_path):
    dataset, reporter = write_lesions(tmp_path / "dataset", size=SIZE), QuickReporter()

    run_train(head_config(dataset, epochs=1), tmp_path / "run", reporter=reporter)

    assert any("MB written to" in text for text in reporter.said)
