"""What Prometheus may know of a server (https://prometheus.io/docs/practices/naming/)."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "botconvo_requests", "Requests answered.", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "botconvo_request_seconds", "Time from a request to its answer.", ["path"],
            registry=self._registry, buckets=SECONDS,
        )  # fmt: skip
        self._prompt_tokens = Counter(
            "botconvo_prompt_tokens", "Tokens of prompts read.", registry=self._registry
        )
        self._drawn_tokens = Counter(
            "botconvo_drawn_tokens", "Tokens drawn.", registry=self._registry
        )
        self._speed = Gauge(
            "botconvo_tokens_per_second", "Of the last generation.", registry=self._registry
        )
        self._running = Gauge(
            "botconvo_requests_running", "Requests being answered.", registry=self._registry
        )
        self._waiting = Gauge(
            "botconvo_requests_waiting", "Requests in the queue.", registry=self._registry
        )

    def answered(self, path: str, status: int, seconds: float) -> None:
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def drawn(self, prompt_tokens: int, tokens: int, seconds: float) -> None:
        self._prompt_tokens.inc(prompt_tokens)
        self._drawn_tokens.inc(tokens)
        self._speed.set(tokens / max(seconds, 1e-6))

    def queue(self, running: int, waiting: int) -> None:
        self._running.set(running)
        self._waiting.set(waiting)

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self._registry)
