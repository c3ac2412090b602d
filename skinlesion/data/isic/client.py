"""Client: HTTP to a few known hosts, with limits, back-off and no trust in what comes back."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import requests
import requests.adapters
import urllib3.exceptions

from skinlesion import __version__
from skinlesion.data.isic.urls import refuse_url, shown
from skinlesion.errors import DataError

USER_AGENT = f"skinlesion/{__version__} (research toolkit; python-requests/{requests.__version__})"
CHUNK = 2**16
MAX_JSON_BYTES = 32 * 2**20
MAX_REDIRECTS = 5
MAX_WAIT_SECONDS = 300.0
PASSING = (408, 425, 429, 500, 502, 503, 504)

T = TypeVar("T")


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


class Client:
    """One polite visitor, used by several threads.

    Args:
        hosts: ``host`` or ``host:port`` that may be spoken to; every other is refused, in links
            and redirects too.
        connections: Number of threads that use it.
        retries: Of one request, when it failed for the moment.
        backoff_seconds: Before the first retry; doubled each time, up to ``MAX_WAIT_SECONDS``.
        timeout_seconds: Of silence.
        sleep: For tests.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        *,
        connections: int = 1,
        retries: int = 5,
        backoff_seconds: float = 1.0,
        timeout_seconds: float = 30.0,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.hosts = frozenset(host.lower() for host in hosts)
        self.retries, self.backoff_seconds = retries, backoff_seconds
        self.timeout_seconds = timeout_seconds
        self.stopped = threading.Event()
        self._sleep = sleep or self.stopped.wait
        self._resume_at = 0.0
        self._session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def stop(self) -> None:
        """Call off all requests, those that wait at once."""
        self.stopped.set()

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def get_json(self, url: str, params: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """The JSON object at ``url``.

        Raises:
            DataError: If it cannot be had, is larger than ``MAX_JSON_BYTES``, or is no object.
        """
        content = self.get_bytes(url, params, cap=MAX_JSON_BYTES)
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{shown(url)} is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise DataError(f"{shown(url)} is not a JSON object")
        return value

    def get_bytes(
        self, url: str, params: Mapping[str, str | int] | None = None, *, cap: int
    ) -> bytes:
        """What is at ``url``, held in memory.

        Raises:
            DataError: If it cannot be had, or is larger than ``cap`` bytes.
        """

        def read() -> bytes:
            content = bytearray()
            with self.open(url, params=params) as response:
                for chunk in self.chunks(response):
                    content += chunk
                    if len(content) > cap:
                        raise DataError(f"{shown(url)} is larger than {cap} bytes")
            return bytes(content)

        return self.retrying(read)

    def size(self, url: str) -> int | None:
        """The bytes that ``url`` announces; None if it does not.

        Raises:
            DataError: If it cannot be had.
        """

        def read() -> int | None:
            with self.open(url, method="HEAD") as response:
                return header_number(response, "Content-Length")

        return self.retrying(read)

    @contextlib.contextmanager
    def open(
        self,
        url: str,
        *,
        method: str = "GET",
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (200,),
    ) -> Iterator[requests.Response]:
        """One request, without retries; redirects are followed to known hosts only.

        Raises:
            PassingError: If it failed for the moment.
            DataError: If it failed for good.
        """
        for _ in range(MAX_REDIRECTS + 1):
            refuse_url(url, self.hosts)
            with self._passing(url):
                response = self._send(method, url, params, headers or {})
            with response:
                if not response.is_redirect:
                    _refuse_status(response, url, accept)
                    yield response
                    return
                url, params = _joined(url, response.headers["Location"]), None
        raise DataError(f"{shown(url)}: more than {MAX_REDIRECTS} redirects")

    def _send(
        self,
        method: str,
        url: str,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str],
    ) -> requests.Response:
        """One answer, its body unread.

        Not by Session.request: that reads the body of a redirect, however large, sends passwords
        of .netrc, and keeps cookies. Proxies and certificates of the environment are used.
        """
        own = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        request = requests.Request(method, url, params=params, headers={**own, **headers})
        prepared = request.prepare()
        address = str(prepared.url)
        settings: Any = self._session.merge_environment_settings(address, {}, True, None, None)
        adapter = self._session.get_adapter(address)
        return adapter.send(prepared, timeout=self.timeout_seconds, **settings)

    def chunks(self, response: requests.Response) -> Iterator[bytes]:
        """The body, piece by piece, until it ends or the work is called off.

        Raises:
            PassingError: If the connection breaks.
            StoppedError: If the work was called off.
        """
        with self._passing(response.url):
            for chunk in response.iter_content(CHUNK):
                if self.stopped.is_set():
                    raise StoppedError
                yield chunk

    def retrying(self, work: Callable[[], T], *, progress: Callable[[], int] = int) -> T:
        """``work()``, repeated while it fails for the moment.

        Args:
            work: Raises PassingError for what may get better.
            progress: Grows as ``work`` gets on; where it has grown, the retries begin anew.

        Raises:
            DataError: If it did not get better.
        """
        failures, before = 0, progress()
        while True:
            self._wait_until(self._resume_at)
            try:
                return work()
            except PassingError as problem:
                now = progress()
                failures, before = (1 if now > before else failures + 1), now
                if failures > self.retries:
                    raise DataError(
                        f"{problem} (tried {_times(failures)})",
                        fix="try again later: what has been fetched is kept",
                    ) from problem
                self._back_off(problem.wait, failures)

    def _back_off(self, asked: float | None, failures: int) -> None:
        """Wait; where the server asked for it, all threads wait."""
        if asked is None:
            delay = min(self.backoff_seconds * 2 ** (failures - 1), MAX_WAIT_SECONDS)
            self._wait_until(time.monotonic() + delay)
        else:
            self._resume_at = max(self._resume_at, time.monotonic() + asked)

    def _wait_until(self, moment: float) -> None:
        if self.stopped.is_set():
            raise StoppedError
        delay = moment - time.monotonic()
        if delay > 0:
            self._sleep(delay)
            if self.stopped.is_set():
                raise StoppedError

    @contextlib.contextmanager
    def _passing(self, url: str) -> Iterator[None]:
        """Turn the errors of a bad line into PassingError."""
        try:
            yield
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise DataError(f"{shown(url)} is not a URL: {error}") from error
        except requests.exceptions.SSLError as error:
            raise DataError(
                f"{shown(url)}: the server's certificate is not trusted: {error}",
                fix="behind a proxy of your own, point REQUESTS_CA_BUNDLE to its certificate",
            ) from error
        except requests.exceptions.RequestException as error:
            raise PassingError(f"{shown(url)}: {_reason(error)}") from error


def header_number(response: requests.Response, name: str) -> int | None:
    """A header that is a count; None where it is missing or is not one."""
    text = response.headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _joined(url: str, location: str) -> str:
    try:
        return urllib.parse.urljoin(url, location)
    except ValueError as error:
        raise DataError(f"{shown(url)} leads to {shown(location)}: {error}") from error


def _refuse_status(response: requests.Response, url: str, accept: tuple[int, ...]) -> None:
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


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _reason(error: requests.exceptions.RequestException) -> str:
    cause = error.args[0] if error.args else None
    silent = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)
    if isinstance(error, silent) or isinstance(cause, silent):
        return "the server did not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke before the end"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection to the server; a proxy is taken from HTTPS_PROXY"
    return f"{type(error).__name__}: {error}"
