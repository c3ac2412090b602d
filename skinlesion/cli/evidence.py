"""ensemble, evaluate, compare: from finished runs to numbers that stand up to a reviewer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from skinlesion.cli.options import AsJson, ConfigFile, Overrides, Overwrite, reporter


def ensemble(
    members: Annotated[
        list[Path] | None, typer.Option("--members", help="Finished runs: runs/*")
    ] = None,
    config: ConfigFile = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Run folder to make; default runs/ensemble.")
    ] = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Combine the predictions of finished runs."""
    from skinlesion.commands import ensemble as command
    from skinlesion.config import EnsembleConfig, load_config
    from skinlesion.places import new_run

    given = [f"members={json.dumps([str(path) for path in members])}"] if members else []
    settings = load_config(config, EnsembleConfig, [*(overrides or []), *given])
    path = run or new_run("ensemble", overwrite=overwrite)
    outcome = command.run(settings, path, overwrite=overwrite, reporter=reporter())
    print(json.dumps(outcome.to_json(), indent=2) if as_json else outcome.to_text())


def evaluate(
    split: Annotated[
        str | None, typer.Option("--split", help="test, val, or a benchmark: isic2017-test.")
    ] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option("--run", help="Runs to evaluate; default all finished ones in runs/."),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions", help="A foreign CSV: image_id,y_true,y_prob[,group]; or predict's."
        ),
    ] = None,
    val_predictions: Annotated[
        Path | None,
        typer.Option("--val-predictions", help="Its like on val, to fit the threshold."),
    ] = None,
    score_column: Annotated[
        str, typer.Option("--score-column", help="The foreign CSV's column of probabilities.")
    ] = "y_prob",
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", help="Labels for a foreign CSV that has none."),
    ] = None,
    target: Annotated[
        str, typer.Option("--target", help="Which of these labels: malignant or melanoma.")
    ] = "malignant",
    reports: Annotated[Path, typer.Option("--reports", help="Folder for the leaderboard.")] = Path(
        "reports"
    ),
    note: Annotated[
        str, typer.Option("--note", help="A sentence to stand below the leaderboard.")
    ] = "",
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", help="SCORE=VALUE, such as auc=0.8: exit 6 below it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score runs on a split, with intervals, figures and a leaderboard."""
    from rich.console import Console

    from skinlesion.commands import evaluate as command
    from skinlesion.config import EvaluateConfig, load_config

    given = [f"split={json.dumps(split)}"] if split else []
    settings = load_config(config, EvaluateConfig, [*(overrides or []), *given])
    command.parse_gates(fail_under or [])
    outcome = command.run(
        settings,
        runs=run or ([] if predictions else [Path("runs/*")]),
        foreign=command.foreign_tables(
            predictions, val_predictions, dataset, target=target, score_column=score_column
        ),
        reports=reports,
        note=note,
        reporter=reporter(),
    )
    if as_json:
        print(json.dumps(outcome.to_json(), indent=2))
    else:
        outcome.print(Console(highlight=False))
    command.refuse_low_scores(outcome, fail_under or [])


def compare(
    members: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run folders, globs of them, and CSVs: image_id,y_true,y_prob[,group]."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="test, val, or a benchmark: isic2017-test.")
    ] = None,
    score: Annotated[
        str | None, typer.Option("--score", help="Whose differences are judged: roc_auc, mcc, ...")
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    reports: Annotated[Path, typer.Option("--reports", help="Folder for the comparison.")] = Path(
        "reports"
    ),
    as_json: AsJson = False,
) -> None:
    """Test which of several models is better on a split, pair by pair."""
    from rich.console import Console

    from skinlesion.commands import compare as command
    from skinlesion.config import CompareConfig, load_config

    given = [f"members={json.dumps([str(path) for path in members])}"] if members else []
    given += [
        f"{name}={json.dumps(value)}"
        for name, value in (("split", split), ("score", score))
        if value
    ]
    settings = load_config(config, CompareConfig, [*(overrides or []), *given])
    outcome = command.run(settings, reports=reports, reporter=reporter())
    if as_json:
        print(json.dumps(outcome.to_json(), indent=2))
    else:
        outcome.print(Console(highlight=False))
