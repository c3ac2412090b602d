"""What a server's answer, or its silence, means: good, bad for the moment, or bad for good."""

from __future__ import annotations

import datetime
import email.utils

import requests
import urllib3.exceptions

from skinlesion.data.isic.urls import shown
from skinlesion.errors import DataError

MAX_WAIT_SECONDS = 300.0
PASSING = (408, 425, 429, 500, 502, 503, 504)


class HttpError(DataError):
    """The server refused a request for good.

    Args:
        status: The HTTP status.
        url: What was asked for.
    """

    def __init__(self, status: int, url: str) -> None:
        super().__init__(f"{shown(url)}: the server answered {status}")
        self.status = status


class PassingError(Exception):
    """A request failed for the moment.

    Args:
        reason: What is said if it never gets better.
        wait: Seconds that the server asked to wait, if it did.
    """

    def __init__(self, reason: str, *, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class StoppedError(Exception):
    """The work was called off while this request ran."""


def refuse_status(response: requests.Response, url: str, accept: tuple[int, ...]) -> None:
    """Raise for an answer whose status is not one to ``accept``.

    Raises:
        PassingError: If it may get better, and soon.
        DataError: If it will not.
    """
    if response.status_code in accept:
        return
    if response.status_code not in PASSING:
        raise HttpError(response.status_code, url)
    reason = f"{shown(url)}: the server answered {response.status_code}"
    wait = _retry_after(response.headers.get("Retry-After", ""))
    if wait is not None and wait > MAX_WAIT_SECONDS:
        raise DataError(
            f"{reason} and asks to wait for {wait:.0f} s",
            fix="try again later: what has been fetched is kept",
        )
    raise PassingError(reason, wait=wait)


def _retry_after(text: str) -> float | None:
    """Seconds that a Retry-After header asks for: a number or a date; None if it is neither."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0.0, (moment - datetime.datetime.now(datetime.UTC)).total_seconds())


def header_number(response: requests.Response, name: str) -> int | None:
    """A header that is a count; None where it is missing or is not one."""
    text = response.headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def reason_of(error: requests.exceptions.RequestException) -> str:
    """Why no answer came, in words."""
    cause = error.args[0] if error.args else None
    silent = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)
    if isinstance(error, silent) or isinstance(cause, silent):
        return "the server did not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke before the end"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection to the server; a proxy is taken from HTTPS_PROXY"
    return f"{type(error).__name__}: {error}"
