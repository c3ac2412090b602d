"""soup: the weights of several runs averaged into one model; a run of its own, if val agrees."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skinlesion import provenance, runtime
from skinlesion.config import SoupConfig, to_yaml
from skinlesion.data.store import open_dataset
from skinlesion.errors import ConfigError, DataError, QualityGateError
from skinlesion.folders import new_folder
from skinlesion.metrics.scores import LOWER_IS_BETTER, SCORES
from skinlesion.progress import Reporter
from skinlesion.runs import (
    FINISHED,
    RunDir,
    environment,
    find_runs,
    read_json,
    refuse_to_replace,
    write_json,
)
from skinlesion.tables import VAL, Predictions

if TYPE_CHECKING:
    import keras
    import numpy as np

    from skinlesion.training.examples import Examples
    from skinlesion.training.soup import Soup, Weights

# What members may differ in: it takes no part in what a model answers.
MAY_DIFFER = frozenset({"dropout"})


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        run: The new run's folder.
        method: How members were chosen.
        criterion: The score on val.
        score: Of the soup.
        members: Each member's path and score.
        chosen: Paths of those averaged.
        splits: The splits it predicts.
    """

    run: RunDir
    method: str
    criterion: str
    score: float
    members: dict[str, float]
    chosen: list[str]
    splits: list[str]

    def to_text(self) -> str:
        """What the command prints."""
        lines = [
            f"{self.run.path}: {self.method}, {len(self.chosen)} of {len(self.members)} members",
            f"  {self.criterion} on val",
            f"  {self.score:.4f}  soup",
        ]
        lines += [
            f"  {score:.4f}  {path}{'' if path in self.chosen else ', left out'}"
            for path, score in self.members.items()
        ]
        return "\n".join([*lines, f"  predictions on {', '.join(self.splits)}"])


def run(config: SoupConfig, path: Path, *, overwrite: bool = False, reporter: Reporter) -> Outcome:
    """Average the weights of ``config.members`` into a new run folder.

    Args:
        config: Members, method, and what val must say.
        path: The folder to make.
        overwrite: Replace an existing one.
        reporter: Told which paths are skipped and why, and of the progress.

    Raises:
        ConfigError: If fewer than two members are left, or one is the run to be made.
        DataError: If members differ in build or in target, or val lacks a class.
        IntegrityError: If a member learnt from images that the soup is to be judged on.
        QualityGateError: If the soup is worse on val than its best member.
    """
    refuse_to_replace(RunDir(path), overwrite=overwrite)
    members = _members(config.members, path, reporter)
    _refuse_different(members)
    from skinlesion.training.examples import held_out_examples

    dataset = config.dataset or _common_dataset(members)
    paths = tuple(member.path for member in members)
    config = config.model_copy(update={"members": paths, "dataset": dataset})
    examples = held_out_examples(
        open_dataset(dataset), target=members[0].record()["target"], judged=True
    )
    for split in examples.predicted_splits():
        for member in members:
            provenance.refuse_leak(member, examples.ids(split), split=split, parent=True)
    runtime.prepare(seed=0)
    from skinlesion.training.session import load_run_model

    model, build = load_run_model(members[0])
    soup, alone = _cook(config, members, model, examples, reporter)
    if config.accept == "not_worse":
        _refuse_worse(soup, alone, config)
    model.set_weights(soup.weights)
    outcome = Outcome(
        run=RunDir(path),
        method=config.method,
        criterion=config.criterion,
        score=_signed(soup.score, config.criterion),
        members={run.path.as_posix(): _signed(s, config.criterion) for run, s in alone},
        chosen=[members[number].path.as_posix() for number in soup.chosen],
        splits=examples.predicted_splits(),
    )
    with new_folder(path, overwrite=overwrite) as folder:
        made = RunDir(folder)
        made.config.write_text(to_yaml(config), encoding="utf-8")
        made.update_record(kind="soup", status=FINISHED, **environment())
        examples.record(made)
        provenance.inherit(made, members)
        _write_model(model, made, like=members[0], examples=examples, reporter=reporter)
        made.update_record(backbone=build.backbone, **_record(outcome), devices=runtime.devices())
    return outcome


def _write_model(
    model: keras.Model, made: RunDir, *, like: RunDir, examples: Examples, reporter: Reporter
) -> None:
    """Write ``model``, a build ``like`` that of a member, and its predictions."""
    from skinlesion.training.session import write_predictions, write_weights
    from skinlesion.training.tasks import logits_by_split

    write_weights(model, made)
    write_json(made.model, read_json(like.model))
    write_predictions(made, examples, logits_by_split(model, examples), reporter=reporter)


