"""The same work on many things in a few threads, each failure kept beside what it was about."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from skinlesion.data.isic.answers import StoppedError
from skinlesion.errors import DataError

T = TypeVar("T")


def each(
    work: Callable[[T], object], things: Sequence[T], *, threads: int
) -> Generator[tuple[T, DataError | None], None, None]:
    """Yield each thing when its work is over, with its DataError if it failed.

    The threads do not hold up the end of the program: work that is called off may be anywhere in
    the middle, as after kill -9.

    Raises:
        OSError: Like any other error that is not a DataError, as soon as it happens.
    """
    todo: queue.SimpleQueue[T] = queue.SimpleQueue()
    over: queue.SimpleQueue[tuple[T, Exception | None]] = queue.SimpleQueue()
    stopped = threading.Event()
    for thing in things:
        todo.put(thing)

    def serve() -> None:
        while not stopped.is_set():
            try:
                thing = todo.get_nowait()
            except queue.Empty:
                return
            try:
                work(thing)
            except StoppedError:
                return
            except Exception as error:
                over.put((thing, error))
            else:
                over.put((thing, None))

    for _ in range(min(threads, len(things))):
        threading.Thread(target=serve, daemon=True).start()
    try:
        for _ in things:
            thing, error = over.get()
            if error is not None and not isinstance(error, DataError):
                raise error
            yield thing, error
    finally:
        stopped.set()
