"""What a client did wrong, or must wait for: one JSON body for every error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from skinlesion.wording import reason


class Refusal(Exception):
    """Ends a request.

    Args:
        status: Of HTTP.
        code: A word that programs can compare.
        what: What happened, one sentence.
        expected: What was expected instead.
        retry_after: Seconds after which it may work; None: not by waiting.
        headers: To be sent besides.
        more: Further keys of the body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        what: str,
        *,
        expected: str = "",
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(what)
        self.status, self.code, self.what, self.expected = status, code, what, expected
        self.retry_after, self.headers, self.more = retry_after, headers or {}, more or {}


def response_of(refusal: Refusal) -> JSONResponse:
    """``{"error": {"code", "message", "expected", "retry_after"}}`` and what ``more`` holds."""
    error: dict[str, Any] = {"code": refusal.code, "message": refusal.what}
    headers = dict(refusal.headers)
    if refusal.expected:
        error["expected"] = refusal.expected
    if refusal.retry_after is not None:
        seconds = max(1, math.ceil(refusal.retry_after))
        error["retry_after"] = seconds
        headers["Retry-After"] = str(seconds)
    return JSONResponse({"error": error, **refusal.more}, refusal.status, headers)


async def _refused(_: Request, error: Any) -> Response:
    return response_of(error)


async def _http(_: Request, error: Any) -> Response:
    """A path or method that is not there."""
    code = {404: "not_found", 405: "method"}.get(error.status_code, "http")
    return response_of(Refusal(error.status_code, code, str(error.detail), headers=error.headers))


async def _invalid(_: Request, error: Any) -> Response:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return response_of(Refusal(422, "invalid", f"{where}: {reason(first['msg'])}"))


async def _gone(_: Request, error: Any) -> Response:
    return response_of(Refusal(400, "disconnected", "the client went away"))


async def _bug(request: Request, error: Any) -> Response:
    """Starlette raises the error again after this answer, so the server's log has it."""
    return response_of(Refusal(500, "bug", "the server failed; its log says why"))


# By the class of what was raised.
HANDLERS: dict[Any, Any] = {
    Refusal: _refused,
    HTTPException: _http,
    RequestValidationError: _invalid,
    ClientDisconnect: _gone,
    Exception: _bug,
}
