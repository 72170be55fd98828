"""discord.py's client, which hands on what happens to whoever listens, in order.

Knows nothing of stages.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

import discord

from orchestrator.errors import StageLost

log = logging.getLogger(__name__)

IDENTIFY_AGAIN_SECONDS = 5.0
"""Discord lets a bot begin one session in so many seconds."""


class Listener(Protocol):
    """What a stage wants to hear of the connection. None of these waits or raises."""

    def on_up(self) -> None:
        """Connected, anew or again; something may have been missed."""

    def on_down(self, reason: str) -> None:
        """Not connected for now; it comes back by itself."""

    def on_lost(self, error: StageLost) -> None:
        """Never connected again."""

    def on_world(self, changed: Any = None) -> None:
        """A server, channel, role or the bot's own membership changed."""

    def on_channel_deleted(self, channel_id: int) -> None: ...

    def on_message(self, message: discord.Message) -> None: ...

    def on_edit(self, message: discord.Message, has_text: bool) -> None: ...

    def on_deletion(self, channel_id: int, message_ids: list[int]) -> None: ...

    def on_reaction(self, event: discord.RawReactionActionEvent, *, removed: bool) -> None: ...


class Owner(Protocol):
    """Who keeps a client connected."""

    client: discord.Client
    listeners: list[Listener]

    def came_up(self) -> None:
        """The session is there, new or resumed."""

    def went_down(self) -> None:
        """The session is gone; discord.py tries to take it up again."""


class GatewayClient(discord.Client):
    """Tells the listeners of its owner, as long as it is the owner's client."""

    def __init__(self, owner: Owner, **options: Any) -> None:
        super().__init__(**options)
        self._to = owner

    def _tell(self, say: Callable[[Listener], None]) -> None:
        if self._to.client is self:
            for listener in list(self._to.listeners):
                say(listener)

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        # discord.py calls a client ready some time after READY, also one that was closed meanwhile.
        if not self.is_closed():
            super().dispatch(event, *args, **kwargs)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        log.exception("discord.py: %s", event_method)

    async def before_identify_hook(
        self, shard_id: int | None = None, *, initial: bool = False
    ) -> None:
        if not initial:
            await asyncio.sleep(IDENTIFY_AGAIN_SECONDS)

    async def on_ready(self) -> None:
        self._to.came_up()

    async def on_resumed(self) -> None:
        self._to.came_up()

    async def on_disconnect(self) -> None:
        if self._to.client is self and not self.is_closed():
            self._to.went_down()

    async def on_message(self, message: discord.Message) -> None:
        self._tell(lambda listener: listener.on_message(message))

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        has_text = "content" in event.data
        self._tell(lambda listener: listener.on_edit(event.message, has_text))

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        self._tell(lambda listener: listener.on_deletion(event.channel_id, [event.message_id]))

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        gone = sorted(event.message_ids)
        self._tell(lambda listener: listener.on_deletion(event.channel_id, gone))

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        self._tell(lambda listener: listener.on_reaction(event, removed=False))

    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        self._tell(lambda listener: listener.on_reaction(event, removed=True))

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self._tell(lambda listener: listener.on_channel_deleted(channel.id))

    async def on_raw_thread_delete(self, event: discord.RawThreadDeleteEvent) -> None:
        self._tell(lambda listener: listener.on_channel_deleted(event.thread_id))

    async def _on_world(self, *changed: Any) -> None:
        self._tell(lambda listener: listener.on_world(changed[-1] if changed else None))

    on_guild_join = on_guild_remove = on_guild_available = on_guild_unavailable = _on_world
    on_guild_update = on_guild_channel_update = on_guild_channel_create = _on_world
    on_guild_role_create = on_guild_role_update = on_guild_role_delete = _on_world
    on_member_update = on_thread_update = on_thread_join = _on_world


NOISE = ("Attempting a reconnect", "Can't keep up")
"""What discord.py tells as a warning, or as an error with its traceback, and nobody can do anything
about: each attempt to reconnect, and a heartbeat that the answer to the one before overtook."""


def _quietly(record: logging.LogRecord) -> bool:
    """Makes noise an information in one line, for those who want to read such."""
    if not str(record.msg).startswith(NOISE):
        return True
    error = f" ({record.exc_info[1]})" if record.exc_info else ""
    record.msg = record.getMessage() + error
    record.args, record.exc_info = (), None
    record.levelno, record.levelname = logging.INFO, "INFO"
    return logging.getLogger(record.name).isEnabledFor(record.levelno)


for _name in ("discord.client", "discord.gateway"):
    logging.getLogger(_name).addFilter(_quietly)
