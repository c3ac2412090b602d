"""explain: maps of what a model sees, laid over the images, in a folder of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import ndimage

from skinlesion import runtime
from skinlesion.asking import Asked, Member, asked
from skinlesion.bundle import Preprocessing, default_bundle
from skinlesion.config import ExplainConfig, to_yaml
from skinlesion.config.explain import IntegratedGradients
from skinlesion.data.finding import image_paths
from skinlesion.data.images import decode, raise_broken
from skinlesion.data.store import Dataset, open_dataset
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.folders import new_folder, refuse_existing
from skinlesion.metrics.mistakes import worst_mistakes
from skinlesion.metrics.thresholds import youden
from skinlesion.progress import Reporter
from skinlesion.report.contact_sheet import SheetRow, contact_sheet
from skinlesion.report.overlay import lay_over, overlay_picture, scale_of
from skinlesion.runs import RunDir
from skinlesion.tables import VAL, Predictions, write_rows

SHEET, TABLE = "contact_sheet.png", "images.csv"
COLUMNS = ["image", "label", "y_prob", "mistake", "completeness_gap", "picture"]
# Of the side: by how much a map of single pixels is smoothed in pictures, or nothing is seen.
SMOOTHING = {"integrated_gradients": 1 / 56}


@dataclass(frozen=True)
class Subject:
    """An image to be explained.

    Attributes:
        name: Its id, or its path.
        label: The true class in words; "" if unknown.
        mistake: What the run makes of it: ``false negative``, ``false positive``; "" if unknown.
    """

    name: str
    label: str = ""
    mistake: str = ""


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        path: The folder, with a picture an image, ``images.csv`` and a contact sheet.
        method: What explained.
        subjects: The images, in the table's order.
        y_prob: What the model says of them, shape (n,), in [0, 1].
        maps: The evidence in logits, shape (n, s, s), s the model's input.
        gaps: Sum of each map minus what it shares out, shape (n,); None unless the method is
            integrated gradients.
    """

    path: Path
    method: str
    subjects: list[Subject]
    y_prob: np.ndarray = field(repr=False)
    maps: np.ndarray = field(repr=False)
    gaps: np.ndarray | None = field(default=None, repr=False)

    @property
    def sheet(self) -> Path:
        """The contact sheet."""
        return self.path / SHEET

    def to_text(self) -> str:
        """What the command prints."""
        line = f"wrote {self.path}: {len(self.subjects)} images by {self.method}; see {self.sheet}"
        if self.gaps is None:
            return line
        worst = np.abs(self.gaps).max()
        return (
            f"{line}\n  maps add up to the change of the logit to {worst:.2g}; more steps: closer"
        )


@dataclass(frozen=True)
class _Answer:
    """What one member, or all, say of the images.

    Attributes:
        pixels: As the model takes them, shape (n, s, s, 3), float32 in [0, 255].
        y_prob: Shape (n,).
        maps: Shape (n, s, s).
        gaps: As in ``Outcome``.
    """

    pixels: np.ndarray
    y_prob: np.ndarray
    maps: np.ndarray
    gaps: np.ndarray | None


