"""A bot on the real discord.py that keeps what it hears: the other end of our Discord, for tests
of it and of whatever speaks to it."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass

from . import Bot, Channel, Guild, LocalDiscord, Person

with warnings.catch_warnings():
    # Python 3.11 warns of its own `audioop`, which discord.py imports for voice.
    warnings.simplefilter("ignore", DeprecationWarning)
    import discord
    from discord import app_commands

WAIT_S = 10.0


@dataclass
class Scene:
    """A guild with one channel, one person and one bot."""

    local: LocalDiscord
    guild: Guild
    channel: Channel
    anna: Person
    bot: Bot


class Ear(discord.Client):
    """A bot that keeps what it hears."""

    def __init__(self, **options: object) -> None:
        intents = discord.Intents.default()
        intents.members = intents.message_content = True
        options = {"intents": intents, "guild_ready_timeout": 0.05} | options
        super().__init__(**options)  # type: ignore[arg-type]  # options of discord.py
        self.heard: asyncio.Queue[discord.Message] = asyncio.Queue()
        self.events: asyncio.Queue[tuple[str, object]] = asyncio.Queue()
        self.ready = asyncio.Event()
        self.tree = app_commands.CommandTree(self)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Nothing, where discord.py waits 5 s before every IDENTIFY but the first."""

    async def on_ready(self) -> None:
        self.ready.set()

    async def on_message(self, message: discord.Message) -> None:
        self.heard.put_nowait(message)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        self.events.put_nowait(("edit", event.message.content))

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        self.events.put_nowait(("delete", event.message_id))

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        self.events.put_nowait(("add", str(event.emoji)))

    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        self.events.put_nowait(("remove", str(event.emoji)))

    async def hears(self) -> str:
        async with asyncio.timeout(WAIT_S):
            return (await self.heard.get()).content


@contextlib.asynccontextmanager
async def connected(bot: Bot, **options: object) -> AsyncIterator[Ear]:
    """The real client, connected and ready, closed at the end."""
    client = Ear(**options)
    running = asyncio.create_task(client.start(bot.token))
    try:
        async with asyncio.timeout(WAIT_S):
            await client.ready.wait()
        yield client
    finally:
        await client.close()
        with contextlib.suppress(discord.DiscordException):
            await running


def text_channel(client: discord.Client, channel: Channel) -> discord.TextChannel:
    found = client.get_channel(channel.id)
    assert isinstance(found, discord.TextChannel)
    return found
