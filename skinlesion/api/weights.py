"""weights list, fetch, verify and import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skinlesion.api.checking import Between, checked
from skinlesion.api.mirror import Place, reporter_for


def list_weights() -> list[dict[str, Any]]:
    """For each backbone: its name, state, file, size and where the file comes from."""
    from skinlesion.pretrained import inventory

    return inventory()


def fetch_weights(backbones: Sequence[str] = (), *, progress: bool = False) -> list[dict[str, Any]]:
    """Download Keras's ImageNet files into its folder, checked; returns ``list_weights()``.

    Args:
        backbones: Whose; none: all that Keras can download.
        progress: Tell on stderr how far it has come.

    Raises:
        ConfigError: If there is no such backbone.
        MissingExtraError: If a file cannot be had.
        IntegrityError: If what came is not the file.
    """
    from skinlesion.commands import weights as module

    module.fetch(backbones, reporter=reporter_for(progress))
    return list_weights()


def verify_weights(backbones: Sequence[str] = ()) -> dict[str, str]:
    """Read the files again and compare their sums; by backbone its state.

    Raises:
        ConfigError: If there is no such backbone.
        IntegrityError: If a file is damaged.
        MissingExtraError: If one of ``backbones`` is missing.
    """
    from skinlesion.commands import weights as module

    return module.verify(backbones)


@checked(min_match=Between(0, 1))
def import_weights(
    file: Place, *, backbone: str, out: Place, min_match: float = 0.9
) -> dict[str, Any]:
    """Copy weights of another program by layer name and shape into a ``.weights.h5``.

    Args:
        file: A ``.h5``, ``.weights.h5`` or ``.keras`` file of Keras; nothing in it is run.
        backbone: Whose layers it has.
        out: The file to write.
        min_match: Least fraction of the parameters that must match, in [0, 1].

    Returns:
        What was copied and what did not match, by name.

    Raises:
        ConfigError: If an argument is wrong.
        DataError: If the file cannot be read, too little of it matches, or ``out`` exists.
    """
    from skinlesion.commands import weights as module

    return module.import_(Path(file), backbone, Path(out), min_match=min_match)
