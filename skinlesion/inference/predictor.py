"""From image files to answers, a batch at a time: the run's own pixels, views and thresholds."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skinlesion.bundle import Description, Member, Preprocessing, ViewOf
from skinlesion.config import Cleaning
from skinlesion.data.images import ImageBytes, decode, stored_size
from skinlesion.data.parallel import ordered_map
from skinlesion.data.quality.flags import FLAG_SIZE, quality_flags
from skinlesion.data.views import SYMMETRY_NAMES, View, choose_views
from skinlesion.ensemble import COMBINERS
from skinlesion.errors import ConfigError, DataError
from skinlesion.inference.averages import AVERAGES
from skinlesion.metrics.abstention import REFERRED, label_sets
from skinlesion.metrics.calibration import CALIBRATORS

BATCH = 32
Squares = dict[Preprocessing, np.ndarray]
# From square stored pixels, shape (n, S, S, 3), uint8, and how many times larger to show them, to
# logits of the positive class, shape (n,).
Network = Callable[[np.ndarray, float], np.ndarray]
# Logits that were computed already, by member and view.
Memo = dict[tuple[int, ViewOf], np.ndarray]
SYMMETRIES = len(SYMMETRY_NAMES)
# What flags look at; as many models look at the same, it is seldom decoded twice.
_PLAIN = Preprocessing(stored_size=FLAG_SIZE, fit="squash", cleaning=Cleaning())


@dataclass(frozen=True)
class Answer:
    """What there is to say of one image; all but path and error None if it cannot be read.

    Attributes:
        path: As it was given.
        probability: Of the model's positive class, in [0, 1], as the model gives it.
        calibrated: The same after calibration on val.
        decision: Name of the class at the operating point.
        refer: Whether the conformal set leaves it open; None also if the model has no such sets.
        flags: What is wrong with the picture, names of ``data.quality.flags``.
        error: Why it cannot be read.
        low: The smallest probability of the eight symmetries of the image; None if not asked for.
        high: The largest.
    """

    path: str
    probability: float | None = None
    calibrated: float | None = None
    decision: str | None = None
    refer: bool | None = None
    flags: tuple[str, ...] = ()
    error: str | None = None
    low: float | None = None
    high: float | None = None


class Predictor:
    """A model that answers.

    Args:
        description: What it is.
        networks: The members', in order.
        checksum: Names description and weights.
        views: Symmetries to show of each image, at scale 1; None: the members' own views.
    """

    def __init__(
        self,
        description: Description,
        networks: Sequence[Network],
        *,
        checksum: str,
        views: int | None = None,
    ) -> None:
        if views is not None:
            shown = [
                ViewOf(symmetry=v.symmetry, scale=v.scale) for v in choose_views(views, (1.0,))
            ]
            members = [m.model_copy(update={"views": tuple(shown)}) for m in description.members]
            description = description.model_copy(update={"members": tuple(members)})
        self.description = description
        self.identity = hashlib.sha256(f"{checksum} {views}".encode()).hexdigest()[:12]
        self.networks = list(networks)

    def predict(
        self,
        paths: Iterable[str | Path | ImageBytes],
        *,
        threshold: str | None = None,
        batch_size: int = BATCH,
        workers: int = 0,
        spread: bool = False,
    ) -> Iterator[Answer]:
        """An answer for each of ``paths``, in order; memory does not grow with their number.

        Args:
            paths: Image files, or their content; read no further ahead than a batch and four files
                a thread.
            threshold: Name of an operating point; None: ``default_threshold``.
            batch_size: Images that the model sees at once.
            workers: Threads that decode; 0: one a core.
            spread: Also say how far the answer moves from one symmetry of the image to another,
                which costs up to eight times as much.

        Raises:
            ConfigError: If there is no such operating point.
        """
        limit = threshold_of(self.description, threshold)
        loaded = ordered_map(self._load, paths, workers=workers)
        while batch := list(itertools.islice(loaded, batch_size)):
            yield from self._answer(batch, limit, spread=spread)

    def probabilities(
        self, squares: Sequence[Squares], *, symmetry: int | None = None, memo: Memo | None = None
    ) -> np.ndarray:
        """Of the positive class, shape (n,), float64, from what ``decode`` made of n images.

        Args:
            squares: At least one.
            symmetry: Show this one only, at the scales of each member's views; None: all its views.
            memo: Of the same images: logits in it are not computed again, others are added.
        """
        columns = [
            self._member(number, squares, symmetry, {} if memo is None else memo)
            for number in range(len(self.networks))
        ]
        combined = self.description.combiner
        if combined is None:
            return columns[0]
        return COMBINERS[combined.name].apply(combined.params, np.stack(columns, axis=1))

    def _member(
        self, number: int, squares: Sequence[Squares], symmetry: int | None, memo: Memo
    ) -> np.ndarray:
        member, network = self.description.members[number], self.networks[number]
        pixels = np.stack([square[member.preprocessing] for square in squares])
        views = _views(member, symmetry)
        for shown in views:
            if (number, shown) not in memo:
                turned = View(shown.symmetry, shown.scale).turned(pixels)
                memo[number, shown] = network(turned, shown.scale)
        return _average(member, [memo[number, shown] for shown in views])

    def _load(
        self, path: str | Path | ImageBytes
    ) -> tuple[str, Squares, tuple[str, ...], str | None]:
        """Path, pixels by preprocessing, flags; or the reason why there are none."""
        file = path if isinstance(path, ImageBytes) else Path(path)
        try:
            squares = self.squares(file)
            plain = squares[_PLAIN] if _PLAIN in squares else decode(file, FLAG_SIZE)
            flags = quality_flags(plain, min(stored_size(file)))
        except DataError as error:
            return str(path), {}, (), error.what
        return str(path), squares, flags, None

    def _answer(
        self,
        batch: list[tuple[str, Squares, tuple[str, ...], str | None]],
        threshold: float,
        *,
        spread: bool,
    ) -> Iterator[Answer]:
        readable = [squares for _, squares, _, error in batch if error is None]
        memo: Memo = {}
        probability = self.probabilities(readable, memo=memo) if readable else np.empty(0)
        ends = self._ends(readable, memo) if spread and readable else None
        calibration, conformal = self.description.calibration, self.description.conformal
        calibrated = CALIBRATORS[calibration.method].apply(calibration.params, probability)
        sets = label_sets(conformal.model_dump(), probability) if conformal else None
        place = 0
        for path, _, flags, error in batch:
            if error is not None:
                yield Answer(path, error=error)
                continue
            yield Answer(
                path,
                probability=float(probability[place]),
                calibrated=float(calibrated[place]),
                decision=self.description.classes[int(probability[place] >= threshold)],
                refer=None if sets is None else str(sets[place]) in REFERRED,
                flags=flags,
                low=None if ends is None else float(ends[0][place]),
                high=None if ends is None else float(ends[1][place]),
            )
            place += 1

    def squares(self, file: Path | ImageBytes) -> Squares:
        """The pixels that members resize, by preprocessing; DataError if it cannot be read."""
        return {
            how: decode(file, how.stored_size, fit=how.fit, cleaning=how.cleaning)
            for how in {member.preprocessing for member in self.description.members}
        }

    def _ends(self, squares: Sequence[Squares], memo: Memo) -> tuple[np.ndarray, np.ndarray]:
        """The smallest and the largest probability of the eight symmetries of each image."""
        every = [
            self.probabilities(squares, symmetry=symmetry, memo=memo)
            for symmetry in range(SYMMETRIES)
        ]
        return np.min(every, axis=0), np.max(every, axis=0)


def _views(member: Member, symmetry: int | None) -> tuple[ViewOf, ...]:
    """Its views, or one symmetry at each of their scales."""
    if symmetry is None:
        return member.views
    scales = dict.fromkeys(view.scale for view in member.views)
    return tuple(ViewOf(symmetry=symmetry, scale=scale) for scale in scales)


def _average(member: Member, logits: Sequence[np.ndarray]) -> np.ndarray:
    """Probability of the views' logits, one array a view."""
    inner, outer = AVERAGES[member.average]
    total = np.zeros(len(logits[0]))
    for one in logits:
        total += inner(one)
    return outer(total / len(logits))


def default_threshold(description: Description) -> str:
    """Its first operating point: Youden's where val allows one."""
    return next(iter(description.operating_points))


def threshold_of(description: Description, name: str | None) -> float:
    """The probability from which on to call an image positive.

    Args:
        description: Of the model.
        name: An operating point's, or a number in [0, 1]; None: ``default_threshold``.

    Raises:
        ConfigError: If it is neither.
    """
    points = description.operating_points
    name = name or default_threshold(description)
    if name in points:
        return points[name].threshold
    with contextlib.suppress(ValueError):
        if 0 <= float(name) <= 1:
            return float(name)
    raise ConfigError(
        f"there is no operating point {name!r}",
        expected=f"one of {', '.join(points)}; or a probability in [0, 1]",
    )
