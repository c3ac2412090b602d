"""ensemble: members' probabilities made one, fitted on val; the result looks like a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skinlesion import provenance
from skinlesion.config import EnsembleConfig, to_yaml
from skinlesion.ensemble import COMBINERS, VOTE_THRESHOLD, diversity, estimate_optimism
from skinlesion.ensemble.diversity import without_each
from skinlesion.errors import ConfigError, DataError
from skinlesion.folders import new_folder
from skinlesion.metrics.scores import SCORES
from skinlesion.metrics.thresholds import youden
from skinlesion.progress import Reporter
from skinlesion.report.members import MembersOnVal, optimism_to_json
from skinlesion.runs import (
    FINISHED,
    RunDir,
    environment,
    find_runs,
    refuse_to_replace,
    write_json,
)
from skinlesion.tables import VAL, Predictions, write_rows
from skinlesion.wording import counted


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        run: The ensemble's folder.
        members: Its members.
        method: The combiner's name.
        params: What the combiner fitted, by name.
        splits: The splits it predicts.
        on_val: What val says of members and ensemble.
    """

    run: RunDir
    members: list[RunDir]
    method: str
    params: dict[str, Any]
    splits: list[str]
    on_val: MembersOnVal

    def to_text(self) -> str:
        """What the command prints."""
        return (
            f"{self.run.path}: {counted(len(self.members), 'member')} by {self.method}\n"
            f"{self.on_val.to_text()}\n"
            f"predictions on {', '.join(self.splits)}"
        )

    def to_json(self) -> dict[str, Any]:
        """The same and the pairs of members, plain values."""
        return {
            "run": self.run.path.as_posix(),
            "method": self.method,
            "splits": self.splits,
            "val": self.on_val.to_json(),
            "optimism": optimism_to_json(self.on_val.optimism),
        }


def run(
    config: EnsembleConfig, path: Path, *, overwrite: bool = False, reporter: Reporter
) -> Outcome:
    """Combine ``config.members`` into a new run folder.

    Args:
        config: Members and method.
        path: The folder to make.
        overwrite: Replace an existing one.
        reporter: Told which paths are skipped and why.

    Raises:
        ConfigError: If fewer than two members are left.
        DataError: If members differ in target, in the order of classes or in their images, or
            if ``path`` may not be used as asked.
        IntegrityError: If a member learnt from images that another is judged on.
    """
    refuse_to_replace(RunDir(path), overwrite=overwrite)
    members = _members(config.members, reporter)
    config = config.model_copy(update={"members": tuple(member.path for member in members)})
    _refuse_different(members, "target")
    _refuse_different(members, "classes")
    tables = {split: _aligned(members, split) for split in _common_splits(members)}
    for split, aligned in tables.items():
        for member in members:
            provenance.refuse_leak(member, aligned[0].image_id.tolist(), split=split)
    combiner = COMBINERS[config.method.name]
    params = _fit(config, _probabilities(tables[VAL]), tables[VAL][0])
    on_val = _measure(config, params, members, tables[VAL])
    with new_folder(path, overwrite=overwrite) as folder:
        made = RunDir(folder)
        made.config.write_text(to_yaml(config), encoding="utf-8")
        made.predictions(VAL).parent.mkdir()
        for split, aligned in tables.items():
            first = aligned[0]
            y_prob = combiner.apply(params, _probabilities(aligned))
            Predictions(first.image_id, first.group, first.y_true, y_prob).write_csv(
                made.predictions(split)
            )
        write_json(made.members, {"members": [_describe(member) for member in members]})
        optimism = optimism_to_json(on_val.optimism)
        write_json(
            made.combiner, {"method": config.method.name, "params": params, "optimism": optimism}
        )
        write_json(made.diversity, on_val.to_json())
        _record_split(made, tables)
        provenance.inherit(made, members)
        record = members[0].record()
        made.update_record(
            kind="ensemble",
            status=FINISHED,
            method=config.method.name,
            **{name: record[name] for name in ("target", "classes")},
            **environment(),
        )
    return Outcome(RunDir(path), members, config.method.name, params, sorted(tables), on_val)


def _fit(config: EnsembleConfig, val_probs: np.ndarray, val: Predictions) -> dict[str, Any]:
    """What the combiner fits on ``val_probs``, shape (n, m), rows as in ``val``."""
    return COMBINERS[config.method.name].fit(
        val_probs,
        val.y_true,
        group=val.group,
        rng=np.random.default_rng(config.seed),
        **config.method.model_dump(exclude={"name"}),
    )


def _measure(
    config: EnsembleConfig, params: dict[str, Any], members: list[RunDir], tables: list[Predictions]
) -> MembersOnVal:
    """Members and ensemble on val, whose tables these are."""
    combiner, val, probs = COMBINERS[config.method.name], tables[0], _probabilities(tables)
    thresholds = np.array([_threshold(table) for table in tables])

    def auc(y_prob: np.ndarray) -> float:
        return SCORES["roc_auc"](val.y_true, y_prob, 0.5)

    def combined(some: np.ndarray) -> np.ndarray:
        return combiner.apply(_fit(config, some, val), some)

    optimism = None
    if combiner.uses_labels:
        optimism = estimate_optimism(
            combiner,
            params,
            probs,
            val.y_true,
            group=val.group,
            folds=config.folds,
            rng=np.random.default_rng(config.seed),
            options=config.method.model_dump(exclude={"name"}),
        )
    return MembersOnVal(
        names=[member.path.as_posix() for member in members],
        weights=params.get("weights"),
        images=len(val),
        malignant=int(val.y_true.sum()),
        auc=auc(combiner.apply(params, probs)),
        auc_alone=np.array([auc(column) for column in probs.T]),
        auc_without=np.array([auc(combined(some)) for some in without_each(probs)]),
        thresholds=thresholds,
        pairs=diversity(probs, val.y_true, thresholds=thresholds),
        optimism=optimism,
    )


