"""Cross-validation: train or finetune once for each fold, into a folder that looks like a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skinlesion import provenance
from skinlesion.config import FinetuneConfig, Fold, TrainConfig, read_yaml, to_yaml, validate
from skinlesion.data.store import open_dataset
from skinlesion.ensemble import COMBINERS
from skinlesion.errors import ConfigError, DataError, IntegrityError, SkinlesionError
from skinlesion.metrics.scores import SCORES
from skinlesion.processes import run_command
from skinlesion.progress import Reporter
from skinlesion.runs import FOLDS, RunDir, finished_run, open_run
from skinlesion.tables import OUT_OF_FOLD, VAL, Predictions

if TYPE_CHECKING:
    from skinlesion.training.examples import Examples

# Runs ``skinlesion ARGUMENTS`` to its end, or raises.
Launch = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        run: The folder of the cross-validation.
    """

    run: RunDir

    def to_text(self) -> str:
        """What the command prints: a line a fold, and the score of all images out of fold."""
        record = self.run.record()
        monitor, folds = record["monitor"], record["folds"]
        scores = np.array([fold["best"][monitor] for fold in folds])
        lines = [f"{self.run.path}: {len(folds)} folds, {record['seconds']:.0f} s"]
        lines += [
            f"  fold{number}  best epoch {fold['best']['epoch']} of {fold['epochs']}"
            f"  {monitor} {fold['best'][monitor]:.4f}"
            for number, fold in enumerate(folds)
        ]
        lines += [
            f"  mean {scores.mean():.4f}, standard deviation {scores.std(ddof=1):.4f}",
            f"  out of fold: roc_auc {record['out_of_fold']['roc_auc']:.4f}"
            f" of {record['out_of_fold']['images']:,} images",
            f"  predictions on {', '.join(self.run.predicted_splits())}",
        ]
        return "\n".join(lines)


def train(
    config: TrainConfig,
    path: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter,
    launch: Launch | None = None,
) -> Outcome:
    """Train a run for each fold, one after the other, each in a process of its own.

    Args:
        config: What to train; its ``fold.index`` is null.
        path: The folder to make.
        resume: Go on with an unfinished one; finished folds stay as they are.
        overwrite: Replace an existing one.
        reporter: Told of the progress.
        launch: Runs a command line; None: ``run_command``.

    Raises:
        DataError: If a fold would lack a class, or the folder is not as it must be.
        IntegrityError: If it was begun on another data set.
    """
    if config.fold is None or config.fold.index is not None:
        raise ConfigError("a cross-validation needs folds", fix="pass --folds 5")
    job = _Job("train", config, config.fold, path, reporter, launch or _launch(reporter))
    return job.run(resume=resume, overwrite=overwrite)


def finetune(
    config: FinetuneConfig,
    path: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter,
    launch: Launch | None = None,
) -> Outcome:
    """Train each fold of the cross-validation ``config.run`` further, with the same held out.

    Arguments are those of ``train``.

    Raises:
        ConfigError: If the parent is the folder to be made.
        DataError: If the parent is not finished, or its data set is another one.
    """
    if config.run is None:
        raise ConfigError("finetune needs a run to start from", fix="pass --run runs/NAME")
    parent = RunDir(config.run)
    if path.resolve() == parent.path.resolve():
        raise ConfigError(f"{path} cannot be its own parent", fix="pass another --out")
    if not parent.is_finished():
        raise DataError(
            f"{config.run} is not finished",
            expected="a cross-validation, come to its end",
            fix="finish it with --resume, or choose another --run",
        )
    from skinlesion.training.examples import fold_of

    before = read_yaml(parent.config)
    given = config.model_dump(mode="json")
    for name in ("seed", "dataset"):
        given[name] = before[name] if given[name] is None else given[name]
    fold = fold_of(parent, open_dataset(Path(given["dataset"])))
    if fold is None:
        raise DataError(
            f"{given['dataset']} is not the data set that {config.run} was made on",
            expected="the same images, so that each fold holds out what it held out before",
            fix="fine-tune a fold by itself: --run " + parent.fold(0).path.as_posix(),
        )
    given["fold"] = fold.model_dump()
    config = validate(given, FinetuneConfig, where="finetune")
    job = _Job("finetune", config, fold, path, reporter, launch or _launch(reporter), parent)
    return job.run(resume=resume, overwrite=overwrite)


def _launch(reporter: Reporter) -> Launch:
    return lambda arguments: run_command(arguments, quiet=reporter.console.quiet)


