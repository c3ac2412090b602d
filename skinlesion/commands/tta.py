"""tta: a finished run's predictions averaged over views of each image; a run of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skinlesion import provenance, runtime
from skinlesion.config import TtaConfig, to_yaml
from skinlesion.data.store import open_dataset
from skinlesion.data.views import choose_views
from skinlesion.errors import ConfigError, DataError
from skinlesion.folders import new_folder
from skinlesion.metrics.scores import SCORES
from skinlesion.progress import Reporter
from skinlesion.runs import FINISHED, RunDir, environment, read_json, refuse_to_replace
from skinlesion.tables import VAL, Predictions
from skinlesion.wording import counted


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        run: The new run's folder.
        parent: Whose model was asked.
        views: Names of the views.
        average: What of them was averaged.
    """

    run: RunDir
    parent: RunDir
    views: list[str]
    average: str

    def to_text(self) -> str:
        """What the command prints."""
        count = counted(len(self.views), "view")
        lines = [f"{self.run.path}: {count} of each image, mean {self.average}"]
        if VAL in self.run.predicted_splits() and self._on_the_same_images():
            alone, averaged = (_auc(run) for run in (self.parent, self.run))
            lines.append(f"  val roc_auc {averaged:.4f}; {self.parent.path} alone {alone:.4f}")
        lines.append(f"  predictions on {', '.join(self.run.predicted_splits())}")
        return "\n".join(lines)

    def _on_the_same_images(self) -> bool:
        return self.run.record()["dataset"] == self.parent.record()["dataset"]


def run(config: TtaConfig, path: Path, *, overwrite: bool = False, reporter: Reporter) -> Outcome:
    """Average the predictions of ``config.run`` over views into a new run folder.

    Logits of each view are kept in the parent's folder, so that a killed run goes on where it
    was, and another combination of the same views asks the model nothing.

    Args:
        config: Which views of what; the data set defaults to the parent's.
        path: The run folder to make.
        overwrite: Replace an existing run.
        reporter: Told of the progress.

    Raises:
        ConfigError: If there is no parent, or it is the run to be made.
        DataError: If the parent is not a finished run with a model.
        IntegrityError: If the parent learnt from images that this run is to be judged on.
    """
    parent = _parent(config)
    if path.resolve() == parent.path.resolve():
        raise ConfigError(f"{path} cannot be its own parent", fix="pass another --out")
    refuse_to_replace(RunDir(path), overwrite=overwrite)
    from skinlesion.training.examples import dataset_of, fold_of, held_out_examples

    config = config.model_copy(update={"dataset": config.dataset or dataset_of(parent)})
    dataset, record = open_dataset(config.dataset or dataset_of(parent)), parent.record()
    examples = held_out_examples(
        dataset, target=record["target"], judged=False, fold=fold_of(parent, dataset)
    )
    for split in examples.predicted_splits():
        provenance.refuse_leak(parent, examples.ids(split), split=split, parent=True)
    runtime.prepare(seed=0)
    from skinlesion.training.views import ViewLogits

    views = choose_views(config.views, config.scales)
    names = [view.name for view in views]
    logits = ViewLogits(parent, examples)
    if not logits.compute(views, reporter=reporter):
        reporter.say(f"all views were in {parent.views} already")
    with new_folder(path, overwrite=overwrite) as folder:
        made = RunDir(folder)
        made.config.write_text(to_yaml(config), encoding="utf-8")
        made.predictions(VAL).parent.mkdir()
        for split in examples.predicted_splits():
            examples.predictions(split, logits.average(split, views, config.average)).write_csv(
                made.predictions(split)
            )
        made.update_record(kind="tta", status=FINISHED, **environment())
        examples.record(made)
        provenance.inherit(made, [parent])
        made.update_record(
            **{name: record[name] for name in ("backbone", "seed") if name in record},
            parent=parent.path.as_posix(),
            views=names,
            average=config.average,
            devices=runtime.devices(),
        )
    return Outcome(RunDir(path), parent, names, config.average)


def _parent(config: TtaConfig) -> RunDir:
    if config.run is None:
        raise ConfigError("tta needs a run whose model predicts", fix="pass --run runs/NAME")
    parent = RunDir(config.run)
    if parent.is_finished() and parent.members.exists():
        members = [member["path"] for member in read_json(parent.members)["members"]]
        raise DataError(
            f"{config.run} is an ensemble: it has no model of its own",
            expected="a finished run of train, finetune or soup",
            fix="run tta on each member, then skinlesion ensemble --members on the results",
            which=members,
        )
    if parent.is_folds():
        raise DataError(
            f"{config.run} is a cross-validation: it has no model of its own",
            expected="a finished run of train, finetune or soup",
            fix="run tta on each of its folds",
        )
    if not parent.is_finished() or not parent.model.exists():
        raise DataError(
            f"{config.run} is not a finished run with a model",
            expected="a folder made by train, finetune or soup, come to its end",
            fix="finish it with --resume, or choose another --run",
        )
    return parent


def _auc(run: RunDir) -> float:
    val = Predictions.read_csv(run.predictions(VAL))
    return SCORES["roc_auc"](val.y_true, val.y_prob, 0.5)
