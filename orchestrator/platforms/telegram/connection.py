"""News of one bot account: asked for by long polling or taken in by a webhook, and handed to the
stages whose chats they are of. Shared by all stages of one token, as only one may ask.

Knows nothing of friends and lines.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from contextlib import suppress
from typing import Protocol

from pydantic import SecretStr
from telegram import Chat, Update

from orchestrator.errors import StageFailed, StageLost
from orchestrator.platforms.backoff import Backoff
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.errors import Flooded, OtherCopy, RequestFailed, outcome
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.platforms.telegram.webhook import Webhook

log = logging.getLogger(__name__)

POLL_SECONDS = 25
"""Telegram answers after so long if there is no news; proxies cut what is silent for a minute."""
FAREWELL_SECONDS = 0.7
"""A show that ends waits no longer than a second for a stage."""
CALM_SECONDS = 600.0
"""Another program that asks for the bot's news is told of once in so long."""
MOST_STRANGERS = 1000
REMEMBERED = 1000
ALLOWED = ["message", "edited_message", "callback_query", "my_chat_member", "message_reaction"]
OTHER = (
    "Another program asks for the news of %s, so that this one hears only a part of what people "
    "write: end the other copy. (The token may also have been stolen: /revoke at @BotFather.)"
)
STRANGE_GROUP = (
    "Sorry, I only speak where my owner lets me. If that is you: the id of this chat is {id}; "
    "put it into settings.toml as chat = {id}"
)
STRANGE_PERSON = (
    "Sorry, I only talk with people whom my owner knows. If that is you: your id is {id}; put it "
    "into settings.toml as private = true and people = [{id}]"
)


class Listener(Protocol):
    """What a stage wants to hear of the connection. None of these raises."""

    def takes(self, update: Update) -> bool:
        """Whether the update is of a chat of this stage."""

    def on_update(self, update: Update) -> None: ...

    async def when_taken_in(self) -> None:
        """Waits until the updates so far were looked at, or never will be."""

    def has_taken_in(self) -> bool:
        """Whether the updates so far need not be told again."""

    def on_trouble(self, reason: str) -> None:
        """Telegram cannot be reached for now."""

    def on_conflict(self, text: str) -> None:
        """Another program takes away news."""

    def on_lost(self, error: StageLost) -> None:
        """Never again."""


