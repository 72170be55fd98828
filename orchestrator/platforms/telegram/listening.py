"""What happens in the group becomes events of the show, in the order in which it happened; and
commands that only look are answered.

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
from orchestrator.platforms import Answer, Command, Event, looking
from orchestrator.platforms.command_settings import CommandName
from orchestrator.platforms.telegram import access, desk, hearing
from orchestrator.platforms.telegram.access import Doorkeeper
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.delivery import Delivery, Uncertain
from orchestrator.platforms.telegram.errors import RequestFailed, outcome
from orchestrator.platforms.telegram.hearing import Asked, Bots, Hearing, LostNumbers
from orchestrator.platforms.telegram.transcripts import Transcripts
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
        doorkeeper: Doorkeeper,
        transcripts: Transcripts,
        put: Callable[[Event], None],
        lose: Callable[[StageLost], None],
    ) -> None:
        self.lost_numbers = LostNumbers()
        self._name = name
        self._main = main
        self._accounts = {"": main, **friends}
        self._backstage = backstage
        self._delivery = delivery
        self._doorkeeper = doorkeeper
        self._transcripts = transcripts
        self._put = put
        self._lose = lose
        self._hearing = Hearing(self._bots, self._somebody, self._id_of)
        self._updates: asyncio.Queue[Update] = asyncio.Queue()
        self._left = 0
        self._none_left = asyncio.Event()
        self._working = asyncio.create_task(self._try(self._work()))
        self._tasks = {self._working}

    def on_update(self, update: Update) -> None:
        """Something happened in the group."""
        self._left += 1
        self._none_left.clear()
        self._updates.put_nowait(update)

    async def when_taken_in(self) -> None:
        """Waits until nothing of what happened is left to be looked at, or it is over."""
        if self._left == 0:
            return
        taken_in = asyncio.create_task(self._none_left.wait())
        try:
            await asyncio.wait((taken_in, self._working), return_when=asyncio.FIRST_COMPLETED)
        finally:
            taken_in.cancel()

    def has_taken_in(self) -> bool:
        """Whether nothing is left that the next start could look at."""
        is_lost = self._working.done() and not self._working.cancelled()
        return is_lost or self._left == 0

    async def _work(self) -> None:
        while True:
            update = await self._updates.get()
            try:
                await self._heed(update)
            except StageLost:
                raise
            except Exception:
                # One message that goes wrong must not make the show deaf.
                log.exception("update %d", update.update_id)
            self._left -= 1
            if self._left == 0:
                self._none_left.set()

    async def _heed(self, update: Update) -> None:
        if update.message is not None:
            await self._on_message(update.message)
        elif update.edited_message is not None:
            if event := self._hearing.edit(update.edited_message):
                self._put(event)
        elif update.callback_query is not None:
            await self._on_button(update.callback_query)
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

    async def _on_message(self, message: Message) -> None:
        author = hearing.author_of(message)
        me = self._main.me
        if author is None or me is None:
            return
        asked = hearing.command_in(message, me.username or "")
        if asked is not None:
            await self._on_command(asked, author, message)
        elif line := self._hearing.line(message, author, self._backstage.now()):
            self._put(line)

    async def _on_command(self, asked: Asked, author: str, message: Message) -> None:
        command = desk.named(asked.name)
        if command is None:
            if asked.is_for_us:  # without our name it may be another bot's
                self._answer(message, desk.UNKNOWN.format(command=asked.name))
        elif desk.is_too_old(message.date, self._backstage.now()):
            log.warning(
                "%s: /%s is of %s and no longer meant (if it was given just now, this machine's "
                "clock is wrong)", self._name, asked.name, message.date,
            )  # fmt: skip
        elif objection := await self._objection(message, command, asked.argument):
            self._answer(message, objection)
        elif command == "help":
            allowed = await self._doorkeeper.allowed(access.asker_of(message), desk.COMMANDS)
            self._answer(message, desk.help_text(allowed))
        elif command == "friends":
            buttons = desk.friend_buttons(self._backstage.show, desk.ASK_BUTTON)
            about = "\n".join(looking.friends(self._backstage))
            self._answer(message, f"{about}\nWho is to speak next?", buttons)
        elif command == "transcript":
            self.begin(self._transcript(message, asked.argument))
        else:
            self._steer(command, asked.argument, author, message)

    async def _objection(self, message: Message, command: CommandName, argument: str) -> str:
        asker = access.asker_of(message)
        for right in desk.rights(command, argument):
            called = command if right == command else f"{command} {argument}"
            if objection := await self._doorkeeper.objection(asker, right, called):
                return objection
        return ""

    def _steer(self, command: CommandName, argument: str, author: str, message: Message) -> None:
        """Has the show do it, so that it is recorded."""
        line = None
        answered = hearing.answered_by(message)
        if command in desk.ABOUT_A_LINE and not argument and answered is not None:
            line = self._id_of(answered)
            if self._backstage.transcript.line_of(self._name, line) is None:
                self._answer(message, desk.NO_LINE.format(command=command))
                return
        self._put(Command(author, command, argument, self._answer_to(message), line))

    async def _transcript(self, message: Message, since: str) -> None:
        user = None if message.sender_chat else message.from_user
        await self._reply(message, await self._transcripts.send(user, since))

    def _answer_to(self, message: Message) -> Answer:
        async def answer(text: str, is_done: bool = True) -> None:
            # Whatever else happens in the group does not wait until Telegram takes it.
            self._answer(message, text)

        return answer

    def _answer(
        self, message: Message, text: str, buttons: InlineKeyboardMarkup | None = None
    ) -> None:
        self.begin(self._reply(message, text, buttons))

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

        asker = access.asker(query.from_user)
        if friend is None:
            self.begin(answer("That button is of an older show; send /friends again.", False))
        elif objection := await self._doorkeeper.objection(asker, "ask"):
            self.begin(answer(objection, False))
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
