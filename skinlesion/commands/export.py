"""export: a model as ONNX, LiteRT or SavedModel, compared with Keras before it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from skinlesion import runtime
from skinlesion.bundle import (
    Description,
    GraphFormat,
    Member,
    default_bundle,
    refuse_out,
    write_members,
)
from skinlesion.data.finding import refuse_missing
from skinlesion.errors import ConfigError
from skinlesion.extras import require
from skinlesion.inference.runtimes import LITERT, ONNX
from skinlesion.progress import Reporter

if TYPE_CHECKING:
    from skinlesion.export.exporting import Exported, Subject

MAX_AUC_DROP = 0.01
PACKAGES: dict[GraphFormat, dict[str, str]] = {
    "onnx": {"onnx": "onnx", **ONNX},
    "litert": LITERT,
    "saved_model": {},
}


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        path: The export.
        description: What it says of itself.
        members: How each was found to be.
    """

    path: Path
    description: Description
    members: list[Exported] = field(default_factory=list)

    def to_text(self) -> str:
        """What the command prints."""
        lines = [f"{self.path}: {self.description.name} as {self.description.format}"]
        for exported in self.members:
            lines.extend(_lines(exported))
        return "\n".join(lines)


def run(
    source: Path | None,
    out: Path,
    *,
    format: GraphFormat,
    images: Path | None = None,
    int8: bool = False,
    max_auc_drop: float | None = None,
    overwrite: bool = False,
    reporter: Reporter,
) -> Outcome:
    """Write the model of ``source`` to ``out`` for another runtime.

    Args:
        source: A finished run, or a bundle of weights; None: the package's own.
        out: A folder, or a ``.skinlesion`` file.
        format: Of the graphs.
        images: Folder of images to compare on; None: the run's val, else synthetic ones.
        int8: For litert: eight-bit integers, judged by the AUC on val.
        max_auc_drop: By how much that may be lower; None: 0.01.
        overwrite: Replace what stands there.
        reporter: Told of what is doubtful.

    Raises:
        ConfigError: If ``int8`` is asked for in another format or comes with ``images``,
            ``max_auc_drop`` comes without it, or ``out`` is named like a file of another program.
        DataError: If ``source`` is no model, ``out`` exists, or ``images`` does not.
        MissingExtraError: If a package is missing.
        QualityGateError: If a graph computes something else; nothing is written then.
    """
    if int8 and format != "litert":
        raise ConfigError(f"--int8 is not for {format}", expected="--format litert --int8")
    if int8 and images:
        raise ConfigError(
            "--images is not for --int8, which is judged on the run's val", fix="leave one out"
        )
    if max_auc_drop is not None and not int8:
        raise ConfigError("--max-auc-drop is how --int8 is judged", fix="leave it out")
    refuse_missing(images)
    refuse_out(out, overwrite=overwrite)
    require("export", PACKAGES[format], purpose=f"--format {format}")
    runtime.prepare(seed=0)
    from skinlesion.export.exporting import subject_of

    source = source or default_bundle()
    subject = subject_of(source)
    made: list[Exported] = []
    drop = MAX_AUC_DROP if max_auc_drop is None else max_auc_drop
    gate = drop if int8 else None
    members = _members(subject, format, images, gate, made)
    description = write_members(out, subject.description, members, overwrite=overwrite)
    _say_doubts(made, description.name, reporter)
    return Outcome(out, description, made)


def _members(
    subject: Subject,
    format: GraphFormat,
    images: Path | None,
    gate: float | None,
    made: list[Exported],
) -> Iterator[tuple[Member, dict[str, bytes]]]:
    """Each member's graph, one at a time; what was found is added to ``made``."""
    from skinlesion.export.exporting import export_int8, export_member

    pairs = zip(subject.description.members, subject.models(), subject.runs, strict=True)
    for number, (member, model, origin) in enumerate(pairs):
        if gate is None:
            exported, files = export_member(
                number, member, model, origin, format=format, images=images
            )
        else:
            exported, files = export_int8(number, member, model, origin, max_auc_drop=gate)
        made.append(exported)
        yield exported.member, files


def _say_doubts(made: list[Exported], name: str, reporter: Reporter) -> None:
    graphs = [exported.member.graph for exported in made]
    if any(g and g.compared and "synthetic" in g.compared.source for g in graphs):
        reporter.say(
            f"the data set of {name} is not at hand: compared on synthetic images;"
            " pass --images FOLDER to compare on real ones"
        )
    if any(graph and graph.weights == "int8" for graph in graphs):
        reporter.say("thresholds and calibration are still those of the float32 model")


def _lines(exported: Exported) -> list[str]:
    graph = exported.member.graph
    assert graph
    assert graph.compared
    size = sum(file.bytes for file in graph.files)
    found, speed = graph.compared, exported.speed
    lines = [
        f"  {graph.files[0].name}: {exported.member.build.backbone}, {graph.weights},"
        f" {size / 1e6:.1f} MB; {speed.exported:.1f} ms an image (Keras {speed.other:.1f})",
        f"    largest difference from Keras {found.max_difference:.2g} in probability,"
        f" on {found.source}",
    ]
    if found.auc is not None and found.keras_auc is not None:
        lines.append(f"    AUC {found.auc:.4f} (Keras {found.keras_auc:.4f})")
    if exported.float_bytes and exported.float_speed:
        lines.append(
            f"    against LiteRT in float32: {exported.float_bytes / size:.1f} times smaller,"
            f" {exported.float_speed / speed.exported:.1f} times as fast"
        )
    return lines
