"""A model server as a process of its own, for the tests of this folder."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import HANGS_AFTER_SECONDS


@dataclass
class Running:
    """The process, where it listens, and the file with its log."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def ask(
        self,
        path: str,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """Status, headers and text of one request on a connection of its own."""
        connection = http.client.HTTPConnection(
            urlsplit(self.url).netloc, timeout=HANGS_AFTER_SECONDS
        )
        try:
            connection.request(
                method or ("GET" if body is None else "POST"), path, body, headers or {}
            )
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """One figure of `GET /metrics`; 0 if it is not there."""
        lines = self.ask("/metrics")[2].splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(name)), 0.0)

    def logged(self) -> list[dict[str, Any]]:
        """Every line of the log. Fails if one is no JSON object."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@contextmanager
def running(
    log: Path, *arguments: object, program: Sequence[str] = ("-m", "model_server")
) -> Iterator[Running]:
    """A server on any free port. Its log goes to a file: a pipe that nobody reads fills up."""
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, *program, "serve", *map(str, arguments), "--port", "0"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        ) as process,
    ):  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text(encoding="utf-8")
            yield Running(process, json.loads(line)["ready"]["url"], log)
        finally:
            process.kill()


def eventually(is_true: Callable[[], bool], seconds: float = HANGS_AFTER_SECONDS) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not (found := is_true()) and time.monotonic() < end:
        time.sleep(0.02)
    return found
