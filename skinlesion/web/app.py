"""The routes: a page, a JSON API, health and metrics."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from importlib import resources
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from skinlesion import __version__
from skinlesion.data.images import ImageBytes
from skinlesion.errors import DataError
from skinlesion.web.guard import Guard, is_protected
from skinlesion.web.limits import Limits
from skinlesion.web.meters import Meters
from skinlesion.web.rates import Memory, Rates
from skinlesion.web.refusals import HANDLERS, Refusal
from skinlesion.web.served import (
    NOTICE,
    Answers,
    ErrorBody,
    Evidence,
    HeatMap,
    Row,
    ServedModel,
)
from skinlesion.web.table import to_csv
from skinlesion.web.uploads import read_images, refuse_pixels
from skinlesion.web.worker import Worker

T = TypeVar("T")
STATIC = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
API = ("/api/predict", "/api/explain", "/api/model", "/api/openapi.json", "/healthz", "/metrics")
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            }
        },
    }
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody} for status in (400, 401, 403, 408, 413, 415, 422, 429, 503)
}


class Api:
    """The handlers, and what they share.

    Args:
        model: Asked by one thread.
        limits: Of everything.
    """

    def __init__(self, model: ServedModel, limits: Limits) -> None:
        self.model, self.limits = model, limits
        self.worker, self.rates = Worker(limits.queue), Rates(limits.rate)
        self.memory = Memory(limits.held_bytes)
        self.meters = Meters((*STATIC, *API), lambda: self.worker.unfinished)

    async def predict(
        self,
        request: Request,
        threshold: Annotated[str | None, Query(description="operating point")] = None,
        format: Literal["json", "csv"] = "json",
    ) -> Response:
        """Probability, spread, decision and flags of one picture or many."""
        name = self._threshold(threshold)
        with self._admitted(request) as take:
            images = await read_images(request, self.limits, take, most=self.limits.files)
            self.rates.charge(_client(request), len(images) - 1)
            refused = await run_in_threadpool(self._refused, images)
            good = [image for image, why in zip(images, refused, strict=True) if why is None]
            found = await self._ask("predict", _predicting(self.model, good, name)) if good else []
            rows = iter(found)
            answers = Answers(
                model=self.model.identity,
                threshold=name,
                answers=[
                    next(rows) if why is None else Row(file=image.name, error=why)
                    for image, why in zip(images, refused, strict=True)
                ],
            )
        broken = sum(row.error is not None for row in answers.answers)
        self.meters.images(answered=len(images) - broken, unreadable=broken)
        if broken == len(images):
            raise Refusal(
                422,
                "unreadable",
                answers.answers[0].error or "" if broken == 1 else f"none of {broken} is readable",
                expected="whole JPEG, PNG, BMP or TIFF files",
                more=answers.model_dump(mode="json"),
            )
        if format == "csv":
            return Response(to_csv(answers), media_type="text/csv; charset=utf-8")
        return JSONResponse(answers.model_dump(mode="json"))

    async def explain(
        self,
        request: Request,
        evidence: Evidence = "for",
        format: Literal["json", "png"] = "json",
    ) -> Response:
        """Grad-CAM of one picture: the layer of colour as JSON, or the finished picture as PNG."""
        if self.model.why_no_map:
            raise Refusal(422, "no_map", self.model.why_no_map)
        with self._admitted(request) as take:
            (image,) = await read_images(request, self.limits, take, most=1)
            why = (await run_in_threadpool(self._refused, [image]))[0]
            if why is not None:
                raise _unreadable(why)
            try:
                found = await self._ask(
                    "explain", lambda: self.model.explain(image, evidence=evidence)
                )
            except DataError as error:
                raise _unreadable(error.what) from error
        if format == "png":
            return Response(found.overlay, media_type="image/png")
        answer = HeatMap(
            file=image.name,
            method="gradcam",
            evidence=evidence,
            target=self.model.target,
            is_empty=found.is_empty,
            is_whole=found.is_whole,
            side=found.side,
            picture=base64.b64encode(found.picture).decode(),
            layer=base64.b64encode(found.layer).decode(),
        )
        return JSONResponse(answer.model_dump(mode="json"))

    async def card(self) -> JSONResponse:
        """The model card, operating points, flags and limits."""
        limits = {
            name: getattr(self.limits, name) for name in ("file_bytes", "files", "pixels", "rate")
        }
        more = {"limits": limits, "notice": NOTICE, "version": __version__}
        return JSONResponse({**self.model.card(), **more})

    async def healthz(self) -> JSONResponse:
        """Whether requests are taken."""
        if not self.worker.is_well:
            raise Refusal(503, "stopping", "the server is being stopped", retry_after=5)
        return JSONResponse({"status": "ok"})

    async def metrics(self) -> Response:
        """For Prometheus."""
        return Response(self.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @contextlib.contextmanager
    def _admitted(self, request: Request) -> Iterator[Callable[[int], None]]:
        """Refuse early, before the body is read; charge one picture; then hold the body's bytes."""
        self.rates.check(_client(request))
        self.worker.check()
        self.rates.charge(_client(request), 1)
        with self.memory.holding() as take:
            yield take

    def _threshold(self, name: str | None) -> str:
        points = self.model.operating_points
        if name is not None and name not in points:
            raise Refusal(
                422,
                "unknown_threshold",
                f"there is no operating point {name!r}",
                expected=f"one of {', '.join(points)}",
            )
        return name or points[0]

    def _refused(self, images: Sequence[ImageBytes]) -> list[str | None]:
        return [refuse_pixels(image, self.limits) for image in images]

    async def _ask(self, job: str, call: Callable[[], T]) -> T:
        """What the worker makes of ``call``; its time is counted."""

        def timed() -> T:
            begin = time.monotonic()
            try:
                return call()
            finally:
                self.meters.job(job, time.monotonic() - begin)

        return await asyncio.wrap_future(self.worker.submit(timed))


