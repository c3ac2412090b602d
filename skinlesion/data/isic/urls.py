"""Which URLs may be followed, and how those of strangers are shown."""

from __future__ import annotations

import urllib.parse

from skinlesion.errors import DataError

LOOPBACK = ("127.0.0.1", "localhost")


def refuse_url(url: str, hosts: frozenset[str]) -> None:
    """Raise DataError unless ``url`` is https (http on loopback) on one of ``hosts``."""
    try:
        parts, place = urllib.parse.urlsplit(url), host_of(url)
    except ValueError as error:
        raise DataError(f"{shown(url)} is not a URL: {error}") from error
    loopback = (parts.hostname or "").lower() in LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise DataError(f"{shown(url)} is not https", expected="an encrypted connection")
    if parts.username is not None or place not in hosts:
        raise DataError(
            f"{shown(url)} is on a host that is not expected",
            expected=f"one of {', '.join(sorted(hosts))}",
            fix="if you trust it, add it to hosts in the config",
        )


def host_of(url: str) -> str:
    """``host``, or ``host:port`` where it is not the usual port, as ``Client`` takes it.

    Raises:
        ValueError: If ``url`` is not one.
    """
    parts = urllib.parse.urlsplit(url)
    host = (parts.hostname or "").lower()
    return host if parts.port in (None, 443) else f"{host}:{parts.port}"


def shown(url: str) -> str:
    """``url`` for messages: without its query, which may be a signature, and not endless."""
    return printable(url.partition("?")[0][:200])


def printable(text: str) -> str:
    """``text`` of a stranger without what could steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
