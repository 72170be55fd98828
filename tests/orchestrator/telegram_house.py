"""A stage on the local Telegram, opened without the rest of a show: what tests of the platform
stand on."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from model_server import wire
from model_server.checkpoint_format import Manifest
from orchestrator.backstage import Backstage
from orchestrator.cast import COLORS, Friend, Show
from orchestrator.changes import Changes
from orchestrator.control import Changed, Control
from orchestrator.errors import ModelServerDown
from orchestrator.phrases import load_picker
from orchestrator.platforms import backoff
from orchestrator.platforms.telegram.platform import TelegramPlatform
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.servers.client import ModelClient
from orchestrator.servers.process import ServerState
from orchestrator.settings import ConversationSettings, LimitSettings, Settings
from orchestrator.talk.conversation import Conversation
from orchestrator.talk.turn_taking import Member
from orchestrator.tokens import Tokens
from orchestrator.transcript import Transcript
from tests.local_telegram import Bot, Chat, LocalTelegram, Message, Person
from tests.orchestrator.chat_house import Ears, Told, listening_to, ready, token_file, transcript_in

__all__ = ["Ears", "House", "Told", "house", "local", "quick", "ready", "told"]

FRIENDS = ("Dex", "Juno", "Big Al")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that are long for the sake of Telegram's servers are short here."""
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.02)
    monkeypatch.setattr(backoff, "LONGEST_SECONDS", 0.2)


@pytest.fixture
def told() -> Iterator[Told]:
    """What all say, in all detail."""
    with listening_to("", logging.DEBUG) as told:
        yield told


@pytest.fixture
async def local() -> AsyncIterator[LocalTelegram]:
    async with LocalTelegram() as telegram:
        yield telegram


@pytest.fixture
async def house(local: LocalTelegram, tmp_path: Path) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield House(local, tmp_path, stack)


class Friends:
    """All friends at one server, which speaks in numbers. `held`: it answers when that is set."""

    def __init__(self, client: ModelClient) -> None:
        self.client = client
        self.changed = Changes()
        self.is_down = False

    async def client_of(self, friend: str) -> ModelClient:
        if self.is_down:
            raise ModelServerDown("its server is down")
        return self.client

    def able(self) -> Collection[str]:
        return [] if self.is_down else FRIENDS

    def state(self, friend: str) -> ServerState:
        return ServerState("ready", "ready")

    def manifest_of(self, friend: str) -> Manifest:
        return Manifest()


class Server:
    """A real model server's interface on loopback."""

    def __init__(self) -> None:
        self.asked: list[wire.ChatRequest] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.was_asked = asyncio.Event()
        self.next_texts: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(body := wire.ChatRequest.model_validate(await request.json()))
        self.was_asked.set()
        await self.may_answer.wait()
        last = body.messages[-1].content if body.messages else "nothing"
        speaker = body.botconvo.speaker if body.botconvo else ""
        text = f"{speaker} heard {last} as {len(self.asked)}"
        if self.next_texts:
            text = self.next_texts.pop(0)
        choice = wire.Choice(
            index=0, message=wire.Message(content=text), finish_reason="stop",
            botconvo=wire.Verdict(verdict="fit", score=-1.0),
        )  # fmt: skip
        usage = wire.Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
        answer = wire.ChatResponse(id="x", created=0, model="m", choices=[choice], usage=usage)
        return web.json_response(answer.model_dump())


class Actions:
    """What a show does for people, as far as tests of a stage look at it."""

    def why(self, line_id: int | None) -> str:
        return f"why {line_id}"

    async def take_back(self, line_id: int | None) -> Changed:
        raise NotImplementedError

    async def say_anew(self, line_id: int | None) -> Changed:
        raise NotImplementedError

    def state(self, friend: str) -> str:
        return ""

    def doing(self) -> str:
        return ""


@dataclass
class House:
    """A group with two people and the show's bot, and what the stage wants."""

    local: LocalTelegram
    home: Path
    stack: AsyncExitStack
    bot: Bot = field(init=False)
    anna: Person = field(init=False)
    sam: Person = field(init=False)
    group: Chat = field(init=False)
    server: Server = field(default_factory=Server)
    friends: Friends = field(init=False)
    transcript: Transcript = field(init=False)

    def __post_init__(self) -> None:
        self.bot = self.local.add_bot("Convo")
        self.anna, self.sam = self.local.add_person("Anna"), self.local.add_person("Sam")
        self.group = self.local.add_group("Friends", self.anna, self.sam, self.bot)

    def token_file(self, bot: Bot) -> Path:
        return token_file(self.home / f"{bot.name}.token", bot.token)

    def settings(self, **changes: Any) -> TelegramStage:
        usual = {
            "token_file": self.token_file(self.bot), "chat": self.group.id,
            "api_base": self.local.base, "messages_per_minute": 0,
        }  # fmt: skip
        return TelegramStage.model_validate(usual | changes)

    def show(self) -> Show:
        friends = tuple(
            Friend(name, None, "http://127.0.0.1:1", None, (), 0.5, COLORS[0], Manifest())
            for name in FRIENDS
        )
        return Show(Settings(), self.home, friends, is_demo=False)

    def platform(self, **changes: Any) -> TelegramPlatform:
        return TelegramPlatform(self.settings(**changes), self.show(), Tokens(self.home, {}))

    @asynccontextmanager
    async def opened(self, **changes: Any) -> AsyncIterator[TelegramPlatform]:
        """The platform, open, and closed in the end."""
        platform = self.platform(**changes)
        with transcript_in(self.home) as self.transcript:
            await self._serve()
            try:
                await platform.open(self.backstage())
                yield platform
            finally:
                await platform.close()

    def backstage(self) -> Backstage:
        members = [Member(name) for name in FRIENDS]
        talk = Conversation(members, ConversationSettings(), LimitSettings(), random.Random(1))
        return Backstage(
            self.show(), self.transcript, Control(talk, Actions()), self.friends,
            load_picker("", "xx"), lambda: datetime.now(UTC),
        )  # fmt: skip

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post(wire.CHAT_PATH, self.server.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session = await self.stack.enter_async_context(aiohttp.ClientSession())
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.friends = Friends(ModelClient(session, url))

    async def shown(self, count: int) -> list[Message]:
        return await self.local.when_posted(self.group, count)

    def add_line(self, speaker: str, text: str, kind: Any = "friend", **more: Any) -> int:
        """A line of the transcript, as the show writes it before it is shown."""
        return self.transcript.add(speaker, kind, text, {}, datetime.now(UTC), **more)

    async def say(self, platform: TelegramPlatform, friend: str, text: str) -> str:
        """As the show does it: the line is written, shown, and its message remembered."""
        line_id = self.add_line(friend, text)
        message_id = await platform.say(line_id, friend, text)
        self.transcript.posted(line_id, platform.name, message_id)
        return message_id
