"""Which images an epoch shows in which order, a function of the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Fourth of the random keys below; (seed, epoch) is the augmentation's, with a 1 the shuffle's.
TURNS, PASSES, PLACES = 3, 4, 5


@dataclass(frozen=True)
class Balance:
    """What every batch holds.

    Attributes:
        malignant_fraction: Share of malignant, in (0, 1), to within one image.
        images_per_epoch: At least 2; None: as many as there are images.
    """

    malignant_fraction: float
    images_per_epoch: int | None = None


@dataclass(frozen=True)
class Order:
    """The order of every epoch.

    Attributes:
        labels: Of the images, shape (k,), 0 or 1.
        batch_size: The last batch of an epoch may be smaller.
        seed: Of the order.
        balance: None: every image once an epoch, shuffled. Otherwise each class is shown in passes
            without replacement, shuffled anew: within an epoch, and over all epochs from the first
            on, no image of a class comes more than once more often than another.
    """

    labels: np.ndarray
    batch_size: int
    seed: int
    balance: Balance | None = None

    @property
    def size(self) -> int:
        """Images an epoch, repeated ones counted."""
        wanted = self.balance.images_per_epoch if self.balance else None
        return len(self.labels) if wanted is None else wanted

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-self.size // self.batch_size)

    @property
    def shown_labels(self) -> np.ndarray:
        """Labels of the images of any one epoch, shape (size,), in no particular order."""
        return _places(self.size, self.balance.malignant_fraction) if self.balance else self.labels

    def batches(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(images, repeats) of each batch: numbers below k, and how often each came before."""
        order = self.of_epoch(epoch)
        repeats = count_repeats(order)
        for first in range(0, len(order), self.batch_size):
            batch = slice(first, first + self.batch_size)
            yield order[batch], repeats[batch]

    def of_epoch(self, epoch: int) -> np.ndarray:
        """Numbers of the images in the order of ``epoch``, shape (size,)."""
        if self.balance is None:
            return epoch_order(len(self.labels), seed=self.seed, epoch=epoch)
        places = _places(self.size, self.balance.malignant_fraction)
        order = np.empty(self.size, np.int64)
        for label in (0, 1):
            images = np.flatnonzero(self.labels == label)
            wanted = int((places == label).sum())
            key = (self.seed, epoch, label)
            order[places == label] = images[_drawn(len(images), wanted, key)]
        # Within each batch by chance: nothing may follow from an image's place in it.
        rng = np.random.default_rng((self.seed, epoch, 0, PLACES))
        for first in range(0, self.size, self.batch_size):
            rng.shuffle(order[first : first + self.batch_size])
        return order


def epoch_order(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """The order in which ``count`` examples are seen in ``epoch``: a permutation."""
    return np.random.default_rng((seed, epoch, 1)).permutation(count)


def count_repeats(order: np.ndarray) -> np.ndarray:
    """How often each number of ``order`` stands before, shape (n,): 0 where it is the first."""
    by_number = np.argsort(order, kind="stable")
    _, first, counts = np.unique(order[by_number], return_index=True, return_counts=True)
    repeats = np.empty(len(order), np.int64)
    repeats[by_number] = np.arange(len(order)) - np.repeat(first, counts)
    return repeats


def _places(size: int, fraction: float) -> np.ndarray:
    """The class of each place: any run of places holds ``fraction`` of 1 to within one image."""
    so_far = np.floor(np.arange(size + 1) * fraction + 0.5)
    places = np.diff(so_far).astype(np.int64)
    if len({*places.tolist()}) == 1:  # a share below half an image
        places[0] = 1 - places[0]
    return places


def _drawn(count: int, wanted: int, key: tuple[int, int, int]) -> np.ndarray:
    """``wanted`` of the numbers below ``count``, pass after pass; key is (seed, epoch, label)."""
    times = np.full(count, wanted // count)
    more = wanted % count
    # Half of them at most take turns: at being shown once more, or else once less.
    if 2 * more <= count:
        times[_turns(count, more, key)] += 1
    else:
        times += 1
        times[_turns(count, count - more, key)] -= 1
    rng = np.random.default_rng((*key, PASSES))
    passes = [rng.permutation(np.flatnonzero(times > number)) for number in range(times.max())]
    return np.concatenate(passes)


def _turns(count: int, some: int, key: tuple[int, int, int]) -> np.ndarray:
    """``some``, at most half, of the numbers below ``count``, whose turn it is in this epoch.

    Permutations of all are laid end to end and dealt out, ``some`` an epoch. Where an epoch takes
    the end of one and the beginning of the next, the next is changed so that none comes twice: its
    first numbers are those that the end of the last one lacks.
    """
    seed, epoch, label = key

    def permutation(number: int) -> np.ndarray:
        return np.random.default_rng((seed, number, label, TURNS)).permutation(count)

    def laid(number: int) -> np.ndarray:
        numbers, begun = permutation(number), number * count % some
        if not begun:
            return numbers
        # The end of the one before is as drawn: what changed in it lies in its first half.
        end = permutation(number - 1)[count - begun :]
        first = np.flatnonzero(~np.isin(numbers, end))[: some - begun]
        return np.concatenate([numbers[first], np.delete(numbers, first)])

    if not some:
        return np.empty(0, np.int64)
    number, start = divmod(epoch * some, count)
    found = laid(number)[start : start + some]
    if len(found) == some:
        return found
    return np.concatenate([found, laid(number + 1)[: some - len(found)]])
