"""Shares of what is scarce: pictures a minute for each client, bytes in memory for all together."""

from __future__ import annotations

import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

from skinlesion.web.refusals import Refusal

MAX_CLIENTS = 10_000  # remembered; the one that was away longest is forgotten first


class Rates:
    """A bucket for each client, which fills at a steady rate and may be drawn below empty once.

    How many pictures a request brings is known only when it is read, so a client that has
    something left may send them, and waits longer afterwards.

    Args:
        per_minute: Pictures; 0: no limit.
        clock: Seconds, never falling.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._full, self._per_second, self._clock = per_minute, per_minute / 60, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, client: str) -> None:
        """Raise a Refusal with status 429 if the client has nothing left."""
        left = self._now(client)[0] if self._full else 1
        if left < 1:
            raise Refusal(
                429,
                "rate_limit",
                "too many pictures from this client",
                expected=f"at most {self._full} a minute",
                retry_after=(1 - left) / self._per_second,
            )

    def charge(self, client: str, pictures: int) -> None:
        """Take as much from the client's bucket, which may end up below empty."""
        if not self._full or not pictures:
            return
        left, now = self._now(client)
        self._left[client] = (left - pictures, now)
        self._left.move_to_end(client)
        if len(self._left) > MAX_CLIENTS:
            self._left.popitem(last=False)

    def _now(self, client: str) -> tuple[float, float]:
        now = self._clock()
        left, then = self._left.get(client, (float(self._full), now))
        return min(self._full, left + (now - then) * self._per_second), now


class Memory:
    """Bytes of uploads that are held at a time.

    Args:
        most: Beyond which uploads are refused.
    """

    def __init__(self, most: int) -> None:
        self._most, self.held = most, 0

    @contextlib.contextmanager
    def holding(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that takes so many bytes more; all are given back at the end.

        It raises a Refusal with status 503 if there are not so many.
        """
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            if self.held + count > self._most:
                raise Refusal(
                    503, "busy", "the server holds as many uploads as it can", retry_after=2
                )
            self.held += count
            mine += count

        try:
            yield take
        finally:
            self.held -= mine