def _threshold(val: Predictions) -> float:
    """Where a member calls malignant, to compare its errors: Youden, without both classes 0.5."""
    if 0 < val.y_true.sum() < len(val):
        return youden(val.y_true, val.y_prob)
    return VOTE_THRESHOLD


def _members(paths: tuple[Path, ...], reporter: Reporter) -> list[RunDir]:
    """The runs meant by ``paths``; earlier ensembles are no members of a new one."""
    found, skipped = find_runs(paths)
    members = [member for member in found if member.record()["kind"] != "ensemble"]
    skipped += [f"{run.path}: an ensemble" for run in found if run not in members]
    for sentence in skipped:
        reporter.say(f"skipped {sentence}")
    if len(members) < 2:
        raise ConfigError(
            f"an ensemble needs at least 2 members, found {len(members)}",
            expected="finished runs of train or finetune",
            fix=_whole_already(members) or "pass --members runs/* after training",
            which=[str(member.path) for member in members],
        )
    return members


def _whole_already(members: list[RunDir]) -> str:
    if len(members) == 1 and members[0].is_folds():
        path = members[0].path
        return f"{path} is the mean of its folds already: skinlesion evaluate --run {path}"
    return ""


def _refuse_different(members: list[RunDir], name: str) -> None:
    values = {str(member.path): member.record().get(name) for member in members}
    if len({repr(value) for value in values.values()}) > 1:
        raise DataError(
            f"members differ in {name}",
            expected=f"one {name} for all",
            fix="choose members trained for the same question",
            which=[f"{path} ({value})" for path, value in values.items()],
        )


def _common_splits(members: list[RunDir]) -> list[str]:
    """The splits that all members predict; val is needed to fit and to choose thresholds."""
    predicted = {str(member.path): set(member.predicted_splits()) for member in members}
    common = set.intersection(*predicted.values())
    everything = set.union(*predicted.values())
    lacking = [
        f"{path} lacks {', '.join(sorted(everything - splits))}"
        for path, splits in predicted.items()
        if splits != everything
    ]
    if lacking or VAL not in common:
        raise DataError(
            "members do not predict the same splits",
            expected="predictions on val and on the same test splits",
            fix="choose members trained on the same data set",
            which=lacking or sorted(predicted),
        )
    return sorted(common)


def _aligned(members: list[RunDir], split: str) -> list[Predictions]:
    """Each member's predictions on ``split``, rows in the first member's order."""
    first = Predictions.read_csv(members[0].predictions(split))
    tables = [first]
    for member in members[1:]:
        table = Predictions.read_csv(member.predictions(split))
        differing = sorted(set(first.image_id.tolist()) ^ set(table.image_id.tolist()))
        if differing:
            raise DataError(
                f"{members[0].path} and {member.path} were not predicted on the same images"
                f" of {split}: {len(differing)} are in one only",
                expected="the same images for all members",
                fix=_fix(members),
                which=differing,
            )
        position = {image_id: row for row, image_id in enumerate(table.image_id.tolist())}
        rows = np.array([position[image_id] for image_id in first.image_id.tolist()], dtype=int)
        if (table.y_true[rows] != first.y_true).any():
            raise DataError(
                f"{members[0].path} and {member.path} have different labels on {split}",
                expected="the same label for each image",
                which=first.image_id[table.y_true[rows] != first.y_true].tolist(),
            )
        tables.append(
            Predictions(first.image_id, table.group[rows], table.y_true[rows], table.y_prob[rows])
        )
    return tables


def _fix(members: list[RunDir]) -> str:
    """How to get members that predict the same images."""
    folds = {member.path.parent for member in members if RunDir(member.path.parent).is_folds()}
    if folds:
        paths = " ".join(sorted(path.as_posix() for path in folds))
        return (
            f"folds hold out different images; {paths} is the mean of its folds already: evaluate"
            " it, or combine it with other cross-validations"
        )
    return "choose members trained on the same data set"


def _probabilities(tables: list[Predictions]) -> np.ndarray:
    """Shape (n, members)."""
    return np.stack([table.y_prob for table in tables], axis=1)


def _describe(member: RunDir) -> dict[str, object]:
    record = member.record()
    return {
        "path": member.path.as_posix(),
        **{name: record.get(name) for name in ("kind", "backbone", "seed", "dataset")},
    }


def _record_split(made: RunDir, tables: dict[str, list[Predictions]]) -> None:
    rows = [
        (image_id, group, split)
        for split, aligned in tables.items()
        for image_id, group in zip(aligned[0].image_id, aligned[0].group, strict=True)
    ]
    write_rows(made.split, ["image_id", "group", "split"], rows)
