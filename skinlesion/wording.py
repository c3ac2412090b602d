"""Counts in words, for lines that people read."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 image``, ``2,000 images``; ``plural`` where it is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def reason(message: str) -> str:
    """What a pydantic error says, without the name of the exception that a validator raised."""
    return message.removeprefix("Value error, ")
