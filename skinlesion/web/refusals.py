"""What a client did wrong, or must wait for: one JSON body for every error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse


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
