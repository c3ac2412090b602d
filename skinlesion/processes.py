"""A command in a process of its own, which ends when its parent does, however that ends."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any

from skinlesion.errors import DataError, error_of

INTERRUPTED = 130
# The parent's end of the child's standard input closes with the parent, even after kill -9.
_CODE = (
    "import sys; sys.argv[0] = 'skinlesion';"
    " from skinlesion.processes import end_with_parent; end_with_parent();"
    " from skinlesion.cli import main; main()"
)


def run_command(arguments: Sequence[str], *, quiet: bool = False) -> None:
    """Run ``skinlesion ARGUMENTS`` in a process of its own and wait for its end.

    Its progress goes to this process's stderr; its results are not shown.

    Raises:
        SkinlesionError: The kind of its own error, which it has printed.
        DataError: If it was killed.
        KeyboardInterrupt: If it was interrupted.
        RuntimeError: If it ended by a bug.
    """
    with running(["--quiet", *arguments] if quiet else arguments) as process:
        refuse_failure(process.wait(), " ".join(arguments[:1]))


@contextlib.contextmanager
def running(
    arguments: Sequence[str], *, stderr: IO[Any] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The process of ``skinlesion ARGUMENTS``; killed if it still runs when the block is left."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()


def refuse_failure(exit_code: int, what: str) -> None:
    """Raise what the exit code of a process says, unless it is 0."""
    if exit_code == 0:
        return
    if exit_code == INTERRUPTED:
        raise KeyboardInterrupt
    if exit_code < 0:
        raise DataError(
            f"the process of {what} was killed by signal {-exit_code}",
            expected="a process that comes to its end; 9 is often the system, short of memory",
            fix="free some memory, or use a smaller batch_size; then repeat with --resume",
        )
    error = error_of(exit_code)
    if error is None:
        raise RuntimeError(f"{what} ended with exit code {exit_code}; its traceback is above")
    raise error(f"{what} failed; its own message is above", fix="mend that, repeat with --resume")


def end_with_parent() -> None:
    """End this process as soon as nobody holds the other end of its standard input."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(INTERRUPTED)

    threading.Thread(target=watch, daemon=True).start()
