"""Words become diagnoses and labels by a table; nothing is guessed."""

import pytest

from skinlesion.data.labels import (
    ALIASES,
    DIAGNOSES,
    canonical,
    deepest_words,
    normalize,
    read_labels,
)
from skinlesion.data.labels.isic_archive import SUBTYPES, TREE
from skinlesion.errors import ConfigError, DataError
from skinlesion.tables import UNKNOWN

OWN_KERATOSIS = {"actinic keratosis": "malignant"}


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
        ("Indeterminate", UNKNOWN, UNKNOWN),
        ("Melanoma metastasis", 1, 1),
        ("Malignant melanocytic proliferations (Melanoma)", 1, 1),
        ("Collision - At least one malignant proliferation", 1, UNKNOWN),
        ("Solar or actinic keratosis", UNKNOWN, 0),
        ("Squamous cell carcinoma in situ, Bowens disease", 1, 0),
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
    overridden = labels_of("ak", "solar keratosis", classes={"AK": "malignant"})
    meaning_all = labels_of("ak", "Solar or actinic keratosis", classes=OWN_KERATOSIS)

    assert labels.label.tolist() == [0, 1, UNKNOWN]
    assert labels.melanoma.tolist() == [0, UNKNOWN, 0]
    assert labels.diagnosis.tolist() == ["wart", "strange", "actinic keratosis"]
    assert overridden.label.tolist() == [1, UNKNOWN]
    assert meaning_all.label.tolist() == [1, 1]


def test_contradictory_classes_are_a_config_error():
    with pytest.raises(ConfigError, match="both benign and malignant"):
        labels_of("nv", classes={"my wart": "benign", "my_wart": "malignant"})


def test_unknown_words_are_named_with_counts_and_first_ids():
    with pytest.raises(DataError) as caught:
        labels_of("nv", "wart", "wart", "", "mel")

    assert caught.value.exit_code == 3
    assert caught.value.which == [
        "(empty) (1 image, first image3)",
        "wart (2 images, first image1)",
    ]
    assert "classes:" in caught.value.fix


# --- the archive's tree -----------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "group", "names"), TREE, ids=[group for _, group, _ in TREE])
def test_every_word_of_the_tree_is_of_its_class(kind, group, names):
    assert {DIAGNOSES[canonical(word)] for word in (group, *names)} == {kind}


@pytest.mark.parametrize("name", SUBTYPES)
def test_a_subtype_is_what_its_diagnosis_is(name):
    words = [f"{name}, {subtype}" for subtype in SUBTYPES[name]]

    assert {canonical(word) for word in words} == {canonical(name)}


def test_melanoma_is_the_trees_group_of_melanoma_and_no_other():
    found = {
        group
        for _, group, names in TREE
        for word in (group, *names)
        if canonical(word) == "melanoma"
    }

    assert found == {"Malignant melanocytic proliferations (Melanoma)"}


NEVUS = ("Benign", "Benign melanocytic proliferations", "Nevus")


@pytest.mark.parametrize(
    ("levels", "word"),
    [
        (NEVUS, "Nevus"),
        ((*NEVUS, "Nevus, Spitz", ""), "Nevus, Spitz"),
        ((*NEVUS, "never heard of", ""), "Nevus"),
        (("Benign", "never", "heard of"), "Benign"),
        (("Indeterminate", "", ""), "Indeterminate"),
        (("", "", "Nevus"), "Nevus"),
        (("", "never heard of", ""), "never heard of"),
        (("", "", ""), ""),
    ],
)
def test_the_deepest_level_that_is_known_is_taken(levels, word):
    assert deepest_words([levels], ["a"], where="table") == [word]


@pytest.mark.parametrize(
    "levels",
    [
        ("Benign", "", "Melanoma in situ"),
        ("Malignant", "Benign melanocytic proliferations", "never heard of"),
        ("Benign", "", "Solar or actinic keratosis"),
    ],
)
def test_levels_of_two_classes_are_an_error_that_names_the_image(levels):
    with pytest.raises(DataError, match="table: the levels of 1 diagnoses") as caught:
        deepest_words([NEVUS, levels], ["a", "b"], where="table")

    assert caught.value.which == [f"b ({' > '.join(filter(None, levels))})"]


def test_a_class_of_two_values_leaves_room_for_the_indeterminate():
    levels = [("benign", "atypical melanocytic proliferation")]

    assert deepest_words(levels, ["a"], where="table", binary=True) == [levels[0][1]]
    with pytest.raises(DataError, match="contradict"):
        deepest_words([("benign", "melanoma")], ["a"], where="table", binary=True)
