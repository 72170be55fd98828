"""The show in a Telegram group, and private chats with the friends.

Ties together the connection, the bots' presence in the group, what is heard there, and how lines
get there. Decides nothing about what is said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

from telegram import Chat, Update

from orchestrator.backstage import Backstage
from orchestrator.cast import Show
from orchestrator.errors import StageFailed, StageLost
from orchestrator.platforms import Capability, Event
from orchestrator.platforms.bot_tokens import main_token
from orchestrator.platforms.incoming_events import IncomingEvents
from orchestrator.platforms.telegram.access import Doorkeeper
from orchestrator.platforms.telegram.account import Account, friends_accounts
from orchestrator.platforms.telegram.connection import CONNECTIONS, Connection
from orchestrator.platforms.telegram.delivery import Delivery
from orchestrator.platforms.telegram.listening import Listening
from orchestrator.platforms.telegram.presence import Presence
from orchestrator.platforms.telegram.private import PrivateTalks
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.platforms.telegram.showing import Showing
from orchestrator.platforms.telegram.transcripts import Transcripts
from orchestrator.tokens import Tokens

log = logging.getLogger(__name__)

OPEN_SECONDS = 30.0
"""So long the show's start waits for Telegram; then it begins without."""


class TelegramPlatform:
    """A Telegram group as a stage."""

    capabilities: frozenset[Capability] = frozenset(
        {"typing", "edit", "delete", "reactions", "relay"}
    )

    def __init__(self, settings: TelegramStage, show: Show, tokens: Tokens) -> None:
        """Reads the tokens. Raises SettingsError."""
        chat = settings.chat
        self.name = f"telegram {chat}" if chat else f"telegram private {settings.people[0]}"
        self.settings = settings
        self._token = main_token(settings, tokens, "Telegram")
        self._accounts = friends_accounts(settings, show, tokens, self._token, self.name)
        self._presence = Presence(self.name, settings, self._accounts, self._end)
        self._standing = self._presence.standing
        self.ready = self._standing.ready
        self._delivery = Delivery(
            self._presence.place, self._standing, settings.messages_per_minute
        )  # fmt: skip
        self._connection: Connection | None = None
        self._listening: Listening | None = None
        self._showing: Showing | None = None
        self._private: PrivateTalks | None = None
        self._incoming = IncomingEvents(self.name)
        self._beginning: asyncio.Task[None] | None = None
        self._is_closed = False

    # --- what others may know -------------------------------------------------------------------

    @property
    def where(self) -> str:
        title = self._presence.title
        return f"in the Telegram group {title}" if title else ""

    @property
    def is_read(self) -> bool:
        return self._incoming.is_somebody_here

    @property
    def uncertain(self) -> int:
        """Messages of which nobody knows whether they stand in the group."""
        return self._delivery.uncertain

    @property
    def problem(self) -> str:
        """Why nothing can be shown, in a sentence; "" if it can or nobody knows."""
        return self._standing.problem

    # --- beginning and end ----------------------------------------------------------------------

    async def open(self, backstage: Backstage) -> None:
        """Connects. Raises StageLost for what must be mended in the settings; what can be mended
        in Telegram is waited for."""
        self._connection = CONNECTIONS.join(self._token, self.settings, self)
        if self._connection.lost is not None:
            raise self._connection.lost
        main = self._connection.account
        self._listen(main, backstage)
        if self.settings.private:
            self._private = PrivateTalks(self.settings, backstage, main)
        self._beginning = asyncio.create_task(
            self._presence.begin(self._connection, self._register)
        )  # fmt: skip
        with suppress(TimeoutError):
            await asyncio.wait_for(self._presence.known.wait(), OPEN_SECONDS)
        if self._incoming.lost is not None:
            raise self._incoming.lost

    def _listen(self, main: Account, backstage: Backstage) -> None:
        settings, presence = self.settings, self._presence
        self._listening = Listening(
            self.name, main, self._accounts, backstage, self._delivery,
            Doorkeeper(main, presence.place, settings.commands),
            Transcripts(main, backstage, settings.conversation),
            self._incoming.put, self._lose,
        )  # fmt: skip
        self._showing = Showing(
            self.name, main, presence.own, self._delivery, backstage.transcript,
            self._listening.lost_numbers, is_silent=settings.silent,
        )  # fmt: skip

    async def _register(self) -> None:
        if self._private is not None:
            await self._private.register()

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._connection is not None:
            self._connection.leaving(self)
        if self.uncertain:
            log.warning(
                "%s: of %d messages nobody knows whether they stand there.", self.name,
                self.uncertain,
            )  # fmt: skip
        if self._showing is not None:
            self._showing.stop_typing()
        if self._beginning is not None:
            self._beginning.cancel()
            await asyncio.gather(self._beginning, return_exceptions=True)
        if self._listening is not None:
            await self._listening.close()
        await self._standing.close()
        if self._private is not None:
            await self._private.close()
        if self._connection is not None:
            await CONNECTIONS.leave(self._connection, self)
        for account in self._accounts.values():
            await account.close()
        self._incoming.end()

    def events(self) -> AsyncIterator[Event]:
        return aiter(self._incoming)

    # --- showing --------------------------------------------------------------------------------

    async def say(self, line_id: int, friend: str, text: str) -> str:
        return await self._group.say(line_id, friend, text)

    async def relay(self, line_id: int, author: str, text: str, stage: str) -> str:
        return await self._group.relay(line_id, author, text, stage.partition(" ")[0])

    async def notice(self, text: str) -> None:
        if not self.ready.is_set():
            raise StageFailed(self.problem or "it cannot be reached for now")
        await self._group.notice(text)

    async def typing(self, friend: str) -> None:
        self._group.begin_typing(friend)

    async def edit(self, message_id: str, speaker: str, text: str) -> None:
        await self._group.edit(message_id, speaker, text)

    async def delete(self, message_id: str) -> None:
        await self._group.delete(message_id)

    @property
    def _group(self) -> Showing:
        assert self._showing is not None  # nothing is shown before it is open
        return self._showing

    # --- heard from Telegram --------------------------------------------------------------------

    def takes(self, update: Update) -> bool:
        chat = update.effective_chat
        if chat is None:
            return False
        if chat.type == Chat.PRIVATE:
            return self._private is not None and self._private.takes(chat.id)
        group = self.settings.chat
        return group is not None and chat.id in (self._presence.place.chat_id, group)

    def on_update(self, update: Update) -> None:
        chat = update.effective_chat
        if chat is not None and chat.type == Chat.PRIVATE:
            assert self._private is not None
            self._private.on_update(update)
        elif update.message is not None and update.message.migrate_to_chat_id:
            self._presence.move(update.message.migrate_to_chat_id)
        elif update.my_chat_member is not None:
            self._presence.on_membership(update.my_chat_member.new_chat_member)
        elif self._listening is not None:
            self._listening.on_update(update)

    async def when_taken_in(self) -> None:
        if self._listening is not None:
            await self._listening.when_taken_in()

    def has_taken_in(self) -> bool:
        return self._listening is None or self._listening.has_taken_in()

    def on_trouble(self, reason: str) -> None:
        if self.settings.chat is not None:
            self._standing.unreachable(reason)

    def on_conflict(self, text: str) -> None:
        if self.ready.is_set() and self._listening is not None:
            self._listening.begin(self.notice(text))

    def on_lost(self, error: StageLost) -> None:
        self._lose(error)

    def _lose(self, error: StageLost) -> None:
        self._presence.lose(error)
        self._end(error)

    def _end(self, error: StageLost) -> None:
        self._incoming.lose(error)
