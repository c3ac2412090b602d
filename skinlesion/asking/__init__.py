"""Whose model is asked: a run's, an ensemble's members', or a bundle's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skinlesion.bundle import Bundle, Preprocessing, read_bundle
from skinlesion.data.views import shown_by
from skinlesion.ensemble import COMBINERS, weighty
from skinlesion.errors import DataError
from skinlesion.runs import RunDir, named_run, read_json

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
class Combination:
    """How the members' answers become one.

    Attributes:
        method: One of ``COMBINERS`` that weighs; "" if there is one member.
        params: Of it, for all members.
    """

    method: str = ""
    params: Mapping[str, Any] = field(default_factory=lambda: {"weights": [1.0]})

    @property
    def weights(self) -> list[float]:
        """Of the members' maps, at least 0."""
        return [float(weight) for weight in self.params["weights"]]

    def apply(self, y_prob: Sequence[np.ndarray]) -> np.ndarray:
        """The members' probabilities, each of shape (n,), as one."""
        if not self.method:
            return y_prob[0]
        return COMBINERS[self.method].apply(self.params, np.stack(y_prob, axis=1))

    def of(self, members: Sequence[int]) -> Combination:
        """The same for some of the members, by place; the others have weight 0."""
        kept = [self.weights[place] for place in members]
        return Combination(self.method, {**self.params, "weights": kept})


@dataclass(frozen=True)
class Asked:
    """A model whose map is a weighted sum of its members'.

    Attributes:
        path: Where it is.
        target: The positive class.
        members: At least one.
        together: How they are combined.
        run: The run; None of a bundle.
    """

    path: Path
    target: str
    members: list[Member]
    together: Combination
    run: RunDir | None = None


def asked(path: Path) -> Asked:
    """The model in ``path``: a finished run of any kind, or a bundle.

    Members of weight 0 are left out.

    Raises:
        DataError: If it is something else, or its combiner is no weighted sum.
        IntegrityError: If a bundle was changed.
    """
    run = RunDir(path)
    if run.is_run():
        runs, together = _runs(run)
        target, members = run.record()["target"], [_member(one) for one in runs]
        return _weighty(Asked(path, target, members, together, run))
    bundle = read_bundle(path)
    told = bundle.description
    if told.format is not None:
        raise DataError(
            f"{path} is an export: a graph for {told.format}, which gives no gradients",
            expected="a run, or a bundle of weights",
        )
    together = Combination()
    if told.combiner is not None:
        together = _combination(path, told.combiner.name, told.combiner.params)
    return _weighty(Asked(path, told.target, _bundled(bundle), together))


def _weighty(whole: Asked) -> Asked:
    places = weighty(whole.together.weights)
    members = [whole.members[place] for place in places]
    return replace(whole, members=members, together=whole.together.of(places))


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
    """A run with a model, or tta's views of one."""
    run, views, _ = shown_by(run)

    def load() -> keras.Model:
        from skinlesion.training.session import load_run_model

        return load_run_model(run)[0]

    if not run.model.exists():
        raise DataError(
            f"{run.path} holds no model", expected="a run of train, finetune, soup or tta"
        )
    how = Preprocessing.model_validate(read_json(run.model)["preprocessing"])
    return Member(how, load, run, len(views))


def _runs(run: RunDir) -> tuple[list[RunDir], Combination]:
    """The runs that are asked: the run itself, or an ensemble's members."""
    if not run.is_finished():
        raise DataError(
            f"{run.path} is not a finished run",
            expected="a folder made by train, finetune, soup or ensemble, come to its end",
            fix="finish it with --resume, or choose another --run",
        )
    if not run.members.exists():
        return [run], Combination()
    fitted, listed = read_json(run.combiner), read_json(run.members)["members"]
    names = [str(member["path"]) for member in listed]
    together = _combination(run.path, str(fitted["method"]), fitted["params"], names)
    return [named_run(name, near=run) for name in names], together


def _combination(
    path: Path, method: str, params: Mapping[str, Any], members: Sequence[str] = ()
) -> Combination:
    if not COMBINERS[method].weighs:
        raise DataError(
            f"{path} combines its members by {method}: no sum of their maps explains that",
            expected="a combiner that weighs: mean, weighted, greedy, stacking, ...",
            fix="explain its members one by one, or combine them by mean",
            which=members,
        )
    return Combination(method, params)
