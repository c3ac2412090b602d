"""The data set of a run is found from any folder, and only by its fingerprint."""

import json

import pytest

from skinlesion.runs import RunDir
from skinlesion.training.examples import dataset_of


@pytest.fixture
def make(tmp_path):
    """A function that makes a run below ``project`` whose config says ``named``."""

    def make_run(place="runs/a", named="data"):
        run = RunDir(tmp_path / "project" / place)
        run.path.mkdir(parents=True)
        run.config.write_text(f"dataset: {named}\n")
        run.record_file.write_text(json.dumps({"dataset": "right"}))
        return run

    return make_run


def put(folder, fingerprint="right"):
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps({"fingerprint": fingerprint}))
    return folder


@pytest.mark.parametrize("place", ["a", "runs/a", "runs/folds/a", "runs/deeply/folds/a"])
def test_it_is_found_above_the_run_from_elsewhere(make, tmp_path, monkeypatch, place):
    run, expected = make(place), put(tmp_path / "project" / "data")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert dataset_of(run) == expected


def test_the_folder_where_one_stands_comes_first(make, tmp_path, monkeypatch):
    run = make()
    put(tmp_path / "project" / "data")
    put(tmp_path / "here" / "data")
    monkeypatch.chdir(tmp_path / "here")

    assert str(dataset_of(run)) == "data"


def test_another_data_set_of_that_name_is_passed_over(make, tmp_path, monkeypatch):
    run, expected = make(), put(tmp_path / "project" / "data")
    put(tmp_path / "here" / "data", "wrong")
    put(tmp_path / "project" / "runs" / "data", "wrong")
    monkeypatch.chdir(tmp_path / "here")

    assert dataset_of(run) == expected


@pytest.mark.parametrize("there", [False, True])
def test_what_is_nowhere_keeps_its_name(make, tmp_path, monkeypatch, there):
    run = make(named=tmp_path / "gone" if there else "data")
    put(tmp_path / "project" / "data", "wrong")
    monkeypatch.chdir(tmp_path)

    assert str(dataset_of(run)) == (str(tmp_path / "gone") if there else "data")
