"""A listening socket, whom it is open to, and uvicorn behind it until it is told to stop."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import socket
from collections.abc import Callable

import uvicorn

from skinlesion.errors import ConfigError
from skinlesion.web.app import make_app
from skinlesion.web.limits import Limits
from skinlesion.web.served import ServedModel

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
SHORTEST_TOKEN = 16
STOPPING = (signal.SIGINT, signal.SIGTERM)


def refuse_open(host: str, token: str | None) -> None:
    """Raise ConfigError if strangers could reach the server without a good token."""
    if token is not None and (len(token) < SHORTEST_TOKEN or not _is_plain(token)):
        raise ConfigError(
            "the token is too short to keep anybody out, or has letters that no header can carry",
            expected=f"at least {SHORTEST_TOKEN} ASCII letters without spaces",
            fix="python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    if token is None and not is_loopback(host):
        raise ConfigError(
            f"--host {host} opens the server to other machines, and there is no token",
            expected="a token, or an address of this machine alone: 127.0.0.1, ::1 or localhost",
            fix="set SKINLESION_TOKEN (or --token), or leave --host out",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address; a name other than localhost counts as no."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """A socket with that address, which does not listen yet; ConfigError if it is not to be had.

    Args:
        host: An address or a name.
        port: 0: any that is free.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with contextlib.ExitStack() as closing:
            bound = closing.enter_context(socket.socket(family, kind, protocol))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            closing.pop_all()
    except OSError as error:
        raise ConfigError(
            f"cannot serve at {host} port {port}: {error.strerror}",
            expected="an address of this machine and a free port",
            fix="choose another --port or --host; port 0 takes any that is free",
        ) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """As a browser takes it."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(
    model: ServedModel,
    bound: socket.socket,
    *,
    limits: Limits,
    token: str | None,
    started: Callable[[], None],
) -> None:
    """Answer until SIGINT or SIGTERM; answers in flight are finished.

    Args:
        model: What is served.
        bound: From ``bind``.
        limits: Of everything.
        token: As in ``make_app``.
        started: Called when requests are taken.
    """
    host = bound.getsockname()[0]
    # With a token, another name does no harm: the page that has it does not know the token.
    hosts = None if token else LOOPBACK_NAMES | {f"[{host}]" if ":" in host else host}
    app, _ = make_app(model, limits, token=token, hosts=hosts)
    server = _Server(configured(app, limits), started)
    # uvicorn sends itself the signal again once it has stopped, which would look like a crash.
    before = {one: signal.signal(one, lambda *_: None) for one in STOPPING}
    try:
        server.run(sockets=[bound])
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def configured(app: object, limits: Limits) -> uvicorn.Config:
    """How uvicorn runs ``app``: one process, no log of who asked what."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http="h11",
        loop="asyncio",
        lifespan="on",
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=limits.stop_seconds,
    )


class _Server(uvicorn.Server):
    """Says when it has started."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._say = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._say()


def _is_plain(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token
