"""bundle, predict, export: from a finished run to answers on images of one's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from skinlesion.cli.options import Overwrite, reporter


def bundle(
    run: Annotated[
        Path, typer.Argument(help="Finished run: train, finetune, soup, tta, ensemble.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="FILE.skinlesion or a folder; default RUN.skinlesion."),
    ] = None,
    dtype: Annotated[
        Literal["float32", "float16"], typer.Option("--dtype", help="Of the stored kernels.")
    ] = "float32",
    name: Annotated[str, typer.Option("--name", help="Of the model; default the run's.")] = "",
    licence: Annotated[
        str, typer.Option("--licence", help="Of the training images or the model.")
    ] = "",
    calibration: Annotated[
        Literal["none", "temperature", "platt", "beta", "isotonic"],
        typer.Option("--calibration", help="Fitted on val."),
    ] = "platt",
    overwrite: Overwrite = False,
) -> None:
    """Write a model with its thresholds and scores as one file that predicts anywhere."""
    from skinlesion.commands import bundle as command
    from skinlesion.places import bundle_file

    outcome = command.run(
        run,
        out or bundle_file(run),
        dtype=dtype,
        name=name,
        licence=licence,
        calibration=calibration,
        overwrite=overwrite,
        reporter=reporter(),
    )
    print(outcome.to_text())


def predict(
    paths: Annotated[
        list[str], typer.Argument(help="Images, folders, globs; - for a list on stdin.")
    ],
    model: Annotated[
        Path | None,
        typer.Option("--model", help="Run, bundle or export; default the package's own."),
    ] = None,
    format: Annotated[
        Literal["table", "csv", "json", "jsonl"] | None,
        typer.Option("--format", help="Default: by the suffix of --out, else table."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write.")] = None,
    threshold: Annotated[
        str | None,
        typer.Option("--threshold", help="An operating point's name, or a number; default youden."),
    ] = None,
    tta: Annotated[
        Literal["1", "2", "4", "8"] | None,
        typer.Option("--tta", help="Views averaged of each image; default the model's own."),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images at once.")] = 32,
    runtime: Annotated[
        Literal["auto", "tensorflow", "onnx", "litert"],
        typer.Option("--runtime", help="Default: what the model was exported for."),
    ] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with --out: images in it are skipped.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Predict images of your own. For research only: not a medical device."""
    from skinlesion.commands import predict as command

    try:
        command.run(
            paths,
            model=model,
            output=command.Output(
                format or command.format_of(out), out, resume=resume, overwrite=overwrite
            ),
            threshold=threshold,
            views=int(tta) if tta else None,
            batch_size=batch_size,
            runtime=runtime,
            lines=sys.stdin,
            reporter=reporter(),
        )
    except BrokenPipeError:
        # The reader, such as head, has seen enough; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def export(
    model: Annotated[
        Path | None, typer.Argument(help="Finished run, or bundle; default the package's own.")
    ] = None,
    format: Annotated[
        Literal["onnx", "litert", "saved_model", "web"],
        typer.Option("--format", help="Of the graph; web: a page that classifies in the browser."),
    ] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder or FILE.skinlesion; default MODEL-FORMAT."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder to compare on; default the run's val."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="litert: eight-bit integers, judged by val's AUC.")
    ] = False,
    max_auc_drop: Annotated[
        float | None,
        typer.Option(
            "--max-auc-drop", min=0, max=1, help="By which int8 may be worse; default 0.01."
        ),
    ] = None,
    dtype: Annotated[
        Literal["float32", "float16"] | None,
        typer.Option("--dtype", help="web: of the stored kernels; default the model's own."),
    ] = None,
    onnxruntime_web: Annotated[
        Path | None,
        typer.Option(
            "--onnxruntime-web", help="web: its npm package; default from npm's registry."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model for another runtime, compared with Keras; exit 6 if it differs."""
    from skinlesion.commands import export as command
    from skinlesion.commands import export_web
    from skinlesion.places import export_file

    _refuse_options_without_effect(format, int8=int8, page_only=bool(dtype or onnxruntime_web))
    path = out or export_file(model, format)
    if format == "web":
        page = export_web.run(
            model,
            path,
            images=images,
            dtype=dtype,
            onnxruntime_web=onnxruntime_web,
            overwrite=overwrite,
            reporter=reporter(),
        )
        print(page.to_text())
        return
    outcome = command.run(
        model,
        path,
        format=format,
        images=images,
        int8=int8,
        max_auc_drop=max_auc_drop,
        overwrite=overwrite,
        reporter=reporter(),
    )
    print(outcome.to_text())


def _refuse_options_without_effect(format: str, *, int8: bool, page_only: bool) -> None:
    from skinlesion.errors import ConfigError

    if format == "web" and int8:
        raise ConfigError("--int8 is not for web", expected="--format litert --int8")
    if format != "web" and page_only:
        raise ConfigError(
            f"--dtype and --onnxruntime-web are not for {format}", expected="--format web"
        )
