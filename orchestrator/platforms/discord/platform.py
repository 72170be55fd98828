"""The show in a Discord channel.

Ties together the connection, how things stand in the channel, what is heard there, and how lines
get there exactly once. Decides nothing about what is said.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import discord

from orchestrator.backstage import Backstage
from orchestrator.cast import Show
from orchestrator.errors import StageFailed, StageLost
from orchestrator.platforms import Capability, Deletion, Event
from orchestrator.platforms.discord.bot_tokens import MAIN, friends_tokens, main_token
from orchestrator.platforms.discord.commands import commands_of
from orchestrator.platforms.discord.connection import Connection
from orchestrator.platforms.discord.connections import CONNECTIONS
from orchestrator.platforms.discord.delivery import Delivery, at_last
from orchestrator.platforms.discord.errors import outcome
from orchestrator.platforms.discord.hearing import MARGIN, Hearing, newest
from orchestrator.platforms.discord.listening import may_listen
from orchestrator.platforms.discord.requirements import Writable
from orchestrator.platforms.discord.settings import DiscordStage
from orchestrator.platforms.discord.standing import Standing
from orchestrator.platforms.discord.typing_sign import TypingSign
from orchestrator.platforms.discord.voices import Line, Voice
from orchestrator.platforms.discord.webhooks import faces
from orchestrator.platforms.incoming_events import IncomingEvents
from orchestrator.tokens import Tokens

log = logging.getLogger(__name__)

OPEN_SECONDS = 30.0
"""So long the show's start waits to hear how things stand; then it begins without."""
MOST_PLACES = 500


