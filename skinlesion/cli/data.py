"""download-isic, preprocess, audit, preview: from images to a data set that can be trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from skinlesion.cli.options import AsJson, ConfigFile, Overrides, Overwrite, reporter


def download_isic(
    config: ConfigFile = None,
    out: Annotated[Path, typer.Option("--out", help="Folder to make, or to go on with.")] = Path(
        "raw"
    ),
    query: Annotated[
        str | None, typer.Option("--query", help="Of the archive: 'diagnosis_1:Malignant'.")
    ] = None,
    challenge: Annotated[
        list[int] | None, typer.Option("--challenge", help="Year, 2016 to 2020; several allowed.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="At most so many images of the archive.")
    ] = None,
    licence: Annotated[
        list[str] | None,
        typer.Option("--licence", help="Only images under CC-0, CC-BY or CC-BY-NC; repeatable."),
    ] = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="256 pixels instead of the full size.")
    ] = False,
    max_pixels: Annotated[
        int | None, typer.Option("--max-pixels", help="Store larger images reduced to so many.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print counts, sizes and licences; fetch nothing.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the files of --out against their sha256.")
    ] = False,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="--dry-run as JSON.")] = False,
) -> None:
    """Fetch dermoscopic images from the ISIC Archive or its challenges; repeat it to go on."""
    from skinlesion.commands import download_isic as command
    from skinlesion.config import DownloadConfig, load_config
    from skinlesion.errors import ConfigError

    if as_json and not dry_run:
        raise ConfigError("--json is for --dry-run")
    if verify:
        print(command.verify(out, reporter=reporter()))
        return
    given = {
        "archive.query": query,
        "challenge.years": challenge,
        "limit": limit,
        "licences": licence,
        "thumbnails": thumbnails or None,
        "max_pixels": max_pixels,
    }
    options = [f"{key}={json.dumps(value)}" for key, value in given.items() if value is not None]
    settings = load_config(config, DownloadConfig, [*options, *(overrides or [])])
    if dry_run:
        forecast = command.dry_run(settings, out)
        print(json.dumps(forecast.to_json(), indent=2) if as_json else forecast.to_text())
        return
    summary = command.run(settings, out, reporter=reporter())
    print(summary.to_text())
    command.refuse_failures(summary)


def preprocess(
    source: Annotated[
        list[Path] | None,
        typer.Option(
            "--source",
            help="Folder in the layout of ISIC 2017 or HAM10000, folder of class folders,"
            " or CSV of path,label[,group,split]; several allowed.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Data set folder to make.")] = Path("dataset"),
    config: ConfigFile = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Read images once into a data set with honest splits."""
    from skinlesion.commands import preprocess as command
    from skinlesion.config import PreprocessConfig, load_config

    given = [f"sources={json.dumps([str(path) for path in source])}"] if source else []
    settings = load_config(config, PreprocessConfig, [*given, *(overrides or [])])
    with reporter().counting("images", 0) as counter:
        summary = command.run(settings, out, overwrite=overwrite, progress=counter.reach)
    print(summary.to_text())


def audit(
    dataset: Annotated[Path, typer.Argument(help="What preprocess wrote.")] = Path("dataset"),
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Another data set: is any image of DATASET in it?"),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=0, help="Measure quality on so many images; default all."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for audit.html; default reports/audit.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for leaks, copies, contradictions and bad images in a data set; exit 4 on leaks."""
    from skinlesion.commands import audit as command
    from skinlesion.places import audit_folder

    folder = out or audit_folder(is_against=against is not None)
    report, files = command.run(
        dataset, against=against, sample=sample, out=folder, reporter=reporter()
    )
    print(json.dumps(report.to_json(), indent=2) if as_json else report.to_text())
    if not as_json:
        print("\n".join(map(str, files)))
    command.refuse_leaks(report)


def preview(
    config: ConfigFile = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="What preprocess wrote; default the config's.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="PNG to make.")] = Path("preview.png"),
    split: Annotated[str, typer.Option("--split", help="Whose images are shown.")] = "train",
    count: Annotated[int, typer.Option("--count", min=1, max=50, help="Images.")] = 8,
    views: Annotated[int, typer.Option("--views", min=1, max=20, help="Epochs shown.")] = 6,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw training images as each epoch will see them, augmented by a train or finetune config."""
    from skinlesion.commands import preview as command

    settings = command.read_settings(config, overrides or [])
    print(
        command.run(
            settings, dataset, out, split=split, count=count, views=views, overwrite=overwrite
        )
    )
