"""The command line: parse, load the config, call the command's run, print. No work here."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skinlesion import __version__
from skinlesion.arguments import hoist, spread
from skinlesion.errors import DataError, SkinlesionError

if TYPE_CHECKING:
    from skinlesion.progress import Reporter

app = typer.Typer(
    name="skinlesion",
    help="Classify dermoscopic skin-lesion images as benign or malignant."
    " A research tool, not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(no_args_is_help=True, help="Show, check, describe or copy configs.")
app.add_typer(config_app, name="config")

# Options that take several values after one name: --members runs/*
SEVERAL = {
    "download-isic": ("--challenge", "--licence"),
    "preprocess": ("--source",),
    "ensemble": ("--members",),
    "evaluate": ("--run", "--fail-under"),
}
# Options that may stand anywhere on the line.
ANYWHERE = ("-q", "--quiet", "--debug")

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="YAML file, or the bare name of a preset.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="key=value, over the config; repeatable.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what stands there.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

_quiet = False


def main() -> None:
    """Run the command line; every error a user can cause ends in one block and its exit code."""
    arguments = sys.argv[1:]
    try:
        app(hoist(spread(arguments, SEVERAL), ANYWHERE))
    except SkinlesionError as error:
        _fail(error, arguments)
    except OSError as error:
        if not error.filename and not error.strerror:
            raise
        where = error.filename or "the disk"
        _fail(
            DataError(
                f"{where}: {error.strerror}",
                expected="a place that can be read and written, with space left",
                fix="choose another place, free some space, or change its permissions",
            ),
            arguments,
        )


def _fail(error: SkinlesionError, arguments: list[str]) -> None:
    if "--debug" in arguments:
        raise error
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)


def _reporter() -> Reporter:
    from skinlesion.progress import Reporter

    return Reporter(quiet=_quiet)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"skinlesion {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, results only.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback for every error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    global _quiet
    _quiet = quiet


@app.command("download-isic")
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
        print(command.verify(out, reporter=_reporter()))
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
    summary = command.run(settings, out, reporter=_reporter())
    print(summary.to_text())
    command.refuse_failures(summary)


@app.command()
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
    with _reporter().counting("images", 0) as counter:
        summary = command.run(settings, out, overwrite=overwrite, progress=counter.reach)
    print(summary.to_text())


@app.command()
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

    folder = out or Path("reports") / ("audit-against" if against else "audit")
    report, files = command.run(
        dataset, against=against, sample=sample, out=folder, reporter=_reporter()
    )
    print(json.dumps(report.to_json(), indent=2) if as_json else report.to_text())
    if not as_json:
        print("\n".join(map(str, files)))
    command.refuse_leaks(report)


@app.command()
def train(
    config: ConfigFile = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="What preprocess wrote.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Run folder to make; default runs/CONFIG.")
    ] = None,
    overrides: Overrides = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a classifier, from pretrained weights or from scratch."""
    from skinlesion.commands import train as command
    from skinlesion.config import TrainConfig, load_config

    given = [f"dataset={json.dumps(str(dataset))}"] if dataset else []
    settings = load_config(config, TrainConfig, [*(overrides or []), *given])
    name = config.stem if config else settings.model.backbone
    path = run or _default_run(name, resume=resume, overwrite=overwrite)
    with _resumable(path):
        made = command.run(settings, path, resume=resume, overwrite=overwrite, reporter=_reporter())
    _print_run(made.path)