class DiscordPlatform:
    """A channel of a Discord server as a stage."""

    capabilities: frozenset[Capability] = frozenset(
        {"typing", "edit", "delete", "reactions", "relay"}
    )

    def __init__(self, settings: DiscordStage, show: Show, tokens: Tokens) -> None:
        """Reads the tokens. Raises SettingsError."""
        self.name = f"discord {settings.channel}"
        self.settings = settings
        self.ready = asyncio.Event()
        self.backstage: Backstage | None = None
        self._token = main_token(settings, tokens)
        self._friends = show.friends
        names = [friend.name for friend in show.friends]
        self._own_tokens = friends_tokens(settings, names, tokens, self._token)
        self.connection: Connection | None = None
        self.accounts: dict[str, Connection] = {}
        self._standing: Standing | None = None
        self._incoming = IncomingEvents(self.name)
        self._hearing = Hearing(names, self._friends_by_account, self._my_id, self.put)
        self._delivery: Delivery | None = None
        self._typing = TypingSign()
        self._places: OrderedDict[str, str] = OrderedDict()
        self._refusals: dict[int, str] = {}
        self._is_closed = False

    # --- what others may know -------------------------------------------------------------------

    @property
    def where(self) -> str:
        channel = self.channel
        return f"in #{channel.name} of {channel.guild.name}" if channel else ""

    @property
    def channel(self) -> Writable | None:
        """The stage's channel, once it was found."""
        return self._standing.channel if self._standing else None

    @property
    def appearance(self) -> str:
        """In which way the friends appear, and why, in words; "" if that is not known yet."""
        return self._standing.appearance if self._standing else ""

    @property
    def problem(self) -> str:
        """Why nothing can be shown, in a sentence; "" if it can or nobody knows."""
        return self._standing.problem if self._standing else ""

    @property
    def is_read(self) -> bool:
        return self._incoming.is_somebody_here

    # --- beginning and end ----------------------------------------------------------------------

    async def open(self, backstage: Backstage) -> None:
        """Connects. Raises StageLost for what must be mended in the settings; what can be mended
        on Discord is waited for."""
        self.backstage = backstage
        base = self.settings.api_base
        self.connection = CONNECTIONS.join(self._token, MAIN, base, hears=True)
        commands_of(self.connection)  # before its client logs in
        for name, token in self._own_tokens.items():
            what = f"{name}'s Discord bot"
            self.accounts[name] = CONNECTIONS.join(token, what, base, hears=False)
        self._standing = Standing(
            self.settings, self.name, self.connection, self.accounts, faces(self._friends),
            self._read_missed, self._lose,
        )  # fmt: skip
        self.ready = self._standing.ready
        self._delivery = Delivery(self._standing, self._history)
        self._begin_from(backstage)
        self.connection.listeners.append(self)
        for connection in (self.connection, *self.accounts.values()):
            connection.start()
        if self.connection.up.is_set():
            self._standing.up()
        elif self.connection.settled.is_set():
            self._standing.known.set()
        if self.connection.lost is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._standing.known.wait(), OPEN_SECONDS)
        if lost := self._incoming.lost or self.connection.lost:
            raise lost

    def _begin_from(self, backstage: Backstage) -> None:
        """From which message on people's lines are to be told, if the conversation goes on."""
        transcript = backstage.transcript
        last = transcript.last_message(self.name) if transcript.last(1) else None
        if last is not None:
            moment = discord.utils.snowflake_time(int(last)) - MARGIN
            self._hearing.known_until = discord.utils.time_snowflake(moment)

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._typing.stop()
        if self._standing is not None:
            await self._standing.close()
        if self.connection is not None:
            with suppress(ValueError):
                self.connection.listeners.remove(self)
            await commands_of(self.connection).remove(self)
            for connection in (self.connection, *self.accounts.values()):
                await CONNECTIONS.leave(connection)
        if self._hearing.ignored:
            log.info("%s: not heard: %s", self.name, dict(self._hearing.ignored))
        self._incoming.end()

    def events(self) -> AsyncIterator[Event]:
        return aiter(self._incoming)

    def put(self, event: Event) -> None:
        """A person did something."""
        self._incoming.put(event)

    def _lose(self, error: StageLost) -> None:
        self.ready.clear()
        if self._standing is not None:
            self._standing.known.set()
        self._incoming.lose(error)

    # --- showing --------------------------------------------------------------------------------

    async def say(self, line_id: int, friend: str, text: str) -> str:
        return await self._show(Line(friend, text))

    async def relay(self, line_id: int, author: str, text: str, stage: str) -> str:
        place = stage.partition(" ")[0]
        message_id = await self._show(Line(author, text, place))
        self._places[message_id] = place
        if len(self._places) > MOST_PLACES:
            self._places.popitem(last=False)
        return message_id

    async def notice(self, text: str) -> None:
        if not self.ready.is_set():
            raise StageFailed("it cannot be reached for now")
        await self._show(Line("", text))

    async def _show(self, line: Line) -> str:
        if not line.text.strip():
            raise StageFailed("there is nothing to show in an empty line")
        self._typing.stop()
        assert self._delivery is not None
        return str(await self._delivery.deliver(self._voice(), line))

    def _voice(self) -> Voice:
        if self._incoming.lost is not None:
            raise self._incoming.lost
        if self._standing is None or self._standing.voice is None:
            raise StageFailed(self.problem or "it is not connected yet")
        return self._standing.voice

    async def typing(self, friend: str) -> None:
        self._typing.show(lambda: self._voice().typing(friend))

    async def edit(self, message_id: str, speaker: str, text: str) -> None:
        if not text.strip():
            raise StageFailed("there is nothing to show in an empty line")
        line = Line(speaker, text, self._places.get(message_id, ""))

        async def change() -> None:
            await self._voice().edit(await self._message(message_id), line)

        assert self._standing is not None
        await at_last(change, self._standing)

    async def delete(self, message_id: str) -> None:
        async def remove() -> None:
            await self._voice().delete(await self._message(message_id))

        assert self._standing is not None
        await at_last(remove, self._standing)

    async def _message(self, message_id: str) -> discord.Message:
        async with outcome():
            return await self._partial.fetch_message(int(message_id))

    # --- heard from Discord ---------------------------------------------------------------------

    def on_up(self) -> None:
        if self._standing is not None:
            self._standing.up()

    def on_down(self, reason: str) -> None:
        self._hearing.gap()
        if self._standing is not None:
            self._standing.down()

    def on_lost(self, error: StageLost) -> None:
        self._lose(error)

    def on_world(self, changed: Any = None) -> None:
        if self._standing is not None:
            self._standing.look()

    def on_channel_deleted(self, channel_id: int) -> None:
        if channel_id == self.settings.channel and self._standing is not None:
            self._standing.deleted()

    def on_message(self, message: discord.Message) -> None:
        if self._is_heard(message.channel.id):
            self._hearing.heard(message)

    def on_edit(self, message: discord.Message, has_text: bool) -> None:
        if has_text and self._is_heard(message.channel.id) and (
            event := self._hearing.edited(message)
        ):  # fmt: skip
            self.put(event)

    def on_deletion(self, channel_id: int, message_ids: list[int]) -> None:
        if self._is_heard(channel_id):
            for message_id in message_ids:
                self.put(Deletion(str(message_id)))

    def on_reaction(self, event: discord.RawReactionActionEvent, *, removed: bool) -> None:
        if self._is_heard(event.channel_id) and (found := self._hearing.reacted(event, removed)):
            self.put(found)

    def _is_heard(self, channel_id: int) -> bool:
        """Whether a channel is the stage's, or one that is listened to and may be."""
        if channel_id == self.settings.channel:
            return True
        if channel_id not in self.settings.listen or self.channel is None:
            return False
        assert self.connection is not None
        other = self.connection.client.get_channel(channel_id)
        refusal = may_listen(self.channel, other)
        reason = refusal.reason if refusal else ""
        if reason != self._refusals.get(channel_id, ""):
            self._refusals[channel_id] = reason
            if reason:
                log.warning("%s: %s", self.name, reason)
        return not reason

    # --- small print ----------------------------------------------------------------------------

    async def _read_missed(self, channel: Writable) -> None:
        if self._delivery is not None and not self._delivery.stands_until:
            self._delivery.stands_until = await newest(channel)
        await self._hearing.read_missed(channel)
        assert self.connection is not None
        commands_of(self.connection).add(self, channel.guild.id)
        for other in self.settings.listen:
            self._is_heard(other)  # which says now what will not be heard

    async def _history(self, after: int, limit: int) -> AsyncIterator[discord.Message]:
        async for message in self._partial.history(limit=limit, after=discord.Object(after)):
            yield message

    @property
    def _partial(self) -> discord.PartialMessageable:
        assert self.connection is not None
        channel = self.channel
        return self.connection.usable().get_partial_messageable(
            self.settings.channel, guild_id=channel.guild.id if channel else None
        )

    def _friends_by_account(self) -> Mapping[int, str]:
        found = ((own.user_id, name) for name, own in self.accounts.items())
        return {user_id: name for user_id, name in found if user_id is not None}

    def _my_id(self) -> int | None:
        return self.connection.user_id if self.connection else None
