"""The show in a Telegram group, and private chats with the friends.

Ties together the connection, how things stand in the group, what is heard there, and how lines get
there. Decides nothing about what is said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any

from telegram import (
    Chat,
    ChatMember,
    Update,
)
from telegram.constants import ChatAction

from orchestrator.backstage import Backstage
from orchestrator.errors import SettingsError, StageFailed, StageLost
from orchestrator.platforms import Capability, Command, Event, PersonLine, Reaction
from orchestrator.platforms.telegram.account import Account, friends_accounts
from orchestrator.platforms.telegram.connection import CONNECTIONS, Connection
from orchestrator.platforms.telegram.delivery import Delivery, Place, Uncertain
from orchestrator.platforms.telegram.entrance import IN_GROUP, enter
from orchestrator.platforms.telegram.errors import Flooded, Moved, RequestFailed, Withheld, outcome
from orchestrator.platforms.telegram.listening import Listening
from orchestrator.platforms.telegram.private import PrivateTalks
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.platforms.telegram.standing import Standing
from orchestrator.platforms.telegram.typing_sign import keep_typing
from orchestrator.platforms.telegram.wording import Words, fitted, named
from orchestrator.settings import Show
from orchestrator.tokens import Tokens

log = logging.getLogger(__name__)

OPEN_SECONDS = 30.0
"""So long the show's start waits for Telegram; then it begins without."""
LONGEST_TYPING_SECONDS = 30.0
"""A line that takes longer is not coming: a person went first."""
READS_SECONDS = 300.0
"""Whoever wrote or put an emoji so short a time ago is reading along."""
MOST_EVENTS = 10_000
"""That wait to be taken into the show; what comes on top is lost, and counted."""
UNKNOWN = "unknown/"
REMEDY = "; let the bot into the group again, and let it write there"


