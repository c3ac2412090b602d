"""Counts and reasons in words."""

import pytest

from skinlesion.wording import counted, reason


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1234, "1,234 images")]
)
def test_only_one_is_singular(count, text):
    assert counted(count, "image") == text


def test_a_plural_of_its_own_is_used():
    assert [counted(n, "class", "classes") for n in (1, 2)] == ["1 class", "2 classes"]


def test_the_name_of_a_validators_exception_is_left_out():
    assert reason("Value error, index is from 0 to 4") == "index is from 0 to 4"
    assert reason("Input should be a number") == "Input should be a number"
