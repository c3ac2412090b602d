"""ONNX Runtime Web: the files of one version of its npm package, checked byte by byte."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests

from skinlesion.errors import DataError, IntegrityError, MissingExtraError
from skinlesion.export.browser.registry import registry
from skinlesion.folders import atomic_path
from skinlesion.offline import VARIABLE, is_offline

VERSION = "1.30.0"
NAME = f"onnxruntime-web-{VERSION}.tgz"
PATH = f"onnxruntime-web/-/{NAME}"  # of every registry
# As npm publishes it: `npm view onnxruntime-web@1.30.0 dist.integrity`.
_SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
INTEGRITY = f"sha512-{_SHA512}"
SCRIPT, BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
SHA256 = {
    SCRIPT: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    BINARY: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 20
_MAX_BYTES = 1 << 28  # of the package; it has 33 MB


def cached() -> Path:
    """Where the downloaded package is kept."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return home / "skinlesion" / NAME


def runtime_files(
    given: Path | None, *, say: Callable[[str], None] = lambda text: None
) -> dict[str, bytes]:
    """The contents of ``SCRIPT`` and ``BINARY``.

    Args:
        given: A folder that holds them, an installed package's folder, or the package as
            ``npm pack`` writes it; None: the cache, else npm's registry.
        say: Told of a download.

    Raises:
        DataError: If they are not in ``given``.
        IntegrityError: If they are those of another version, or changed.
        MissingExtraError: If they have to be downloaded and cannot be.
    """
    if given is None:
        if not cached().is_file():
            _download(cached(), say)
        given = cached()
    files = _of_package(given) if given.is_file() else _of_folder(given)
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != SHA256[name]:
            raise IntegrityError(
                f"{name} in {given} is not that of onnxruntime-web {VERSION}",
                expected=f"SHA-256 {SHA256[name]}",
                fix=f"npm install onnxruntime-web@{VERSION}",
            )
    return files


def _of_folder(folder: Path) -> dict[str, bytes]:
    places = (folder, folder / "dist", folder / "node_modules/onnxruntime-web/dist")
    for place in places:
        if all((place / name).is_file() for name in SHA256):
            return {name: (place / name).read_bytes() for name in SHA256}
    raise DataError(
        f"{folder} does not hold ONNX Runtime Web",
        expected=f"{' and '.join(SHA256)} in it or in its dist",
        fix=f"npm install onnxruntime-web@{VERSION}, then give node_modules/onnxruntime-web",
    )


def _of_package(path: Path) -> dict[str, bytes]:
    content = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b""
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise IntegrityError(
            f"{path} is not onnxruntime-web {VERSION} as npm publishes it",
            expected=INTEGRITY,
            fix=f"remove it, or get it by npm pack onnxruntime-web@{VERSION}",
        )
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        members = {name: archive.extractfile(f"package/dist/{name}") for name in SHA256}
        return {name: member.read() for name, member in members.items() if member}


def _download(path: Path, say: Callable[[str], None]) -> None:
    url = f"{registry()}/{PATH}"
    shown = _without_password(url)
    if is_offline():
        raise _not_had(path, shown, f"{VARIABLE} or --offline forbids the network")
    say(f"downloading {shown} (33 MB, once) to {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            requests.get(url, stream=True, timeout=_TIMEOUT_SECONDS) as answer,
            atomic_path(path) as temporary,
        ):
            answer.raise_for_status()
            with temporary.open("wb") as target:
                for chunk in answer.iter_content(_CHUNK):
                    target.write(chunk)
                    if target.tell() > _MAX_BYTES:
                        raise IntegrityError(f"{shown} gives more than {_MAX_BYTES:,} bytes")
            _of_package(temporary)
    except requests.RequestException as error:
        raise _not_had(path, shown, str(error).replace(url, shown)) from error


def _without_password(url: str) -> str:
    """``url`` as it may be printed."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _not_had(path: Path, shown: str, why: str) -> MissingExtraError:
    return MissingExtraError(
        f"ONNX Runtime Web, which the page needs, could not be downloaded: {why}",
        expected=shown,
        fix=f"set npm_config_registry to a registry that can be reached; or, where npm works, npm"
        f" pack onnxruntime-web@{VERSION}, and copy the file to {path}, or give it by"
        " --onnxruntime-web FILE",
    )
