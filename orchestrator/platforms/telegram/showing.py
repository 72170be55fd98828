"""The show's lines in the group: by whom, in reply to what, and which can still be changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from orchestrator.errors import StageFailed
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.delivery import Delivery, Uncertain
from orchestrator.platforms.telegram.hearing import LostNumbers
from orchestrator.platforms.telegram.typing_sign import keep_typing
from orchestrator.platforms.telegram.wording import Words, fitted, named
from orchestrator.transcript import Transcript

LONGEST_TYPING_SECONDS = 30.0
"""A line that takes longer is not coming: a person went first."""
UNKNOWN = "unknown/"


class Showing:
    """One group. `own` tells a friend's own account, if they have one there; `main` speaks for all
    others. Messages are called "chat/number". All raise StageFailed."""

    def __init__(
        self,
        stage: str,
        main: Account,
        own: Callable[[str], Account | None],
        delivery: Delivery,
        transcript: Transcript,
        lost_numbers: LostNumbers,
        *,
        is_silent: bool,
    ) -> None:
        self._stage = stage
        self._main = main
        self._own = own
        self._delivery = delivery
        self._transcript = transcript
        self._lost_numbers = lost_numbers
        self._is_silent = is_silent
        self._typing: asyncio.Task[None] | None = None

    async def say(self, line_id: int, friend: str, text: str) -> str:
        """A friend's line; gives back its message."""
        own = self._own(friend)
        answered = self._persons_message(line_id)
        return await self._show(line_id, own or self._main, _words(own, friend, text), answered)

    async def relay(self, line_id: int, author: str, text: str, place: str) -> str:
        """A person's line that was said elsewhere; gives back its message."""
        return await self._show(line_id, self._main, named(author, text, place), None)

    async def notice(self, text: str) -> None:
        await self._delivery.send(self._main, Words(fitted(text)))

    async def _show(
        self, line_id: int, account: Account, words: Words, answered: int | None
    ) -> str:
        if not words.text.strip():
            raise StageFailed("there is nothing to show in an empty line")
        self.stop_typing()
        silent = self._is_silent and answered is None
        try:
            message_id = await self._delivery.send(account, words, reply_to=answered, silent=silent)
        except Uncertain:
            # As said: should it stand there, it must not come twice.
            unknown_id = f"{UNKNOWN}{line_id}"
            self._lost_numbers.add(words.text, unknown_id)
            return unknown_id
        return f"{self._delivery.place.chat_id}/{message_id}"

    def _persons_message(self, line_id: int) -> int | None:
        """The message of the person whom the line answers, if it stands in this group."""
        line = self._transcript.line(line_id)
        answered = self._transcript.line(line.reply_to) if line and line.reply_to else None
        if answered is None or answered.kind != "person":
            return None
        message_id = self._transcript.message_of(self._stage, answered.id)
        chat_id, _, number = (message_id or "").partition("/")
        return int(number) if chat_id == str(self._delivery.place.chat_id) else None

    # --- typing ---------------------------------------------------------------------------------

    def begin_typing(self, friend: str) -> None:
        self.stop_typing()
        account = self._own(friend) or self._main
        typing = keep_typing(account, self._delivery.place, LONGEST_TYPING_SECONDS)
        self._typing = asyncio.create_task(typing)

    def stop_typing(self) -> None:
        if self._typing is not None:
            self._typing.cancel()
            self._typing = None

    @property
    def is_typing(self) -> bool:
        return self._typing is not None

    # --- changes --------------------------------------------------------------------------------

    async def edit(self, message_id: str, speaker: str, text: str) -> None:
        number = self._number(message_id)
        own = self._own(speaker)
        await self._delivery.reword(own or self._main, number, _words(own, speaker, text))

    async def delete(self, message_id: str) -> None:
        number = self._number(message_id)
        line_id = self._transcript.line_of(self._stage, message_id)
        line = self._transcript.line(line_id) if line_id is not None else None
        account = (self._own(line.speaker) if line else None) or self._main
        await self._delivery.delete(account, number)

    def _number(self, message_id: str) -> int:
        """Telegram's number of a message. Raises StageFailed if nobody knows it, or the group has
        moved since."""
        chat_id, _, number = self._lost_numbers.real(message_id).partition("/")
        if f"{chat_id}/" == UNKNOWN:
            raise StageFailed(
                "Telegram did not tell the number of that message; if it stands in the group, "
                "change it by hand"
            )
        if chat_id != str(self._delivery.place.chat_id):
            raise StageFailed("that message is of the time before the group became a supergroup")
        return int(number)


def _words(own: Account | None, speaker: str, text: str) -> Words:
    return Words(fitted(text)) if own else named(speaker, text)
