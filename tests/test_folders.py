"""Files and folders exist whole or not at all."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from skinlesion.errors import DataError
from skinlesion.folders import atomic_path, new_folder, refuse_existing, write_text


class StoppedError(Exception):
    """What stops a block half way."""


def stop(error=StoppedError, *, after):
    """Do something, then fail."""
    after()
    raise error


def names(folder):
    """Everything below ``folder``, relative."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failing_block_leaves_nothing_not_even_the_parents_it_made(tmp_path, error):
    with pytest.raises(error), new_folder(tmp_path / "a" / "b" / "c") as folder:
        stop(error, after=(folder / "half").touch)

    assert names(tmp_path) == []


def test_a_failing_block_leaves_the_parents_that_were_there(tmp_path):
    (tmp_path / "a").mkdir()

    with pytest.raises(StoppedError), new_folder(tmp_path / "a" / "b" / "c"):
        raise StoppedError

    assert names(tmp_path) == ["a"]


def test_the_folder_appears_only_when_the_block_is_done(tmp_path):
    with new_folder(tmp_path / "made") as folder:
        (folder / "file").write_text("content")
        assert not (tmp_path / "made").exists()

    assert names(tmp_path) == ["made", "made/file"]


def test_the_folder_has_the_permissions_of_any_other(tmp_path):
    (tmp_path / "usual").mkdir()

    with new_folder(tmp_path / "made"):
        pass

    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "made")]
    assert modes[0] == modes[1]


def test_an_existing_folder_is_refused_before_any_work(tmp_path):
    (tmp_path / "old").mkdir()

    with pytest.raises(DataError, match="exists already"), new_folder(tmp_path / "old"):
        pytest.fail("the block ran")


def test_overwrite_replaces_the_folder_and_nothing_of_it_stays(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "before").touch()

    with new_folder(tmp_path / "old", overwrite=True) as folder:
        (folder / "after").touch()

    assert names(tmp_path) == ["old", "old/after"]


def test_overwrite_keeps_the_old_folder_if_the_block_fails(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "before").touch()

    with pytest.raises(StoppedError), new_folder(tmp_path / "old", overwrite=True) as folder:
        stop(after=(folder / "after").touch)

    assert names(tmp_path) == ["old", "old/before"]


def test_overwrite_keeps_the_old_folder_if_the_new_one_cannot_take_its_place(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "before").touch()

    with (
        pytest.raises(FileNotFoundError),
        new_folder(tmp_path / "old", overwrite=True) as folder,
    ):
        folder.rmdir()

    assert names(tmp_path) == ["old", "old/before"]


def test_overwrite_does_not_replace_a_file(tmp_path):
    (tmp_path / "file").write_text("kept")

    with pytest.raises(DataError, match="exists already"):
        refuse_existing(tmp_path / "file", overwrite=True)


def test_a_second_block_for_the_same_folder_is_refused_and_the_first_goes_on(tmp_path):
    with new_folder(tmp_path / "made") as folder:
        (folder / "of-first").touch()
        with (
            pytest.raises(DataError, match="another process is writing"),
            new_folder(tmp_path / "made"),
        ):
            pytest.fail("the second block ran")

    assert names(tmp_path) == ["made", "made/of-first"]


def test_what_a_killed_process_left_is_removed_and_that_of_other_folders_stays(tmp_path):
    leave = f"""
import os, signal, pathlib
from skinlesion.folders import new_folder
blocks = [new_folder(pathlib.Path({str(tmp_path)!r}) / name) for name in ("made[1]", "made")]
for block in blocks:
    block.__enter__().joinpath("half").touch()
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", leave], check=False)
    assert len(list(tmp_path.iterdir())) == 2

    with new_folder(tmp_path / "made[1]"):
        pass

    left = sorted(path.name for path in tmp_path.iterdir())
    assert left[0].startswith(".made.partial-")
    assert left[1:] == ["made[1]"]


def test_a_file_appears_only_when_it_is_written(tmp_path):
    path = tmp_path / "table.csv"

    with atomic_path(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
        assert temporary.suffix == ".csv"

    assert names(tmp_path) == ["table.csv"]
    assert path.read_text() == "content"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failing_write_leaves_the_old_content_and_no_temporary(tmp_path, error):
    path = tmp_path / "table.csv"
    path.write_text("old")

    with pytest.raises(error), atomic_path(path) as temporary:
        stop(error, after=temporary.touch)

    assert names(tmp_path) == ["table.csv"]
    assert path.read_text() == "old"


def test_a_block_that_writes_nothing_fails_and_keeps_the_old_content(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    with pytest.raises(FileNotFoundError), atomic_path(path):
        pass

    assert path.read_text() == "old"


def test_two_writers_of_one_file_do_not_share_a_temporary(tmp_path):
    path = tmp_path / "table.csv"

    with atomic_path(path) as first:
        first.write_text("first")
        with atomic_path(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"

    assert path.read_text() == "first"
    assert names(tmp_path) == ["table.csv"]


def test_text_is_utf8_with_plain_newlines(tmp_path):
    write_text(tmp_path / "note", "é\n")

    assert (tmp_path / "note").read_bytes() == b"\xc3\xa9\n"


def test_a_place_below_a_file_is_refused_and_left_alone(tmp_path):
    (tmp_path / "file").write_text("kept")

    with pytest.raises(NotADirectoryError), new_folder(tmp_path / "file" / "below"):
        pytest.fail("the block ran")

    assert (tmp_path / "file").read_text() == "kept"


def test_a_relative_path_is_made_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with new_folder(Path("made")):
        pass

    assert os.listdir(tmp_path) == ["made"]
