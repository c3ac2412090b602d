"""explain: maps of what a model sees, laid over the images, in a folder of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from skinlesion import runtime
from skinlesion.asking import Combination, Member, asked
from skinlesion.asking.images import Subject, chosen, with_files
from skinlesion.bundle import default_bundle
from skinlesion.config import ExplainConfig, to_yaml
from skinlesion.config.explain import IntegratedGradients
from skinlesion.errors import DataError
from skinlesion.folders import new_folder, refuse_existing
from skinlesion.progress import Reporter
from skinlesion.report.maps import SHEET, TABLE, Mapped, write_maps
from skinlesion.wording import counted


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        path: The folder, with a picture an image, ``images.csv`` and a contact sheet.
        method: What explained.
        subjects: The images that could be read, in the table's order.
        y_prob: What the model says of them, shape (n,), in [0, 1].
        maps: The evidence in logits, shape (n, s, s), s the model's input.
        gaps: Sum of each map minus what it shares out, shape (n,); None unless the method is
            integrated gradients.
        broken: Why an image could not be read, by path.
    """

    path: Path
    method: str
    subjects: list[Subject]
    y_prob: np.ndarray = field(repr=False)
    maps: np.ndarray = field(repr=False)
    gaps: np.ndarray | None = field(default=None, repr=False)
    broken: dict[str, str] = field(default_factory=dict)

    @property
    def sheet(self) -> Path:
        """The contact sheet."""
        return self.path / SHEET

    def to_text(self) -> str:
        """What the command prints."""
        images = counted(len(self.subjects), "image")
        lines = [f"wrote {self.path}: {images} by {self.method}; see {self.sheet}"]
        if self.gaps is not None:
            worst = np.abs(self.gaps).max()
            lines.append(
                f"  maps add up to the change of the logit to {worst:.2g}; more steps: closer"
            )
        if self.broken:
            lines.append(f"  {len(self.broken):,} not readable, at the end of {self.path / TABLE}")
        return "\n".join(lines)


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
        DataError: If the model cannot be explained, there is no image, or none can be read.
        IntegrityError: If the run's data set has changed.
    """
    _refuse_out(out, overwrite=overwrite)
    config = with_files(config)
    whole = asked(config.run or default_bundle())
    subjects, stored, broken = chosen(config, whole)
    runtime.prepare(seed=0)
    total = len(whole.members) * len(subjects)
    with reporter.counting("maps", total) as bar:
        answers = [
            _ask(member, pixels, config, bar.advance)
            for member, pixels in zip(whole.members, stored, strict=True)
        ]
    answer = _together(answers, whole.together, config.method.name)
    if (views := max(member.views for member in whole.members)) > 1:
        reporter.say(f"maps and p are of the upright view; predict averages {views}")
    with new_folder(out, overwrite=overwrite) as folder:
        (folder / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
        _write(folder, config, whole.target, subjects, answer, broken)
    return Outcome(
        out, config.method.name, subjects, answer.y_prob, answer.maps, answer.gaps, broken
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


def _together(answers: list[_Answer], how: Combination, method: str) -> _Answer:
    """What the members say as one, at the size of the largest."""
    from skinlesion.explain import ADDING_UP, weighted_sum

    largest = max(answers, key=lambda answer: answer.pixels.shape[1])
    y_prob = how.apply([answer.y_prob for answer in answers])
    maps = [answer.maps for answer in answers]
    summed = weighted_sum(maps, how.weights, adding_up=method in ADDING_UP)
    gaps = [answer.gaps for answer in answers if answer.gaps is not None]
    gap = np.array(how.weights) @ np.array(gaps) if gaps else None
    return _Answer(largest.pixels, y_prob, summed, gap)


def _write(
    folder: Path,
    config: ExplainConfig,
    target: str,
    subjects: list[Subject],
    answer: _Answer,
    broken: dict[str, str],
) -> None:
    from skinlesion.explain import ONE_SIDED

    images = []
    for place, subject in enumerate(subjects):
        short = Path(subject.name).name if config.images else subject.name
        images.append(
            Mapped(
                subject.name,
                short=short,
                stem=Path(short).stem if config.images else short.replace("/", "_"),
                label=subject.label,
                mistake=subject.mistake,
                y_prob=float(answer.y_prob[place]),
                pixels=answer.pixels[place],
                values=answer.maps[place],
                gap=None if answer.gaps is None else answer.gaps[place],
            )
        )
    method = config.method.name
    write_maps(
        folder,
        images,
        method=method,
        caption=f"{method}: evidence {config.evidence} {target}, in logits",
        one_sided=method in ONE_SIDED,
        arrays=config.arrays,
        broken=broken,
    )


def _refuse_out(out: Path, *, overwrite: bool) -> None:
    refuse_existing(out, overwrite=overwrite)
    if out.exists() and any(out.iterdir()) and not (out / TABLE).is_file():
        raise DataError(
            f"{out} was not made by explain, so --overwrite does not delete it",
            fix="choose another --out",
        )
