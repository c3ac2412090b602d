"""Manifest and Predictions check themselves, and come back from disk as they were."""

import numpy as np
import pytest

from skinlesion.errors import DataError
from skinlesion.tables import UNKNOWN, Manifest, Predictions, read_columns, write_rows


def manifest(**columns):
    """Three images of two patients; ``columns`` replace some."""
    given = {
        "image_id": ["a", "b", "c"],
        "path": ["1/a.jpg", "1/b.jpg", "2/c, d.jpg"],
        "label": [0, 1, 1],
        "melanoma": [0, 1, UNKNOWN],
        "group": ["p", "p", "q"],
        "split": ["train", "train", "test"],
        "diagnosis": ["nevus", "melanoma", ""],
        "source": ["s", "s", 'the "other"'],
    }
    return Manifest(**{name: np.array(values) for name, values in {**given, **columns}.items()})


def predictions(**columns):
    given = {"image_id": ["a", "b"], "group": ["p", "q"], "y_true": [0, 1], "y_prob": [0.25, 0.75]}
    return Predictions(**{name: np.array(values) for name, values in {**given, **columns}.items()})


@pytest.fixture
def read(tmp_path):
    """Read text as a table of predictions."""

    def read_text(text, **options):
        path = tmp_path / "given.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Predictions.read_csv(path, **options)

    return read_text


def assert_equal(one, other):
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(other, name), err_msg=name)


# --- the manifest -----------------------------------------------------------------------------


def test_a_manifest_survives_the_round_trip(tmp_path):
    manifest().write_csv(tmp_path / "manifest.csv")

    assert_equal(Manifest.read_csv(tmp_path / "manifest.csv"), manifest())


def test_an_unknown_melanoma_is_an_empty_cell(tmp_path):
    manifest().write_csv(tmp_path / "manifest.csv")

    table = read_columns(tmp_path / "manifest.csv", required=["melanoma"])

    assert table["melanoma"] == ["0", "1", ""]


def test_an_image_id_stands_once():
    with pytest.raises(DataError, match="1 image id more than once") as caught:
        manifest(image_id=["a", "b", "a"])
    assert caught.value.which == ["a"]


def test_a_group_is_in_one_split():
    with pytest.raises(DataError, match="1 group divided between splits") as caught:
        manifest(split=["train", "val", "test"])
    assert caught.value.which == ["p"]


@pytest.mark.parametrize(("column", "bad"), [("label", -1), ("label", 2), ("melanoma", 2)])
def test_labels_are_0_or_1(column, bad):
    with pytest.raises(DataError, match=f"1 value of {column} not among") as caught:
        manifest(**{column: [0, 1, bad]})
    assert caught.value.which == ["c"]


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(DataError, match="unequal length in a manifest"):
        manifest(path=["1/a.jpg"])
    with pytest.raises(DataError, match="unequal length in a table of predictions"):
        predictions(y_prob=[0.5])


def test_target_melanoma_needs_to_know_of_every_image():
    with pytest.raises(DataError, match="target melanoma: 1 image not labelled") as caught:
        manifest().target("melanoma")
    assert caught.value.which == ["c"]
    assert manifest(melanoma=[0, 1, 0]).target("melanoma").tolist() == [0, 1, 0]
    assert manifest().target("malignant").tolist() == [0, 1, 1]


def test_rows_of_a_split_can_be_taken():
    chosen = manifest().take(manifest().rows("train"))

    assert chosen.image_id.tolist() == ["a", "b"]
    assert len(manifest().rows("nowhere")) == 0


# --- predictions ------------------------------------------------------------------------------


def test_probabilities_survive_the_round_trip_to_the_last_bit(tmp_path):
    awkward = np.array([0.1 + 0.2, 5e-324, 1 - 2**-53, 0.0, 1.0, np.float32(0.1), 1 / 3])
    ids = np.array([f"image {number}" for number in range(len(awkward))])
    table = Predictions(ids, ids, np.arange(len(awkward)) % 2, awkward)

    table.write_csv(tmp_path / "table.csv")

    assert_equal(Predictions.read_csv(tmp_path / "table.csv"), table)