class Connection:
    """An account that asks for news from `start` to `stop`."""

    def __init__(self, token: SecretStr, settings: TelegramStage) -> None:
        self.account = Account(token, "the Telegram bot", settings.api_base)
        self.listeners: list[Listener] = []
        self.lost: StageLost | None = None
        self._settings = settings
        self._next: int | None = None
        self._taken: OrderedDict[int, None] = OrderedDict()
        self._strangers: OrderedDict[int, None] = OrderedDict()
        self._conflict_told = float("-inf")
        self._hint = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._leaving: list[Listener] = []
        self._in_hand: tuple[Update, list[Listener]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._webhook = Webhook(settings, self._take) if settings.webhook else None

    def start(self) -> None:
        """Begins, in the background. What cannot be reached is tried again."""
        if not self._tasks:
            self._running = asyncio.create_task(self._run())
            self._keep(self._running)

    def wake(self) -> None:
        """Telegram can be reached again: asks at once."""
        self._hint.set()

    def leaving(self, listener: Listener) -> None:
        """The listener takes nothing in any more. With the last of them no news are asked for: what
        nobody has taken in stays at Telegram for the next start."""
        self._leaving.append(listener)
        if self._running is not None and all(one in self._leaving for one in self.listeners):
            self._running.cancel()

    async def stop(self) -> None:
        """Ends it for good. What was taken in is not told again after the next start."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._put_away()
        if self._webhook is not None:
            await self._webhook.close()
        elif self._next is not None and self.lost is None:
            with suppress(RequestFailed, StageLost, TimeoutError), outcome(self.account.what):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await self.account.bot.get_updates(self._next, limit=1, timeout=0)
        await self.account.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- news -----------------------------------------------------------------------------------

    async def _run(self) -> None:
        backoff, is_set_up = Backoff(), False
        while True:
            try:
                if not is_set_up:
                    await self._set_up()
                    is_set_up = True
                    if self._webhook is not None:
                        return
                await self._poll()
                backoff.reset()
            except StageLost as error:
                self._lose(error)
                return
            except Flooded as error:
                await asyncio.sleep(error.seconds)
            except OtherCopy:
                self._tell_of_conflict()
                await asyncio.sleep(backoff.next())
            except RequestFailed as error:
                for listener in list(self.listeners):
                    listener.on_trouble(str(error))
                await self._pause(backoff)
            except Exception:
                # News that python-telegram-bot cannot read must not make the show deaf.
                log.exception("news of Telegram")
                await self._pause(backoff)

    async def _set_up(self) -> None:
        if self._webhook is not None:
            await self._webhook.open(self.account, ALLOWED)
            return
        with outcome(self.account.what):
            await self.account.bot.delete_webhook()

    async def _poll(self) -> None:
        with outcome(self.account.what):
            updates = await self.account.bot.get_updates(
                self._next, timeout=POLL_SECONDS, allowed_updates=ALLOWED
            )
        for update in updates:
            self._in_hand = update, list(self.listeners)
            self._take(update)
            for listener in list(self.listeners):
                await listener.when_taken_in()
            self._put_away()

    def _put_away(self) -> None:
        """With the next request, what was taken in is over for Telegram."""
        if self._in_hand is None:
            return
        update, listeners = self._in_hand
        if all(listener.has_taken_in() for listener in listeners):
            self._next = update.update_id + 1
            self._in_hand = None

    async def _pause(self, backoff: Backoff) -> None:
        self._hint.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hint.wait(), backoff.next())

    def _lose(self, error: StageLost) -> None:
        self.lost = error
        for listener in list(self.listeners):
            listener.on_lost(error)

    def _tell_of_conflict(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._conflict_told > CALM_SECONDS:
            log.error(OTHER, self.account.what)
            for listener in list(self.listeners):
                listener.on_conflict(OTHER % self.account.what)
        self._conflict_told = now

    def _take(self, update: Update) -> None:
        """Each once: a webhook may be told twice."""
        if update.update_id in self._taken:
            return
        self._taken[update.update_id] = None
        if len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
        listener = next((found for found in self.listeners if found.takes(update)), None)
        if listener is None:
            self._turn_away(update)
            return
        try:
            listener.on_update(update)
        except Exception:
            # One message that goes wrong must not make the show deaf.
            log.exception("update %d", update.update_id)

    # --- strangers ------------------------------------------------------------------------------

    def _turn_away(self, update: Update) -> None:
        """Chats that no stage knows get one line, once."""
        chat = update.effective_chat
        if chat is None or update.message is None or chat.type == Chat.CHANNEL:
            return
        if chat.id in self._strangers:
            return
        self._strangers[chat.id] = None
        if len(self._strangers) > MOST_STRANGERS:
            self._strangers.popitem(last=False)
        text = STRANGE_PERSON if chat.type == Chat.PRIVATE else STRANGE_GROUP
        log.warning("%s was spoken to in a chat that the settings do not name: %d",
                    self.account.what, chat.id)  # fmt: skip
        self._keep(asyncio.create_task(self._say_once(chat.id, text.format(id=chat.id))))

    async def _say_once(self, chat_id: int, text: str) -> None:
        with suppress(RequestFailed, StageFailed), outcome(self.account.what):
            await self.account.bot.send_message(chat_id, text, disable_notification=True)


class Connections:
    """Those that are in use, one for each token."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Connection] = {}

    def join(self, token: SecretStr, settings: TelegramStage, listener: Listener) -> Connection:
        """The token's connection, with one more listener."""
        key = (token.get_secret_value(), settings.api_base)
        connection = self._open.get(key)
        if connection is None:
            connection = self._open[key] = Connection(token, settings)
        connection.listeners.append(listener)
        return connection

    async def leave(self, connection: Connection, listener: Listener) -> None:
        """Ends it with its last listener."""
        with suppress(ValueError):
            connection.listeners.remove(listener)
        if not connection.listeners:
            self._open = {k: c for k, c in self._open.items() if c is not connection}
            await connection.stop()

    def __repr__(self) -> str:
        return f"Connections({len(self._open)})"  # its keys are tokens


CONNECTIONS = Connections()
