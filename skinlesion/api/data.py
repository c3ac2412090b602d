"""download_isic, preprocess, audit, preview: from images to a data set that can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from skinlesion.api.checking import Between, checked
from skinlesion.api.mirror import Place, Places, given, mirrors, path_of, paths_of, reporter_for
from skinlesion.api.results import Audit
from skinlesion.config import (
    DownloadConfig,
    FinetuneConfig,
    Given,
    PreprocessConfig,
    TrainConfig,
    make_config,
    make_recipe,
)
from skinlesion.places import audit_folder

if TYPE_CHECKING:
    from skinlesion.commands.download_isic import Forecast
    from skinlesion.commands.download_isic import Summary as Downloaded
    from skinlesion.commands.preprocess import Summary as Preprocessed


@mirrors(DownloadConfig)
def download_isic(
    out: Place = "raw", *, config: Given = None, progress: bool = False, **fields: Any
) -> Downloaded:
    """Fetch images of the ISIC Archive or its challenges; called again, it goes on.

    Args:
        out: Folder to make, or to go on with.
        config: A file, a preset, a ``DownloadConfig`` or a mapping.
        progress: Tell on stderr how far it has come.
        fields: Of the config, over ``config``.

    Returns:
        For each folder what came.

    Raises:
        ConfigError: If there is nothing to download, or ``out`` holds another download.
        DataError: If a file could not be had; the others are there.
    """
    from skinlesion.commands import download_isic as command

    summary = command.run(
        make_config(config, DownloadConfig, fields), Path(out), reporter=reporter_for(progress)
    )
    command.refuse_failures(summary)
    return summary


@mirrors(DownloadConfig)
def estimate_download(out: Place = "raw", *, config: Given = None, **fields: Any) -> Forecast:
    """Ask what ``download_isic`` would fetch: counts, bytes, licences; writes nothing.

    Args:
        out: Where it would go.
        config: As for ``download_isic``.
        fields: Likewise.

    Raises:
        ConfigError: If there is nothing to download.
        DataError: If a server cannot be reached or answers nonsense.
    """
    from skinlesion.commands import download_isic as command

    return command.dry_run(make_config(config, DownloadConfig, fields), Path(out))


def verify_download(out: Place = "raw", *, progress: bool = False) -> str:
    """Compare every file of a download with its SHA-256; one sentence if all is well.

    Raises:
        DataError: If there is no download in ``out``.
        IntegrityError: If a file is missing, changed or unknown.
    """
    from skinlesion.commands import download_isic as command

    return command.verify(Path(out), reporter=reporter_for(progress))


@mirrors(PreprocessConfig)
def preprocess(
    sources: Places | None = None,
    out: Place = "dataset",
    *,
    config: Given = None,
    overwrite: bool = False,
    progress: bool = False,
    **fields: Any,
) -> Preprocessed:
    """Read images once into a data set with honest splits.

    Args:
        sources: Folders in a known layout, or CSV files of path,label[,group,split].
        out: Data set folder to make.
        config: A file, a preset, a ``PreprocessConfig`` or a mapping.
        overwrite: Replace a data set that stands at ``out``.
        progress: Tell on stderr how far it has come.
        fields: Of the config, over ``config``.

    Returns:
        ``path``, counts by split and diagnosis, and what was left out.

    Raises:
        ConfigError: If there is no source, or the config is not valid.
        DataError: If a source, a table or an image is missing or broken, or ``out`` is taken.
        IntegrityError: If official splits divide a group.
    """
    from skinlesion.commands import preprocess as command

    changes = {**given(sources=paths_of(sources)), **fields}
    settings = make_config(config, PreprocessConfig, changes)
    with reporter_for(progress).counting("images", 0) as counter:
        return command.run(settings, Path(out), overwrite=overwrite, progress=counter.reach)


@checked(sample=Between(0))
def audit(
    dataset: Place = "dataset",
    *,
    against: Place | None = None,
    sample: int | None = None,
    out: Place | None = None,
    strict: bool = False,
    progress: bool = False,
) -> Audit:
    """Look for leaks, copies, contradictions and bad images in a data set.

    Args:
        dataset: What preprocess wrote.
        against: Another data set: is any image of ``dataset`` in it?
        sample: Measure quality on so many images, at least 0; None: all.
        out: Folder for audit.html and audit.json; None: in reports/.
        strict: Raise on a leak, as the command does, after the files are written.
        progress: Tell on stderr how far it has come.

    Raises:
        DataError: If a data set is missing or broken.
        IntegrityError: If its files do not belong together, or, if ``strict``, on a leak.
    """
    from skinlesion.commands import audit as command

    report, files = command.run(
        Path(dataset),
        against=path_of(against),
        sample=sample,
        out=path_of(out) or audit_folder(is_against=against is not None),
        reporter=reporter_for(progress),
    )
    if strict:
        command.refuse_leaks(report)
    return Audit(report, files)


@checked(count=Between(1, 50), views=Between(1, 20))
@mirrors(TrainConfig, FinetuneConfig)
def preview(
    config: Given = None,
    *,
    out: Place = "preview.png",
    split: str = "train",
    count: int = 8,
    views: int = 6,
    overwrite: bool = False,
    **fields: Any,
) -> Path:
    """Draw training images as each epoch will see them; returns the PNG's path.

    Args:
        config: A config of train or of finetune; None: finetune's defaults, or, with a ``model``
            among ``fields``, train's.
        out: PNG to make.
        split: Whose images are shown.
        count: Images, 1 to 50.
        views: Epochs shown, 1 to 20.
        overwrite: Replace the file.
        fields: Of the config, over ``config``.

    Raises:
        ConfigError: If the config is not valid, or ``out`` is no name of a PNG.
        DataError: If there is no such split or data set, or the file exists.
    """
    from skinlesion.commands import preview as command

    settings = command.settings_of(make_recipe(config, fields))
    command.run(
        settings, None, Path(out), split=split, count=count, views=views, overwrite=overwrite
    )
    return Path(out)
