"""A whole show with a web page, in this process: real model servers whose friends speak when they
are let, and clients that are to the page's server what browsers are."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from model_server import wire
from model_server.checkpoint_format import Manifest
from orchestrator.cast import COLORS, Friend, Show
from orchestrator.platforms import Platform
from orchestrator.platforms.web.platform import WebPlatform
from orchestrator.platforms.web.settings import WebStage
from orchestrator.settings import Settings
from orchestrator.show import ShowOptions, play
from orchestrator.tokens import Tokens
from orchestrator.transcript import Transcript
from orchestrator.transcript.file import transcript_path

NAMES = ("Dex", "Juno")
PATIENCE_SECONDS = 8.0
MANIFEST: dict[str, Any] = {
    "style": "dialogue", "base": {"name": "tiny"}, "step": 61, "bits_per_byte": {"held_out": 2.3},
    "trained_on": {"messages": 300, "tokens": 9000, "chats": 2, "since": "2024-01-08T18:42:25Z"},
    "statistics": {"line_length": {"mean": 49.0}}, "notices": ["A notice."],
}  # fmt: skip


class Models:
    """A model server for all friends. They say as many lines as are let, none near another."""

    def __init__(self) -> None:
        self._let = asyncio.Semaphore(0)
        self._numbers = itertools.count(1)
        self.answered_at: dict[str, float] = {}

    def let(self, lines: int) -> None:
        """So many lines more may be said."""
        for _ in range(lines):
            self._let.release()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(wire.HEALTH_PATH, self._health),
            web.get(wire.MODELS_PATH, self._models),
            web.get(wire.METRICS_PATH, self._metrics),
            web.post(wire.CHAT_PATH, self._chat),
        ]

    async def _health(self, request: web.Request) -> web.Response:
        return _shape(wire.Health(status="ok", model="m"))

    async def _models(self, request: web.Request) -> web.Response:
        return _shape(wire.ModelList(data=[wire.ModelCard(id="m", created=0, botconvo=MANIFEST)]))

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(text="# HELP x\nbotconvo_tokens_per_second 12.5\n")

    async def _chat(self, request: web.Request) -> web.Response:
        await request.json()
        await self._let.acquire()
        number = next(self._numbers)
        text = text_of(number)
        verdict = wire.Verdict(verdict="fit", score=-1.0)
        choice = wire.Choice(
            index=0, message=wire.Message(content=text), finish_reason="stop", botconvo=verdict
        )
        usage = wire.Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
        self.answered_at[text] = asyncio.get_running_loop().time()
        return _shape(
            wire.ChatResponse(id="x", created=0, model="m", choices=[choice], usage=usage)
        )


def text_of(number: int) -> str:
    """The so many-th line: odd words, as a friend who repeats themselves is not listened to."""
    return " ".join(re.findall(".{5}", sha256(str(number).encode()).hexdigest()[:20]))


def _shape(answer: Any) -> web.Response:
    return web.json_response(answer.model_dump())


class Socket:
    """A page's side of its socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)

    async def frame(self, kind: str) -> dict[str, Any]:
        """The next frame of this kind; those before it are kept in `seen`."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, (message, self.socket.close_code)
                self.seen.append(json.loads(message.data))
                if self.seen[-1]["type"] == kind:
                    return self.seen[-1]

    async def lines(self, count: int) -> list[dict[str, Any]]:
        """The next lines."""
        return [(await self.frame("line"))["line"] for _ in range(count)]

    async def send(self, kind: str, **fields: Any) -> int:
        number = next(self._numbers)
        await self.socket.send_json({"type": kind, "to": number} | fields)
        return number

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Sends a frame; returns the answer to it."""
        number = await self.send(kind, **fields)
        while (answer := await self.frame("answer"))["to"] != number:
            pass
        return answer

    async def close_code(self) -> int | None:
        """Reads until the server hangs up; with which code it did."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.socket.closed:
                await self.socket.receive()
        return self.socket.close_code


@dataclass
class House:
    """A show that runs, and what a browser knows of it."""

    platform: WebPlatform
    models: Models
    client: aiohttp.ClientSession
    home: Path
    playing: asyncio.Task[None]
    url: str = ""
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def page(self, query: str = "", **options: Any) -> Socket:
        """A page that has been greeted; the greeting is the first frame that it has seen."""
        socket = await self.client.ws_connect(f"{self.url}/api/live{query}", **options)
        page = Socket(socket)
        self.stack.push_async_callback(socket.close)
        await page.frame("hello")
        return page

    async def answer_to(self, page: Socket, line: dict[str, Any]) -> dict[str, Any]:
        """Lets friends speak until one answers the line."""
        # A question that was given up, since a person went first, may take a line with it.
        self.models.let(3)
        while True:
            [found] = await page.lines(1)
            if found["reply_to"] == line["id"]:
                return found

    async def get(self, path: str, status: int = 200) -> Any:
        """What an address answers, as JSON."""
        async with self.client.get(f"{self.url}{path}") as response:
            assert response.status == status, await response.text()
            return await response.json()

    @asynccontextmanager
    async def transcript(self) -> AsyncIterator[Transcript]:
        with Transcript.read(transcript_path(self.home)) as transcript:
            yield transcript


def friends(url: str, avatars: Sequence[Path | str] = ()) -> tuple[Friend, ...]:
    pictures = [*avatars, *[""] * len(NAMES)]
    return tuple(
        Friend(name, None, url, None, (f"{name}y",), 0.5, color, Manifest(), avatar)
        for name, color, avatar in zip(NAMES, COLORS, pictures, strict=False)
    )


@asynccontextmanager
async def house(
    home: Path,
    *,
    stage: WebStage | None = None,
    environment: dict[str, str] | None = None,
    more: Sequence[Platform] = (),
    avatars: Sequence[Path | str] = (),
) -> AsyncIterator[House]:
    """Opens a show in a folder; everything is gone in the end."""
    async with AsyncExitStack() as stack:
        models = Models()
        app = web.Application()
        app.add_routes(models.routes())
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        # Words of no particular language: nobody has to load spaCy.
        show = Show(Settings(language="xx"), home, friends(url, avatars), is_demo=False)
        platform = WebPlatform(stage or WebStage(port=0), show, Tokens(home, environment or {}))
        playing = asyncio.create_task(
            play(show, ShowOptions(fast=True), {"main": [platform, *more]})
        )
        stack.push_async_callback(_ended, playing)
        opened = asyncio.create_task(platform.ready.wait())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait((opened, playing), return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            opened.cancel()
            playing.result()
        # Cookies of an address without a name, as a browser keeps them too.
        client = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        await stack.enter_async_context(client)
        found = House(platform, models, client, home, playing, platform.where.removeprefix("on "))
        await stack.enter_async_context(found.stack)
        yield found


async def _ended(playing: asyncio.Task[None]) -> None:
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
