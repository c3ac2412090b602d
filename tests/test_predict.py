"""predict: the run's own answers from the raw files; a row for each image, whatever it is."""

import csv
import io
import itertools
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from training_fixtures import QuickReporter, run_train, train_config

from skinlesion import api
from skinlesion.bundle import read_bundle
from skinlesion.bundle.container import _checksum
from skinlesion.commands import bundle as bundling
from skinlesion.commands import ensemble, evaluate, preprocess, tta
from skinlesion.config import EnsembleConfig, EvaluateConfig, PreprocessConfig, TtaConfig
from skinlesion.data.images import ImageBytes
from skinlesion.data.synthetic import write_synthetic
from skinlesion.errors import DataError, IntegrityError
from skinlesion.runs import RunDir, read_json
from skinlesion.tables import Predictions
from skinlesion.training import inference
from skinlesion.training.inference import Predictor

pytestmark = pytest.mark.tensorflow

SPLITS = ("val", "test")
CLEANING = {"border_crop": True, "hair_removal": True, "color_constancy": "shades_of_gray"}


@pytest.fixture(scope="module")
def made(tiny_backbone, tmp_path_factory):
    """Raw images, a data set that cleans and letterboxes them, two runs, tta and ensembles."""
    root = tmp_path_factory.mktemp("made")
    write_synthetic(root / "raw", count=80, size=64)
    for number, file in enumerate(sorted((root / "raw/images").iterdir())):
        # Not square, and larger than what is stored.
        with Image.open(file) as image:
            image.resize((150 + number % 3 * 40, 130)).save(file, quality=90)
    config = PreprocessConfig(
        sources=(root / "raw" / "labels.csv",), image_size=40, fit="letterbox", cleaning=CLEANING
    )
    preprocess.run(config, root / "dataset")
    runs = [
        run_train(
            train_config(root / "dataset", epochs=1, seed=seed, **{"model.pooling": pooling}),
            root / f"run{seed}",
        )
        for seed, pooling in enumerate(("avg", "max"))
    ]
    views = TtaConfig(run=runs[0].path, views=2, scales=(1.0, 1.25), average="probability")
    tta.run(views, root / "tta", reporter=QuickReporter())
    for method in ("stacking", "rank_mean"):
        together = EnsembleConfig(
            members=(root / "run0", root / "run1", root / "tta"), method=method
        )
        ensemble.run(together, root / method, reporter=QuickReporter())
    return root


@pytest.fixture(scope="module")
def model(made):
    """A bundle of the first run."""
    path = made / "model.skinlesion"
    bundling.run(made / "run0", path, licence="CC0-1.0", reporter=QuickReporter())
    return path


@pytest.fixture(scope="module")
def predictor(model):
    return api.load_model(model)


@pytest.fixture
def loaded_once(monkeypatch, predictor):
    """Commands get ``predictor`` without loading it again, for speed."""
    monkeypatch.setattr(inference, "load_predictor", lambda path, views: predictor)


def files_of(made, split):
    """Path by image id."""
    with (made / "dataset/manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    return {row["image_id"]: made / "raw" / row["path"] for row in rows}


def answers(predictor, paths, **options):
    return list(predictor.predict(paths, **options))


# --- the same answers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "bundled"), [("run0", False), ("run0", True), ("stacking", False), ("stacking", True)]
)
def test_raw_files_are_predicted_as_the_run_predicted_them(made, tmp_path, name, bundled):
    path = made / name
    if bundled:
        path = tmp_path / "b.skinlesion"
        bundling.run(made / name, path, reporter=QuickReporter())
    predictor = api.load_model(path)
    for split in SPLITS:
        table = Predictions.read_csv(RunDir(made / name).predictions(split))
        files = files_of(made, split)

        found = answers(predictor, [files[name] for name in table.image_id.tolist()])

        assert [answer.error for answer in found] == [None] * len(table)
        differences = np.array([answer.probability for answer in found]) - table.y_prob
        assert np.abs(differences).max() < 1e-5


