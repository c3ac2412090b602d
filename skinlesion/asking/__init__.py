"""Whose model is asked: a run's, an ensemble's members', or a bundle's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skinlesion.bundle import Bundle, Preprocessing, read_bundle
from skinlesion.errors import DataError
from skinlesion.runs import RunDir, read_json

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Member:
    """One network.

    Attributes:
        preprocessing: How its images were stored.
        load: Builds it; imports TensorFlow.
        run: The run that holds it; None in a bundle.
        views: That it averages of an image when it predicts; it is asked about the upright one.
    """

    preprocessing: Preprocessing
    load: Callable[[], keras.Model]
    run: RunDir | None = None
    views: int = 1


@dataclass(frozen=True)
class Asked:
    """A model whose map is the mean of its members'.

    Attributes:
        path: Where it is.
        target: The positive class.
        members: At least one.
        run: The run; None of a bundle.
    """

    path: Path
    target: str
    members: list[Member]
    run: RunDir | None = None


def asked(path: Path) -> Asked:
    """The model in ``path``: a finished run with a model, an ensemble by mean, or a bundle.

    Raises:
        DataError: If it is something else, or combines its members otherwise.
        IntegrityError: If a bundle was changed.
    """
    run = RunDir(path)
    if run.is_run() or not path.exists():
        members = [_member(one) for one in _runs(run)]
        return Asked(path, run.record()["target"], members, run)
    bundle = read_bundle(path)
    told = bundle.description
    if told.format is not None:
        raise DataError(
            f"{path} is an export: a graph for {told.format}, which gives no gradients",
            expected="a run, or a bundle of weights",
        )
    if told.combiner is not None and told.combiner.name != "mean":
        raise _other_combiner(path, told.combiner.name)
    return Asked(path, told.target, _bundled(bundle))


def _bundled(bundle: Bundle) -> list[Member]:
    built: list[keras.Model] = []

    def load(number: int) -> keras.Model:
        from skinlesion.training.bundling import bundle_models

        if not built:
            built.extend(bundle_models(bundle))
        return built[number]

    return [
        Member(member.preprocessing, functools.partial(load, number), views=len(member.views))
        for number, member in enumerate(bundle.description.members)
    ]


def _member(run: RunDir) -> Member:
    def load() -> keras.Model:
        from skinlesion.training.session import load_run_model

        return load_run_model(run)[0]

    how = Preprocessing.model_validate(read_json(run.model)["preprocessing"])
    return Member(how, load, run)


def _runs(run: RunDir) -> list[RunDir]:
    """The runs whose models are asked: the run itself, or an ensemble's members."""
    if not run.is_finished():
        raise DataError(
            f"{run.path} is not a finished run",
            expected="a folder made by train, finetune, soup or ensemble, come to its end",
            fix="finish it with --resume, or choose another --run",
        )
    if not run.members.exists():
        return [_with_model(run)]
    method, members = read_json(run.combiner)["method"], read_json(run.members)["members"]
    if method != "mean":
        raise _other_combiner(run.path, method, [member["path"] for member in members])
    return [_with_model(RunDir(Path(member["path"]))) for member in members]


def _with_model(run: RunDir) -> RunDir:
    if not run.model.exists():
        parent = run.record().get("parent") if run.is_run() else None
        raise DataError(
            f"{run.path} holds no model",
            expected="a run of train, finetune or soup, or an ensemble of such",
            fix=f"explain {parent}, whose model it asked" if parent else "",
        )
    return run


def _other_combiner(path: Path, method: str, members: list[str] | None = None) -> DataError:
    return DataError(
        f"{path} combines its members by {method}: no sum of their maps explains that",
        expected="an ensemble by mean",
        fix="explain its members one by one, or combine them by mean",
        which=members or [],
    )
