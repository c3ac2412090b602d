"""The command preview: what is on the sheet, and what is refused."""

import numpy as np
import pytest
from PIL import Image
from training_fixtures import COUNTS, SIZE, write_lesions

from skinlesion.commands import preview
from skinlesion.config import FinetuneConfig, TrainConfig
from skinlesion.report.contact_sheet import GAP, LINE, TILE, SheetRow, contact_sheet

pytestmark = pytest.mark.tensorflow

FEW = ["--count", "4", "--views", "2"]
WHOLE = [
    *("--set", "model.backbone=alexnet", "--set", "model.weights=none"),
    *("--set", f"model.image_size={SIZE}", "--set", "trainable=all"),
]


@pytest.fixture
def dataset(tmp_path):
    return write_lesions(tmp_path / "dataset")


def tiles(path):
    """Pictures of a sheet, shape (rows, columns, TILE, TILE, 3)."""
    pixels = np.asarray(Image.open(path))
    rows = (pixels.shape[0] - LINE) // (LINE + TILE + GAP)
    columns = (pixels.shape[1] - GAP) // (TILE + GAP)
    return np.stack(
        [
            [
                pixels[2 * LINE + row * (LINE + TILE + GAP) :][:TILE, GAP + at * (TILE + GAP) :][
                    :, :TILE
                ]
                for at in range(columns)
            ]
            for row in range(rows)
        ]
    )


def test_a_sheet_has_a_row_an_image_and_the_pictures_in_place():
    grey = [np.full((8, 8, 3), value, np.uint8) for value in (10, 120, 240)]

    sheet = contact_sheet(["a", "b", "c"], [SheetRow("x", grey, ["", "note"])] * 2)

    assert sheet.size == (GAP + 3 * (TILE + GAP), LINE + 2 * (LINE + TILE + GAP))
    pixels = np.asarray(sheet)
    for column, value in enumerate((10, 120, 240)):
        tile = pixels[2 * LINE :, GAP + column * (TILE + GAP) :][:TILE, :TILE]
        assert (tile == value).all()
    assert (pixels[:LINE] < 200).any()  # the titles are written


def test_the_sheet_shows_originals_and_views_that_differ(type_command, dataset):
    shown = type_command("preview", "--dataset", dataset, *FEW, *WHOLE)

    assert (shown.code, shown.out) == (
        0,
        "wrote preview.png: 4 images of train, 2 augmented views each\n",
    )
    sheet = tiles("preview.png")
    assert sheet.shape[:2] == (4, 3)
    pixels = np.load(dataset / "pixels.npy")[: COUNTS["train"]]
    enlarged = [np.asarray(Image.fromarray(one).resize((TILE, TILE), 1)) for one in pixels]
    for original in sheet[:, 0]:
        assert any((original == one).all() for one in enlarged)


def test_the_views_are_those_of_the_epochs(type_command, dataset):
    from skinlesion.data.augment import Ranges
    from skinlesion.data.pipeline import ImageBatches
    from skinlesion.data.sampling import Images
    from skinlesion.data.store import open_dataset

    opened = open_dataset(dataset)
    rows = opened.manifest.rows("train")
    images = Images(opened.pixels, rows, opened.manifest.label[rows])
    ranges = Ranges(flip=True, mixup=1.0)
    last = [*ImageBatches(images, SIZE, 32, 7, ranges).epochs(1, 2).unbatch().as_numpy_iterator()]

    options = ["--set", "seed=7", "--set", "augment.mixup=1.0"]
    type_command("preview", "--dataset", dataset, *FEW, *WHOLE, *options)

    seen = [Image.fromarray(np.round(image).clip(0, 255).astype(np.uint8)) for image, _ in last]
    enlarged = [np.asarray(image.resize((TILE, TILE), 1)).astype(int) for image in seen]
    for row in tiles("preview.png"):
        # Rounding of a batch may differ by a grey level; another image by many.
        assert min(np.abs(row[2] - one).max() for one in enlarged) <= 2


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (["--split", "nonsense"], 3, "expected: one of test, train, val"),
        (["--out", "dataset"], 2, "ends in .png"),
        (["--out", "taken.png"], 3, "taken.png exists already"),
        (["--out", "folder.png", "--overwrite"], 3, "folder.png exists already"),
        (["--out", "far/away.png"], 3, "there is no folder far"),
        (["--set", "augment.mixup=1", "--set", "trainable=head"], 2, "single images"),
        (["--set", "run=dataset"], 3, "is not a run with a model"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(
    type_command, tmp_path, dataset, words, code, what
):
    (tmp_path / "taken.png").write_text("kept")
    (tmp_path / "folder.png").mkdir()
    before = sorted(tmp_path.iterdir())

    shown = type_command("preview", "--dataset", dataset, *FEW, *words)

    assert (shown.code, shown.out) == (code, "")
    assert what in shown.err
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "taken.png").read_text() == "kept"


def test_an_existing_sheet_is_replaced_on_request(type_command, tmp_path, dataset):
    (tmp_path / "taken.png").write_text("old")

    shown = type_command(
        "preview", "--dataset", dataset, *FEW, "--out", "taken.png", "--overwrite", "--split", "val"
    )

    assert shown.code == 0
    assert tiles("taken.png").shape[:2] == (4, 3)


def test_a_config_is_trains_where_it_names_a_model_else_finetunes(tmp_path):
    (tmp_path / "head.yaml").write_text("model: {backbone: resnet50, image_size: 64}\n")

    head = preview.read_settings(tmp_path / "head.yaml", ["seed=3", "feature_views=4"])
    tune = preview.read_settings(None, ["augment.hair=0.5"])

    assert isinstance(head.recipe, TrainConfig)
    assert (head.image_size, head.seed, head.feature_views) == (64, 3, 4)
    assert isinstance(tune.recipe, FinetuneConfig)
    assert (tune.recipe.augment.hair, tune.seed, tune.feature_views) == (0.5, 0, None)


def test_a_heads_sheet_shows_its_cached_views(type_command, tmp_path, dataset):
    (tmp_path / "head.yaml").write_text(
        f"model: {{backbone: resnet50, image_size: {SIZE}}}\nfeature_views: 2\n"
    )

    shown = type_command("preview", "--dataset", dataset, "--config", "head.yaml", *FEW)

    assert "a head is trained on the original and 1 of them" in shown.out


@pytest.mark.parametrize(("count", "ones"), [(8, 4), (3, 1), (13, 6), (40, 10)])
def test_half_of_the_images_are_malignant_as_far_as_there_are(count, ones):
    labels = np.array([0] * 20 + [1] * 10)

    chosen = preview.choose(labels, count)

    assert len(chosen) == len(set(chosen.tolist())) == min(count, 30)
    assert labels[chosen].sum() == ones
