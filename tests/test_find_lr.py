"""The learning rate range test: what is read off a curve, and the command that makes one."""

import csv

import numpy as np
import pytest
from PIL import Image
from training_fixtures import (
    COUNTS,
    QuickReporter,
    finetune_config,
    head_config,
    run_train,
    train_config,
    use_tiny_backbone,
)

from skinlesion.commands import find_lr
from skinlesion.config import FinetuneConfig, TrainConfig, load_recipe, to_yaml
from skinlesion.errors import ConfigError, DataError
from skinlesion.report.range_test import range_test_figure
from skinlesion.training.lr_finder import RangeTest, is_diverging, smooth, steepest, valley

pytestmark = pytest.mark.tensorflow

SWEEP = {"start": 1e-6, "stop": 1.0, "steps": 20, "smoothing": 0.5}


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    use_tiny_backbone(monkeypatch)
    monkeypatch.chdir(tmp_path)


def find(config, out="lr.png", **changes):
    """The words, and the columns of the table."""
    words = find_lr.run(
        config, out=find_lr.Path(out), **{**SWEEP, "reporter": QuickReporter(), **changes}
    )
    table = find_lr.Path(out).with_suffix(".csv")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    return words.to_text(), {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_smoothing_by_hand():
    # 0.5 * 4 / 0.5; (0.25 * 4 + 0.5 * 2) / 0.75; (0.125 * 4 + 0.25 * 2 + 0.5 * 8) / 0.875
    assert smooth(np.array([4.0, 2.0, 8.0]), 0.5) == pytest.approx([4, 2 / 0.75, 5 / 0.875])


def test_smoothing_leaves_a_constant_alone_and_without_a_past_everything():
    assert smooth(np.full(9, 3.0), 0.9) == pytest.approx(np.full(9, 3.0))
    assert smooth(np.array([4.0, 2.0, 8.0]), 0.0) == pytest.approx([4, 2, 8])


def test_the_steepest_rate_is_in_the_middle_of_the_steep_part():
    rates = np.geomspace(1e-5, 1e-1, 9)
    losses = np.array([10.0, 9.9, 9.8, 8.0, 6.0, 4.0, 3.9, 3.8, 30.0])

    assert steepest(rates, losses) == pytest.approx(rates[4])


def test_the_steepest_rate_lies_before_the_lowest_loss():
    rates = np.geomspace(1e-5, 1e-1, 9)
    losses = np.array([5.0, 4.0, 3.5, 3.0, 90.0, 50.0, 20.0, 10.0, 9.0])

    assert steepest(rates, losses) == pytest.approx(rates[1])


def test_the_valley_is_the_middle_of_the_longest_fall():
    rates = np.geomspace(1e-5, 1e-1, 9)
    # Falls from place 2 to 7, with a bump at 4 that does not end it: 6 points but one, so 5;
    # 7 - 5 = 2, and half of 5 further, as 5 // 3 + 5 // 6.
    losses = np.array([5.0, 5.0, 5.0, 4.0, 6.0, 3.0, 2.0, 1.0, 9.0])

    assert valley(rates, losses) == pytest.approx(rates[2 + 1 + 0])


def test_a_curve_that_falls_all_the_way_has_its_valley_in_the_middle():
    rates = np.geomspace(1e-5, 1e-1, 12)

    # begins at 11 - 12 = -1; 12 // 3 + 12 // 6 = 6 further
    assert valley(rates, np.arange(12.0)[::-1]) == pytest.approx(rates[5])


@pytest.mark.parametrize("losses", [[], [1.0], [2.0, 1.0], [1.0, 2.0, 3.0, 4.0], [1.0] * 30])
def test_where_nothing_falls_nothing_is_suggested(losses):
    rates = np.geomspace(1e-5, 1e-1, len(losses)) if losses else np.array([])

    assert np.isnan(valley(rates, np.array(losses)))
    if losses != [2.0, 1.0]:
        assert np.isnan(steepest(rates, np.array(losses)))


def test_suggestions_leave_out_both_ends():
    rates = np.geomspace(1e-6, 1e-1, 20)
    # The first two fall more steeply, and the last five further, than what lies between.
    losses = np.r_[[99.0, 50.0], np.linspace(3, 1, 13), [0.9, 0.8, 0.1, 0.0, -50.0]]

    found = RangeTest(rates, losses, losses, False).suggestions()

    assert found["valley"] == pytest.approx(rates[2:15][12 - 13 + 13 // 3 + 13 // 6])
    assert rates[2] < found["steepest"] < rates[15]


def test_it_diverges_above_four_times_the_best():
    assert is_diverging([1.0, 4.1], 0.0)
    assert not is_diverging([1.0, 3.9], 0.0)


def test_an_easy_first_batch_is_no_best_loss():
    # Measured: batches of 16 with a rare class that weighs more, before any step changed a weight.
    assert not is_diverging([0.23, 0.75, 0.81, 3.47], 0.9)
    assert not is_diverging([0.1] + 20 * [1.0], 0.9)
    assert is_diverging([0.1] + 20 * [1.0] + 5 * [20.0], 0.9)


def test_the_figure_shows_the_fall_whatever_the_first_steps_were():
    rates = np.geomspace(1e-6, 1e-1, 40)
    smoothed = np.r_[[0.1, 0.2], np.linspace(1.4, 0.5, 30), np.geomspace(1, 1e6, 8)]

    figure = range_test_figure(rates, smoothed, smoothed, {}, title="x")

    low, high = figure.axes[0].get_ylim()
    assert 0 <= low < 0.5
    assert 1.4 < high < 2.5


def test_the_command_writes_a_curve_and_makes_no_run(type_command, tmp_path, dataset):
    config = tmp_path / "one.yaml"
    config.write_text(to_yaml(train_config(dataset)))
    before = files(dataset)

    shown = type_command("-q", "find-lr", "--config", config, "--steps", "20", "--stop", "1")

    assert (shown.code, shown.err) == (0, "")
    assert "wrote lr.png and lr.csv" in shown.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lr.csv", "lr.png", "one.yaml"]
    with Image.open("lr.png") as picture:
        assert min(picture.size) > 400
    assert files(dataset) == before


def test_rates_grow_by_one_factor_until_the_last(dataset):
    _, table = find(train_config(dataset), stop=1e-2)

    assert table["learning_rate"] == pytest.approx(np.geomspace(1e-6, 1e-2, 20))
    assert table["smoothed_loss"] == pytest.approx(smooth(table["loss"], 0.5))


def test_the_first_loss_is_that_of_the_network_as_it_is(dataset):
    """And the rates are those that the optimiser takes: too low a rate changes nothing."""
    plain = train_config(dataset, batch_size=COUNTS["train"], **{"model.dropout": 0.0})

    _, tiny_rates = find(plain, "a.png", start=1e-12, stop=1e-11)
    _, large_rates = find(plain, "b.png", start=1e-12, stop=1.0)

    assert large_rates["loss"][0] == pytest.approx(tiny_rates["loss"][0], abs=1e-6)
    assert np.ptp(large_rates["loss"]) > 5 * np.ptp(tiny_rates["loss"])


def test_it_stops_where_the_loss_diverges(dataset):
    words, table = find(
        train_config(dataset, **{"optimizer.name": "sgd"}), start=1e-3, stop=1e8, steps=40
    )

    assert "where it diverged" in words
    assert len(table["loss"]) < 40
    assert np.isfinite(table["loss"]).all()


def test_the_same_again_is_the_same_bit_for_bit(dataset):
    config = train_config(dataset, **{"augment.rotate_degrees": 90})

    assert find(config, "a.png")[0].replace("a.", "b.") == find(config, "b.png")[0]
    for suffix in ("csv", "png"):
        assert find_lr.Path(f"a.{suffix}").read_bytes() == find_lr.Path(f"b.{suffix}").read_bytes()


def test_steps_are_the_optimisers_where_it_gathers_gradients(dataset):
    """Two batches of 11 make a step on the same 22 images, so the whole curve is the same."""
    plain = {"loss.name": "binary_crossentropy", "model.dropout": 0.0}
    sweep = {"start": 1e-4, "stop": 1e-1}
    halves = {"batch_size": 11, "optimizer.accumulate_steps": 2}

    _, gathered = find(head_config(dataset, **halves, **plain), "a.png", **sweep)
    _, at_once = find(head_config(dataset, batch_size=22, **plain), "b.png", **sweep)

    assert gathered["learning_rate"] == pytest.approx(at_once["learning_rate"])
    assert gathered["loss"] == pytest.approx(at_once["loss"], rel=1e-3)
    assert np.ptp(at_once["loss"]) > 0.01 * at_once["loss"][0]


def test_a_head_and_a_parent_are_trained_and_the_parent_stays(dataset, tmp_path):
    find(head_config(dataset, feature_views=2, feature_cache=str(tmp_path / "features")))
    assert len(list((tmp_path / "features").glob("*.npy"))) == 2  # train only
    parent = run_train(train_config(dataset, epochs=1), tmp_path / "parent")
    before = files(parent.path)

    _, table = find(finetune_config(parent.path), "tuned.png")

    assert len(table["loss"]) == 20
    assert files(parent.path) == before


def test_out_may_be_a_folder(dataset, tmp_path):
    find_lr.run(train_config(dataset), tmp_path / "new", reporter=QuickReporter(), **SWEEP)

    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["lr.csv", "lr.png"]


@pytest.mark.parametrize(
    ("out", "changes", "error", "what"),
    [
        ("lr.jpg", {}, ConfigError, "no PNG"),
        ("far/away/lr.png", {}, DataError, "there is no folder far"),
        ("taken.png", {}, DataError, "taken.csv exists already"),
        ("lr.png", {"start": 1e-2, "stop": 1e-3}, ConfigError, "the first the lower"),
        ("lr.png", {"start": 0.0}, ConfigError, "above 0"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_computed(
    tmp_path, dataset, out, changes, error, what
):
    (tmp_path / "taken.csv").write_text("kept")

    with pytest.raises(error, match=what):
        find(train_config(dataset), out, **changes)

    assert [path.name for path in tmp_path.iterdir()] == ["taken.csv"]


def test_a_config_of_finetune_needs_a_run(type_command, dataset):
    shown = type_command("find-lr", "--dataset", dataset)

    assert (shown.code, shown.out) == (2, "")
    assert "--run" in shown.err


def test_a_recipe_is_trains_if_it_has_a_model(tmp_path):
    tuned = tmp_path / "tuned.yaml"
    tuned.write_text("epochs: 3\n")

    assert isinstance(load_recipe(tuned), FinetuneConfig)
    assert isinstance(load_recipe(tuned, ["model.backbone=resnet50"]), TrainConfig)
