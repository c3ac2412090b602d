"""Combiners: how the probabilities of several members become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skinlesion.ensemble.pools import (
    Params,
    apply_logit_weights,
    apply_ranks,
    apply_votes,
    apply_weights,
    fit_even_weights,
    fit_ranks,
    fit_votes,
)
from skinlesion.ensemble.selection import fit_best_subset, fit_greedy
from skinlesion.ensemble.stacking import apply_stacking, fit_stacking
from skinlesion.ensemble.weighting import fit_best_weights


@dataclass(frozen=True)
class Combiner:
    """A way to combine members: fitted on val, applied anywhere.

    Attributes:
        fit: Called as ``fit(val_probs, y_true, *, group, rng, **options)``: from val
            probabilities, shape (n, m), a column a member, labels and groups, shape (n,), and a
            source of randomness, to parameters that JSON can hold. The options are those of the
            method's section in ``config/evidence.py``, where their defaults are.
        apply: From parameters and probabilities, shape (n, m), columns in the same order, to the
            combined output, shape (n,), in [0, 1]. The output of an image depends on its own
            row and on the parameters only.
        uses_labels: Whether ``fit`` looks at labels, which makes the score on val optimistic.
        weighs: Whether the output grows with a sum of the members' probabilities or logits, each
            times its own of the parameters ``weights``, none negative.

    Both raise DataError if the shapes do not fit or a value is not a probability. The order of
    members changes the order of parameters and nothing else.
    """

    fit: Callable[..., Params]
    apply: Callable[[Mapping[str, Any], np.ndarray], np.ndarray]
    uses_labels: bool = False
    weighs: bool = True


COMBINERS = {
    "mean": Combiner(fit_even_weights, apply_weights),
    "logit_mean": Combiner(fit_even_weights, apply_logit_weights),
    "weighted": Combiner(fit_best_weights, apply_weights, uses_labels=True),
    "majority_vote": Combiner(fit_votes, apply_votes, weighs=False),
    "rank_mean": Combiner(fit_ranks, apply_ranks, weighs=False),
    "greedy": Combiner(fit_greedy, apply_weights, uses_labels=True),
    "best_subset": Combiner(fit_best_subset, apply_weights, uses_labels=True),
    "stacking": Combiner(fit_stacking, apply_stacking, uses_labels=True),
}


def weighty(weights: Sequence[float]) -> list[int]:
    """Places of the members that have a weight; of all if none has."""
    return [n for n, weight in enumerate(weights) if weight > 0] or [*range(len(weights))]
