"""The web page's server: how soon a line is on a page, and what many pages cost.

The real show runs in a process of its own; the pages' sockets are in this one, with a model server
that answers at a steady pace, since how fast models are is measured elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import itertools
import json
import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web

from model_server import wire

ADDRESS = re.compile(rb"to be seen on (http://\S+?)\.?\s")
PAGE = Path(__file__).parents[2] / "orchestrator" / "platforms" / "web" / "page"
MOST_PAGE_KILOBYTES = 60
LINES_PER_SECOND = 20.0
"""Of the friends together: a hundred times a real show's, so that the machine is not idle."""
SETTINGS = """
language = "xx"
[limits]
lines_in_a_row = 100000
lines_per_hour = 1000000
[[friends]]
name = "Dex"
url = "{url}"
[[friends]]
name = "Juno"
url = "{url}"
[[stages]]
platform = "web"
port = 0
"""


async def model_server() -> web.AppRunner:
    """A model that says odd words, none of them twice."""
    numbers = itertools.count()

    async def health(request: web.Request) -> web.Response:
        return web.json_response(wire.Health(status="ok", model="m").model_dump())

    async def models(request: web.Request) -> web.Response:
        card = wire.ModelCard(id="m", created=0, botconvo={})
        return web.json_response(wire.ModelList(data=[card]).model_dump())

    async def chat(request: web.Request) -> web.Response:
        await asyncio.sleep(1 / LINES_PER_SECOND)
        words = re.findall(".{6}", sha256(str(next(numbers)).encode()).hexdigest()[:48])
        choice = wire.Choice(
            index=0, message=wire.Message(content=" ".join(words)), finish_reason="stop",
            botconvo=wire.Verdict(verdict="fit", score=-1.0),
        )  # fmt: skip
        usage = wire.Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
        answer = wire.ChatResponse(id="x", created=0, model="m", choices=[choice], usage=usage)
        return web.json_response(answer.model_dump())

    app = web.Application()
    app.router.add_get(wire.HEALTH_PATH, health)
    app.router.add_get(wire.MODELS_PATH, models)
    app.router.add_post(wire.CHAT_PATH, chat)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


@dataclass(frozen=True)
class Measured:
    """What so many lines came to with so many pages open."""

    delays_ms: Sequence[float]
    cpu_ms_per_line: float
    memory_bytes: int


class Pages:
    """Sockets that read along, and when the lines came to each."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url
        self._reading: list[asyncio.Task[None]] = []
        self._lines = 0
        self._changed = asyncio.Condition()
        self.delays_ms: list[float] = []

    async def open(self, count: int) -> None:
        for _ in range(count):
            socket = await self._session.ws_connect(f"{self._url}/api/live")
            await socket.receive()
            is_first = not self._reading
            self._reading.append(asyncio.create_task(self._read(socket, is_first)))

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, is_first: bool) -> None:
        async for message in socket:
            if '"type":"line"' not in message.data:
                continue
            now = datetime.now(UTC)
            # The line has the time at which it was chosen from the model's answer.
            chosen_at = datetime.fromisoformat(json.loads(message.data)["line"]["at"])
            self.delays_ms.append((now - chosen_at).total_seconds() * 1000)
            if is_first:
                async with self._changed:
                    self._lines += 1
                    self._changed.notify_all()

    async def when_told(self, lines: int) -> None:
        """Waits for so many more lines."""
        last = self._lines + lines
        async with self._changed:
            await self._changed.wait_for(lambda: self._lines >= last)

    async def close(self) -> None:
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)


@asynccontextmanager
async def running_show(home: Path) -> AsyncIterator[tuple[psutil.Process, str]]:
    """The process of the show, and where its page is."""
    model = await model_server()
    url = f"http://127.0.0.1:{model.addresses[0][1]}"
    (home / "settings.toml").write_text(SETTINGS.format(url=url), encoding="utf-8")
    show = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", "run", "--fast", "--new", "--verbose",
        "--settings", str(home / "settings.toml"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert show.stderr is not None
    said = b""
    while (found := ADDRESS.search(said)) is None:
        if not (piece := await show.stderr.readline()):
            sys.exit(f"The show did not start:\n{said.decode(errors='replace')}")
        said += piece
    draining = asyncio.create_task(_drain(show.stderr))
    try:
        yield psutil.Process(show.pid), found[1].decode()
    finally:
        show.terminate()
        await show.wait()
        await draining
        await model.cleanup()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


async def measured(show: psutil.Process, pages: Pages, lines: int) -> Measured:
    pages.delays_ms.clear()
    before = show.cpu_times()
    await pages.when_told(lines)
    after = show.cpu_times()
    seconds = after.user + after.system - before.user - before.system
    return Measured(
        sorted(pages.delays_ms), 1000 * seconds / lines, show.memory_info().rss
    )  # fmt: skip


def percentile(values: Sequence[float], percent: float) -> float:
    return values[math.ceil(len(values) * percent / 100) - 1]


def told(name: str, found: Measured) -> None:
    print(
        f"{name:<12} chosen to shown: p50 {percentile(found.delays_ms, 50):6.1f} ms, "
        f"p99 {percentile(found.delays_ms, 99):6.1f} ms; the show's CPU "
        f"{found.cpu_ms_per_line:6.1f} ms per line, its memory {found.memory_bytes / 1e6:.0f} MB"
    )


def weigh() -> None:
    """What a browser loads, the drawn faces apart."""
    rows = sorted((path.name, path.read_bytes()) for path in PAGE.iterdir() if path.is_file())
    raw = sum(len(data) for _, data in rows)
    sent = sum(len(gzip.compress(data, mtime=0)) for _, data in rows)
    print(
        f"page         {len(rows)} files, {raw / 1024:.1f} KB, sent as {sent / 1024:.1f} KB "
        f"(target: {MOST_PAGE_KILOBYTES} KB at most)"
    )


async def run(lines: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        connector = aiohttp.TCPConnector(limit=0)  # of its own accord it opens a hundred
        async with (
            running_show(Path(folder)) as (show, url),
            aiohttp.ClientSession(connector=connector) as session,
        ):
            pages = Pages(session, url)
            await pages.open(1)
            await pages.when_told(10)  # what is imported and compiled on first use
            one = await measured(show, pages, lines)
            told("1 page", one)
            began = time.monotonic()
            await pages.open(count - 1)
            seconds = time.monotonic() - began
            many = await measured(show, pages, lines)
            told(f"{count} pages", many)
            cpu_us = 1000 * (many.cpu_ms_per_line - one.cpu_ms_per_line) / (count - 1)
            kilobytes = (many.memory_bytes - one.memory_bytes) / 1024 / (count - 1)
            print(
                f"             {count - 1} pages were greeted in {seconds:.2f} s; each costs "
                f"{cpu_us:.0f} us of CPU per line and {kilobytes:.0f} KB"
            )
            await pages.close()
    weigh()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--pages", type=int, default=200)
    options = parser.parse_args()
    asyncio.run(run(options.lines, max(2, options.pages)))


if __name__ == "__main__":
    main()