class TelegramPlatform:
    """A Telegram group as a stage."""

    capabilities: frozenset[Capability] = frozenset(
        {"typing", "edit", "delete", "reactions", "relay"}
    )

    def __init__(self, settings: TelegramStage, show: Show, tokens: Tokens) -> None:
        """Reads the tokens. Raises SettingsError."""
        chat = settings.chat
        self.name = f"telegram {chat}" if chat else f"telegram private {settings.people[0]}"
        self.where = ""
        self.settings = settings
        self.backstage: Backstage | None = None
        self.place = Place(chat or 0)
        token = tokens.read(settings.token_env, settings.token_file, "the Telegram bot")
        if token is None:
            raise SettingsError(
                "A stage on Telegram needs the token of its bot: name a file that holds it with "
                "token_file, or a variable with token_env; see: botconvo doctor telegram"
            )
        self._token = token
        self._accounts = friends_accounts(settings, show, tokens, self.name)
        self._absent: frozenset[str] = frozenset()
        self._connection: Connection | None = None
        self._standing = Standing(
            self.name, self._probe, self._lose, self._recovered, self._move, REMEDY
        )
        self.ready = self._standing.ready
        self._delivery = Delivery(self.place, self._standing, settings.messages_per_minute)
        self._listening: Listening | None = None
        self._private: PrivateTalks | None = None
        self._events: asyncio.Queue[Event | StageLost | None] = asyncio.Queue()
        self._lost_events = 0
        self._typing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._known = asyncio.Event()
        self._somebody_was_here = -READS_SECONDS
        self._is_closed = False

    # --- what others may know -------------------------------------------------------------------

    @property
    def is_read(self) -> bool:
        return _now() - self._somebody_was_here < READS_SECONDS

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
        self.backstage = backstage
        self._connection = CONNECTIONS.join(self._token, self.settings, self)
        if self._connection.lost is not None:
            raise self._connection.lost
        self._listening = Listening(
            self.name, self._main, self._accounts, backstage, self._delivery, self.put, self._lose
        )
        if self.settings.private:
            self._private = PrivateTalks(self.settings, backstage, self._main)
        self._begin(self._set_up())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._known.wait(), OPEN_SECONDS)
        if not self._events.empty() and isinstance(found := self._events.get_nowait(), StageLost):
            raise found

    async def _set_up(self) -> None:
        """Who the bots are, and whether they are in the group; asked until Telegram answers."""
        try:
            while not await self._is_set_up():
                await self._standing.well.wait()
        except StageLost as error:
            self._lose(error)
            return
        assert self._connection is not None
        self._connection.start()
        self._known.set()

    async def _is_set_up(self) -> bool:
        try:
            for account in (self._main, *self._accounts.values()):
                if account.me is None:
                    await account.introduce()
            if self.settings.chat is not None:
                await self._enter()
            if self._private is not None:
                await self._private.register()
        except Moved as error:
            self._move(error.chat_id)
            return await self._is_set_up()
        except Flooded as error:
            self._known.set()
            await asyncio.sleep(error.seconds)
            return False
        except RequestFailed as error:
            self._known.set()  # the show need not wait for it
            self._standing.unreachable(str(error))
            return False
        return True

    async def _enter(self) -> None:
        try:
            group = await enter(self._main, self._accounts, self.place.chat_id)
        except Withheld as error:
            self._standing.open()
            self._standing.refused(f"Telegram refuses ({error})")
            return
        self._absent = group.absent
        self.where = f"in the Telegram group {group.title}"
        self._standing.open()

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self.uncertain:
            log.warning(
                "%s: of %d messages nobody knows whether they stand there.", self.name,
                self.uncertain,
            )  # fmt: skip
        self._stop_typing()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None:
            await self._listening.close()
        await self._standing.close()
        if self._private is not None:
            await self._private.close()
        if self._connection is not None:
            await CONNECTIONS.leave(self._connection, self)
        for account in self._accounts.values():
            await account.close()
        self._events.put_nowait(None)

    async def events(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            if isinstance(event, StageLost):
                raise event
            yield event

    def put(self, event: Event) -> None:
        """A person did something."""
        if isinstance(event, PersonLine | Reaction | Command):
            self._somebody_was_here = _now()
        if self._events.qsize() < MOST_EVENTS:
            self._events.put_nowait(event)
            return
        self._lost_events += 1
        if self._lost_events in (1, 100, 10_000):
            log.warning("%s: %d events came faster than they can be taken in, and are lost",
                        self.name, self._lost_events)  # fmt: skip

    # --- showing --------------------------------------------------------------------------------

    async def say(self, line_id: int, friend: str, text: str) -> str:
        own = self._own(friend)
        words = Words(fitted(text)) if own else named(friend, text)
        answered = self._persons_message(line_id)
        return await self._show(line_id, own or self._main, words, answered)

    async def relay(self, line_id: int, author: str, text: str, stage: str) -> str:
        words = named(author, text, stage.partition(" ")[0])
        return await self._show(line_id, self._main, words, None)

    async def notice(self, text: str) -> None:
        if not self.ready.is_set():
            raise StageFailed(self.problem or "it cannot be reached for now")
        await self._delivery.send(self._main, Words(fitted(text)))

    async def _show(
        self, line_id: int, account: Account, words: Words, answered: int | None
    ) -> str:
        if not words.text.strip():
            raise StageFailed("there is nothing to show in an empty line")
        self._stop_typing()
        silent = self.settings.silent and answered is None
        try:
            message_id = await self._delivery.send(account, words, reply_to=answered, silent=silent)
        except Uncertain:
            assert self._listening is not None
            # As said: should it stand there, it must not come twice.
            unknown_id = f"{UNKNOWN}{line_id}"
            self._listening.lost_numbers.add(words.text, unknown_id)
            return unknown_id
        return f"{self.place.chat_id}/{message_id}"

    def _persons_message(self, line_id: int) -> int | None:
        """The message of the person whom the line answers, if it stands in this group."""
        assert self.backstage is not None
        transcript = self.backstage.transcript
        line = transcript.line(line_id)
        answered = transcript.line(line.reply_to) if line and line.reply_to else None
        if answered is None or answered.kind != "person":
            return None
        message_id = transcript.message_of(self.name, answered.id)
        chat_id, _, number = (message_id or "").partition("/")
        return int(number) if chat_id == str(self.place.chat_id) else None

    async def typing(self, friend: str) -> None:
        self._stop_typing()
        account = self._own(friend) or self._main
        self._typing = asyncio.create_task(keep_typing(account, self.place, LONGEST_TYPING_SECONDS))

    def _stop_typing(self) -> None:
        if self._typing is not None:
            self._typing.cancel()
            self._typing = None

    async def edit(self, message_id: str, speaker: str, text: str) -> None:
        number = self._number(message_id)
        own = self._own(speaker)
        words = Words(fitted(text)) if own else named(speaker, text)
        account = own or self._main
        await self._delivery.reword(account, number, words)

    async def delete(self, message_id: str) -> None:
        number = self._number(message_id)
        assert self.backstage is not None
        transcript = self.backstage.transcript
        line_id = transcript.line_of(self.name, message_id)
        line = transcript.line(line_id) if line_id is not None else None
        account = (self._own(line.speaker) if line else None) or self._main
        await self._delivery.delete(account, number)

    def _number(self, message_id: str) -> int:
        """Telegram's number of a message. Raises StageFailed if nobody knows it, or the group has
        moved since."""
        assert self._listening is not None
        chat_id, _, number = self._listening.lost_numbers.real(message_id).partition("/")
        if f"{chat_id}/" == UNKNOWN:
            raise StageFailed(
                "Telegram did not tell the number of that message; if it stands in the group, "
                "change it by hand"
            )
        if chat_id != str(self.place.chat_id):
            raise StageFailed("that message is of the time before the group became a supergroup")
        return int(number)

    # --- heard from Telegram --------------------------------------------------------------------

    def takes(self, update: Update) -> bool:
        chat = update.effective_chat
        if chat is None:
            return False
        if chat.type == Chat.PRIVATE:
            return self._private is not None and self._private.takes(chat.id)
        return self.settings.chat is not None and chat.id in (
            self.place.chat_id,
            self.settings.chat,
        )

    def on_update(self, update: Update) -> None:
        chat = update.effective_chat
        if chat is not None and chat.type == Chat.PRIVATE:
            assert self._private is not None
            self._private.on_update(update)
        elif update.message is not None and update.message.migrate_to_chat_id:
            self._move(update.message.migrate_to_chat_id)
        elif update.my_chat_member is not None:
            self._on_membership(update.my_chat_member.new_chat_member)
        elif self._listening is not None:
            self._listening.on_update(update)

    def on_trouble(self, reason: str) -> None:
        if self.settings.chat is not None:
            self._standing.unreachable(reason)

    def on_conflict(self, text: str) -> None:
        if self.ready.is_set() and self._listening is not None:
            self._listening.begin(self.notice(text))

    def on_lost(self, error: StageLost) -> None:
        self._lose(error)

    def _on_membership(self, member: ChatMember) -> None:
        if member.status in IN_GROUP:
            self._standing.look()
        else:
            self._standing.refused("the bot was put out of the group")

    # --- small print ----------------------------------------------------------------------------

    @property
    def _main(self) -> Account:
        assert self._connection is not None
        return self._connection.account

    def _own(self, friend: str) -> Account | None:
        """The friend's own account, if it is in the group."""
        return None if friend in self._absent else self._accounts.get(friend)

    def _move(self, chat_id: int) -> None:
        if chat_id == self.place.chat_id:
            return
        log.warning(
            "%s: the group has become a supergroup, and the show goes on there; put its new id "
            "into settings.toml: chat = %d", self.name, chat_id,
        )  # fmt: skip
        self.place.chat_id = chat_id
        self._standing.look()

    async def _probe(self) -> None:
        with outcome(self._main.what):
            if self.settings.chat is None or self._main.me is None:
                await self._main.bot.get_me()
            else:
                await self._main.bot.send_chat_action(self.place.chat_id, ChatAction.TYPING)

    def _recovered(self) -> None:
        if self._connection is not None:
            self._connection.wake()

    def _lose(self, error: StageLost) -> None:
        self._standing.lose(error)
        self._known.set()
        self._events.put_nowait(error)

    def _begin(self, what: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _now() -> float:
    return asyncio.get_running_loop().time()
