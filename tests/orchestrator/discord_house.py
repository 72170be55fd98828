"""A stage on the local Discord, opened without the rest of a show: what tests of the platform
stand on."""

from __future__ import annotations

import logging
import warnings
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from model_server.checkpoint_format import Manifest
from orchestrator.backstage import Backstage
from orchestrator.cast import COLORS, Friend, Show
from orchestrator.platforms.discord.settings import DiscordStage
from orchestrator.settings import Settings
from orchestrator.tokens import Tokens
from orchestrator.transcript import Transcript
from tests.local_discord import Bot, Channel, Guild, LocalDiscord, Message, Person
from tests.orchestrator.chat_house import (
    PATIENCE_SECONDS,
    Ears,
    Told,
    listening_to,
    ready,
    token_file,
    transcript_in,
)

with warnings.catch_warnings():
    # Python 3.11 warns of its own `audioop`, which discord.py imports for voice.
    warnings.simplefilter("ignore", DeprecationWarning)
    from orchestrator.platforms import backoff
    from orchestrator.platforms.discord import (
        connection,
        gateway_client,
        hearing,
        typing_sign,
    )
    from orchestrator.platforms.discord.platform import DiscordPlatform

__all__ = [
    "Ears",
    "House",
    "Told",
    "announced",
    "connection",
    "hearing",
    "quick",
    "ready",
    "told",
    "typing_sign",
]

FRIENDS = ("Dex", "Bort", "Mo")

SMALL_PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000a49444154789c6300010000050001 0d0a2db40000000049454e44ae426082"
)
"""A PNG of one pixel."""


def friend(name: str, avatar: Path | str = "https://example.org/face.png") -> Friend:
    return Friend(name, None, "http://127.0.0.1:1", None, (), 0.5, COLORS[0], Manifest(), avatar)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that are long for the sake of Discord's servers are short here."""
    monkeypatch.setattr(connection, "GUILD_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(gateway_client, "IDENTIFY_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.05)


@pytest.fixture
def told() -> Iterator[Told]:
    """The warnings of the Discord stage."""
    with listening_to("orchestrator.platforms.discord", logging.WARNING) as told:
        yield told


@pytest.fixture
def announced() -> Iterator[Told]:
    """What whoever started the show gets to read."""
    with listening_to("orchestrator.show", logging.INFO) as told:
        yield told


@dataclass
class House:
    """A server with one channel, a person, the main bot, and what the stage wants."""

    local: LocalDiscord
    home: Path
    friends: Sequence[Friend] = ()
    guild: Guild = field(init=False)
    channel: Channel = field(init=False)
    anna: Person = field(init=False)
    bot: Bot = field(init=False)

    def __post_init__(self) -> None:
        self.friends = self.friends or [friend(name) for name in FRIENDS]
        self.guild = self.local.add_guild("Friends")
        self.channel = self.local.add_channel(self.guild, "bots")
        self.anna = self.local.add_person("anna", self.guild)
        self.bot = self.local.add_bot("BotConvo", self.guild)

    def token_file(self, name: str, token: str) -> Path:
        return token_file(self.home / name, token)

    def settings(self, **changes: Any) -> DiscordStage:
        return DiscordStage.model_validate(
            {
                "token_file": self.token_file("bot.token", self.bot.token),
                "channel": self.channel.id,
                "api_base": self.local.api_base,
                "appearance": "single",
            }
            | changes
        )

    def platform(self, **changes: Any) -> DiscordPlatform:
        show = Show(Settings(), self.home, tuple(self.friends), is_demo=False)
        return DiscordPlatform(self.settings(**changes), show, Tokens(self.home, {}))

    @asynccontextmanager
    async def opened(
        self, platform: DiscordPlatform | None = None, **changes: Any
    ) -> AsyncIterator[DiscordPlatform]:
        """The platform, open and ready, and closed in the end."""
        platform = platform or self.platform(**changes)
        with self.transcript() as transcript:
            try:
                await platform.open(backstage(transcript))
                yield platform
            finally:
                await platform.close()

    def transcript(self) -> Any:
        return transcript_in(self.home)

    async def shown(self, count: int) -> list[Message]:
        return await self.local.when_posted(self.channel, count, timeout_s=PATIENCE_SECONDS)

    @property
    def texts(self) -> list[str]:
        return [message.content for message in self.local.messages(self.channel)]


def backstage(transcript: Transcript) -> Backstage:
    """The part of a show that the platform itself looks at."""
    nothing = cast(Any, None)
    show = cast(Show, None)
    return Backstage(show, transcript, nothing, nothing, nothing, lambda: datetime.now(UTC))
