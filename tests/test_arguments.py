"""What the shell hands over becomes what the parser takes."""

import pytest

from skinlesion.arguments import hoist, spread
from skinlesion.errors import ConfigError

SEVERAL = {"ensemble": ("--members",), "evaluate": ("--run", "--fail-under")}


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        ("ensemble --members a b c", "ensemble --members a --members b --members c"),
        ("ensemble --members a b --run r", "ensemble --members a --members b --run r"),
        ("ensemble --run r --members a b", "ensemble --run r --members a --members b"),
        ("ensemble --members a --members b", "ensemble --members a --members b"),
        ("ensemble --members=a --run r", "ensemble --members=a --run r"),
        ("-q ensemble --members a b", "-q ensemble --members a --members b"),
        ("evaluate --run a b --json", "evaluate --run a --run b --json"),
        ("train --run a b", "train --run a b"),
        ("ensemble --members -", "ensemble --members -"),
        ("config show a b", "config show a b"),
        ("", ""),
    ],
)
def test_values_after_one_option_become_an_option_each(typed, parsed):
    assert spread(typed.split(), SEVERAL) == parsed.split()


def test_spreading_twice_changes_nothing_more():
    once = spread(["evaluate", "--run", "a", "b", "--split", "test"], SEVERAL)

    assert spread(once, SEVERAL) == once


def test_a_word_with_spaces_stays_one_word():
    assert spread(["ensemble", "--members", "my run"], SEVERAL) == [
        "ensemble",
        "--members",
        "my run",
    ]


@pytest.mark.parametrize("typed", ["evaluate --run", "evaluate --run --json", "evaluate --run -q"])
def test_an_option_without_a_value_does_not_vanish(typed):
    with pytest.raises(ConfigError, match="--run has no value"):
        spread(typed.split(), SEVERAL)


def test_flags_of_the_program_go_first_and_the_rest_keeps_its_order():
    typed = ["train", "-q", "--run", "r", "--debug"]

    assert hoist(typed, ("-q", "--debug")) == ["-q", "--debug", "train", "--run", "r"]
