"""A folder of plain files that classifies inside the browser: page, models, ONNX Runtime Web."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from skinlesion.bundle import Description
from skinlesion.config import Cleaning
from skinlesion.data.quality import dermoscopy
from skinlesion.errors import ConfigError
from skinlesion.export.browser.package import BINARY, SCRIPT, VERSION, runtime_files
from skinlesion.folders import new_folder

MODEL = "model.json"
RUNTIME = "onnxruntime"
# Servers know .js everywhere; some do not know .mjs and would send a script that no browser runs.
RENAMED = {SCRIPT: SCRIPT.removesuffix(".mjs") + ".js"}

__all__ = ["MODEL", "refuse_unsupported", "runtime_files", "write_site"]


def refuse_unsupported(description: Description) -> None:
    """Raise ConfigError if the page cannot prepare images as the model wants them."""
    wanted = {
        name
        for member in description.members
        for name, value in member.preprocessing.cleaning
        if value != getattr(Cleaning(), name)
    }
    if wanted:
        raise ConfigError(
            f"{description.name} cleans images by {', '.join(sorted(wanted))},"
            " which the page cannot",
            expected="a model of a data set without cleaning",
            fix="use skinlesion serve, or train on a data set that was preprocessed without it",
        )


def write_site(
    folder: Path,
    description: Description,
    networks: Sequence[bytes],
    runtime: Mapping[str, bytes],
    *,
    identity: str,
    dtype: str,
    overwrite: bool = False,
) -> int:
    """Write the folder, whole or not at all; returns its size in bytes.

    Args:
        folder: To be made.
        description: Of the model.
        networks: An ONNX file's content for each member, with ``image`` and ``logit``.
        runtime: What ``runtime_files`` returned.
        identity: Names the model in the answers.
        dtype: In which the networks hold their kernels, as the page tells it.
        overwrite: Replace an existing folder.

    Raises:
        ConfigError: If the page cannot prepare images as the model wants them.
        DataError: If the folder exists and is not to be replaced.
    """
    refuse_unsupported(description)
    names = _names(len(networks))
    told = _described(description, dict(zip(names, networks, strict=True)), dtype)
    told |= {"identity": identity, "runtime": _runtime(runtime)}
    files = dict(zip(names, networks, strict=True)) | _page()
    files |= {f"{RUNTIME}/{RENAMED.get(name, name)}": content for name, content in runtime.items()}
    files[MODEL] = (json.dumps(told, indent=1) + "\n").encode()
    with new_folder(folder, overwrite=overwrite) as partial:
        (partial / RUNTIME).mkdir()
        for name, content in files.items():
            (partial / name).write_bytes(content)
    return sum(map(len, files.values()))


def _names(count: int) -> list[str]:
    return ["model.onnx"] if count == 1 else [f"model-{place:02d}.onnx" for place in range(count)]


def _described(
    description: Description, networks: Mapping[str, bytes], dtype: str
) -> dict[str, Any]:
    """The bundle's own description, its weights files replaced by those of the page."""
    told = description.model_dump(mode="json")
    for member, (name, content) in zip(told["members"], networks.items(), strict=True):
        member.pop("weights")
        digest = hashlib.sha256(content).hexdigest()
        member["onnx"] = {"name": name, "bytes": len(content), "sha256": digest, "dtype": dtype}
    sources = [
        {"mean": mean.tolist(), "inverse": inverse.tolist()}
        for mean, inverse in dermoscopy.reference()
    ]
    return told | {"dermoscopy": {"threshold": dermoscopy.threshold(), "sources": sources}}


def _runtime(files: Mapping[str, bytes]) -> dict[str, Any]:
    return {"name": f"{RUNTIME}/{BINARY}", "bytes": len(files[BINARY]), "version": VERSION}


def _page() -> dict[str, bytes]:
    """The page's own files by their place in the folder."""
    page = resources.files("skinlesion.export.browser") / "page"
    files = {item.name: item.read_bytes() for item in page.iterdir() if item.is_file()}
    licence = files.pop("onnxruntime-LICENSE.txt")
    return files | {f"{RUNTIME}/LICENSE.txt": licence}
