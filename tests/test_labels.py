"""Words become diagnoses and labels by a table; nothing is guessed."""

import pytest

from skinlesion.data.labels import ALIASES, DIAGNOSES, canonical, normalize, read_labels
from skinlesion.errors import ConfigError, DataError
from skinlesion.tables import UNKNOWN


def labels_of(*words, classes=None, indeterminate="exclude"):
    ids = [f"image{number}" for number in range(len(words))]
    return read_labels(words, ids, classes=classes or {}, indeterminate=indeterminate)


def test_every_alias_means_a_diagnosis_and_is_written_normalized():
    assert set(ALIASES.values()) <= set(DIAGNOSES)
    assert all(normalize(word) == word for word in [*ALIASES, *DIAGNOSES])


def test_case_and_separators_make_no_difference():
    words = ["seborrheic_keratosis", "Seborrheic Keratosis", " SEBORRHEIC-KERATOSIS "]

    assert {canonical(word) for word in words} == {"seborrheic keratosis"}


@pytest.mark.parametrize(
    ("word", "label", "melanoma"),
    [
        ("nv", 0, 0),
        ("mel", 1, 1),
        ("bkl", 0, 0),
        ("bcc", 1, 0),
        ("vasc", 0, 0),
        ("df", 0, 0),
        ("akiec", UNKNOWN, 0),
        ("Bowen's disease", 1, 0),
        ("benign", 0, 0),
        ("malignant", 1, UNKNOWN),
        ("0", 0, 0),
        ("1", 1, UNKNOWN),
    ],
)
def test_labels_by_hand(word, label, melanoma):
    labels = labels_of(word)

    assert (labels.label[0], labels.melanoma[0]) == (label, melanoma)


@pytest.mark.parametrize(("choice", "label"), [("benign", 0), ("malignant", 1)])
def test_indeterminate_goes_where_it_is_sent_and_nothing_else_moves(choice, label):
    labels = labels_of("akiec", "nv", "mel", indeterminate=choice)

    assert labels.label.tolist() == [label, 0, 1]
    assert labels.melanoma.tolist() == [0, 0, 1]


def test_own_classes_extend_and_override_the_table():
    labels = labels_of("Wart", "strange", "ak", classes={"wart": "benign", "strange": "malignant"})
    overridden = labels_of("ak", classes={"AK": "malignant"})

    assert labels.label.tolist() == [0, 1, UNKNOWN]
    assert labels.melanoma.tolist() == [0, UNKNOWN, 0]
    assert labels.diagnosis.tolist() == ["wart", "strange", "actinic keratosis"]
    assert overridden.label.tolist() == [1]


def test_contradictory_classes_are_a_config_error():
    with pytest.raises(ConfigError, match="both benign and malignant"):
        labels_of("nv", classes={"my wart": "benign", "my_wart": "malignant"})


def test_unknown_words_are_named_with_counts_and_first_ids():
    with pytest.raises(DataError) as caught:
        labels_of("nv", "wart", "wart", "", "mel")

    assert caught.value.exit_code == 3
    assert caught.value.which == [
        "(empty) (1 images, first image3)",
        "wart (2 images, first image1)",
    ]
    assert "classes:" in caught.value.fix
