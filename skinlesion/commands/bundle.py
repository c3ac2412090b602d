"""bundle: a run, an ensemble, a soup or tta's views as one file that predicts anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from skinlesion import runtime
from skinlesion.bundle import Description, refuse_out, write_bundle
from skinlesion.errors import DataError
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        path: The bundle.
        description: What it says of itself.
    """

    path: Path
    description: Description

    def to_text(self) -> str:
        """What the command prints."""
        told = self.description
        sizes = [member.weights.bytes for member in told.members if member.weights]
        names = ", ".join(sorted({member.build.backbone for member in told.members}))
        points = [f"{name} {point.threshold:.4g}" for name, point in told.operating_points.items()]
        return (
            f"{self.path}: {told.name}, {told.kind} of {len(sizes)} ({names}),"
            f" {sum(sizes) / 1e6:.1f} MB of weights\n"
            f"  {told.classes[1]} against {told.classes[0]}; thresholds {', '.join(points)}\n"
            f"  calibration {told.calibration.method}; scores on"
            f" {', '.join(told.metrics) or 'no split: run skinlesion evaluate first'}"
        )


def run(
    source: Path,
    out: Path,
    *,
    dtype: Literal["float32", "float16"] = "float32",
    name: str = "",
    licence: str = "",
    calibration: str = "platt",
    overwrite: bool = False,
    reporter: Reporter,
) -> Outcome:
    """Write the model of ``source`` to ``out``.

    Args:
        source: A finished run of train, finetune, soup, tta or ensemble.
        out: A ``.skinlesion`` file, or a folder.
        dtype: Of the stored kernels.
        name: Of the model; empty: the run's.
        licence: Of the training images, or of the model.
        calibration: One of ``metrics.calibration.CALIBRATORS``, fitted on val.
        overwrite: Replace what stands there.
        reporter: Told of what is missing.

    Raises:
        ConfigError: If ``out`` is named like a file of another program.
        DataError: If ``source`` is no finished run, or cannot be expressed, or ``out`` exists.
    """
    if not RunDir(source).is_run():
        raise DataError(f"there is no run {source}", expected="a finished run's folder")
    refuse_out(out, overwrite=overwrite)
    runtime.prepare(seed=0)
    from skinlesion.training.bundling import describe, weights_of

    described = describe(RunDir(source), name=name, licence=licence, calibration=calibration)
    if not described.description.metrics:
        reporter.say(f"{source} has no evaluation: the bundle will not say how good it is")
    if not licence:
        reporter.say("no --licence given: the bundle will not say under which it may be used")
    weights = weights_of(described, dtype=dtype)
    return Outcome(out, write_bundle(out, described.description, weights, overwrite=overwrite))
