"""The weights of several models made one: the mean of all, or of those that do not harm val.

Source: Wortsman et al., Model soups: averaging weights of multiple fine-tuned models improves
accuracy without increasing inference time, ICML 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from skinlesion.config import SoupMethod

# Scores this close are equal: another processor rounds logits otherwise.
TOLERANCE = 1e-6

Weights = list[np.ndarray]
Load = Callable[[], Weights]
Measure = Callable[[Weights], float]


@dataclass(frozen=True)
class Soup:
    """What was averaged.

    Attributes:
        weights: The mean, in the order and types of the members'.
        chosen: Numbers of the members in it, in the order in which they came in.
        score: Of the mean on val, the larger the better.
    """

    weights: Weights
    chosen: list[int]
    score: float


def uniform_soup(members: Sequence[Load], scores: Sequence[float], measure: Measure) -> Soup:
    """The mean of all members.

    Args:
        members: Each reads the weights of one, when they are needed.
        scores: Of each alone, the larger the better.
        measure: The score of a model of given weights.
    """
    first = members[0]()
    total = _exact(first)
    for load in members[1:]:
        total = _add(total, load())
    weights = _mean(total, len(members), like=first)
    return Soup(weights, list(range(len(members))), measure(weights))


def greedy_soup(members: Sequence[Load], scores: Sequence[float], measure: Measure) -> Soup:
    """The best member, and each next best with which the score of the mean does not fall.

    Arguments are those of ``uniform_soup``. The result never scores below the best member by
    more than ``TOLERANCE``.
    """
    order = sorted(range(len(members)), key=lambda number: -scores[number])
    best = members[order[0]]()
    reached = scores[order[0]]
    total, soup = _exact(best), Soup(best, order[:1], reached)
    for number in order[1:]:
        trial = _add(total, members[number]())
        weights = _mean(trial, len(soup.chosen) + 1, like=best)
        score = measure(weights)
        if score >= reached - TOLERANCE:
            reached = max(reached, score)
            total, soup = trial, Soup(weights, [*soup.chosen, number], score)
    return soup


def _exact(weights: Weights) -> Weights:
    """In float64, where sums of a few thousand float32 of one size are exact."""
    return [value.astype(np.float64) for value in weights]


def _add(total: Weights, weights: Weights) -> Weights:
    return [one + other for one, other in zip(total, weights, strict=True)]


def _mean(total: Weights, count: int, *, like: Weights) -> Weights:
    return [(sum_ / count).astype(one.dtype) for sum_, one in zip(total, like, strict=True)]


SOUPS: dict[SoupMethod, Callable[[Sequence[Load], Sequence[float], Measure], Soup]] = {
    "greedy": greedy_soup,
    "uniform": uniform_soup,
}