def run(
    config: ExplainConfig, out: Path, *, overwrite: bool = False, reporter: Reporter
) -> Outcome:
    """Write overlays, a contact sheet and a table into ``out``.

    Args:
        config: Of what run, which images, by which method.
        out: The folder to make.
        overwrite: Replace a folder that this command made.
        reporter: Told of the progress.

    Raises:
        ConfigError: If a split of a bundle is asked for.
        DataError: If the model cannot be explained, an image cannot be read, or there is none.
        IntegrityError: If the run's data set has changed.
    """
    _refuse_out(out, overwrite=overwrite)
    config = _with_files(config)
    whole = asked(config.run or default_bundle())
    subjects = _subjects(config, whole)
    stored = [_stored_pixels(member, config, subjects) for member in whole.members]
    runtime.prepare(seed=0)
    total = len(whole.members) * len(subjects)
    with reporter.counting("maps", total) as bar:
        answers = [
            _ask(member, pixels, config, bar.advance)
            for member, pixels in zip(whole.members, stored, strict=True)
        ]
    answer = _mean(answers, config.method.name)
    if (views := max(member.views for member in whole.members)) > 1:
        reporter.say(f"maps and p are of the upright view; predict averages {views}")
    with new_folder(out, overwrite=overwrite) as folder:
        (folder / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
        _write(folder, config, whole.target, subjects, answer)
    return Outcome(out, config.method.name, subjects, answer.y_prob, answer.maps, answer.gaps)


def _with_files(config: ExplainConfig) -> ExplainConfig:
    """``config`` with the images that its files, folders and globs mean."""
    if not config.images:
        return config
    given = [str(path) for path in config.images]
    found = tuple(map(Path, image_paths(given)))
    if not found:
        raise DataError("there is no image to explain", which=given)
    return config.model_copy(update={"images": found})


def _subjects(config: ExplainConfig, whole: Asked) -> list[Subject]:
    """Files, or the images of a split that the run gets most wrong."""
    if config.images:
        return [Subject(str(path)) for path in config.images]
    run = whole.run
    if run is None:
        raise ConfigError(
            f"{whole.path} is a bundle: it knows no images",
            expected="image files: skinlesion explain photo.jpg",
            fix="pass files, or --run with the run itself",
        )
    split = config.split or VAL
    if split not in run.predicted_splits():
        raise DataError(
            f"{run.path} has no predictions on {split}",
            expected=f"one of {', '.join(run.predicted_splits())}",
        )
    table = Predictions.read_csv(run.predictions(split))
    val = Predictions.read_csv(run.predictions(VAL)) if VAL in run.predicted_splits() else table
    mistakes = worst_mistakes(
        table.image_id,
        table.y_true,
        table.y_prob,
        threshold=youden(val.y_true, val.y_prob),
        most=config.worst,
    )
    negative, positive = run.record()["classes"]
    missed = [Subject(one.image_id, positive, "false negative") for one in mistakes.false_negatives]
    alarms = [Subject(one.image_id, negative, "false positive") for one in mistakes.false_positives]
    if not missed + alarms:
        raise DataError(f"{run.path} makes no mistake on {split}: there is nothing to explain")
    return missed + alarms


def _stored_pixels(member: Member, config: ExplainConfig, subjects: list[Subject]) -> np.ndarray:
    """The images as the data set of ``member`` stores them, shape (n, S, S, 3), uint8."""
    if member.run is None or config.images:
        return _decoded(member.preprocessing, config.images)
    from skinlesion.training.examples import dataset_of

    dataset = open_dataset(config.dataset or dataset_of(member.run))
    _refuse_other(member.run, dataset)
    row_of = {image_id: row for row, image_id in enumerate(dataset.manifest.image_id.tolist())}
    missing = [one.name for one in subjects if one.name not in row_of]
    if missing:
        raise DataError(f"{dataset.path} lacks {len(missing)} of the images", which=missing)
    return dataset.pixels.read(np.array([row_of[one.name] for one in subjects]))


def _decoded(how: Preprocessing, paths: tuple[Path, ...]) -> np.ndarray:
    """Files fitted into a square and cleaned as the images that the model learnt from were."""
    images, broken = [], []
    for path in paths:
        try:
            images.append(decode(path, how.stored_size, fit=how.fit, cleaning=how.cleaning))
        except DataError as error:
            broken.append(error)
    raise_broken(broken, total=len(paths))
    return np.stack(images)


def _refuse_other(run: RunDir, dataset: Dataset) -> None:
    if run.record()["dataset"] != dataset.fingerprint:
        raise IntegrityError(
            f"{run.path} was made on another data set than {dataset.path} holds now",
            expected="the pixels that its predictions were made of",
            fix="pass --set dataset=FOLDER, or explain files",
        )


def _ask(
    member: Member, stored: np.ndarray, config: ExplainConfig, advance: Callable[[int], None]
) -> _Answer:
    """What one model says of the images, and why."""
    from skinlesion.data.augment import resize
    from skinlesion.explain import METHODS, completeness_gap
    from skinlesion.odds import sigmoid
    from skinlesion.training.predict import forward, logits_of_batches
    from skinlesion.training.tasks import PREDICT_BATCH

    model = member.load()
    pixels = resize(stored, model.input_shape[1]).numpy()
    batches = [
        pixels[first : first + PREDICT_BATCH] for first in range(0, len(pixels), PREDICT_BATCH)
    ]
    y_prob = sigmoid(logits_of_batches(forward(model), batches))
    sign = 1 if config.evidence == "for" else -1
    options = config.method.model_dump(exclude={"name"})
    explain = METHODS[config.method.name]
    maps = explain(model, pixels, **options, sign=sign, advance=advance)
    gaps = None
    if isinstance(config.method, IntegratedGradients):
        gaps = completeness_gap(model, pixels, maps, baseline=config.method.baseline, sign=sign)
    return _Answer(pixels, y_prob, maps, gaps)


def _mean(answers: list[_Answer], method: str) -> _Answer:
    """The mean of the members, at the size of the largest."""
    from skinlesion.explain import ADDING_UP, mean_map

    largest = max(answers, key=lambda answer: answer.pixels.shape[1])
    y_prob = np.mean([answer.y_prob for answer in answers], axis=0)
    maps = mean_map([answer.maps for answer in answers], adding_up=method in ADDING_UP)
    gaps = [answer.gaps for answer in answers if answer.gaps is not None]
    return _Answer(largest.pixels, y_prob, maps, np.mean(gaps, axis=0) if gaps else None)


def _write(
    folder: Path, config: ExplainConfig, target: str, subjects: list[Subject], answer: _Answer
) -> None:
    """Overlays, maps, the contact sheet and the table."""
    from skinlesion.explain import ONE_SIDED

    method = config.method.name
    caption = f"{method}: evidence {config.evidence} {target}, in logits"
    shown = [_smoothed(values, method) for values in answer.maps]
    scale = max(map(scale_of, shown))
    rows, sheet = [], []
    for number, subject in enumerate(subjects, 1):
        values, y_prob = shown[number - 1], answer.y_prob[number - 1]
        image = np.round(answer.pixels[number - 1].clip(0, 255)).astype(np.uint8)
        said = "  ".join(filter(None, [subject.label, f"p {y_prob:.3f}", subject.mistake]))
        short = Path(subject.name).name if config.images else subject.name
        name = f"{number:03d}_{Path(short).stem if config.images else short.replace('/', '_')}"
        picture = overlay_picture(
            image,
            values,
            scale=scale,
            one_sided=method in ONE_SIDED,
            lines=(f"{short}  {said}", caption),
        )
        picture.save(folder / f"{name}.png")
        if config.arrays:
            np.save(folder / f"{name}.npy", answer.maps[number - 1])
        laid = lay_over(image, values, scale=scale)
        sheet.append(SheetRow(f"{short}  {said}", [image, laid], [""]))
        gap = "" if answer.gaps is None else f"{answer.gaps[number - 1]:.6g}"
        rows.append((subject.name, subject.label, repr(float(y_prob)), subject.mistake, gap, name))
    contact_sheet(["original", method], sheet).save(folder / SHEET)
    write_rows(folder / TABLE, COLUMNS, rows)


def _smoothed(values: np.ndarray, method: str) -> np.ndarray:
    if method not in SMOOTHING:
        return values
    return ndimage.gaussian_filter(values, SMOOTHING[method] * len(values))


def _refuse_out(out: Path, *, overwrite: bool) -> None:
    refuse_existing(out, overwrite=overwrite)
    if out.exists() and any(out.iterdir()) and not (out / TABLE).is_file():
        raise DataError(
            f"{out} was not made by explain, so --overwrite does not delete it",
            fix="choose another --out",
        )
