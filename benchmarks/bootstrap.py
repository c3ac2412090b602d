"""Time the bootstrap of all scores against a loop over scikit-learn calls.

python benchmarks/bootstrap.py        # medians of 5 runs, in seconds; about two minutes

The loop draws the same kind of resamples and calls scikit-learn once for each score it has, and
reads the specificities at given sensitivities off one ROC curve. 2,000 resamples of it would take
too long, so it does ``LOOP_RESAMPLES`` and its time is multiplied; its time grows in proportion.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import sklearn.metrics as sk

from skinlesion.metrics.comparison import compare
from skinlesion.metrics.intervals import BCA, bootstrap

REPEATS = 5
RESAMPLES = 2000
LOOP_RESAMPLES = {600: 40, 33_126: 4}  # ISIC 2017's test set, ISIC 2020's training set
MALIGNANT = {600: 117, 33_126: 584}
THRESHOLD = 0.5
SENSITIVITIES = (0.82, 0.89, 0.95)


def main() -> None:
    for images, loop_resamples in LOOP_RESAMPLES.items():
        y_true, y_prob, other = _example(images)
        group = np.arange(images).astype(str)
        ours = _median(lambda: _bootstrap(y_true, y_prob, group))  # noqa: B023
        few = _median(lambda: _loop(y_true, y_prob, loop_resamples))  # noqa: B023
        loop = few * RESAMPLES / loop_resamples
        bca = _median(lambda: _bootstrap(y_true, y_prob, group, method=BCA))  # noqa: B023
        two = _median(lambda: _compare(y_true, np.stack([y_prob, other]), group))  # noqa: B023
        print(f"{images:,} images, {RESAMPLES:,} resamples")
        print(f"  all scores, percentile   {ours:8.2f} s")
        print(f"  all scores, BCa          {bca:8.2f} s")
        print(f"  compare 2 models         {two:8.2f} s")
        print(f"  loop over scikit-learn   {loop:8.2f} s, from {loop_resamples} in {few:.2f} s")
        print(f"  ratio                    {loop / ours:8.0f}")


def _median(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _example(images: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y_true = (np.arange(images) < MALIGNANT[images]).astype(np.int64)
    one, other = 1 / (1 + np.exp(-rng.normal(y_true * 1.5 - 1, 1, size=(2, images))))
    return y_true, one, other


def _bootstrap(
    y_true: np.ndarray, y_prob: np.ndarray, group: np.ndarray, *, method: str = "percentile"
) -> None:
    bootstrap(
        y_true,
        y_prob,
        group,
        threshold=THRESHOLD,
        resamples=RESAMPLES,
        confidence=0.95,
        rng=np.random.default_rng(0),
        method=method,
    )


def _compare(y_true: np.ndarray, y_probs: np.ndarray, group: np.ndarray) -> None:
    compare(
        y_true,
        y_probs,
        group,
        thresholds=[THRESHOLD, THRESHOLD],
        score="roc_auc",
        resamples=RESAMPLES,
        confidence=0.95,
        rng=np.random.default_rng(0),
    )


def _loop(y_true: np.ndarray, y_prob: np.ndarray, resamples: int) -> None:
    rng = np.random.default_rng(0)
    strata = [np.flatnonzero(y_true == 1), np.flatnonzero(y_true == 0)]
    scores = []
    for _ in range(resamples):
        rows = np.concatenate([rng.choice(stratum, len(stratum)) for stratum in strata])
        scores.append(_by_scikit_learn(y_true[rows], y_prob[rows]))
    np.quantile(scores, [0.025, 0.975], axis=0)


def _by_scikit_learn(y_true: np.ndarray, y_prob: np.ndarray) -> list[float]:
    """All scores but ECE, which scikit-learn has not."""
    called = (y_prob >= THRESHOLD).astype(np.int64)
    fpr, tpr, _ = sk.roc_curve(y_true, y_prob, drop_intermediate=False)
    return [
        sk.accuracy_score(y_true, called),
        sk.balanced_accuracy_score(y_true, called),
        sk.recall_score(y_true, called),
        sk.recall_score(y_true, called, pos_label=0),
        sk.precision_score(y_true, called),
        sk.precision_score(y_true, called, pos_label=0),
        sk.f1_score(y_true, called),
        sk.matthews_corrcoef(y_true, called),
        sk.cohen_kappa_score(y_true, called),
        sk.roc_auc_score(y_true, y_prob),
        sk.roc_auc_score(1 - y_true, -y_prob, max_fpr=0.2),
        sk.average_precision_score(y_true, y_prob),
        sk.brier_score_loss(y_true, y_prob),
        sk.log_loss(y_true, y_prob),
        *((1 - fpr[tpr >= target]).max() for target in SENSITIVITIES),
    ]


if __name__ == "__main__":
    main()
