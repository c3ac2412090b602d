"""The one switch that keeps every command off the network: --offline, or SKINLESION_OFFLINE=1."""

from __future__ import annotations

import os

VARIABLE = "SKINLESION_OFFLINE"


def go_offline() -> None:
    """Keep this process, and those that it starts, off the network."""
    os.environ[VARIABLE] = "1"


def is_offline() -> bool:
    """Whether the network is not to be used."""
    return os.environ.get(VARIABLE, "").lower() not in ("", "0", "false", "no")
