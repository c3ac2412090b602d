"""tta, soup, ensemble: from finished runs to runs, without training."""

from __future__ import annotations

from typing import Any

from skinlesion.api.mirror import Place, Places, given, mirrors, path_of, paths_of, reporter_for
from skinlesion.api.results import Run, load_run
from skinlesion.config import EnsembleConfig, Given, SoupConfig, TtaConfig, make_config
from skinlesion.errors import ConfigError
from skinlesion.places import beside, new_run


@mirrors(TtaConfig)
def tta(
    run: Place | None = None,
    *,
    config: Given = None,
    out: Place | None = None,
    overwrite: bool = False,
    progress: bool = False,
    **fields: Any,
) -> Run:
    """Average a run's predictions over flipped, turned and scaled views of each image.

    Args:
        run: Run whose model predicts.
        config: A file, a preset, a ``TtaConfig`` or a mapping.
        out: Run folder to make; None: RUN-tta.
        overwrite: Replace an existing run.
        progress: Tell on stderr how far it has come.
        fields: Of the config, over ``config``.

    Raises:
        ConfigError: If there is no run, or the config is not valid.
        DataError: If ``run`` is not a finished run with a model.
        IntegrityError: If it learnt from images that the new one is to be judged on.
    """
    from skinlesion.commands import tta as command

    settings = make_config(config, TtaConfig, {**fields, **given(run=run)})
    if settings.run is None:
        raise ConfigError("tta needs a run whose model predicts", fix="pass run=")
    path = path_of(out) or beside(settings.run, "tta", overwrite=overwrite)
    made = command.run(settings, path, overwrite=overwrite, reporter=reporter_for(progress))
    return load_run(made.run.path)


@mirrors(SoupConfig)
def soup(
    members: Places | None = None,
    *,
    config: Given = None,
    run: Place | None = None,
    overwrite: bool = False,
    progress: bool = False,
    **fields: Any,
) -> Run:
    """Average the weights of finished runs into one model, if val says it is no worse.

    Args:
        members: Finished runs of one architecture, or globs of them.
        config: A file, a preset, a ``SoupConfig`` or a mapping.
        run: Run folder to make; None: runs/soup.
        overwrite: Replace an existing run.
        progress: Tell on stderr which paths are skipped and why, and how far it has come.
        fields: Of the config, over ``config``.

    Raises:
        ConfigError: If fewer than two members are left.
        DataError: If members differ in build or in target.
        IntegrityError: If a member learnt from images that the soup is to be judged on.
        QualityGateError: If the soup is worse on val than its best member.
    """
    from skinlesion.commands import soup as command

    settings = make_config(config, SoupConfig, {**fields, **given(members=paths_of(members))})
    path = path_of(run) or new_run("soup", overwrite=overwrite)
    made = command.run(settings, path, overwrite=overwrite, reporter=reporter_for(progress))
    return load_run(made.run.path)


@mirrors(EnsembleConfig)
def ensemble(
    members: Places | None = None,
    *,
    config: Given = None,
    run: Place | None = None,
    overwrite: bool = False,
    progress: bool = False,
    **fields: Any,
) -> Run:
    """Combine the predictions of finished runs.

    Args:
        members: Finished runs, or globs of them.
        config: A file, a preset, an ``EnsembleConfig`` or a mapping.
        run: Run folder to make; None: runs/ensemble.
        overwrite: Replace an existing run.
        progress: Tell on stderr which paths are skipped and why.
        fields: Of the config, over ``config``.

    Raises:
        ConfigError: If fewer than two members are left.
        DataError: If members differ in target, in the order of classes or in their images.
        IntegrityError: If a member learnt from images that another is judged on.
    """
    from skinlesion.commands import ensemble as command

    settings = make_config(config, EnsembleConfig, {**fields, **given(members=paths_of(members))})
    path = path_of(run) or new_run("ensemble", overwrite=overwrite)
    made = command.run(settings, path, overwrite=overwrite, reporter=reporter_for(progress))
    return load_run(made.run.path)
