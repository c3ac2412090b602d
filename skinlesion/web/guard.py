"""What stands before every route: host, origin and token on the way in, headers on the way out."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skinlesion.web.refusals import Refusal, response_of

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
PROTECTED = ("/api", "/metrics")

Count = Callable[[str, str, int, float], None]


class Guard:
    """Wraps the application.

    Args:
        app: What is guarded.
        token: That ``PROTECTED`` paths need; None: they are open.
        hosts: Names that the Host header may have, in lower case, without port; None: any.
        count: Told path, method, status and seconds of each answer.
    """

    def __init__(
        self, app: ASGIApp, *, token: str | None, hosts: frozenset[str] | None, count: Count
    ) -> None:
        self._app, self._token, self._hosts, self._count = app, token, hosts, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.monotonic(), 500

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            refusal = self._refusal(scope)
            answer = response_of(refusal) if refusal else self._app
            await answer(scope, receive, guarded)
        finally:
            self._count(scope["path"], scope["method"], status, time.monotonic() - begin)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts is not None and _name_of(host) not in self._hosts:
            # A page of another name that points to this machine could read our answers.
            return Refusal(
                403,
                "unknown_host",
                "the request is for another host",
                expected=f"one of {', '.join(sorted(self._hosts))}",
            )
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return Refusal(403, "foreign_origin", "the request comes from another site's page")
        if self._token is None or not is_protected(scope["path"]):
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self._token.encode())
        if scheme.lower() != "bearer" or not same:
            return Refusal(
                401,
                "token",
                "the token is missing or wrong",
                expected="Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return None


def is_protected(path: str) -> bool:
    """Whether a token is asked for, if there is one."""
    return any(path == one or path.startswith(f"{one}/") for one in PROTECTED)


def _name_of(host: str) -> str:
    """Without the port: ``[::1]`` of ``[::1]:8000``."""
    name = host.lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]
