"""From a run, an ensemble or tta's views to the description of a model that can be given away."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from skinlesion import __version__, models, provenance
from skinlesion.bundle import (
    Bundle,
    Calibration,
    Combined,
    Conformal,
    Description,
    Interval,
    Member,
    OperatingPoint,
    Preprocessing,
    Scores,
    TrainingData,
    ViewOf,
    WeightsFile,
    decode_tensors,
    encode_tensors,
)
from skinlesion.bundle.description import COMBINED, Dtype
from skinlesion.config import ModelConfig, Referral
from skinlesion.data.store import INFO, sha256
from skinlesion.data.views import shown_by
from skinlesion.errors import DataError, IntegrityError, SkinlesionError
from skinlesion.metrics.abstention import fit_conformal
from skinlesion.metrics.calibration import CALIBRATORS
from skinlesion.metrics.thresholds import OPERATING_POINTS
from skinlesion.runs import RunDir, named_run, read_json
from skinlesion.tables import VAL, Predictions
from skinlesion.training.examples import dataset_of
from skinlesion.training.session import load_run_model

# The thresholds that a bundle offers by name: a rule of ``OPERATING_POINTS`` and its options.
POINTS: dict[str, tuple[str, dict[str, float]]] = {
    "youden": ("youden", {}),
    "sensitivity-0.89": ("sensitivity", {"at_least": 0.89}),
    "sensitivity-0.95": ("sensitivity", {"at_least": 0.95}),
    "specificity-0.80": ("specificity", {"at_least": 0.8}),
    "fixed-0.50": ("fixed", {"value": 0.5}),
}


@dataclass(frozen=True)
class Described:
    """A run as a model that predicts.

    Attributes:
        description: Of it, members without their weights' files.
        runs: Whose weights each member has.
    """

    description: Description
    runs: list[RunDir]

    @property
    def checksum(self) -> str:
        """Names what it answers: description and weights, not how good that was found to be."""
        told = self.description.model_copy(update={"metrics": {}})
        digest = hashlib.sha256(told.model_dump_json().encode())
        for run in self.runs:
            digest.update(sha256(run.weights).encode())
        return digest.hexdigest()


def describe(
    run: RunDir, *, name: str = "", licence: str = "", calibration: str = "platt"
) -> Described:
    """What a bundle of ``run`` says; thresholds, calibration and conformal sets from its val.

    Args:
        run: A finished run of train, finetune, soup, tta or ensemble.
        name: Of the model; empty: the run's.
        licence: Of the training images, or of the model.
        calibration: One of ``CALIBRATORS``.

    Raises:
        DataError: If it is not finished, a member is missing, or its combiner cannot be expressed.
    """
    if not run.is_finished():
        raise DataError(
            f"{run.path} is not a finished run", expected="train, finetune, soup, tta or ensemble"
        )
    record = run.record()
    pairs, combiner = _members(run)
    runs = [source for _, source in pairs]
    negative, positive = record["classes"]
    description = Description(
        skinlesion=__version__,
        name=name or run.path.resolve().name,
        kind="ensemble" if combiner else "single",
        target=record["target"],
        classes=(negative, positive),
        members=tuple(member for member, _ in pairs),
        combiner=combiner,
        training=_training_data(run, runs, licence),
        metrics=_metrics(run),
        **_fitted(run, calibration),
    )
    return Described(description, runs)


def weights_of(described: Described, *, dtype: Dtype) -> Iterator[tuple[WeightsFile, bytes]]:
    """Each member's weights as a file of a bundle, one at a time."""
    for number, run in enumerate(described.runs):
        model, _ = load_run_model(run)
        arrays = dict(zip(_names(model), model.get_weights(), strict=True))
        content = encode_tensors(arrays, dtype=dtype)
        yield (
            WeightsFile(
                name=f"member-{number:02d}.safetensors",
                bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                dtype=dtype,
            ),
            content,
        )


def bundle_models(bundle: Bundle) -> list[keras.Model]:
    """Each member rebuilt from our own code, with the bundle's weights.

    Raises:
        IntegrityError: If weights are not those of the architecture, or not finite.
    """
    built = []
    for member, content in zip(bundle.description.members, bundle.weights(), strict=True):
        model = _build(member)
        if models.count_parameters(model) != member.parameters:
            raise IntegrityError(
                f"{bundle.path}: {member.build.backbone} has {models.count_parameters(model):,}"
                f" parameters, the bundle says {member.parameters:,}",
                fix="bundle the run again",
            )
        names = _names(model)
        shapes = {
            name: tuple(weight.shape) for name, weight in zip(names, model.weights, strict=True)
        }
        where = f"{bundle.path}: {member.weights.name if member.weights else ''}"
        arrays = decode_tensors(content, shapes, where=where)
        model.set_weights([arrays[name] for name in names])
        built.append(model)
    return built