def test_half_precision_changes_little(made, predictor, tmp_path):
    bundling.run(made / "run0", tmp_path / "b", dtype="float16", reporter=QuickReporter())
    files = list(files_of(made, "test").values())

    half = answers(api.load_model(tmp_path / "b"), files)

    pairs = zip(half, answers(predictor, files), strict=True)
    differences = [abs(one.probability - other.probability) for one, other in pairs]
    assert 0 < max(differences) < 0.01


def test_a_bundle_computes_in_the_precision_of_the_run(made, predictor, tmp_path):
    shutil.copytree(made / "run0", tmp_path / "run")
    model = RunDir(tmp_path / "run").model
    record = read_json(model)
    record["precision"] = {**record["precision"], "prediction": "bfloat16"}
    model.write_text(json.dumps(record))
    bundling.run(tmp_path / "run", tmp_path / "b", reporter=QuickReporter())
    files = list(files_of(made, "test").values())

    run, bundle = (answers(api.load_model(tmp_path / name), files) for name in ("run", "b"))

    assert [a.probability for a in bundle] == pytest.approx([a.probability for a in run], abs=1e-5)
    float32 = answers(predictor, files)
    assert [a.probability for a in bundle] != [a.probability for a in float32]


def test_the_batch_size_changes_nothing(made, predictor):
    files = list(files_of(made, "test").values())

    one, many = (answers(predictor, files, batch_size=size) for size in (1, 5))

    assert [a.path for a in one] == [a.path for a in many]
    assert [a.probability for a in one] == pytest.approx([a.probability for a in many], abs=1e-6)


def test_views_asked_for_are_those_of_tta(made, tmp_path):
    config = TtaConfig(run=made / "run0", views=4)
    made_run = tta.run(config, tmp_path / "four", reporter=QuickReporter()).run
    table = Predictions.read_csv(made_run.predictions("test"))
    files = files_of(made, "test")

    found = answers(
        api.load_model(made / "run0", views=4), [files[name] for name in table.image_id.tolist()]
    )

    assert [a.probability for a in found] == pytest.approx(table.y_prob, abs=1e-5)


# --- what a bundle says ------------------------------------------------------------------------


def test_a_combiner_that_is_no_function_of_its_members_is_refused(made, tmp_path):
    with pytest.raises(DataError, match="rank_mean, which a bundle cannot express"):
        bundling.run(made / "rank_mean", tmp_path / "b", reporter=QuickReporter())
    assert not (tmp_path / "b").exists()


def test_a_bundle_says_where_it_comes_from_and_how_good_it_is(made, tmp_path):
    shutil.copytree(made / "run0", tmp_path / "run")
    config = EvaluateConfig(split="test", resamples=100)
    evaluate.run(
        config, runs=[tmp_path / "run"], reports=tmp_path / "reports", reporter=QuickReporter()
    )
    told = bundling.run(
        *(tmp_path / "run", tmp_path / "b.skinlesion"),
        name="mine",
        licence="CC0-1.0",
        reporter=QuickReporter(),
    ).description

    metrics = read_json(RunDir(tmp_path / "run").evaluation("test") / "metrics.json")
    assert (told.name, told.training.licence) == ("mine", "CC0-1.0")
    assert told.metrics["test"].scores["roc_auc"].low == metrics["scores"]["roc_auc"]["low"]
    assert told.operating_points["youden"].threshold == metrics["threshold"]
    assert told.training.datasets == (RunDir(made / "run0").record()["dataset"],)
    assert told.training.images["train"] == len(files_of(made, "train"))
    assert read_bundle(tmp_path / "b.skinlesion").description == told


def test_thresholds_and_sets_are_those_of_val(made, predictor):
    val = Predictions.read_csv(RunDir(made / "run0").predictions("val"))
    files = files_of(made, "val")
    paths = [files[name] for name in val.image_id.tolist()]

    found = answers(predictor, paths, threshold="sensitivity-0.95")

    called = np.array([answer.decision == "malignant" for answer in found])
    assert called[val.y_true == 1].mean() >= 0.95
    told = predictor.description
    for answer in found:
        in_benign = answer.probability <= told.conformal.benign_up_to
        in_malignant = answer.probability >= told.conformal.malignant_from
        assert answer.refer == (in_benign == in_malignant)


