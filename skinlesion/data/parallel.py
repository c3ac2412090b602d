"""A function over many items in threads: results in order, a bounded number in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int = 0
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` of each item, in order; close it to stop early.

    Threads, not processes: Pillow decodes and resizes without the interpreter lock, and threads
    start at once (2,000 images of HAM10000 on 2 cores: 2.0 s, two processes 2.3 s, serial 3.4 s).

    Args:
        function: What it raises ends the map.
        items: Read no further ahead than four items a thread.
        workers: Threads; 0: one a core; 1: none, in the caller's.
    """
    workers = workers or os.cpu_count() or 1
    if workers == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="skinlesion")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
