"""explain: pictures of a split's worst mistakes or of files, as the run's own model sees them."""

import csv
import functools
import itertools
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from test_recipe_fields import fields_of
from training_fixtures import (
    QuickReporter,
    combine_pair,
    train_pair,
    use_tiny_backbone,
    write_lesions,
)

from skinlesion.commands import bundle, ensemble, explain, tta
from skinlesion.config import EnsembleConfig, ExplainConfig, TtaConfig
from skinlesion.data.store import open_dataset
from skinlesion.ensemble import COMBINERS
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.progress import Reporter
from skinlesion.report.contact_sheet import TILE
from skinlesion.report.overlay import lay_over, scale_of
from skinlesion.runs import RunDir
from skinlesion.tables import Predictions

pytestmark = pytest.mark.tensorflow

WORST = 2
QUICK = {"name": "occlusion", "window": 0.5, "stride": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs that mistake some images of val, their ensembles, and the data set."""
    place = tmp_path_factory.mktemp("explain")
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_tiny_backbone(monkeypatch)
        train_pair(place)
        for name, split in itertools.product("ab", ("val", "test")):
            _confuse(RunDir(place / name), split)
        combine_pair(place)
        yield place


def _confuse(run, split):
    """Let the recorded predictions be wrong about half of each class."""
    table = Predictions.read_csv(run.predictions(split))
    right = np.arange(len(table)) % 4 < 2
    y_prob = np.where(right == (table.y_true == 1), 0.9, 0.1) - np.arange(len(table)) / 1000
    Predictions(table.image_id, table.group, table.y_true, y_prob).write_csv(run.predictions(split))


def run_explain(folder, out, run="a", **config):
    settings = ExplainConfig(**{"run": folder / run, "worst": WORST, "arrays": True, **config})
    return explain.run(settings, out, reporter=QuickReporter())


def table_of(out):
    with (out / "images.csv").open() as file:
        return list(csv.DictReader(file))


def arrays_of(out):
    return [np.load(path) for path in sorted(out.glob("*.npy"))]


# --- a split -----------------------------------------------------------------------------------


def test_the_worst_mistakes_of_val_come_with_picture_map_and_sheet(folder, tmp_path):
    out = tmp_path / "out"

    said = run_explain(folder, out)

    rows = table_of(out)
    assert [row["mistake"] for row in rows] == ["false negative"] * 2 + ["false positive"] * 2
    assert [row["label"] for row in rows] == ["malignant"] * 2 + ["benign"] * 2
    assert len(arrays_of(out)) == 4
    assert {values.shape for values in arrays_of(out)} == {(32, 32)}
    assert all((out / f"{row['picture']}.png").is_file() for row in rows)
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.width > 2 * TILE
    assert said.to_text().startswith(f"wrote {out}: 4 images by gradcam")


def test_the_worst_come_first_by_the_runs_own_predictions(folder, tmp_path):
    table = Predictions.read_csv(RunDir(folder / "a").predictions("val"))
    sick = table.y_true == 1
    missed = sorted(zip(table.y_prob[sick], table.image_id[sick], strict=True))
    alarms = sorted(zip(-table.y_prob[~sick], table.image_id[~sick], strict=True))

    run_explain(folder, tmp_path / "out")

    worst = [name for _, name in missed[:WORST] + alarms[:WORST]]
    assert [row["image"] for row in table_of(tmp_path / "out")] == worst


# --- files -------------------------------------------------------------------------------------


def test_a_file_is_prepared_as_the_data_set_was(folder, tmp_path):
    """A stored image written to a file is the same to the model."""
    run_explain(folder, tmp_path / "stored")
    first = table_of(tmp_path / "stored")[0]
    dataset = open_dataset(folder / "dataset")
    row = np.flatnonzero(dataset.manifest.image_id == first["image"])
    Image.fromarray(dataset.pixels.read(row)[0]).save(tmp_path / "lesion.png")

    run_explain(folder, tmp_path / "file", images=(tmp_path / "lesion.png",))

    (alone,) = table_of(tmp_path / "file")
    assert float(alone["y_prob"]) == pytest.approx(float(first["y_prob"]), abs=1e-6)
    assert (alone["label"], alone["mistake"]) == ("", "")
    np.testing.assert_allclose(
        arrays_of(tmp_path / "file")[0], arrays_of(tmp_path / "stored")[0], atol=1e-5
    )


def test_the_cleaning_of_the_data_set_is_repeated(folder, tmp_path):
    shutil.copytree(folder / "a", tmp_path / "cropped")
    record = json.loads((tmp_path / "cropped" / "model.json").read_text())
    record["preprocessing"]["fit"] = "center_crop"
    (tmp_path / "cropped" / "model.json").write_text(json.dumps(record))
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = 200  # what is left of it
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide[:, 20:60]).save(tmp_path / "middle.png")

    for name in ("wide", "middle"):
        run_explain(tmp_path, tmp_path / name, "cropped", images=(tmp_path / f"{name}.png",))

    same = [table_of(tmp_path / name)[0]["y_prob"] for name in ("wide", "middle")]
    assert same[0] == same[1]


def test_files_of_one_name_do_not_replace_each_other(folder, tmp_path):
    paths = []
    for place, colour in (("left", "brown"), ("right", "pink")):
        (tmp_path / place).mkdir()
        paths.append(tmp_path / place / "lesion.png")
        Image.new("RGB", (40, 40), colour).save(paths[-1])

    run_explain(folder, tmp_path / "out", images=tuple(paths))

    assert len({row["picture"] for row in table_of(tmp_path / "out")}) == 2


# --- ensembles ---------------------------------------------------------------------------------


def test_an_ensembles_map_is_the_mean_of_its_members(folder, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(
        tmp_path / "noise.png"
    )
    for run in ("a", "b", "mean"):
        run_explain(folder, tmp_path / run, run, images=(tmp_path / "noise.png",), method="gradcam")

    a, b, mean = (arrays_of(tmp_path / run)[0] for run in ("a", "b", "mean"))
    # Of networks of 32 and of 48 pixels; the smaller map is enlarged.
    enlarged = np.asarray(Image.fromarray(a).resize((48, 48), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(mean, (enlarged + b) / 2, atol=1e-4)
    probs = [float(table_of(tmp_path / run)[0]["y_prob"]) for run in ("a", "b", "mean")]
    assert probs[2] == pytest.approx((probs[0] + probs[1]) / 2)


def weigh(folder, place, method, **params):
    """The ensemble ``mean`` as one by ``method``."""
    shutil.copytree(folder / "mean", place)
    combiner = RunDir(place).combiner
    told = {**json.loads(combiner.read_text()), "method": method, "params": params}
    combiner.write_text(json.dumps(told))


def noise(path, side=40):
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return (path,)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("weighted", {"weights": [0.2, 0.8]}),
        ("greedy", {"weights": [0.75, 0.25]}),
        ("logit_mean", {"weights": [0.5, 0.5]}),
        ("stacking", {"weights": [0.4, 1.5], "intercept": -1.0, "penalty": 1.0}),
    ],
)
def test_an_ensemble_that_weighs_is_explained_by_the_sum_it_takes(
    folder, tmp_path, method, params, packed
):
    weigh(folder, tmp_path / "weighed", method, **params)
    if packed:
        bundle.run(tmp_path / "weighed", tmp_path / "w.skinlesion", reporter=QuickReporter())
    images, config = noise(tmp_path / "noise.png"), {"name": "gradcam"}
    found = {
        run: run_explain(place, tmp_path / f"out-{run}", run, images=images, method=config)
        for place, run in (
            (folder, "a"), (folder, "b"), (tmp_path, "w.skinlesion" if packed else "weighed"),
        )
    }  # fmt: skip
    a, b, whole = found.values()

    enlarged = np.asarray(Image.fromarray(a.maps[0]).resize((48, 48), Image.Resampling.BILINEAR))
    first, second = params["weights"]
    np.testing.assert_allclose(whole.maps[0], first * enlarged + second * b.maps[0], atol=1e-4)
    probs = np.stack([a.y_prob, b.y_prob], axis=1)
    expected = COMBINERS[method].apply(params, probs)
    np.testing.assert_allclose(whole.y_prob, expected, atol=1e-6)


def test_a_member_of_no_weight_is_not_asked(folder, tmp_path):
    weigh(folder, tmp_path / "greedy", "greedy", weights=[1.0, 0.0])
    images = noise(tmp_path / "noise.png")

    alone = run_explain(folder, tmp_path / "alone", images=images)
    greedy = run_explain(tmp_path, tmp_path / "out", "greedy", images=images)

    np.testing.assert_array_equal(greedy.maps, alone.maps)
    np.testing.assert_allclose(greedy.y_prob, alone.y_prob, atol=1e-12)


def test_stacking_that_trusts_no_member_has_no_evidence(folder, tmp_path):
    weigh(folder, tmp_path / "none", "stacking", weights=[0, 0], intercept=-1.0, penalty=1.0)

    found = run_explain(tmp_path, tmp_path / "out", "none", images=noise(tmp_path / "noise.png"))

    assert not found.maps.any()
    assert found.y_prob == pytest.approx(1 / (1 + np.e))


def test_views_are_explained_by_the_run_they_are_of(folder, tmp_path, capsys):
    """Alone and as members, also where all were moved together."""
    for name in "ab":
        shutil.copytree(folder / name, tmp_path / "first" / name)
        views = TtaConfig(run=tmp_path / "first" / name, views=4, dataset=folder / "dataset")
        tta.run(views, tmp_path / "first" / f"{name}4", reporter=QuickReporter())
    members = EnsembleConfig(
        members=tuple(tmp_path / "first" / name for name in ("a4", "b4")), method="mean"
    )
    ensemble.run(members, tmp_path / "first" / "both", reporter=QuickReporter())
    (tmp_path / "first").rename(tmp_path / "moved")
    images = noise(tmp_path / "noise.png")

    for plain, views in (("a", "a4"), ("mean", "both")):
        expected = run_explain(folder, tmp_path / f"out-{plain}", plain, images=images)
        capsys.readouterr()
        config = ExplainConfig(run=tmp_path / "moved" / views, images=images)
        found = explain.run(config, tmp_path / f"out-{views}", reporter=Reporter())
        np.testing.assert_array_equal(found.maps, expected.maps)
        np.testing.assert_array_equal(found.y_prob, expected.y_prob)
        assert "of the upright view; predict averages 4" in capsys.readouterr().err


def test_folders_and_globs_mean_the_images_in_them(folder, tmp_path):
    (tmp_path / "photos" / "below").mkdir(parents=True)
    for number, name in enumerate(("b.png", "a.png", "below/c.png")):
        pixels = np.full((40, 40, 3), 60 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "note.txt").write_text("no image")
    (tmp_path / "empty").mkdir()

    for given, names in (("photos", ["a", "b", "c"]), ("photos/?.png", ["a", "b"])):
        out = tmp_path / f"out{len(names)}"
        run_explain(folder, out, images=(tmp_path / given,))
        assert [row["picture"][4:] for row in table_of(out)] == names

    with pytest.raises(DataError, match="there is no image to explain"):
        run_explain(folder, tmp_path / "none", images=(tmp_path / "empty",))


def test_how_far_integrated_gradients_do_not_add_up_is_in_the_table(folder, tmp_path):
    gaps, told = {}, {}
    for run, steps in (("a", 2), ("b", 2), ("mean", 2), ("a", 64)):
        out = tmp_path / f"{run}{steps}"
        method = {"name": "integrated_gradients", "steps": steps}
        image = folder / "photo.png"
        draw = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(draw).save(image)
        told[out.name] = run_explain(folder, out, run, method=method, images=(image,)).to_text()
        gaps[out.name] = float(table_of(out)[0]["completeness_gap"])
    run_explain(folder, tmp_path / "cam", method={"name": "gradcam"})

    assert gaps["mean2"] == pytest.approx((gaps["a2"] + gaps["b2"]) / 2, abs=1e-5)
    assert abs(gaps["a64"]) < abs(gaps["a2"])
    assert f"to {abs(gaps['a2']):.2g}" in told["a2"]
    assert {row["completeness_gap"] for row in table_of(tmp_path / "cam")} == {""}


def test_an_ensembles_worst_mistakes_are_its_own(folder, tmp_path):
    run_explain(folder, tmp_path / "out", "mean", method=QUICK)

    assert len(table_of(tmp_path / "out")) == 4


def test_another_combiner_is_refused_with_its_members(folder, tmp_path):
    with pytest.raises(DataError, match="combines its members by majority_vote") as refused:
        run_explain(folder, tmp_path / "out", "majority_vote")

    assert [str(path) for path in refused.value.which] == [str(folder / "a"), str(folder / "b")]
    assert not (tmp_path / "out").exists()


# --- every field bites -------------------------------------------------------------------------

IG = {"name": "integrated_gradients", "steps": 4}
# field: (what both have in common, what is changed)
CASES = {
    "run": ({}, {"run": "b"}),
    "split": ({}, {"split": "test"}),
    "worst": ({}, {"worst": 2}),
    "evidence": ({}, {"evidence": "against"}),
    "arrays": ({}, {"arrays": False}),
    "method.name": ({}, {"method": "gradcam++"}),
    "method.occlusion.window": ({"method": QUICK}, {"method": {**QUICK, "window": 0.25}}),
    "method.occlusion.stride": ({"method": QUICK}, {"method": {**QUICK, "stride": 0.25}}),
    "method.occlusion.baseline": ({"method": QUICK}, {"method": {**QUICK, "baseline": "black"}}),
    "method.integrated_gradients.steps": ({"method": IG}, {"method": {**IG, "steps": 8}}),
    "method.integrated_gradients.baseline": (
        {"method": IG},
        {"method": {**IG, "baseline": "mean"}},
    ),
}
ELSEWHERE = {
    "images": test_a_file_is_prepared_as_the_data_set_was,
    "dataset": "test_a_changed_data_set_is_refused_and_another_place_is_taken",
}


def test_every_field_has_a_case():
    assert {*CASES, *ELSEWHERE} == set(fields_of(ExplainConfig))


@pytest.fixture(scope="module")
def outcome(folder, tmp_path_factory):
    """A function from a config to maps and table, each config asked once."""

    @functools.cache
    def of(written):
        out = tmp_path_factory.mktemp("outcome") / "out"
        run_explain(folder, out, **{"worst": 1, **json.loads(written)})
        return [values.tobytes() for values in arrays_of(out)], table_of(out)

    return lambda config: of(json.dumps(config, sort_keys=True))


@pytest.mark.parametrize("field", CASES)
def test_a_field_changes_the_outcome(outcome, field):
    common, change = CASES[field]

    assert outcome({**common, **change}) != outcome(common)


# --- what is refused ---------------------------------------------------------------------------


def test_a_changed_data_set_is_refused_and_another_place_is_taken(folder, tmp_path):
    other = write_lesions(tmp_path / "other", seed=1)
    moved = tmp_path / "moved"
    shutil.copytree(folder / "dataset", moved)

    with pytest.raises(IntegrityError, match="made on another data set"):
        run_explain(folder, tmp_path / "out", dataset=other)
    run_explain(folder, tmp_path / "out", dataset=moved)

    assert len(table_of(tmp_path / "out")) == 4


def test_all_broken_files_are_named(folder, tmp_path):
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_text("no image")

    with pytest.raises(DataError, match="2 of 2 images are not readable"):
        run_explain(folder, tmp_path / "out", images=(tmp_path / "one.png", tmp_path / "two.png"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("run", ["a", "mean"])
def test_a_broken_file_is_a_row_and_the_others_are_explained_as_without_it(folder, tmp_path, run):
    images = [tmp_path / name for name in ("one.png", "two.png")]
    for number, image in enumerate(images):
        noise = np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(noise).save(image)
    (tmp_path / "broken.png").write_text("no image")
    given = (images[0], tmp_path / "broken.png", images[1])

    whole = run_explain(folder, tmp_path / "whole", run, images=tuple(images), method=QUICK)
    outcome = run_explain(folder, tmp_path / "out", run, images=given, method=QUICK)

    np.testing.assert_array_equal(outcome.maps, whole.maps)
    rows = table_of(tmp_path / "out")
    assert [row["image"] for row in rows] == [*map(str, images), str(given[1])]
    assert [bool(row["error"]) for row in rows] == [False, False, True]
    assert "not a readable image" in rows[2]["error"]
    assert not rows[2]["y_prob"]
    assert not rows[2]["picture"]
    assert "2 images by occlusion" in outcome.to_text()
    assert "1 not readable" in outcome.to_text()


def test_views_of_a_run_that_is_gone_are_refused_with_its_name(folder, tmp_path):
    shutil.copytree(folder / "a", tmp_path / "a")
    config = TtaConfig(run=tmp_path / "a", views=1, dataset=folder / "dataset")
    tta.run(config, tmp_path / "tta", reporter=QuickReporter())
    shutil.rmtree(tmp_path / "a")

    with pytest.raises(DataError, match="which is not there") as refused:
        run_explain(tmp_path, tmp_path / "out", "tta")

    assert str(tmp_path / "a") in refused.value.what


def test_a_split_without_predictions_or_mistakes_is_refused(folder, tmp_path):
    shutil.copytree(folder / "a", tmp_path / "right")
    run = RunDir(tmp_path / "right")
    table = Predictions.read_csv(run.predictions("val"))
    right = np.where(table.y_true == 1, 0.9, 0.1)
    Predictions(table.image_id, table.group, table.y_true, right).write_csv(run.predictions("val"))

    with pytest.raises(DataError, match="no predictions on nowhere"):
        run_explain(folder, tmp_path / "out", split="nowhere")
    with pytest.raises(DataError, match="makes no mistake on val"):
        run_explain(tmp_path, tmp_path / "out", "right")


def test_a_folder_is_replaced_only_if_asked_and_only_if_it_is_ours(folder, tmp_path):
    out, foreign = tmp_path / "out", tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("all of it")
    settings = ExplainConfig(run=folder / "a", worst=1)
    explain.run(settings, out, reporter=QuickReporter())

    with pytest.raises(DataError, match="exists already"):
        explain.run(settings, out, reporter=QuickReporter())
    with pytest.raises(DataError, match="was not made by explain"):
        explain.run(settings, foreign, overwrite=True, reporter=QuickReporter())

    explain.run(settings, out, overwrite=True, reporter=QuickReporter())
    assert (foreign / "thesis.txt").exists()


def test_a_bundle_explains_files_as_its_run_does(folder, tmp_path):
    bundle.run(folder / "a", tmp_path / "a.skinlesion", reporter=QuickReporter())
    photo = folder / "photo.png"
    pixels = open_dataset(folder / "dataset").pixels.read(np.array([0]))[0]
    Image.fromarray(pixels).save(photo)

    of_run, of_bundle = (
        explain.run(
            ExplainConfig(run=model, images=(photo,)),
            tmp_path / f"of-{model.name}",
            reporter=QuickReporter(),
        )
        for model in (folder / "a", tmp_path / "a.skinlesion")
    )

    np.testing.assert_allclose(of_bundle.maps, of_run.maps, atol=1e-6)
    np.testing.assert_allclose(of_bundle.y_prob, of_run.y_prob, atol=1e-6)


def test_a_bundle_of_views_says_that_one_is_explained(folder, tmp_path, capsys):
    views = TtaConfig(run=folder / "a", views=4)
    tta.run(views, folder / "a-views", reporter=QuickReporter())
    bundle.run(folder / "a-views", tmp_path / "v.skinlesion", reporter=QuickReporter())
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64), "pink").save(photo)
    config = ExplainConfig(run=tmp_path / "v.skinlesion", images=(photo,))

    explain.run(config, tmp_path / "out", reporter=Reporter())

    assert "of the upright view; predict averages 4" in capsys.readouterr().err


def test_a_bundle_has_no_mistakes_to_show(folder, tmp_path):
    bundle.run(folder / "a", tmp_path / "a.skinlesion", reporter=QuickReporter())

    with pytest.raises(ConfigError, match="knows no images"):
        explain.run(
            ExplainConfig(run=tmp_path / "a.skinlesion"), tmp_path / "o", reporter=QuickReporter()
        )


def test_a_run_must_be_finished(folder, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "run.json").write_text('{"status": "running"}')

    with pytest.raises(DataError, match="not a finished run"):
        run_explain(folder, tmp_path / "out", begun)
    with pytest.raises(DataError, match=r"there is no model .*nowhere"):
        run_explain(folder, tmp_path / "out", "nowhere")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--run", "a", "x.png", "--split", "val"], "images and split"),
        (["--run", "a", "x.png", "--worst", "3"], "--worst is of a split"),
        (["--run", "a", "--worst", "0"], "worst: Input should be greater than or equal to 1"),
        (["--run", "a", "--method", "lime"], "method"),
    ],
)
def test_a_wrong_line_is_named(type_command, tmp_path, words, what):
    shown = type_command("explain", *words)

    assert shown.code == 2
    assert what in shown.err
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_writes_where_it_says(type_command, folder, tmp_path):
    shown = type_command(
        *("explain", "--run", folder / "a", "--split", "test", "--worst", "1"),
        *("--method", "occlusion", "--set", "method.window=0.5", "--set", "method.stride=0.5"),
    )

    assert (shown.code, shown.out.split(":")[0]) == (0, "wrote explained/a-occlusion")
    assert "window: 0.5" in (tmp_path / "explained" / "a-occlusion" / "config.yaml").read_text()


# --- pictures ----------------------------------------------------------------------------------


def test_colour_is_where_the_evidence_is():
    pixels = np.full((8, 8, 3), 120, np.uint8)
    values = np.zeros((8, 8))
    values[0, 0], values[7, 7] = 2.0, -2.0

    laid = lay_over(pixels, values, scale=2.0).astype(int)

    assert laid[0, 0, 0] > laid[0, 0, 2]  # orange
    assert laid[7, 7, 2] > laid[7, 7, 0]  # blue
    assert (laid[1:7, 1:7] == 120).all()


def test_a_map_of_zeros_has_no_colour():
    pixels = np.full((8, 8, 3), 120, np.uint8)

    assert scale_of(np.zeros((8, 8))) == 0
    assert (lay_over(pixels, np.zeros((8, 8)), scale=0.0) == 120).all()