def test_a_number_is_a_threshold(made, predictor, type_command):
    paths = [*files_of(made, "test").values()][:6]
    found = answers(predictor, paths)
    middle = np.median([answer.probability for answer in found])

    typed = type_command(
        "predict", *paths, "--model", made / "run0", "--format", "csv", "--threshold", middle
    )

    rows = list(csv.DictReader(io.StringIO(typed.out)))
    expected = ["malignant" if answer.probability >= middle else "benign" for answer in found]
    assert [row["decision"] for row in rows] == expected
    assert {*expected} == {"malignant", "benign"}
    assert {row["threshold"] for row in rows} == {f"given={middle:.6g}"}
    for wrong in ("1.5", "nan", "yuden"):
        words = ("predict", *paths, "--model", made / "run0", "--threshold", wrong)
        assert type_command(*words).code == 2


def test_what_is_in_memory_is_predicted_as_its_file(made, predictor):
    paths = [*files_of(made, "test").values()][:3]
    expected = [answer.probability for answer in answers(predictor, paths)]
    opened = [Image.open(path) for path in paths]
    arrays = [np.asarray(one.convert("RGB")) for one in opened]
    content = [ImageBytes(path.name, path.read_bytes()) for path in paths]

    for given in (opened, arrays, content, [paths[0], arrays[1], opened[2]]):
        found = api.predict(given, model=predictor)
        assert [answer.probability for answer in found] == pytest.approx(expected, abs=1e-6)
    batch = api.predict(np.stack([arrays[1]] * 2), model=predictor)
    assert [answer.probability for answer in batch] == pytest.approx([expected[1]] * 2, abs=1e-6)
    (alone,) = api.predict(arrays[2], model=predictor, threshold=0.0)
    assert (alone.path, alone.decision) == ("image 0", "malignant")
    assert alone.probability == pytest.approx(expected[2], abs=1e-6)
    grey = opened[0].convert("L")
    (one,), (other,) = (api.predict(way, model=predictor) for way in (grey, np.asarray(grey)))
    assert one.probability == pytest.approx(other.probability, abs=1e-6)


def test_a_turned_picture_is_read_as_its_file(made, predictor, tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(next(iter(files_of(made, "test").values()))).convert("RGB").save(path, exif=exif)

    of_file, of_picture = (api.predict(one, model=predictor) for one in (path, Image.open(path)))

    assert of_picture[0].probability == pytest.approx(of_file[0].probability, abs=1e-6)
    assert of_picture[0].path == str(path)


@pytest.mark.parametrize(
    "wrong", [np.zeros((8, 8, 3)), np.zeros((8, 8, 2), np.uint8), np.zeros((0, 8, 3), np.uint8)]
)
def test_an_array_that_is_no_picture_is_refused(predictor, wrong):
    with pytest.raises(DataError, match=r"image 0 is \w+ of shape"):
        api.predict(wrong, model=predictor)


def test_weights_of_another_architecture_are_refused(made, tmp_path):
    bundling.run(made / "run0", tmp_path / "b", reporter=QuickReporter())
    model = tmp_path / "b/model.json"
    values = json.loads(model.read_text())
    del values["checksum"]
    values["members"][0]["build"].update(backbone="efficientnet_lite1")
    model.write_text(json.dumps({**values, "checksum": _checksum(values)}))

    with pytest.raises(IntegrityError):
        api.load_model(tmp_path / "b")


# --- a row for each image ----------------------------------------------------------------------


@pytest.fixture
def folder(made, tmp_path):
    """Five images, one of them broken, one in a folder below; and a text."""
    files = list(files_of(made, "test").values())
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    for name, file in zip(("a.jpg", "c.jpg", "d.jpg", "more/e.JPG"), files, strict=False):
        shutil.copy(file, photos / name)
    (photos / "b.jpg").write_bytes(files[0].read_bytes()[:500])
    (photos / "notes.txt").write_text("no image")
    return photos


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_broken_image_is_a_row_and_the_others_have_answers(type_command, model, folder):
    typed = type_command("predict", folder, "--model", model, "--out", "a.csv")

    rows = rows_of(folder.parent / "a.csv")
    assert typed.code == 0
    names = [row["path"].removeprefix(f"{folder}/") for row in rows]
    assert names == ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "more/e.JPG"]
    assert [bool(row["error"]) for row in rows] == [False, True, False, False, False]
    assert rows[1]["probability"] == rows[1]["decision"] == ""
    assert {row["decision"] for row in rows} <= {"", "benign", "malignant"}
    assert all("small" in row["flags"] for row in rows if not row["error"])