def _cook(
    config: SoupConfig,
    members: list[RunDir],
    model: keras.Model,
    examples: Examples,
    reporter: Reporter,
) -> tuple[Soup, list[tuple[RunDir, float]]]:
    """The soup, and each member with its own score on val, the larger the better."""
    from skinlesion.models.weights import load_weights_file
    from skinlesion.odds import sigmoid
    from skinlesion.training.predict import forward, predict_logits
    from skinlesion.training.soup import SOUPS
    from skinlesion.training.tasks import PREDICT_BATCH

    val, call = examples.images(VAL), forward(model)
    known = [_known_score(member, examples, config.criterion) for member in members]
    passes = known.count(None) + (1 if config.method == "uniform" else len(members) - 1)
    with reporter.counting("val", passes * len(val.rows)) as bar:

        def measure(weights: Weights) -> float:
            model.set_weights(weights)
            logits = predict_logits(
                call,
                val,
                image_size=model.input_shape[1],
                batch_size=PREDICT_BATCH,
                advance=bar.advance,
            )
            return _score(val.labels, sigmoid(logits), config.criterion)

        def weights_of(member: RunDir) -> Weights:
            load_weights_file(model, member.weights)
            return list(model.get_weights())

        loads = [lambda member=member: weights_of(member) for member in members]
        scores = [
            measure(load()) if score is None else score
            for load, score in zip(loads, known, strict=True)
        ]
        soup = SOUPS[config.method](loads, scores, measure)
    return soup, list(zip(members, scores, strict=True))


def _known_score(member: RunDir, examples: Examples, criterion: str) -> float | None:
    """From the predictions that ``member`` wrote, if they are of the same data set."""
    same = member.record().get("dataset") == examples.dataset.fingerprint
    if not same or not member.predictions(VAL).exists():
        return None
    val = Predictions.read_csv(member.predictions(VAL))
    return _score(val.y_true, val.y_prob, criterion)


def _score(y_true: np.ndarray, y_prob: np.ndarray, criterion: str) -> float:
    """The larger the better."""
    return _signed(SCORES[criterion](y_true, y_prob, 0.5), criterion)


def _signed(score: float, criterion: str) -> float:
    """With its sign changed where less is better; and back."""
    return -score if criterion in LOWER_IS_BETTER else score


def _refuse_worse(soup: Soup, alone: list[tuple[RunDir, float]], config: SoupConfig) -> None:
    from skinlesion.training.soup import TOLERANCE

    best, score = max(alone, key=lambda pair: pair[1])
    if soup.score < score - TOLERANCE:
        reached, wanted = (_signed(value, config.criterion) for value in (soup.score, score))
        raise QualityGateError(
            f"the soup is worse on val than {best.path}:"
            f" {config.criterion} {reached:.6f}, alone {wanted:.6f}",
            expected="a soup that is no worse than its best member",
            fix="--set method=greedy, skinlesion ensemble on the same members, or"
            " --set accept=always to keep it",
        )


def _members(paths: tuple[Path, ...], made: Path, reporter: Reporter) -> list[RunDir]:
    """The runs meant by ``paths`` that have a model of their own; earlier soups are no members."""
    found, skipped = find_runs(paths)
    members = []
    for run in sorted(found, key=lambda run: run.path.as_posix()):
        if not run.model.exists():
            skipped.append(f"{run.path}: no model of its own")
        elif run.record()["kind"] == "soup":
            skipped.append(f"{run.path}: a soup")
        else:
            members.append(run)
    for sentence in skipped:
        reporter.say(f"skipped {sentence}")
    if len(members) < 2:
        raise ConfigError(
            f"a soup needs at least 2 members, found {len(members)}",
            expected="finished runs of train or finetune",
            fix="pass --members runs/a runs/b after training",
            which=[str(member.path) for member in members],
        )
    if any(member.path.resolve() == made.resolve() for member in members):
        raise ConfigError(f"{made} cannot be its own member", fix="pass another --run")
    return members


def _refuse_different(members: list[RunDir]) -> None:
    """DataError unless weights of one member mean the same in another."""
    facts = {str(member.path): _facts(member) for member in members}
    names = sorted({name for known in facts.values() for name in known})
    differing = [
        name
        for name in names
        if len({json.dumps(known.get(name), sort_keys=True) for known in facts.values()}) > 1
    ]
    if differing:
        raise DataError(
            f"members differ in {', '.join(differing)}",
            expected="one architecture, one input and one target for all",
            fix="choose runs that were fine-tuned from the same start",
            which=[
                f"{path} ({', '.join(f'{name} {known.get(name)}' for name in differing)})"
                for path, known in facts.items()
            ],
        )


def _facts(member: RunDir) -> dict[str, Any]:
    record = member.record()
    build = {n: value for n, value in read_json(member.model).items() if n not in MAY_DIFFER}
    return {**build, **{name: record.get(name) for name in ("target", "classes")}}


def _common_dataset(members: list[RunDir]) -> Path:
    from skinlesion.training.examples import dataset_of

    prints = {str(member.path): str(member.record().get("dataset")) for member in members}
    if len(set(prints.values())) > 1:
        raise ConfigError(
            "members were trained on different data sets",
            expected="one to judge the soup on",
            fix="pass --set dataset=FOLDER; none of its val and test images may have been trained"
            " on by any member",
            which=[f"{path} ({name[:12]})" for path, name in prints.items()],
        )
    return dataset_of(members[0])


def _record(outcome: Outcome) -> dict[str, Any]:
    return {
        "method": outcome.method,
        "members": list(outcome.members),
        "chosen": outcome.chosen,
        "val": {
            "criterion": outcome.criterion,
            "soup": outcome.score,
            "members": outcome.members,
        },
    }
