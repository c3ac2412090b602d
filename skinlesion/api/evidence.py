"""evaluate, compare: from finished runs to numbers that stand up to a reviewer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skinlesion.api.mirror import Place, Places, given, mirrors, path_of, paths_of, reporter_for
from skinlesion.config import CompareConfig, EvaluateConfig, Given, make_config

if TYPE_CHECKING:
    from skinlesion.commands.compare import Outcome as Comparison
    from skinlesion.commands.evaluate import Outcome as Evaluation


@mirrors(EvaluateConfig)
def evaluate(
    run: Places | None = None,
    *,
    config: Given = None,
    predictions: Place | None = None,
    val_predictions: Place | None = None,
    score_column: str = "y_prob",
    dataset: Place | None = None,
    target: str = "malignant",
    reports: Place = "reports",
    note: str = "",
    fail_under: Mapping[str, float] | None = None,
    progress: bool = False,
    **fields: Any,
) -> Evaluation:
    """Score runs on a split, with intervals, figures and a leaderboard.

    Args:
        run: Runs to evaluate, or globs of them; None: all finished ones in runs/.
        config: A file, a preset, an ``EvaluateConfig`` or a mapping.
        predictions: A foreign CSV instead: image_id,y_true,y_prob[,group]; or predict's.
        val_predictions: Its like on val, to fit the threshold.
        score_column: The foreign CSV's column of probabilities.
        dataset: Labels for a foreign CSV that has none.
        target: Which of these labels: malignant or melanoma.
        reports: Folder for the leaderboard.
        note: A sentence to stand below the leaderboard.
        fail_under: Bounds by score, such as ``{"roc_auc": 0.8}``, checked when all is written.
        progress: Tell on stderr which paths are skipped and why.
        fields: Of the config, over ``config``.

    Returns:
        ``rows``, the leaderboard, best first: each has ``name`` and ``scores``, by name an
        estimate with ``value``, ``low`` and ``high``; ``files``; ``to_json()``.

    Raises:
        ConfigError: If an option would have no effect, or the config is not valid.
        DataError: If there is nothing to score, or subjects were predicted on different images.
        IntegrityError: If a run learnt from images of the split.
        QualityGateError: If a score is below ``fail_under``.
    """
    from skinlesion.commands import evaluate as command

    gates = [f"{name}={bound}" for name, bound in (fail_under or {}).items()]
    command.parse_gates(gates)
    settings = make_config(config, EvaluateConfig, fields)
    runs = paths_of(run)
    if runs is None:
        runs = [] if predictions else [Path("runs/*")]
    outcome = command.run(
        settings,
        runs=runs,
        foreign=command.foreign_tables(
            path_of(predictions),
            path_of(val_predictions),
            path_of(dataset),
            target=target,
            score_column=score_column,
        ),
        reports=Path(reports),
        note=note,
        reporter=reporter_for(progress),
    )
    command.refuse_low_scores(outcome, gates)
    return outcome


@mirrors(CompareConfig)
def compare(
    members: Places | None = None,
    *,
    config: Given = None,
    reports: Place = "reports",
    progress: bool = False,
    **fields: Any,
) -> Comparison:
    """Test which of several models is better on a split, pair by pair.

    Args:
        members: Runs, globs of them, and CSV files: image_id,y_true,y_prob[,group].
        config: A file, a preset, a ``CompareConfig`` or a mapping.
        reports: Folder for the comparison.
        progress: Tell on stderr which paths are skipped and why.
        fields: Of the config, over ``config``.

    Returns:
        ``report``: models, pairs with their differences and tests, notes; ``to_json()``.

    Raises:
        ConfigError: If there is no such score, or fewer than two members.
        DataError: If members were predicted on different images or labels.
        IntegrityError: If a run learnt from images of the split.
    """
    from skinlesion.commands import compare as command

    settings = make_config(config, CompareConfig, {**fields, **given(members=paths_of(members))})
    return command.run(settings, reports=Path(reports), reporter=reporter_for(progress))
