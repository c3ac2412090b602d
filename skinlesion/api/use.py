"""bundle, predict, explain, demo, doctor: from a finished run to answers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from skinlesion.api.checking import Between, checked
from skinlesion.api.mirror import Place, Places, given, mirrors, path_of, paths_of, reporter_for
from skinlesion.config import ExplainConfig, Given, Views, make_config
from skinlesion.errors import ConfigError, DataError
from skinlesion.places import bundle_file, explained_folder

if TYPE_CHECKING:
    from skinlesion.commands.bundle import Outcome as Bundled
    from skinlesion.commands.demo import Outcome as Demonstration
    from skinlesion.commands.explain import Outcome as Explained
    from skinlesion.commands.predict import Outcome as Predicted
    from skinlesion.data.images import ImageBytes
    from skinlesion.data.in_memory import Picture
    from skinlesion.inference import Answer, Predictor
    from skinlesion.loading import RuntimeName

Dtype = Literal["float32", "float16"]
Calibration = Literal["none", "temperature", "platt", "beta", "isotonic"]
Answers = Literal["table", "csv", "json", "jsonl"]
RUNTIMES = ("auto", "tensorflow", "onnx", "litert")
VIEWS = get_args(Views)


@checked(dtype=get_args(Dtype), calibration=get_args(Calibration))
def bundle(
    run: Place,
    out: Place | None = None,
    *,
    dtype: Dtype = "float32",
    name: str = "",
    licence: str = "",
    calibration: Calibration = "platt",
    overwrite: bool = False,
    progress: bool = False,
) -> Bundled:
    """Write a model with its thresholds and scores as one file that predicts anywhere.

    Args:
        run: Finished run of train, finetune, soup, tta or ensemble.
        out: FILE.skinlesion or a folder; None: RUN.skinlesion.
        dtype: Of the stored kernels.
        name: Of the model; empty: the run's.
        licence: Of the training images or the model.
        calibration: Fitted on val.
        overwrite: Replace what stands there.
        progress: Tell on stderr what is missing.

    Returns:
        ``path`` and ``description``.

    Raises:
        ConfigError: If an argument is none of its values, or ``out`` is no name of a bundle.
        DataError: If ``run`` is no finished run, or cannot be expressed, or ``out`` exists.
    """
    from skinlesion.commands import bundle as command

    return command.run(
        Path(run),
        path_of(out) or bundle_file(Path(run)),
        dtype=dtype,
        name=name,
        licence=licence,
        calibration=calibration,
        overwrite=overwrite,
        reporter=reporter_for(progress),
    )


@checked(views=VIEWS, runtime=RUNTIMES)
def load_model(
    path: Place | None = None, *, views: int | None = None, runtime: RuntimeName = "auto"
) -> Predictor:
    """A model whose ``predict(paths)`` yields an ``Answer`` for each image file.

    Args:
        path: A finished run's folder, a bundle or an export; None: the bundle that comes with the
            package.
        views: 1, 2, 4 or 8 symmetries to show of each image; None: the model's own views.
        runtime: ``tensorflow``, ``onnx``, ``litert``; ``auto``: what ``path`` is for.

    Raises:
        ConfigError: If that runtime cannot compute it, or there are no such views.
        DataError: If there is no model, or it is something else.
        IntegrityError: If a bundle was changed.
        MissingExtraError: If ``path`` is None and no model came with the package.
    """
    from skinlesion.bundle import default_bundle
    from skinlesion.loading import open_model

    return open_model(path_of(path) or default_bundle(), views=views, runtime_name=runtime)


@checked(tta=VIEWS, batch_size=Between(1), runtime=RUNTIMES)
def predict(
    paths: Places | Picture | Iterable[Place | Picture],
    *,
    model: Place | Predictor | None = None,
    threshold: str | float | None = None,
    tta: Views | None = None,
    batch_size: int = 32,
    runtime: RuntimeName = "auto",
) -> list[Answer]:
    """What a model says of images; for research only.

    For more images than fit a list, iterate over ``load_model(...).predict(...)`` or write a file
    by ``predict_to_file``.

    Args:
        paths: Files, folders of them, globs; or arrays, uint8, shape (h, w, 3), RGB, or Pillow's
            images; one or several. What is in memory is called ``image 0``, by its place.
        model: A run, a bundle, an export, or what ``load_model`` returned; None: the package's own.
        threshold: An operating point's name, or a number in [0, 1]; None: the model's first.
        tta: Views averaged of each image; None: the model's own.
        batch_size: Images at once, at least 1.
        runtime: As for ``load_model``.

    Returns:
        An answer for each image, in order; one that cannot be read has an ``error``.

    Raises:
        ConfigError: If there is no such operating point, or ``tta`` comes with a loaded model, or
            an argument is none of its values.
        DataError: If there is no image, or no model, or an array is no image.
        IntegrityError: If a bundle was changed.
    """
    found = _images(paths)
    if not found:
        raise DataError("there is no image to predict", expected="image files or folders of them")
    if model is not None and not isinstance(model, str) and hasattr(model, "predict"):
        if tta is not None:
            raise ConfigError("tta comes too late: the model is loaded", fix="load_model(views=)")
        loaded: Any = model
    else:
        loaded = load_model(model, views=tta, runtime=runtime)
    named = None if threshold is None else str(threshold)
    return list(loaded.predict(found, threshold=named, batch_size=batch_size))


def _images(given: Places | Picture | Iterable[Place | Picture]) -> list[str | ImageBytes]:
    """Paths and files in memory, in order."""
    from skinlesion.data.finding import image_paths
    from skinlesion.data.in_memory import as_file, pictures

    found: list[str | ImageBytes] = []
    items = [given] if isinstance(given, str | os.PathLike) else pictures(given)
    for place, item in enumerate(items):
        if isinstance(item, str | os.PathLike):
            found.extend(image_paths([str(item)]))
        else:
            found.append(as_file(item, f"image {place}"))
    return found


@checked(format=get_args(Answers), tta=VIEWS, batch_size=Between(1), runtime=RUNTIMES)
def predict_to_file(
    paths: Places,
    out: Place,
    *,
    model: Place | None = None,
    format: Answers | None = None,
    threshold: str | None = None,
    tta: Views | None = None,
    batch_size: int = 32,
    runtime: RuntimeName = "auto",
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> Predicted:
    """Write what a model says of images into a file, row by row, in constant memory.

    Args:
        paths: Images, folders of them, globs; one or several.
        out: File to write.
        model: A run, a bundle or an export; None: the package's own.
        format: None: by the suffix of ``out``; a table, if that is ``.txt`` or none.
        threshold: An operating point's name; None: the model's first.
        tta: Views averaged of each image; None: the model's own.
        batch_size: Images at once, at least 1.
        runtime: As for ``load_model``.
        resume: Go on with ``out``: images in it are skipped.
        overwrite: Replace ``out``.
        progress: Tell on stderr how far it has come.

    Returns:
        How many images were answered, broken and skipped.

    Raises:
        ConfigError: If options do not fit each other.
        DataError: If there is no image, or none could be read.
        IntegrityError: If a bundle was changed, or the file is of another model.
    """
    from skinlesion.commands import predict as command

    file = Path(out)
    return command.run(
        [str(path) for path in paths_of(paths) or []],
        model=path_of(model),
        output=command.Output(
            format or command.format_of(file), file, resume=resume, overwrite=overwrite
        ),
        threshold=threshold,
        views=tta,
        batch_size=batch_size,
        runtime=runtime,
        reporter=reporter_for(progress),
    )


@mirrors(ExplainConfig)
def explain(
    images: Places | None = None,
    *,
    run: Place | None = None,
    config: Given = None,
    out: Place | None = None,
    overwrite: bool = False,
    progress: bool = False,
    **fields: Any,
) -> Explained:
    """Show where a run's model sees what it says, on files or on its worst mistakes.

    Args:
        images: Image files, folders or globs; None: the worst mistakes of ``split``.
        run: Run or bundle whose model is asked; None: the package's own.
        config: A file, a preset, an ``ExplainConfig`` or a mapping.
        out: Folder to make; None: explained/NAME-METHOD.
        overwrite: Replace a folder that this function made.
        progress: Tell on stderr how far it has come.
        fields: Of the config, over ``config``.

    Returns:
        ``path``, ``sheet``, and for each image ``subjects``, ``y_prob`` and ``maps``; of
            integrated gradients also ``gaps``.

    Raises:
        ConfigError: If there is no run, or the config is not valid.
        DataError: If the run cannot be explained, an image cannot be read, or there is none.
        IntegrityError: If the run's data set has changed.
    """
    from skinlesion.commands import explain as command

    changes = {**fields, **given(run=run, images=paths_of(images))}
    settings = make_config(config, ExplainConfig, changes)
    path = path_of(out) or explained_folder(settings.run, settings.method.name)
    return command.run(settings, path, overwrite=overwrite, reporter=reporter_for(progress))


def demo(
    out: Place = "demo",
    *,
    source: Place | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Demonstration:
    """Run the whole chain in minutes, each step in a process of its own.

    Args:
        out: Folder to make.
        source: Real images in a layout that preprocess reads; None: synthetic lesions.
        overwrite: Replace a folder that this function made.
        progress: Tell on stderr how far it has come.

    Raises:
        DataError: If ``out`` exists, or the source has no test split.
    """
    from skinlesion.commands import demo as command
    from skinlesion.processes import run_command

    def launch(arguments: Sequence[str]) -> None:
        run_command(arguments, quiet=not progress)

    return command.run(
        Path(out),
        source=path_of(source),
        overwrite=overwrite,
        reporter=reporter_for(progress),
        launch=launch,
    )


def doctor() -> dict[str, Any]:
    """Versions, devices, weights, extras and a short self-test, whose ``checks`` say what works."""
    from skinlesion.commands import doctor as command

    return command.run()
