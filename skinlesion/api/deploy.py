"""export, serve: a model for other runtimes, for a browser and behind HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from skinlesion.api.checking import Between, checked
from skinlesion.api.mirror import Place, path_of, reporter_for
from skinlesion.places import export_file
from skinlesion.serving import Serving

if TYPE_CHECKING:
    from skinlesion.bundle import GraphFormat
    from skinlesion.commands.export import Outcome as Exported
    from skinlesion.commands.export_web import Outcome as Page


@checked(format=("onnx", "litert", "saved_model"), max_auc_drop=Between(0, 1))
def export(
    model: Place | None = None,
    *,
    format: GraphFormat = "onnx",
    out: Place | None = None,
    images: Place | None = None,
    int8: bool = False,
    max_auc_drop: float | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Exported:
    """Write a model for another runtime, compared with Keras.

    Args:
        model: A finished run, or a bundle; None: the one that comes with the package.
        format: ``onnx``, ``litert`` or ``saved_model``.
        out: A folder, or a ``.skinlesion`` file; None: MODEL-FORMAT.
        images: Folder of images to compare on; None: the run's val.
        int8: For litert: eight-bit integers, judged by the AUC on val.
        max_auc_drop: By how much that may be lower, in [0, 1]; None: 0.01.
        overwrite: Replace what stands there.
        progress: Tell on stderr how far it has come.

    Returns:
        ``path``, ``description``, and ``members``, each with what was compared in its ``graph``.

    Raises:
        ConfigError: If options do not fit each other, or ``out`` is no name of a bundle.
        DataError: If there is no model.
        MissingExtraError: If the runtime is not installed.
        QualityGateError: If the graph answers otherwise than Keras.
    """
    from skinlesion.commands import export as command

    return command.run(
        path_of(model),
        path_of(out) or export_file(path_of(model), format),
        format=format,
        images=path_of(images),
        int8=int8,
        max_auc_drop=max_auc_drop,
        overwrite=overwrite,
        reporter=reporter_for(progress),
    )


@checked(dtype=("float32", "float16"))
def export_web(
    model: Place | None = None,
    *,
    out: Place | None = None,
    images: Place | None = None,
    dtype: Literal["float32", "float16"] | None = None,
    onnxruntime_web: Place | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Page:
    """Write a folder that classifies in the browser, compared with Keras.

    Args:
        model: A finished run, or a bundle; None: the one that comes with the package.
        out: The folder; None: MODEL-web.
        images: Folder of images to compare on; None: the run's val.
        dtype: Of the stored kernels; None: the model's own.
        onnxruntime_web: Its npm package, as a folder or a tarball; None: from npm's registry.
        overwrite: Replace what stands there.
        progress: Tell on stderr how far it has come.

    Raises:
        DataError: If there is no model, or a page cannot express it.
        QualityGateError: If the graph answers otherwise than Keras.
    """
    from skinlesion.commands import export_web as command

    return command.run(
        path_of(model),
        path_of(out) or export_file(path_of(model), "web"),
        images=path_of(images),
        dtype=dtype,
        onnxruntime_web=path_of(onnxruntime_web),
        overwrite=overwrite,
        reporter=reporter_for(progress),
    )


@checked(
    port=Between(0, 65535),
    max_file_mib=Between(1, 1024),
    max_files=Between(1, 1000),
    max_megapixels=Between(0.01, 89),
    queue=Between(1, 10000),
    rate=Between(0),
)
def serve(
    model: Place | None = None,
    *,
    host: str = Serving.host,
    port: int = Serving.port,
    token: str | None = None,
    max_file_mib: int = Serving.max_file_mib,
    max_files: int = Serving.max_files,
    max_megapixels: float = Serving.max_megapixels,
    queue: int = Serving.queue,
    rate: int = Serving.rate,
    progress: bool = False,
) -> None:
    """Serve a page and an API that predict and explain, until SIGINT or SIGTERM.

    Args:
        model: A run, a bundle or an export; None: the package's own.
        host: Address; one that others reach needs a token.
        port: 0: any that is free.
        token: That the API asks for; None: none.
        max_file_mib: Of one file, MiB.
        max_files: In one request.
        max_megapixels: Of one picture, 0.01 to 89.
        queue: Requests that wait for the model, at least 1.
        rate: Pictures a minute and client; 0: no limit.
        progress: Say on stderr at what address.

    Raises:
        ConfigError: If others could reach it without a token, the port is taken, or a limit is not
            one that the command takes.
        DataError: If there is no model.
        MissingExtraError: If the extra ``web`` is not installed.
    """
    from skinlesion.commands import serve as command

    asked = Serving(
        host=host,
        port=port,
        token=token,
        max_file_mib=max_file_mib,
        max_files=max_files,
        max_megapixels=max_megapixels,
        queue=queue,
        rate=rate,
    )
    command.run(path_of(model), asked, reporter=reporter_for(progress))
