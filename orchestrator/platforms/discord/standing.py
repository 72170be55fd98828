"""How a stage stands in its channel: is the channel there, may the bot speak, in which way, and was
anything missed? Asked again whenever Discord says that something changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import discord

from orchestrator.errors import StageFailed, StageLost
from orchestrator.platforms.backoff import Backoff
from orchestrator.platforms.discord.choosing import Chooser
from orchestrator.platforms.discord.connection import Connection
from orchestrator.platforms.discord.errors import (
    BLOCKED_BY_AUTOMOD,
    TOO_MANY_WEBHOOKS,
    UNKNOWN_CHANNEL,
    UNKNOWN_MESSAGE,
    NotTaken,
    RequestFailed,
    Withheld,
    outcome,
)
from orchestrator.platforms.discord.invitation import invitation, wanted
from orchestrator.platforms.discord.requirements import (
    WRITABLE,
    Writable,
    missing,
)
from orchestrator.platforms.discord.settings import DiscordStage
from orchestrator.platforms.discord.voices import Voice
from orchestrator.platforms.discord.webhooks import Face, WebhookVoice

log = logging.getLogger(__name__)
show_log = logging.getLogger("orchestrator.show")
"""Whose words whoever started the show gets to read."""

LOOK_AGAIN_SECONDS = 60.0
"""After a refusal that nothing explains: the permissions looked right."""
GRACE_SECONDS = 2.0


class Standing:
    """Keeps `ready` true to what is possible. `read_missed` is called each time before it is set;
    `lost` once, when the stage is gone for good."""

    def __init__(
        self,
        settings: DiscordStage,
        name: str,
        connection: Connection,
        accounts: Mapping[str, Connection],
        faces: Mapping[str, Face],
        read_missed: Callable[[Writable], Awaitable[None]],
        lost: Callable[[StageLost], None],
    ) -> None:
        self.ready = asyncio.Event()
        self.known = asyncio.Event()
        """Set as soon as it is known how things stand, for the first time."""
        self.channel: Writable | None = None
        self.problem = ""
        """Why nothing can be shown, in a sentence that says what to do; "" if it can."""
        self._settings = settings
        self._name = name
        self._connection = connection
        self._chooser = Chooser(settings, name, connection, accounts, faces)
        self._read_missed = read_missed
        self._lost = lost
        self._look = asyncio.Event()
        self._missed = True
        self._is_unreachable = False
        self._refused = False
        self._backoff = Backoff()
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Looks no more."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        self.ready.clear()
        await self._chooser.close()

    @property
    def voice(self) -> Voice | None:
        """By which lines are shown, once one was chosen."""
        return self._chooser.voice

    @property
    def appearance(self) -> str:
        """In which way the friends appear, and why, in words."""
        return self._chooser.why

    # --- told from outside ----------------------------------------------------------------------

    def up(self) -> None:
        """Connected; something may have been missed."""
        self._missed = True
        self.look()

    def down(self) -> None:
        self.ready.clear()
        self._missed = True
        self.known.set()

    def look(self) -> None:
        """Something changed."""
        self._look.set()

    def troubled(self, reason: str) -> None:
        """Requests come to nothing, without anybody's fault."""
        if not self._is_unreachable:
            log.warning("%s: %s; trying again until it works.", self._name, reason)
        self._is_unreachable = True
        self.ready.clear()

    def untroubled(self) -> None:
        if self._is_unreachable:
            self._is_unreachable = False
            show_log.info("%s: all is well again.", self._name)
            self.look()

    async def refused(self, error: Withheld) -> StageFailed:
        """What a refusal means: StageLost for good, StageFailed for now."""
        if error.status == 401:
            return self._connection.token_refused()
        if error.code == UNKNOWN_CHANNEL:
            return self._gone()
        if error.code == UNKNOWN_MESSAGE:
            return StageFailed("somebody deleted that message")
        if error.code == BLOCKED_BY_AUTOMOD:
            return StageFailed("a rule of this server (AutoMod) does not let the line through")
        is_auto = isinstance(self.voice, WebhookVoice) and self._settings.appearance == "auto"
        if error.code == TOO_MANY_WEBHOOKS:
            self._chooser.without_webhooks = is_auto
            self.look()
            return StageFailed("other bots have taken all 15 webhooks of the channel; remove one")
        if error.status == 403:
            self._chooser.without_webhooks, self._refused = is_auto, not is_auto
            if is_auto:
                self.look()
            else:
                # Discord's word of what changed may be on its way.
                self.ready.clear()
                later = asyncio.get_running_loop().call_later
                later(GRACE_SECONDS, self.look)
                later(LOOK_AGAIN_SECONDS, self._try_again)
            return StageFailed(f"Discord does not allow it: {error}")
        return StageFailed(f"Discord refuses it: {error}")

    def _try_again(self) -> None:
        self._refused = False
        self.look()

    # --- looking --------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            if not self._connection.up.is_set():
                continue
            try:
                await self._settle()
            except StageLost as error:
                self.ready.clear()
                self._lost(error)
                return
            except RequestFailed as error:
                self.troubled(str(error))
                asyncio.get_running_loop().call_later(self._backoff.next(), self.look)
            except Exception:
                # The stage must not stand still for ever.
                log.exception("%s", self._name)
                asyncio.get_running_loop().call_later(self._backoff.next(), self.look)
            self.known.set()

    async def _settle(self) -> None:
        channel = await self._find_channel()
        if isinstance(channel, str):
            self._hold(channel)
            return
        self.channel = channel
        lacking = missing(channel, webhooks=self._settings.appearance == "webhook")
        if lacking:
            # Discord's own word counts: once it is right again, no earlier refusal matters.
            self._refused = False
            self._hold(
                f"The bot may not do its work in #{channel.name} of {channel.guild.name}: give it "
                f"{_listed(lacking)} there (Edit Channel, Permissions)."
            )
            return
        if self._refused and not self.problem:
            self._hold(f"Discord refuses lines in #{channel.name}, whose permissions look right.")
            return
        await self._chooser.choose(channel)
        if self._missed:
            self._missed = False
            try:
                await self._read_missed(channel)
            except RequestFailed:
                self._missed = True
                raise
        self._backoff.reset()
        if self._is_unreachable:
            self.untroubled()
        if self._connection.up.is_set() and not self._missed:
            self._release()

    def _hold(self, problem: str) -> None:
        """Nothing can be shown until somebody on Discord mends this; said once."""
        self.ready.clear()
        if problem != self.problem:
            self.problem = problem
            log.warning("%s: %s It goes on by itself then.", self._name, problem)
        self.known.set()

    def _release(self) -> None:
        if self.problem:
            show_log.info("%s: goes on.", self._name)
        self.problem, self._refused = "", False
        self.ready.set()

    async def _find_channel(self) -> Writable | str:
        """The channel, or why it is not there for now. Raises StageLost if it never will be."""
        client, wanted = self._connection.usable(), self._settings.channel
        channel: object = client.get_channel(wanted)
        if channel is None:
            try:
                async with outcome():
                    channel = await client.fetch_channel(wanted)
            except discord.InvalidData as error:
                raise NotTaken(str(error)) from error
            except Withheld as error:
                if error.status == 404:
                    raise self._gone() from error
                if error.status == 401:
                    raise self._connection.token_refused() from error
                return self._not_invited()
        if isinstance(channel, WRITABLE):
            if channel.guild.unavailable:
                return f"Discord has an outage of the server {channel.guild.name}."
            # Fetched, but not in the list of a server of the bot's: it was taken out.
            return channel if client.get_guild(channel.guild.id) else self._not_invited()
        kind = getattr(getattr(channel, "type", None), "name", "other")
        raise StageLost(
            f"Lines cannot be written into channel {wanted}, which is of the kind {kind!r}; put "
            "the id of a text channel as channel into the settings."
        )

    def _not_invited(self) -> str:
        has_webhooks = self._settings.appearance in ("auto", "webhook")
        link = invitation(
            self._connection.client.application_id or 0, wanted(webhooks=has_webhooks)
        )
        return (
            f"The bot is not in the server of channel {self._settings.channel}, or may not see the "
            f"channel: invite it with {link} and give it View Channel."
        )

    def _gone(self) -> StageLost:
        wanted = self._settings.channel
        if self.channel is None:
            return StageLost(
                f"There is no channel {wanted} on Discord: copy the id anew (Copy Channel ID in "
                "the menu of the channel, with Developer Mode on) into the settings."
            )
        return StageLost(
            f"Somebody deleted #{self.channel.name} ({wanted}): put the id of another channel "
            "into the settings."
        )

    def deleted(self) -> None:
        """The channel was deleted."""
        self.ready.clear()
        self._lost(self._gone())


def _listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
