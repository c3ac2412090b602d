"""What Prometheus is told: requests, times, the queue, pictures."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

METHODS = ("GET", "HEAD", "POST", "OPTIONS")
OTHER = "other"
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class Meters:
    """Counters of one server, apart from the process's global ones.

    Args:
        routes: Paths that have a label of their own; all others share one, or a stranger could
            make as many as he likes.
        queue_length: Asked when the numbers are read.
    """

    def __init__(self, routes: tuple[str, ...], queue_length: Callable[[], int]) -> None:
        self._routes, self._registry = routes, CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "skinlesion_requests",
            "Requests answered",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "skinlesion_request_seconds",
            "From a request's head to the end of its answer",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._model_seconds = Histogram(
            "skinlesion_model_seconds",
            "Time of the model for one request, without waiting",
            ("job",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._images = Counter(
            "skinlesion_images", "Pictures received", ("outcome",), registry=self._registry
        )
        for outcome in ("answered", "unreadable"):
            self._images.labels(outcome)
        Gauge(
            "skinlesion_queue_length",
            "Requests that wait for the model, or are with it",
            registry=self._registry,
        ).set_function(queue_length)

    def request(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count an answer."""
        route = path if path in self._routes else OTHER
        known = method if method in METHODS else OTHER
        self._requests.labels(route, known, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def job(self, name: str, seconds: float) -> None:
        """Count what the model did for a request."""
        self._model_seconds.labels(name).observe(seconds)

    def images(self, *, answered: int, unreadable: int) -> None:
        """Count pictures."""
        self._images.labels("answered").inc(answered)
        self._images.labels("unreadable").inc(unreadable)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
