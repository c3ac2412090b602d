"""Files and folders that exist whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from skinlesion.errors import DataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside ``path`` that becomes ``path`` if the block succeeds.

    If the block raises, the folder is removed and whatever stood at ``path`` is untouched. What a
    killed process left of the same ``path`` is removed first.

    Args:
        path: The folder to make; its parents are made as needed.
        overwrite: Replace an existing folder instead of refusing.

    Raises:
        DataError: If ``path`` exists and ``overwrite`` is false, or another process is making it.
    """
    refuse_existing(path, overwrite=overwrite)
    made = _make_parents(path.parent)
    try:
        with _partial_folder(path) as partial:
            yield partial
            if overwrite and path.exists():
                _replace(path, partial)
            else:
                partial.rename(path)
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


@contextlib.contextmanager
def _partial_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that stands for ``path`` meanwhile, locked until the block is left.

    The lock is the system's on the folder itself: it ends with the process however that ends, so
    what is not locked was left by a killed one.
    """
    with _locked(path.parent):
        for other in path.parent.glob(f".{glob.escape(path.name)}.partial-*"):
            _remove_if_left_behind(other, of=path)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.partial-", dir=path.parent))
        lock = contextlib.ExitStack()
        lock.enter_context(_locked(partial))
    with lock:
        try:
            partial.chmod(0o777 & ~_umask())
            yield partial
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def _remove_if_left_behind(partial: Path, *, of: Path) -> None:
    try:
        with _locked(partial, wait=False):
            shutil.rmtree(partial, ignore_errors=True)
    except BlockingIOError:
        raise DataError(
            f"another process is writing {of} at this moment",
            expected="one at a time",
            fix="wait until it is done, or choose another name",
        ) from None


@contextlib.contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of ``folder``; BlockingIOError if it is taken and ``wait`` is false.

    Where the system or the file system has no such locks (Windows, some network disks), nothing
    is locked; names are drawn at random, so that two processes still share no folder.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with _unless_unsupported():
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Raise DataError if another process is in such a block with ``folder``; see ``_locked``."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_locked(folder, wait=False))
        except BlockingIOError:
            raise DataError(
                f"another process is at work in {folder} at this moment",
                expected="one at a time",
                fix="wait until it is done, or choose another name",
            ) from None
        yield


@contextlib.contextmanager
def _unless_unsupported() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise


def refuse_existing(path: Path, *, overwrite: bool = False) -> None:
    """Raise DataError if ``path`` is taken: a finished result is never changed silently."""
    if path.exists() and (not overwrite or not path.is_dir()):
        raise DataError(
            f"{path} exists already",
            expected="a folder that does not exist yet: results are written once",
            fix="choose another name, or pass --overwrite to replace it",
        )


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name that is flushed to disk and renamed to ``path`` on success.

    The temporary name keeps ``path``'s suffixes, so writers that look at them work.
    """
    temporary = path.with_name(f".partial-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 ``text`` to ``path``, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _replace(path: Path, new: Path) -> None:
    """Put ``new`` where ``path`` stands; if that fails, ``path`` stays."""
    old = new.with_name(new.name + ".old")
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _make_parents(folder: Path) -> list[Path]:
    """Make ``folder``; return the folders that were new, deepest first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
    return missing


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
