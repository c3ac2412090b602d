"""Client: HTTP to a few known hosts, with limits, back-off and no trust in what comes back."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import requests
import requests.adapters

from skinlesion import __version__
from skinlesion.data.isic.answers import (
    MAX_WAIT_SECONDS,
    PassingError,
    StoppedError,
    header_number,
    reason_of,
    refuse_status,
)
from skinlesion.data.isic.urls import refuse_url, shown
from skinlesion.errors import DataError

USER_AGENT = f"skinlesion/{__version__} (research toolkit; python-requests/{requests.__version__})"
CHUNK = 2**16
MAX_JSON_BYTES = 32 * 2**20
MAX_REDIRECTS = 5

T = TypeVar("T")


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
                    refuse_status(response, url, accept)
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
            raise PassingError(f"{shown(url)}: {reason_of(error)}") from error


def _joined(url: str, location: str) -> str:
    try:
        return urllib.parse.urljoin(url, location)
    except ValueError as error:
        raise DataError(f"{shown(url)} leads to {shown(location)}: {error}") from error


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
