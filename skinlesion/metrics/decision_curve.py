"""Decision curve: is acting on the model better than treating everybody, or nobody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skinlesion.errors import ConfigError
from skinlesion.metrics.arrays import checked
from skinlesion.metrics.intervals import PERCENTILE, distributions
from skinlesion.metrics.scores import rank, ratio

ROUNDING = 1e-12  # net benefits closer than this are the same, summed in another order


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefits, in true positives an image; that of treating nobody is 0 everywhere.

    Attributes:
        at: Threshold probabilities, shape (t,).
        model: Of treating images from the threshold probability on, shape (t,), nan without
            images of both classes if a prevalence is given.
        low: End of the bootstrap interval of ``model`` at each threshold; so ``high``.
        high: Shape (t,).
        treat_all: Of treating everybody, shape (t,).
        prevalence: The malignant fraction that all is stated for.
    """

    at: np.ndarray
    model: np.ndarray
    low: np.ndarray
    high: np.ndarray
    treat_all: np.ndarray
    prevalence: float

    @property
    def standardized(self) -> np.ndarray:
        """Net benefit as a share of the greatest possible one: 1 is a perfect model, shape (t,).

        Source: Kerr, Brown, Zhu and Janes, J. Clin. Oncol. 34:2534, 2016.
        """
        return self.model / self.prevalence if self.prevalence else np.full(len(self.at), np.nan)

    @property
    def avoided(self) -> np.ndarray:
        """Biopsies that the model saves against treating everybody, an image, shape (t,).

        That is net of malignant images missed; below 0 it is worse than treating everybody.
        """
        return (self.model - self.treat_all) * (1 - self.at) / self.at

    @property
    def useful(self) -> np.ndarray:
        """Where the model is better than treating everybody and than nobody, bool, shape (t,)."""
        return self.model > np.maximum(self.treat_all, 0) + ROUNDING


def decision_curve(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    group: np.ndarray,
    *,
    at: np.ndarray,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
    prevalence: float | None = None,
) -> DecisionCurve:
    """Net benefit of treating whoever's probability reaches a threshold, for each threshold.

    Net benefit: sensitivity q - (1 - specificity) (1 - q) t / (1 - t), for a prevalence of q and
    a threshold probability of t: whoever treats from t on holds one missed malignant lesion to be
    as bad as (1 - t) / t needless biopsies. It judges probabilities as they are: calibrate first.
    Intervals are pointwise, of the bootstrap over groups.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        group: Patient or lesion of each image, shape (n,).
        at: Threshold probabilities, shape (t,), in (0, 1).
        resamples: Number of resamples.
        confidence: Coverage of the intervals, in (0, 1).
        rng: Source of the draws.
        prevalence: States all for this malignant fraction, in (0, 1); None: as observed. The
            probabilities should then be right for that fraction too.

    Raises:
        ConfigError: If a threshold probability or the prevalence is out of range.
        DataError: If the arrays do not fit each other, or hold other values than these.

    Source: Vickers and Elkin, Med. Decis. Making 26:565, 2006.
    """
    at = np.asarray(at, np.float64)
    _refuse_out_of_range(at, prevalence)
    ranking = rank(y_true, y_prob)
    columns = np.searchsorted(-ranking.cutoffs, -at, side="right")
    harm = at / (1 - at)

    def net_benefits(weights: np.ndarray) -> dict[str, np.ndarray]:
        tally = ranking.tally(weights[:, ranking.order], threshold=0.0)
        found = _net_benefit(
            (tally.tp_at[:, columns], tally.malignant[:, None]),
            (tally.fp_at[:, columns], tally.benign[:, None]),
            harm,
            prevalence,
        )
        return {f"{index}": column for index, column in enumerate(found.T)}

    found = distributions(net_benefits, y_true, group, resamples=resamples, rng=rng)
    curve = [found[f"{index}"].estimate(PERCENTILE, confidence) for index in range(len(at))]
    share = float(ranking.y_true.mean()) if prevalence is None else prevalence
    return DecisionCurve(
        at=at,
        model=np.array([one.value for one in curve]),
        low=np.array([one.low for one in curve]),
        high=np.array([one.high for one in curve]),
        treat_all=share - (1 - share) * harm,
        prevalence=share,
    )


def net_benefit(
    y_true: np.ndarray, y_prob: np.ndarray, *, at: np.ndarray, prevalence: float | None = None
) -> np.ndarray:
    """The values of ``decision_curve`` without its intervals, shape (t,); arguments as there.

    Raises:
        DataError: If the arrays do not fit each other, or hold other values than these.
    """
    y_true, y_prob = checked(y_true, y_prob)
    ascending = [np.sort(y_prob[y_true == label]) for label in (0, 1)]
    fp, tp = (len(one) - np.searchsorted(one, at, side="left") for one in ascending)
    benign, malignant = (np.full(len(at), len(one)) for one in ascending)
    return _net_benefit((tp, malignant), (fp, benign), at / (1 - at), prevalence)


def _refuse_out_of_range(at: np.ndarray, prevalence: float | None) -> None:
    if not ((at > 0) & (at < 1)).all():
        raise ConfigError("threshold probabilities of a decision curve", expected="in (0, 1)")
    if prevalence is not None and not 0 < prevalence < 1:
        raise ConfigError(f"a prevalence of {prevalence}", expected="above 0, below 1")


def _net_benefit(
    true: tuple[np.ndarray, np.ndarray],
    false: tuple[np.ndarray, np.ndarray],
    harm: np.ndarray,
    prevalence: float | None,
) -> np.ndarray:
    """Of positives found, true and false, each with the number of its class; nan without one.

    All arrays broadcast to one shape (..., t).
    """
    (tp, malignant), (fp, benign) = true, false
    if prevalence is None:
        return ratio(tp - fp * harm, malignant + benign)
    return ratio(tp, malignant) * prevalence - ratio(fp, benign) * (1 - prevalence) * harm
