"""Synthetic lesions: reproducible, honest about labels, and split without leaks."""

import collections
import hashlib

import numpy as np
import pytest
from PIL import Image

from skinlesion.data.synthetic import draw_lesion, draw_traits, draw_view, write_synthetic
from skinlesion.data.synthetic.artefacts import RATES, add_artefacts
from skinlesion.errors import DataError
from skinlesion.tables import read_columns

pytestmark = pytest.mark.thorough

SIZE = 64


def lesion(label, index, seed=0):
    return draw_lesion(label, size=SIZE, rng=np.random.default_rng((seed, index)))


@pytest.fixture(scope="module")
def drawn():
    """200 labels and their lesions, every second one malignant."""
    labels = np.arange(200) % 2
    return labels, [lesion(int(label), index) for index, label in enumerate(labels)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("data") / "set", count=60, size=32)


def fingerprint(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("size", [32, 65])
def test_lesion_has_the_promised_shapes(size):
    one = draw_lesion(1, size=size, rng=np.random.default_rng(0))

    assert one.image.shape == (size, size, 3)
    assert one.image.dtype == np.uint8
    assert one.mask.shape == (size, size)
    assert one.mask.dtype == bool
    assert set(one.artefacts) == {"hair", "ruler", "dark_corner"}


def test_image_depends_on_seed_and_index_only():
    in_order = [lesion(1, index).image for index in range(4)]
    backwards = [lesion(1, index).image for index in reversed(range(4))][::-1]

    np.testing.assert_array_equal(in_order, backwards)
    assert not np.array_equal(in_order[0], in_order[1])
    assert not np.array_equal(in_order[0], lesion(1, 0, seed=1).image)


def test_label_changes_the_lesion():
    assert not np.array_equal(lesion(0, 0).mask, lesion(1, 0).mask)


def test_mask_is_where_the_dark_lesion_is(drawn):
    _, lesions = drawn
    clear = [one for one in lesions if not any(one.artefacts.values())]
    darker = [one.image[one.mask].mean() < one.image[~one.mask].mean() for one in clear]

    assert len(clear) > 50
    assert np.mean(darker) > 0.97


def test_mask_fills_a_part_of_the_image(drawn):
    share = np.array([one.mask.mean() for one in drawn[1]])

    assert share.min() > 0.01
    assert share.max() < 0.8


@pytest.mark.parametrize("name", RATES)
def test_artefacts_do_not_betray_the_label(drawn, name):
    labels, lesions = drawn
    has = np.array([one.artefacts[name] for one in lesions])
    error = np.sqrt(RATES[name] * (1 - RATES[name]) / 100)

    for label in (0, 1):
        assert abs(has[labels == label].mean() - RATES[name]) < 3.5 * error


@pytest.mark.parametrize("name", RATES)
def test_artefact_changes_pixels_only_if_flagged(name, monkeypatch):
    plain = np.full((SIZE, SIZE, 3), 0.7)
    for other in RATES:
        monkeypatch.setitem(RATES, other, 1.0 if other == name else 0.0)

    photo, present = add_artefacts(plain, rng=np.random.default_rng(2))

    assert present == {other: other == name for other in RATES}
    assert photo.min() < 0.6
    assert photo.max() <= 0.7


def test_no_artefact_no_change(monkeypatch):
    plain = np.full((SIZE, SIZE, 3), 0.7)
    for name in RATES:
        monkeypatch.setitem(RATES, name, 0.0)

    np.testing.assert_array_equal(add_artefacts(plain, rng=np.random.default_rng(2))[0], plain)


def test_classes_overlap_but_can_be_told_apart(drawn):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels, lesions = drawn
    features = np.array([_abc_features(one) for one in lesions])
    fit, held_out = np.arange(200) < 100, np.arange(200) >= 100
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(features[fit], labels[fit])

    auc = roc_auc_score(labels[held_out], model.predict_proba(features[held_out])[:, 1])

    assert 0.7 < auc < 0.97


def _abc_features(one):
    """Asymmetry, border irregularity and colour variation, from image and mask."""
    rows, columns = np.nonzero(one.mask)
    turned = np.roll(
        one.mask[::-1, ::-1],
        (2 * round(rows.mean()) - SIZE + 1, 2 * round(columns.mean()) - SIZE + 1),
        axis=(0, 1),
    )
    area = one.mask.sum()
    perimeter = (one.mask[1:] ^ one.mask[:-1]).sum() + (one.mask[:, 1:] ^ one.mask[:, :-1]).sum()
    return [(turned ^ one.mask).sum() / area, perimeter**2 / area, *one.image[one.mask].std(axis=0)]


def test_views_share_the_lesion_but_not_the_pose():
    traits = draw_traits(1, rng=np.random.default_rng(0))

    first = draw_view(traits, size=SIZE, rng=np.random.default_rng(1))
    second = draw_view(traits, size=SIZE, rng=np.random.default_rng(2))

    assert not np.array_equal(first.mask, second.mask)
    assert 0.6 < first.mask.sum() / second.mask.sum() < 1.6


def test_same_arguments_same_bytes(folder, tmp_path):
    again = write_synthetic(tmp_path / "again", count=60, size=32)
    other = write_synthetic(tmp_path / "other", count=60, size=32, seed=1)

    assert fingerprint(again) == fingerprint(folder)
    assert fingerprint(other) != fingerprint(folder)


def test_larger_set_begins_with_the_smaller(folder, tmp_path):
    larger = fingerprint(write_synthetic(tmp_path / "larger", count=80, size=32))
    smaller = {name: value for name, value in fingerprint(folder).items() if name[:6] == "images"}

    assert len(smaller) == 60
    assert smaller.items() <= larger.items()


def test_table_lists_every_image(folder):
    table = read_columns(folder / "labels.csv", required=["path", "label", "group", "split"])
    files = sorted(path.relative_to(folder).as_posix() for path in folder.glob("images/*"))

    assert table["path"] == files
    assert len(files) == 60
    assert set(table["label"]) == {"benign", "malignant"}
    with Image.open(folder / files[0]) as image:
        assert (image.size, image.mode) == ((32, 32), "RGB")


def test_groups_have_one_split_and_one_label(folder):
    table = read_columns(folder / "labels.csv", required=["group"])
    rows = set(zip(table["group"], table["split"], table["label"], strict=True))
    sizes = collections.Counter(table["group"])

    assert len(rows) == len(sizes)
    assert set(sizes.values()) == {1, 2}


def test_splits_are_stratified(tmp_path):
    path = write_synthetic(tmp_path / "set", count=240, size=32) / "labels.csv"
    table = {name: np.array(cells) for name, cells in read_columns(path, required=[]).items()}

    for split, wanted in {"train": 0.6, "val": 0.2, "test": 0.2}.items():
        rows = table["split"] == split
        assert rows.mean() == pytest.approx(wanted, abs=0.04)
        assert (table["label"][rows] == "malignant").mean() == pytest.approx(0.35, abs=0.06)


def test_malignant_fraction_is_kept(tmp_path):
    path = write_synthetic(tmp_path / "s", count=100, size=32, malignant_fraction=0.5)
    labels = read_columns(path / "labels.csv", required=["label"])["label"]

    assert labels.count("malignant") == pytest.approx(50, abs=4)


def test_readme_says_what_it_is(folder):
    assert "Synthetic images: no clinical meaning" in (folder / "README.txt").read_text()


def test_too_few_images_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(DataError, match="too few for both labels"):
        write_synthetic(tmp_path / "set", count=6, size=32)

    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_refused(folder):
    with pytest.raises(DataError, match="exists already"):
        write_synthetic(folder, count=60, size=32)