@app.command()
def finetune(
    run: Annotated[Path | None, typer.Option("--run", help="Run to start from.")] = None,
    config: ConfigFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder to make; default RUN-ft.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="Another data set than the run's.")
    ] = None,
    overrides: Overrides = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a finished run further, with more of its backbone unfrozen."""
    from skinlesion.commands import finetune as command
    from skinlesion.config import FinetuneConfig, load_config
    from skinlesion.errors import ConfigError

    given = [
        f"{name}={json.dumps(str(value))}"
        for name, value in (("run", run), ("dataset", dataset))
        if value
    ]
    settings = load_config(config, FinetuneConfig, [*(overrides or []), *given])
    if settings.run is None:
        raise ConfigError("finetune needs a run to start from", fix="pass --run runs/NAME")
    path = out or _default_run(
        f"{settings.run.name}-ft",
        root=settings.run.parent,
        resume=resume,
        overwrite=overwrite,
    )
    with _resumable(path):
        made = command.run(settings, path, resume=resume, overwrite=overwrite, reporter=_reporter())
    _print_run(made.path)


@app.command()
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

    given = [f"members={json.dumps([str(path) for path in members])}"] if members else []
    settings = load_config(config, EnsembleConfig, [*(overrides or []), *given])
    path = run or _default_run("ensemble", resume=False, overwrite=overwrite)
    outcome = command.run(settings, path, overwrite=overwrite, reporter=_reporter())
    print(json.dumps(outcome.to_json(), indent=2) if as_json else outcome.to_text())


@app.command()
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
        typer.Option("--predictions", help="A foreign CSV: image_id,y_true,y_prob[,group]."),
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
        reporter=_reporter(),
    )
    if as_json:
        print(json.dumps(outcome.to_json(), indent=2))
    else:
        outcome.print(Console(highlight=False))
    command.refuse_low_scores(outcome, fail_under or [])


@app.command()
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
    outcome = command.run(settings, reports=reports, reporter=_reporter())
    if as_json:
        print(json.dumps(outcome.to_json(), indent=2))
    else:
        outcome.print(Console(highlight=False))


@app.command()
def demo(
    source: Annotated[
        Path | None, typer.Option("--source", help="Real images; default: synthetic lesions.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder to make.")] = Path("demo"),
    overwrite: Overwrite = False,
) -> None:
    """The whole chain in minutes: preprocess, train, finetune, ensemble, evaluate."""
    from skinlesion.commands import demo as command

    try:
        command.run(out, source=source, overwrite=overwrite, reporter=_reporter())
    except command.StepFailedError as error:
        raise typer.Exit(error.exit_code) from error


@config_app.command("show")
def config_show(
    name: Annotated[Path, typer.Argument(help="A file or the bare name of a preset.")],
    command: Annotated[
        str | None, typer.Option("--command", help="Whose config it is, if it is unclear.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Print a config with all its defaults."""
    from skinlesion.commands import config as module

    print(module.show(name, command, overrides or []), end="")


@config_app.command("validate")
def config_validate(
    names: Annotated[list[Path], typer.Argument(help="Files or bare names of presets.")],
    command: Annotated[
        str | None, typer.Option("--command", help="Whose configs they are, if unclear.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Check configs; exit 2 with the paths of wrong keys."""
    from skinlesion.commands import config as module

    for name in names:
        print(module.check(name, command, overrides or []))


@config_app.command("schema")
def config_schema(
    command: Annotated[str, typer.Argument(help="preprocess, train, finetune, ...")],
) -> None:
    """Print the JSON schema of a command's config."""
    from skinlesion.commands import config as module

    print(module.schema(command))


@config_app.command("init")
def config_init(
    name: Annotated[Path, typer.Argument(help="A preset, such as resnet50.yaml.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; default: its own name.")
    ] = None,
) -> None:
    """Copy a preset into the working directory, to change it."""
    from skinlesion.commands import config as module

    print(module.init(name, out))


def _default_run(name: str, *, resume: bool, overwrite: bool, root: Path = Path("runs")) -> Path:
    """``root/name``; else the next free number, or, to resume or overwrite, the newest."""
    from skinlesion.runs import free_run_path, latest_run_path

    return latest_run_path(root, name) if resume or overwrite else free_run_path(root, name)


@contextlib.contextmanager
def _resumable(path: Path) -> Iterator[None]:
    """Say after Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        _reporter().say(f"interrupted; {path} keeps its finished epochs: repeat with --resume")
        raise


def _print_run(path: Path) -> None:
    from skinlesion.runs import RunDir

    print(RunDir(path).summary())