@pytest.mark.usefixtures("loaded_once")
def test_if_no_image_can_be_read_the_exit_code_says_so(type_command, model, folder):
    typed = type_command(
        "predict", folder / "b.jpg", "there-is-none.png", folder / "more", "--model", model
    )
    none = type_command("predict", folder / "b.jpg", "there-is-none.png", "--model", model)

    assert (typed.code, none.code) == (0, DataError.exit_code)
    assert "none of the 2 images" in none.err
    assert none.out.count("error") == 2


@pytest.mark.usefixtures("loaded_once")
def test_all_formats_say_the_same(type_command, model, folder):
    said = {
        name: type_command("predict", folder / "*.jpg", "--model", model, "--format", name).out
        for name in ("table", "csv", "json", "jsonl")
    }

    rows = json.loads(said["json"])
    assert [json.loads(line) for line in said["jsonl"].splitlines()] == rows
    cells = list(csv.DictReader(said["csv"].splitlines()))
    for row, cell, line in zip(rows, cells, said["table"].splitlines()[1:], strict=True):
        assert cell["path"] == row["path"]
        assert row["path"] in line
        if not row["error"]:
            assert float(cell["probability"]) == row["probability"]
            assert f"{row['probability']:.4f}" in line
            assert cell["refer"] == {True: "yes", False: "no"}[row["refer"]]


def test_whatever_stands_in_a_list_is_a_row(predictor, folder):
    os.mkfifo(folder / "pipe.jpg")
    for name in ("nul.jpg", "text.png"):
        (folder / name).write_bytes(b"\0" * 100)
    strange = ["x" * 5000, "a\0b", folder, folder / "pipe.jpg", folder / "nul.jpg", "\udcff.png"]

    found = answers(predictor, [*strange, folder / "a.jpg"])

    assert [bool(answer.error) for answer in found] == [True] * len(strange) + [False]


@pytest.mark.usefixtures("loaded_once")
def test_names_that_are_no_text_survive(type_command, model, folder):
    shutil.copy(folder / "a.jpg", os.fsencode(folder) + b'/more/\xff,"quoted\n.jpg')
    for suffix in ("csv", "jsonl"):
        words = ("predict", folder / "more", "--model", model, "--out", f"a.{suffix}")
        type_command(*words)
        before = (folder.parent / f"a.{suffix}").read_bytes()

        assert type_command(*words, "--resume").code == 0
        assert (folder.parent / f"a.{suffix}").read_bytes() == before