@dataclass(frozen=True)
class _Job:
    """One command for all folds."""

    command: str
    config: TrainConfig | FinetuneConfig
    fold: Fold
    path: Path
    reporter: Reporter
    launch: Launch
    parent: RunDir | None = None

    def run(self, *, resume: bool, overwrite: bool) -> Outcome:
        """Make the folder, its folds, and what looks like a run of all of them."""
        if resume and (finished := finished_run(self.path, to_yaml(self.config))):
            self.reporter.say(f"{self.path} is finished already")
            return Outcome(finished)
        examples = self._examples()
        with open_run(
            self.path, to_yaml(self.config), kind=FOLDS, resume=resume, overwrite=overwrite
        ) as made:
            examples.record(made)
            made.update_record(
                k=self.fold.count,
                seed=self.config.seed,
                monitor=self.config.monitor,
                **({"parent": self.parent.path.as_posix()} if self.parent else {}),
            )
            folds = [made.fold(number) for number in range(self.fold.count)]
            for number, fold in enumerate(folds):
                self._make(made, fold, number)
            _assemble(made, folds, examples)
        return Outcome(made)

    def _examples(self) -> Examples:
        """All images of train and val as one split, ``OUT_OF_FOLD``, and the test splits."""
        from skinlesion.training.examples import held_out_examples

        if isinstance(self.config, TrainConfig):
            target = self.config.target
        else:
            target = RunDir(Path(str(self.config.run))).record()["target"]
        dataset = open_dataset(Path(str(self.config.dataset)))
        return held_out_examples(dataset, target=target, judged=False, fold=self.fold)

    def _make(self, made: RunDir, fold: RunDir, number: int) -> None:
        """Begin the run of a fold, or take it up; a finished one stays."""
        what = f"fold {number + 1} of {self.fold.count}"
        if fold.is_finished():
            self.reporter.say(f"{what}: finished already")
            return
        self.reporter.say(f"{what}: {fold.path}")
        arguments = [self.command, "--config", str(made.config), "--set", f"fold.index={number}"]
        if self.parent:
            arguments += ["--run", str(self.parent.fold(number).path), "--out", str(fold.path)]
        else:
            arguments += ["--run", str(fold.path)]
        try:
            self.launch([*arguments, "--resume"])
        except SkinlesionError as error:
            error.what = f"{what}: {error.what}"
            raise


def _assemble(made: RunDir, folds: list[RunDir], examples: Examples) -> None:
    """Write what all folds say, and finish."""
    made.predictions(VAL).parent.mkdir(exist_ok=True)
    out_of_fold = examples.predictions(OUT_OF_FOLD, _joined(made, folds, examples))
    out_of_fold.write_csv(made.predictions(VAL))
    for split in sorted(set(folds[0].predicted_splits()) - {VAL}):
        examples.predictions(split, _averaged(folds, split)).write_csv(made.predictions(split))
    provenance.inherit_folds(made, folds)
    records = [fold.record() for fold in folds]
    auc = SCORES["roc_auc"](out_of_fold.y_true, out_of_fold.y_prob, 0.5)
    made.finish(
        backbone=records[0]["backbone"],
        devices=records[0]["devices"],
        seconds=round(sum(record["seconds"] for record in records), 1),
        folds=[{name: record[name] for name in ("epochs", "best")} for record in records],
        out_of_fold={"images": len(out_of_fold), "roc_auc": auc},
    )


def _joined(made: RunDir, folds: list[RunDir], examples: Examples) -> np.ndarray:
    """The probability of each image of train and val, by the model that did not see it."""
    tables = [Predictions.read_csv(fold.predictions(VAL)) for fold in folds]
    pairs = [
        pair
        for table in tables
        for pair in zip(table.image_id.tolist(), table.y_prob.tolist(), strict=True)
    ]
    y_prob, wanted = dict(pairs), examples.ids(OUT_OF_FOLD).tolist()
    if len(pairs) != len(wanted) or set(y_prob) != set(wanted):
        raise IntegrityError(
            f"the folds of {made.path} do not predict each image of train and val once",
            expected=f"{len(wanted)} images, received {len(pairs)}, {len(y_prob)} different",
            fix="start again with --overwrite",
        )
    return np.array([y_prob[image_id] for image_id in wanted])


def _averaged(folds: list[RunDir], split: str) -> np.ndarray:
    """The probability at the mean of the folds' logits, rows as in the data set."""
    probs = [Predictions.read_csv(fold.predictions(split)).y_prob for fold in folds]
    even = {"weights": [1 / len(folds)] * len(folds)}
    return COMBINERS["logit_mean"].apply(even, np.stack(probs, axis=1))