def test_ids_survive_the_round_trip_whatever_they_look_like(tmp_path):
    table = predictions(image_id=["007", 'a,"b"'], group=["1e3", "nan"])

    table.write_csv(tmp_path / "table.csv")

    assert_equal(Predictions.read_csv(tmp_path / "table.csv"), table)


@pytest.mark.parametrize("bad", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_probability_is_from_0_to_1(bad):
    with pytest.raises(DataError, match=r"1 value of y_prob not in \[0, 1\]") as caught:
        predictions(y_prob=[0.5, bad])
    assert caught.value.which == ["b"]


def test_without_groups_each_image_is_its_own(read):
    table = read("image_id,y_true,y_prob\na,0,0.5\nb,1,0.5\n")

    assert table.group.tolist() == ["a", "b"]


def test_a_foreign_score_column_can_be_read(read):
    table = read("image_id,melanoma,y_true\na,0.125,0\n", score_column="melanoma")

    assert table.y_prob.tolist() == [0.125]


def test_columns_may_come_in_any_order_with_others_beside_them(read):
    table = read("note,y_prob,image_id,y_true\nx,0.5, a ,1\n")

    assert (table.image_id.tolist(), table.y_true.tolist()) == (["a"], [1])


@pytest.mark.parametrize("start", ["\ufeff", "\n\n", ""])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_byte_order_mark_blank_lines_and_windows_newlines_are_harmless(read, start, newline):
    text = start + newline.join(["image_id,y_true,y_prob", "", "a,1,0.5", ""])

    assert read(text).image_id.tolist() == ["a"]


HEADER = "image_id,y_true,y_prob\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "has no rows"),
        (HEADER, "has no rows"),
        ("image_id,y_true\na,1\n", "lacks the column y_prob"),
        ("image_id,y_true,y_prob,y_prob\na,1,0.1,0.9\n", "has the column y_prob twice"),
        (HEADER + "a,1,0.5\na,0,0.5\n", "more than once"),
        (HEADER + "a,2,0.5\n", "value of y_true not among 0, 1"),
        (HEADER + "a,,0.5\n", "value of y_true not among 0, 1"),
        (HEADER + "a,0.5,0.5\n", "column y_true holds other than whole numbers"),
        (HEADER + "a,nan,0.5\n", "column y_true holds other than whole numbers"),
        (HEADER + "a,inf,0.5\n", "column y_true holds other than whole numbers"),
        (HEADER + "a,1e300,0.5\n", "column y_true holds other than whole numbers"),
        (HEADER + "a,benign,0.5\n", "column y_true: could not convert"),
        (HEADER + "a,1,high\n", "column y_prob: could not convert"),
        (HEADER + "a,1,\n", "column y_prob: could not convert"),
        (HEADER + "a,1,nan\n", "value of y_prob not in"),
        (HEADER + "a,1,50\n", "value of y_prob not in"),
        (HEADER + 'a,1,"0.5\n', "is not a readable CSV file"),
        (b"image_id,y_true,y_prob\n\xe9,1,0.5\n", "is not a readable CSV file"),
    ],
)
def test_a_table_that_breaks_a_rule_is_refused(read, text, what):
    with pytest.raises(DataError, match=what) as caught:
        read(text)
    assert caught.value.exit_code == 3


def test_a_ragged_row_is_named_by_its_line_in_the_file(read):
    with pytest.raises(DataError, match="another number of cells") as caught:
        read("\n" + HEADER + "a,1,0.5\n\nb,1\n")
    assert caught.value.which == ["line 5"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv does not exist"):
        Predictions.read_csv(tmp_path / "nowhere.csv")


def test_a_table_is_written_whole_or_not_at_all(tmp_path):
    def rows():
        yield "1"
        raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        write_rows(tmp_path / "table.csv", ["column"], rows())

    assert not list(tmp_path.iterdir())
