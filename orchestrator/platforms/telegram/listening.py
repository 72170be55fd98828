"""What happens in the group becomes events of the show, and commands that only look are answered.

Knows no outages and no private chats.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from telegram import CallbackQuery, InlineKeyboardMarkup, Message, Update

from orchestrator.backstage import Backstage
from orchestrator.errors import StageFailed, StageLost
from orchestrator.platforms import Answer, Command, Event
from orchestrator.platforms.telegram import desk, hearing
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.delivery import Delivery, Uncertain
from orchestrator.platforms.telegram.errors import RequestFailed, outcome
from orchestrator.platforms.telegram.hearing import Asked, Bots, Hearing, LostNumbers
from orchestrator.platforms.telegram.wording import LONGEST_TOAST, Words, fitted

log = logging.getLogger(__name__)


class Listening:
    """One group. `friends` are the accounts of friends who have their own."""

    def __init__(
        self,
        name: str,
        main: Account,
        friends: Mapping[str, Account],
        backstage: Backstage,
        delivery: Delivery,
        put: Callable[[Event], None],
        lose: Callable[[StageLost], None],
    ) -> None:
        self.lost_numbers = LostNumbers()
        self._name = name
        self._main = main
        self._accounts = {"": main, **friends}
        self._backstage = backstage
        self._delivery = delivery
        self._put = put
        self._lose = lose
        self._hearing = Hearing(self._bots, self._somebody, self._id_of)
        self._tasks: set[asyncio.Task[None]] = set()

    def on_update(self, update: Update) -> None:
        """Something happened in the group."""
        if update.message is not None:
            self._on_message(update.message)
        elif update.edited_message is not None:
            if event := self._hearing.edit(update.edited_message):
                self._put(event)
        elif update.callback_query is not None:
            self.begin(self._on_button(update.callback_query))
        elif update.message_reaction is not None:
            for reaction in hearing.reactions(
                update.message_reaction, self._delivery.place.chat_id
            ):
                self._put(reaction)

    def begin(self, showing: Coroutine[Any, Any, None]) -> None:
        """Shows something besides the show, without anybody who waits."""
        task = asyncio.create_task(self._try(showing))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _try(self, showing: Coroutine[Any, Any, None]) -> None:
        try:
            await showing
        except StageLost as error:
            self._lose(error)
        except StageFailed as error:
            log.warning("%s: %s", self._name, error)

    # --- lines and commands ---------------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        author = hearing.author_of(message)
        me = self._main.me
        if author is None or me is None:
            return
        asked = hearing.command_in(message, me.username or "")
        if asked is not None:
            self._on_command(asked, author, message)
        elif line := self._hearing.line(message, author, self._backstage.now()):
            self._put(line)

    def _on_command(self, asked: Asked, author: str, message: Message) -> None:
        if desk.is_too_old(message.date, self._backstage.now()):
            log.info("%s: /%s came too late", self._name, asked.name)
        elif asked.name in ("help", "start"):
            self.begin(self._reply(message, desk.help_text()))
        elif asked.name == "friends":
            buttons = desk.friend_buttons(self._backstage.show, desk.ASK_BUTTON)
            text = f"{desk.friends_text(self._backstage)}\nWho is to speak next?"
            self.begin(self._reply(message, text, buttons))
        else:
            pointed_at = message.reply_to_message
            line = self._id_of(pointed_at) if pointed_at else None
            if event := desk.command(asked, author, line, self._answer_to(message)):
                self._put(event)

    def _answer_to(self, message: Message) -> Answer:
        async def answer(text: str, is_done: bool = True) -> None:
            await self._reply(message, text)

        return answer

    async def _reply(
        self, message: Message, text: str, buttons: InlineKeyboardMarkup | None = None
    ) -> None:
        with suppress(Uncertain):
            await self._delivery.send(
                self._main, Words(fitted(text)), reply_to=message.message_id, buttons=buttons
            )

    async def _on_button(self, query: CallbackQuery) -> None:
        friend = desk.friend_of_button(self._backstage.show, desk.ASK_BUTTON, query.data)

        async def answer(text: str, is_done: bool = True) -> None:
            # An old button's press cannot be answered any more.
            with suppress(RequestFailed), outcome(self._main.what):
                await query.answer(fitted(text, LONGEST_TOAST), show_alert=not is_done)

        if friend is None:
            await answer("That button is of an older show; send /friends again.", is_done=False)
        else:
            self._put(Command(hearing.name_of(query.from_user), "ask", friend, answer))

    # --- who is who -----------------------------------------------------------------------------

    def _bots(self) -> Bots:
        by_name, by_id = {}, {}
        for friend, account in self._accounts.items():
            if (me := account.me) is not None and me.username:
                by_name[me.username.casefold()] = friend
                by_id[me.id] = friend
        return Bots(by_name, by_id)

    def _somebody(self, text: str) -> Sequence[str]:
        """Who answers a line that calls the show's own bot: whom it names, or who spoke last."""
        if self._backstage.control.conversation.names.addressed_in(text):
            return ()  # the conversation finds them itself
        able = sorted(self._backstage.friends.able())
        spoke = [line.speaker for line in self._backstage.transcript.last(50)]
        return [name for name in (*reversed(spoke), *able) if name in able][:1]

    def _id_of(self, message: Message) -> str:
        message_id = f"{message.chat.id}/{message.message_id}"
        by_bot = message.from_user is not None and message.from_user.is_bot
        return self.lost_numbers.found(message, message_id) if by_bot else message_id
