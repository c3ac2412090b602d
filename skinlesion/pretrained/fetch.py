"""Download one of Keras's weights files, whole and checked or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import requests

from skinlesion.errors import IntegrityError, MissingExtraError
from skinlesion.folders import atomic_path
from skinlesion.offline import VARIABLE, is_offline
from skinlesion.pretrained import KerasFile

TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 20


def fetch(
    file: KerasFile,
    *,
    advance: Callable[[int, int], None] = lambda done, total: None,
    timeout: float = TIMEOUT_SECONDS,
) -> None:
    """Put ``file`` where Keras looks for it; a damaged one is replaced.

    Args:
        file: What to download.
        advance: Called with (bytes done, bytes in all or 0) as they come.
        timeout: Seconds without an answer or a byte after which to give up.

    Raises:
        MissingExtraError: If there is no network, or ``is_offline``.
        IntegrityError: If what came is not the file.
    """
    if is_offline():
        raise _not_had(file, f"{VARIABLE} or --offline forbids the network")
    file.path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with (
            requests.get(file.url, stream=True, timeout=timeout) as answer,
            atomic_path(file.path) as temporary,
        ):
            answer.raise_for_status()
            total, done = int(answer.headers.get("Content-Length", 0)), 0
            with temporary.open("wb") as target:
                for chunk in answer.iter_content(_CHUNK):
                    target.write(chunk)
                    digest.update(chunk)
                    done += len(chunk)
                    advance(done, total)
            if digest.hexdigest() != file.md5:
                raise IntegrityError(
                    f"{file.url} gave another file: its md5 is {digest.hexdigest()}",
                    expected=f"{file.md5}, {done:,} bytes came",
                    fix="try again; if it stays so, copy the file from a machine that has it",
                )
    except requests.RequestException as error:
        raise _not_had(file, str(error)) from error


def _not_had(file: KerasFile, why: str) -> MissingExtraError:
    return MissingExtraError(
        f"{file.name} could not be downloaded: {why}",
        expected=file.url,
        fix=f"copy the file to {file.path} from a machine that has it, or use efficientnet_lite0,"
        " whose weights come with the installation",
    )