@pytest.mark.usefixtures("loaded_once")
def test_a_list_on_stdin_is_predicted(type_command, model, folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", iter([f"{folder}/a.jpg\n", "\n", f"{folder}/c.jpg\n"]))

    typed = type_command("predict", "-", "--model", model, "--format", "jsonl")

    paths = [json.loads(line)["path"] for line in typed.out.splitlines()]
    assert paths == [f"{folder}/a.jpg", f"{folder}/c.jpg"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.usefixtures("loaded_once")
def test_a_killed_prediction_goes_on_where_it_was(type_command, model, folder, suffix):
    words = ("predict", folder, "--model", model)
    type_command(*words, "--out", f"whole.{suffix}")
    whole = (folder.parent / f"whole.{suffix}").read_bytes()
    out = folder.parent / f"again.{suffix}"
    for cut in (0, 20, len(whole) // 2, len(whole) - 1, len(whole)):
        out.write_bytes(whole[:cut])

        typed = type_command(*words, "--out", out, "--resume")

        assert typed.code == 0
        assert sorted(out.read_bytes().split()) == sorted(whole.split())


def test_answers_of_two_models_do_not_mix(type_command, model, folder):
    words = ("predict", folder, "--out", "a.csv", "--model", model)
    type_command(*words)
    before = (folder.parent / "a.csv").read_bytes()

    other = type_command(*words, "--resume", "--tta", "2")
    point = type_command(*words, "--resume", "--threshold", "fixed-0.50")
    again = type_command(*words)
    (folder.parent / "b.csv").write_text("some,table\n1,2\n")
    foreign = type_command("predict", folder, "--out", "b.csv", "--model", model, "--resume")

    codes = [typed.code for typed in (other, point, again, foreign)]
    assert codes == [IntegrityError.exit_code] * 2 + [DataError.exit_code] * 2
    assert (folder.parent / "a.csv").read_bytes() == before
    assert (folder.parent / "b.csv").read_text() == "some,table\n1,2\n"


@pytest.mark.usefixtures("loaded_once")
def test_a_file_is_replaced_only_if_asked(type_command, model, folder):
    words = ("predict", folder / "a.jpg", "--model", model, "--out", "a.json")
    (folder.parent / "a.json").write_text("mine")

    refused = type_command(*words)
    assert (refused.code, (folder.parent / "a.json").read_text()) == (DataError.exit_code, "mine")

    assert type_command(*words, "--overwrite").code == 0
    assert len(json.loads((folder.parent / "a.json").read_text())) == 1


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_an_interrupted_prediction_leaves_rows_that_can_be_gone_on_with_or_nothing(
    type_command, model, folder, monkeypatch, predictor, suffix
):
    class Interrupted(Predictor):
        def __init__(self):
            self.description, self.identity = predictor.description, predictor.identity

        def predict(self, paths, **_):
            yield from itertools.islice(predictor.predict(paths), 2)
            raise KeyboardInterrupt

    monkeypatch.setattr(inference, "load_predictor", lambda path, views: Interrupted())
    out = folder.parent / f"a.{suffix}"

    typed = type_command("predict", folder, "--model", model, "--out", out)

    assert typed.code == 130
    if suffix == "csv":
        assert len(rows_of(out)) == 2
        assert "--resume" in typed.err
    else:
        assert [path.name for path in folder.parent.iterdir()] == ["photos"]


@pytest.mark.usefixtures("loaded_once")
def test_the_package_brings_the_default_model(type_command, model, folder, monkeypatch):
    monkeypatch.setattr("skinlesion.bundle.container.DEFAULT", model)

    assert type_command("predict", folder / "a.jpg").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--threshold", "mine"),
        ("--resume",),
        ("--resume", "--out", "a.json"),
        ("--resume", "--overwrite", "--out", "a.csv"),
        ("--out", "a.xlsx"),
        ("--tta", "3"),
        ("--batch-size", "0"),
    ],
)
@pytest.mark.usefixtures("loaded_once")
def test_options_that_do_not_fit_are_refused(type_command, model, folder, words):
    typed = type_command("predict", folder, "--model", model, *words)

    assert typed.code == 2
    assert not [file for file in folder.parent.iterdir() if file.name.startswith("a.")]


@pytest.mark.usefixtures("loaded_once")
def test_no_image_at_all_is_an_error(type_command, model, folder):
    (folder / "empty").mkdir()
    for word in (folder / "empty", f"{folder}/*.bmp"):
        assert type_command("predict", word, "--model", model).code == DataError.exit_code


def test_paths_are_read_no_further_ahead_than_a_batch_and_a_few(predictor, monkeypatch):
    taken = itertools.count()
    at = 0

    def endless():
        nonlocal at
        while True:
            at = next(taken)
            yield f"{at}.jpg"

    monkeypatch.setattr(Predictor, "_load", lambda self, path: (path, {}, (), "broken"))
    ahead = [
        at - number
        for number, _ in zip(
            range(2000), predictor.predict(endless(), batch_size=7, workers=2), strict=False
        )
    ]

    assert max(ahead) <= 7 + 4 * 2
