"""A command in a process of its own, which ends when its parent does, however that ends."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any

from skinlesion.errors import DataError, SkinlesionError, error_of

INTERRUPTED = 130
# The parent's end of the child's standard input closes with the parent, even after kill -9.
_CODE = (
    "import sys; sys.argv[0] = 'skinlesion';"
    " from skinlesion.processes import end_with_parent, hand_over; end_with_parent();"
    " from skinlesion.cli import main; main({})"
)


def run_command(arguments: Sequence[str], *, quiet: bool = False) -> None:
    """Run ``skinlesion ARGUMENTS`` in a process of its own and wait for its end.

    Its progress goes to this process's stderr; its results are not shown.

    Raises:
        SkinlesionError: Its own error, which it has not printed.
        DataError: If it was killed.
        KeyboardInterrupt: If it was interrupted.
        RuntimeError: If it ended by a bug.
    """
    arguments = ["--quiet", *arguments] if quiet else arguments
    with running(arguments, hands_over=True) as process:
        said = process.stdout.read() if process.stdout else b""
        what = next(word for word in arguments if not word.startswith("-"))
        refuse_failure(process.wait(), what, said)


@contextlib.contextmanager
def running(
    arguments: Sequence[str], *, stderr: IO[Any] | int | None = None, hands_over: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """The process of ``skinlesion ARGUMENTS``; killed if it still runs when the block is left.

    Args:
        arguments: What is typed behind ``skinlesion``.
        stderr: Where its progress goes; None: to that of this process.
        hands_over: Whether its stdout ends in its error, for ``refuse_failure``, instead of its
            stderr.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE.format("hand_over" if hands_over else ""), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if hands_over else subprocess.DEVNULL,
        stderr=stderr,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def hand_over(error: SkinlesionError) -> None:
    """Print ``error`` for the process that reads this one's stdout."""
    which = [str(item) for item in error.which]
    print(json.dumps([error.what, error.expected, error.fix, which]), flush=True)


def refuse_failure(exit_code: int, what: str, said: bytes = b"") -> None:
    """Raise what the exit code of a process says, unless it is 0.

    Args:
        exit_code: Of the process.
        what: It was.
        said: On its stdout; its last line is the error, if it was handed over.
    """
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
    with contextlib.suppress(ValueError, IndexError):
        words, expected, fix, which = json.loads(said.splitlines()[-1])
        raise error(words, expected=expected, fix=fix, which=which)
    raise error(f"{what} failed; its own message is above", fix="mend that, repeat with --resume")


def end_with_parent() -> None:
    """End this process as soon as nobody holds the other end of its standard input."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(INTERRUPTED)

    threading.Thread(target=watch, daemon=True).start()
