"""predict: what a model says of a user's own images, each with its flags or its error."""

from __future__ import annotations

import contextlib
import io
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from skinlesion.bundle import default_bundle
from skinlesion.data.finding import image_paths
from skinlesion.errors import ConfigError, DataError
from skinlesion.folders import atomic_path
from skinlesion.inference import default_threshold, threshold_of
from skinlesion.loading import RuntimeName, open_model
from skinlesion.progress import Reporter
from skinlesion.report.answers import FORMATS, Format, finished_paths
from skinlesion.wording import counted

if TYPE_CHECKING:
    from skinlesion.inference import Answer, Predictor

DIGITS = 6  # of probabilities
EVERY = 1000  # images from one line of progress to the next


@dataclass(frozen=True)
class Output:
    """Where answers go.

    Attributes:
        format: One of ``FORMATS``.
        file: None: stdout.
        resume: Go on with ``file``.
        overwrite: Replace it.
    """

    format: str = "table"
    file: Path | None = None
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """What was done.

    Attributes:
        answered: Images with an answer.
        broken: Images without.
        skipped: Images that the file had already.
    """

    answered: int
    broken: int
    skipped: int


def format_of(file: Path | None) -> str:
    """What a file's suffix asks for; ``.txt`` or none: a table.

    Raises:
        ConfigError: If no format has that suffix.
    """
    suffix = file.suffix[1:].lower() if file else ""
    if suffix in FORMATS:
        return suffix
    if suffix in ("", "txt"):
        return "table"
    raise ConfigError(
        f"--out {file}: no format has the suffix .{suffix}",
        expected=".csv, .json, .jsonl, or .txt for a table",
        fix="choose another --out, or say the format by --format",
    )


def run(
    given: Sequence[str],
    *,
    model: Path | None = None,
    output: Output = Output(),
    threshold: str | None = None,
    views: int | None = None,
    batch_size: int = 32,
    runtime: RuntimeName = "auto",
    lines: Iterable[str] = (),
    reporter: Reporter,
) -> Outcome:
    """Predict the images meant by ``given``, and write answers as they come.

    Args:
        given: As for ``data.finding.image_paths``.
        model: A run, a bundle or an export; None: the bundle that comes with the package.
        output: Where answers go.
        threshold: Name of an operating point, or a number in [0, 1]; None: the model's first.
        views: Symmetries to show of each image; None: the model's own.
        batch_size: Images at a time.
        runtime: As for ``loading.open_model``.
        lines: What ``-`` stands for.
        reporter: Told of the progress.

    Raises:
        ConfigError: If options do not fit each other.
        DataError: If there is no image, or none could be read.
        IntegrityError: If the bundle was changed, or the file is of another model.
    """
    how = FORMATS[output.format]
    _refuse_output(output, how)
    path = model or default_bundle()
    paths = image_paths(given, lines)
    first = next(paths, None)
    if first is None:
        raise DataError(
            "there is no image to predict",
            expected="JPEG, PNG, BMP or TIFF files, or folders of them",
            which=list(given),
        )
    predictor = open_model(path, views=views, runtime_name=runtime)
    name = threshold or default_threshold(predictor.description)
    limit = threshold_of(predictor.description, name)
    named = name if name in predictor.description.operating_points else "given"
    shown = f"{named}={limit:.6g}"
    extra = {"threshold": shown, "model": predictor.identity}
    done: set[str] = set()
    if output.resume and output.file and output.file.exists():
        done = finished_paths(output.file, how, model=predictor.identity, threshold=shown)
    wanted = _Left(itertools.chain([first], paths), done)
    answers = predictor.predict(wanted, threshold=name, batch_size=batch_size)
    try:
        counts = _write(answers, output, how, extra, reporter)
    except KeyboardInterrupt:
        if output.file and how.read:
            reporter.say(f"interrupted; {output.file} keeps what is done: repeat with --resume")
        raise
    outcome = Outcome(*counts, wanted.skipped)
    _conclude(outcome, predictor, shown, reporter)
    return outcome


class _Left:
    """Paths that are not done yet; counts the others."""

    def __init__(self, paths: Iterable[str], done: set[str]) -> None:
        self._paths, self._done, self.skipped = paths, done, 0

    def __iter__(self) -> Iterator[str]:
        for path in self._paths:
            if path in self._done:
                self.skipped += 1
            else:
                yield path


def _refuse_output(output: Output, how: Format) -> None:
    if output.file and output.file.is_dir():
        raise DataError(f"{output.file} is a folder", expected="--out FILE")
    if output.resume and (output.file is None or how.read is None):
        raise ConfigError(
            "--resume goes on with a file of answers",
            expected="--out FILE in the format csv or jsonl",
        )
    if output.resume and output.overwrite:
        raise ConfigError("--resume goes on with what --overwrite replaces", fix="pass one of them")
    is_taken = output.file and output.file.exists() and not output.resume
    if is_taken and not output.overwrite:
        raise DataError(
            f"{output.file} exists already",
            fix="choose another --out, --resume to go on with it, or --overwrite to replace it",
        )


def _write(
    answers: Iterator[Answer],
    output: Output,
    how: Format,
    extra: dict[str, str],
    reporter: Reporter,
) -> tuple[int, int]:
    """How many images have an answer, and how many have none."""
    answered = broken = 0
    with _stream(output, how) as (stream, is_new):
        if is_new:
            stream.write(how.begin)
        for answer in answers:
            stream.write(how.row({**_row(answer), **extra}, answered + broken == 0))
            stream.flush()
            answered, broken = (
                answered + (answer.error is None),
                broken + (answer.error is not None),
            )
            if output.file and (answered + broken) % EVERY == 0:
                reporter.say(counted(answered + broken, "image"))
        stream.write(how.end(answered + broken > 0))
    return answered, broken


@contextlib.contextmanager
def _stream(output: Output, how: Format) -> Iterator[tuple[IO[str], bool]]:
    """Where text goes, and whether nothing is there yet.

    A file that can be gone on with grows row by row; others are written whole or not at all.
    """
    if output.file is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="surrogateescape")  # names that are not UTF-8
        yield sys.stdout, True
        return
    output.file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        path = output.file if how.read else stack.enter_context(atomic_path(output.file))
        mode = "a" if output.resume else "w"
        file = stack.enter_context(
            path.open(mode, encoding="utf-8", errors="surrogateescape", newline="")
        )
        yield file, file.tell() == 0


def _row(answer: Answer) -> dict[str, Any]:
    row = {name: value for name, value in asdict(answer).items() if name not in ("low", "high")}
    for name in ("probability", "calibrated"):
        if row[name] is not None:
            row[name] = float(f"{row[name]:.{DIGITS}g}")
    return {**row, "flags": list(answer.flags)}


def _conclude(outcome: Outcome, predictor: Predictor, shown: str, reporter: Reporter) -> None:
    told = predictor.description
    skipped = f", {outcome.skipped:,} were there already" if outcome.skipped else ""
    reporter.say(
        f"{counted(outcome.answered, 'image')} predicted by {told.name}"
        f" ({told.classes[1]} from {shown}),"
        f" {outcome.broken:,} not readable{skipped}. For research only: not a diagnosis."
    )
    if outcome.broken and not outcome.answered and not outcome.skipped:
        raise DataError(
            "the image could not be read"
            if outcome.broken == 1
            else f"none of the {outcome.broken:,} images could be read",
            expected="JPEG, PNG, BMP or TIFF files",
            fix="the reason stands beside each in the output",
        )