def _build(member: Member) -> keras.Model:
    options: dict[str, Any] = member.build.model_dump()
    if member.precision != "float32":
        options["precision"] = member.precision
    return models.build_model(**options)


def _names(model: keras.Model) -> list[str]:
    """By place: Keras numbers layers without a name through the life of a process."""
    return [f"{place:04d}.{weight.name}" for place, weight in enumerate(model.weights)]


# --- members ------------------------------------------------------------------------------


def _members(run: RunDir) -> tuple[list[tuple[Member, RunDir]], Combined | None]:
    if not run.members.exists():
        return [_member(run)], None
    fitted = read_json(run.combiner)
    method = str(fitted["method"])
    if method not in COMBINED:
        raise DataError(
            f"{run.path} combines by {method}, which a bundle cannot express",
            expected=f"one of {', '.join(COMBINED)}",
            fix="skinlesion ensemble with another --set method=NAME on the same members",
        )
    listed = read_json(run.members)["members"]
    pairs = [_member(named_run(str(member["path"]), near=run)) for member in listed]
    return pairs, Combined.model_validate({"name": method, "params": fitted["params"]})


def _member(run: RunDir) -> tuple[Member, RunDir]:
    """A run with a model, or tta's views of one; and where the weights are."""
    source, views, average = shown_by(run)
    if not source.model.exists():
        raise DataError(
            f"{source.path} holds no model", expected="a run of train, finetune or soup"
        )
    model = read_json(source.model)
    fields = {name: model[name] for name in ModelConfig.model_fields if name in model}
    member = Member(
        build=ModelConfig.model_validate({**fields, "weights": "none"}),
        precision=model.get("precision", {}).get("prediction", "float32"),
        parameters=model["parameters"],
        preprocessing=Preprocessing.model_validate(model["preprocessing"]),
        views=tuple(ViewOf(symmetry=view.symmetry, scale=view.scale) for view in views),
        average=average,
    )
    return member, source


# --- what val says ------------------------------------------------------------------------


def _fitted(run: RunDir, calibration: str) -> dict[str, Any]:
    """Operating points, calibration and conformal sets; without both classes in val, 0.5 only."""
    path = run.predictions(VAL)
    val = Predictions.read_csv(path) if path.exists() else None
    if val is None or len(np.unique(val.y_true)) < 2:
        fixed = OperatingPoint(threshold=0.5, words="fixed")
        return {
            "operating_points": {"fixed-0.50": fixed},
            "calibration": Calibration(method="none", params={}),
        }
    points = {}
    for name, (rule, options) in POINTS.items():
        point = OPERATING_POINTS[rule]
        params = point.fit(val.y_true, val.y_prob, val.group, **options)
        points[name] = OperatingPoint(threshold=params["threshold"], words=point.words(params))
    params = CALIBRATORS[calibration].fit(val.y_true, val.y_prob)
    sets = fit_conformal(val.y_true, val.y_prob, val.group, **Referral().model_dump())
    return {
        "operating_points": points,
        "calibration": Calibration.model_validate({"method": calibration, "params": params}),
        "conformal": Conformal.model_validate(sets),
    }


# --- where it comes from ------------------------------------------------------------------


def _training_data(run: RunDir, runs: list[RunDir], licence: str) -> TrainingData:
    datasets = {source.record().get("dataset") for source in runs} - {None}
    sources = {name for source in runs for name in _sources(source)}
    return TrainingData(
        datasets=tuple(sorted(map(str, datasets))),
        images={split: len(ids) for split, ids in provenance.learnt_from(run).items()},
        sources=tuple(sorted(sources)),
        licence=licence,
    )


def _sources(run: RunDir) -> list[str]:
    """Names of the data set's sources, if it is still where it was."""
    try:
        info = read_json(dataset_of(run) / INFO)
    except (SkinlesionError, OSError):
        return []
    if info.get("fingerprint") != run.record().get("dataset"):
        return []
    return [f"{source['name']} ({source['layout']})" for source in info.get("sources", [])]


def _metrics(run: RunDir) -> dict[str, Scores]:
    """What ``evaluate`` wrote, by split."""
    found = {}
    for path in sorted(run.path.glob("eval/*/metrics.json")):
        metrics = read_json(path)
        found[path.parent.name] = Scores(
            images=metrics["n"],
            positives=metrics["positives"],
            threshold_rule=metrics["threshold_rule"],
            calibration=metrics.get("config", {}).get("calibration", "none"),
            scores={
                name: Interval.model_validate(estimate)
                for name, estimate in metrics["scores"].items()
            },
        )
    return found
