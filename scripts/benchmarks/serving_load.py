"""A model server as a child process, and clients that keep it busy. The client is a bare
one, since at thousands of requests per second a complete one would be what is measured."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from model_server import wire

TEMPERATURE, TOP_K = 0.7, 40
PHRASES = """the late pizza|a cat on the roof|gerald and his car|what we did yesterday|eight
o'clock|my old homework|nobody at home|that film again|the blue door|coffee without milk|a long
way to the sea|two left shoes|the neighbour's dog|some rain tomorrow|all of my friends|one more
game|the last train|a very small house|bread and butter|who said so""".replace("\n", " ").split("|")
STOP_SECONDS = 10


def phrase(number: int) -> str:
    """What the request of that number is about: another one each time, so that no prompt is
    found in a cache whole."""
    return PHRASES[number % len(PHRASES)]


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process, in MB of a million bytes. PSS shares a page's size among its users."""

    pss: float
    rss: float


def memory(pid: int | str = "self") -> Memory:
    """Raises OSError where there is no Linux to ask."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    kilobytes = {line.split(":")[0]: line.split()[1] for line in text.splitlines()[1:]}
    return Memory(int(kilobytes["Pss"]) * 1024 / 1e6, int(kilobytes["Rss"]) * 1024 / 1e6)


class Server:
    """`python -m model_server serve FOLDER --port 0` as a child that ends with us, even if we are
    killed; use it with `with`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._log = folder.with_name(f"{folder.name}.log")
        self.url = ""
        self.began = time.perf_counter()
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "model_server", "serve", str(folder), "--port", "0",
                 "--end-with-stdin", *options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip

    def wait_until_ready(self) -> float:
        """Seconds from the start of the process to its ready line."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        seconds = time.perf_counter() - self.began
        if not line:
            sys.exit(f"A server did not start: {self._log.read_text(encoding='utf-8').strip()}")
        self.url = json.loads(line)["ready"]["url"]
        return seconds

    def memory(self) -> Memory:
        return memory(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


@dataclass(slots=True)
class Load:
    """What a number of requests took together; latencies in seconds."""

    seconds: float = 0.0
    tokens: int = 0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    @property
    def requests_per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The smallest latency that `share` of the requests stayed within."""
        return sorted(self.latencies)[math.ceil(share * len(self.latencies)) - 1]


def drive(url: str, *, clients: int, requests: int, max_tokens: int) -> Load:
    """Chat requests with one candidate, from `clients` connections that each ask again as
    soon as they are answered. Ends the program if the server fails one; 429 and 503 count."""
    return asyncio.run(_drive(url, clients, requests, max_tokens))


async def _drive(url: str, clients: int, requests: int, max_tokens: int) -> Load:
    load = Load()
    numbers = iter(range(requests))
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(_client(url, numbers, max_tokens, load))
    load.seconds = time.perf_counter() - began
    return load


async def _client(url: str, numbers: Iterator[int], max_tokens: int, load: Load) -> None:
    host, port = urlsplit(url).hostname, urlsplit(url).port
    reader, writer = await asyncio.open_connection(host, port)
    for number in numbers:
        began = time.perf_counter()
        writer.write(_request(f"{host}:{port}", phrase(number), max_tokens))
        status, body = await _response(reader)
        if status in (429, 503):
            load.refused += 1
            continue
        if status != 200:
            sys.exit(f"The server answered {status}: {body!r}")
        load.latencies.append(time.perf_counter() - began)
        load.tokens += json.loads(body)["usage"]["completion_tokens"]
    writer.close()
    await writer.wait_closed()


def _request(host: str, content: str, max_tokens: int) -> bytes:
    data: dict[str, Any] = {
        "messages": [{"role": "user", "content": content}],
        "n": 1, "max_tokens": max_tokens,
        "temperature": TEMPERATURE, "top_k": TOP_K, "top_p": 1.0,
    }  # fmt: skip
    body = json.dumps(data).encode()
    head = (
        f"POST {wire.CHAT_PATH} HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head)}
    return int(head[0].split()[1]), await reader.readexactly(int(headers["content-length"]))
