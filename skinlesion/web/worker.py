"""One thread that runs the model, and the bounded queue before it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from skinlesion.web.refusals import Refusal

# Of the newest job's time in the mean that tells clients how long to wait.
NEWEST = 0.2
FIRST_GUESS = 1.0  # seconds

Job = tuple[Future[Any], Callable[[], Any]]


class Worker:
    """Runs jobs one after the other, in the order of their coming.

    TensorFlow uses all cores for one picture: a second thread would only need more memory.

    Args:
        waiting: Jobs in the queue, besides the one that runs.
    """

    def __init__(self, waiting: int) -> None:
        self._jobs: queue.Queue[Job | None] = queue.Queue()
        self._waiting, self._lock = waiting, threading.Lock()
        self._seconds, self._is_open, self._unfinished = FIRST_GUESS, True, 0
        self._thread = threading.Thread(target=self._work, name="skinlesion-model", daemon=True)
        self._thread.start()

    @property
    def unfinished(self) -> int:
        """Jobs that run or wait."""
        return self._unfinished

    @property
    def is_well(self) -> bool:
        """Whether jobs are taken."""
        return self._is_open and self._thread.is_alive()

    def check(self) -> None:
        """Raise a Refusal with status 503 if a job would not be taken now."""
        if not self._is_open:
            raise Refusal(503, "stopping", "the server is being stopped", retry_after=5)
        if self._unfinished > self._waiting:
            raise Refusal(
                503,
                "busy",
                "as many requests wait for the model as the queue holds",
                expected=f"at most {self._waiting} waiting",
                retry_after=self._unfinished * self._seconds,
            )

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """The result of ``call`` to come; a Refusal as ``check``."""
        future: Future[Any] = Future()
        with self._lock:
            self.check()
            self._unfinished += 1
            self._jobs.put((future, call))
        return future

    def close(self) -> None:
        """Take no more jobs, finish those that were taken, and end the thread."""
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False
            self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while job := self._jobs.get():
            begin = time.monotonic()
            _run(*job)
            del job  # or the last pictures would stay in memory
            with self._lock:
                self._unfinished -= 1
                self._seconds += NEWEST * (time.monotonic() - begin - self._seconds)


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