def make_app(
    model: ServedModel,
    limits: Limits,
    *,
    token: str | None = None,
    hosts: frozenset[str] | None = None,
) -> tuple[Guard, Api]:
    """The application, and what it is made of.

    Args:
        model: What is served.
        limits: Of everything.
        token: That the API and the metrics need; None: they are open.
        hosts: As in ``Guard``.
    """
    api = Api(model, limits)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(api.worker.close)

    # FastAPI's own pages of the API load their scripts from elsewhere.
    app = FastAPI(
        title="skinlesion",
        version=__version__,
        description=NOTICE,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    # The guard asks for the token; this tells OpenAPI of it.
    bearer = [Depends(HTTPBearer(auto_error=False))] if token else []
    for path, name, method, options in _routes():
        needed = bearer if is_protected(path) else []
        app.add_api_route(
            path, getattr(api, name), methods=[method], dependencies=needed, **options
        )
    for path, (file, kind) in STATIC.items():
        app.add_api_route(path, _static(file, kind), methods=["GET"], include_in_schema=False)
    for error, handler in HANDLERS.items():
        app.add_exception_handler(error, handler)
    return Guard(app, token=token, hosts=hosts, count=api.meters.request), api


def _routes() -> list[tuple[str, str, str, dict[str, Any]]]:
    """Path, handler, method and what OpenAPI says of it."""
    csv_or_json = {"text/csv": {"schema": {"type": "string"}}}
    return [
        ("/api/predict", "predict", "POST", {"openapi_extra": _FORM, "responses": {
            200: {"model": Answers, "content": csv_or_json}, **_ERRORS}}),
        ("/api/explain", "explain", "POST", {"openapi_extra": _FORM, "responses": {
            200: {"model": HeatMap, "content": {"image/png": {}}}, **_ERRORS}}),
        ("/api/model", "card", "GET", {}),
        ("/healthz", "healthz", "GET", {}),
        ("/metrics", "metrics", "GET", {"response_class": Response}),
    ]  # fmt: skip


def _static(file: str, kind: str) -> Callable[[], Any]:
    content = resources.files("skinlesion.web").joinpath("static", file).read_bytes()

    async def serve() -> Response:
        return Response(content, media_type=kind)

    return serve


def _predicting(
    model: ServedModel, images: Sequence[ImageBytes], threshold: str
) -> Callable[[], list[Row]]:
    return lambda: model.predict(images, threshold=threshold)


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _unreadable(why: str) -> Refusal:
    return Refusal(422, "unreadable", why, expected="a whole JPEG, PNG, BMP or TIFF file")
