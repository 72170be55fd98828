"""Private chats: a person and one friend, at the friend's own model server and without the show.

Only those whom the settings list. What is said stays in memory only, and nobody else sees it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any

from telegram import BotCommand, BotCommandScopeAllPrivateChats, Message, Update

from orchestrator.backstage import Backstage
from orchestrator.errors import StageFailed, StageLost
from orchestrator.platforms.telegram import hearing
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.correspondent import SWITCH_BUTTON, Correspondent
from orchestrator.platforms.telegram.delivery import Delivery, Place
from orchestrator.platforms.telegram.desk import friend_of_button
from orchestrator.platforms.telegram.errors import RequestFailed, outcome
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.platforms.telegram.standing import Standing

log = logging.getLogger(__name__)

COMMANDS: Mapping[str, str] = {
    "switch": "talk with another friend: /switch Juno",
    "friends": "whom there is to talk with, with buttons",
    "again": "the last line in other words",
    "why": "why the last line was said",
    "forget": "begin anew, as if nothing had been said",
    "help": "this list",
}
OLD_BUTTON = "That button is of an older list; send /friends again."


class PrivateTalks:
    """All private chats of one bot."""

    def __init__(self, settings: TelegramStage, backstage: Backstage, account: Account) -> None:
        self._people = frozenset(settings.people)
        self._backstage = backstage
        self._account = account
        self._correspondents: dict[int, Correspondent] = {}
        self._standings: list[Standing] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def takes(self, person_id: int) -> bool:
        """Whether this person may talk with the friends. A private chat has the person's id."""
        return person_id in self._people

    async def register(self) -> None:
        """Has Telegram complete the commands. Raises RequestFailed or StageLost."""
        commands = [BotCommand(name, text) for name, text in COMMANDS.items()]
        with outcome(self._account.what):
            await self._account.bot.set_my_commands(
                commands, scope=BotCommandScopeAllPrivateChats()
            )

    def on_update(self, update: Update) -> None:
        """Somebody who may has written, or pressed a button."""
        chat = update.effective_chat
        assert chat is not None
        correspondent = self._with(chat.id)
        if update.message is not None:
            self._on_message(correspondent, update.message)
        elif update.edited_message is not None:
            text = hearing.words_of(update.edited_message)
            correspondent.reword(update.edited_message.message_id, text)
        elif (query := update.callback_query) is not None:
            friend = friend_of_button(self._backstage.show, SWITCH_BUTTON, query.data)
            if friend is not None:
                correspondent.command("switch", friend)
            self._begin(self._acknowledge(query.id, OLD_BUTTON if friend is None else ""))

    def _on_message(self, correspondent: Correspondent, message: Message) -> None:
        me = self._account.me
        author = hearing.author_of(message)
        if author is None or me is None:
            return
        correspondent.name = author
        asked = hearing.command_in(message, me.username or "")
        if asked is not None:
            correspondent.command(asked.name or "help", asked.argument)
        else:
            correspondent.hear(message.message_id, hearing.words_of(message))

    def _with(self, person_id: int) -> Correspondent:
        if person_id not in self._correspondents:
            standing = Standing(f"telegram private chat {person_id}", self._probe, self._lost)
            standing.open()
            self._standings.append(standing)
            delivery = Delivery(Place(person_id), standing)
            self._correspondents[person_id] = Correspondent(
                self._backstage, self._account, delivery, COMMANDS
            )
        return self._correspondents[person_id]

    async def _probe(self) -> None:
        with outcome(self._account.what):
            await self._account.bot.get_me()

    def _lost(self, error: StageLost) -> None:
        log.error("%s", error)  # the connection hears it, too, and ends the stage

    async def _acknowledge(self, query_id: str, text: str) -> None:
        """Or the button seems to hang. Raises nothing: old buttons cannot be answered."""
        with suppress(RequestFailed, StageFailed), outcome(self._account.what):
            await self._account.bot.answer_callback_query(query_id, text or None)

    def _begin(self, what: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(found.close() for found in self._correspondents.values()))
        await asyncio.gather(*(standing.close() for standing in self._standings))
