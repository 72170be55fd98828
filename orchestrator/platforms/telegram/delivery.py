"""Messages get to a chat at most once, and whoever sends them knows what became of each.

The Bot API cannot be asked what stands in a chat. A message whose answer was lost may stand there:
it is never sent again, and counts as uncertain. One that was certainly not taken is sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from telegram import (
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    MessageEntity,
    ReplyParameters,
)

from orchestrator.errors import StageFailed
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.errors import (
    AnswerLost,
    Flooded,
    Moved,
    NotTaken,
    Withheld,
    outcome,
)
from orchestrator.platforms.telegram.pace import Pace
from orchestrator.platforms.telegram.standing import Standing
from orchestrator.platforms.telegram.wording import Words

log = logging.getLogger(__name__)

STALE_SECONDS = 180.0
"""A line that could not be shown for so long is not shown any more: an answer to something that
people said before an outage reads oddly after it."""
NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
DONE_ALREADY = ("message is not modified", "message to delete not found")
"""Refusals of a change that is made already."""

Result = TypeVar("Result")


@dataclass(slots=True)
class Place:
    """A chat, which may get another id."""

    chat_id: int


class Uncertain(StageFailed):
    """The message may stand in the chat; nobody knows under which number."""


class Delivery:
    """Sends to one chat. `per_minute` 0: as fast as Telegram takes it."""

    def __init__(self, place: Place, standing: Standing, per_minute: int = 0) -> None:
        self.place = place
        self.standing = standing
        self.uncertain = 0
        self._pace = Pace(per_minute)

    async def send(
        self,
        account: Account,
        words: Words,
        *,
        reply_to: int | None = None,
        silent: bool = True,
        buttons: InlineKeyboardMarkup | None = None,
    ) -> int:
        """The number of the message; what replies to somebody goes before other messages. Raises
        Uncertain; StageFailed once it is sure that it is not shown; StageLost if nothing ever will
        be."""
        if not words.text.strip():
            raise StageFailed("there is nothing to show in an empty line")

        end = asyncio.get_running_loop().time() + STALE_SECONDS

        async def send() -> int:
            await self._keep_pace(end, is_answer=reply_to is not None)
            message = await account.bot.send_message(
                self.place.chat_id, words.text, entities=_bold(words),
                disable_notification=silent, link_preview_options=NO_PREVIEW,
                reply_parameters=_reply(reply_to), reply_markup=buttons,
            )  # fmt: skip
            return message.message_id

        try:
            message_id = await self._until_taken(account, send, end)
        except AnswerLost as error:
            self.uncertain += 1
            self.standing.unreachable(str(error))
            log.warning(
                "It is uncertain whether a message stands in the chat, as Telegram's answer was "
                "lost; it is not sent again: %.60r", words.text,
            )  # fmt: skip
            raise Uncertain("nobody knows whether it is shown") from error
        if message_id is None:
            raise StageFailed("Telegram did not take it")
        return message_id

    async def reword(self, account: Account, message_id: int, words: Words) -> None:
        """Gives a message of the account another text. Raises StageFailed."""
        if not words.text.strip():
            raise StageFailed("there is nothing to show in an empty line")
        await self._at_last(
            account,
            lambda: account.bot.edit_message_text(
                words.text, self.place.chat_id, message_id, entities=_bold(words),
                link_preview_options=NO_PREVIEW,
            ),
        )  # fmt: skip

    async def delete(self, account: Account, message_id: int) -> None:
        """Takes a message of the account away. Raises StageFailed."""
        await self._at_last(
            account, lambda: account.bot.delete_message(self.place.chat_id, message_id)
        )

    async def _at_last(self, account: Account, make: Callable[[], Awaitable[object]]) -> None:
        """An edit or a deletion, which may be made again without harm. Raises StageFailed."""
        end = asyncio.get_running_loop().time() + STALE_SECONDS
        while True:
            try:
                await self._until_taken(account, make, end)
            except AnswerLost as error:
                self.standing.unreachable(str(error))
            else:
                return

    async def _until_taken(
        self, account: Account, make: Callable[[], Awaitable[Result]], end: float
    ) -> Result | None:
        """Raises AnswerLost, StageFailed, StageLost. None: it was done already."""
        while True:
            await self._when_ready(end)
            try:
                with outcome(account.what):
                    return await make()
            except Flooded as error:
                self.standing.hold(error.seconds)
            except Moved as error:
                self.standing.move(error.chat_id)
            except NotTaken as error:
                self.standing.unreachable(str(error))
            except Withheld as error:
                if any(words in str(error).lower() for words in DONE_ALREADY):
                    return None
                raise self._refused(error) from error

    async def _when_ready(self, end: float) -> None:
        left = end - asyncio.get_running_loop().time()
        if not await self.standing.when_ready(left) or left <= 0:
            raise StageFailed(
                f"it is too old by now to be shown ({self.standing.problem or 'flood control'})"
            )

    def _refused(self, error: Withheld) -> StageFailed:
        """Most refusals are about the chat; some only about this message."""
        if "message" not in str(error).lower() or "rights" in str(error):
            self.standing.refused(f"Telegram refuses ({error})")
        return StageFailed(f"Telegram refuses ({error})")

    async def _keep_pace(self, end: float, *, is_answer: bool) -> None:
        try:
            async with asyncio.timeout_at(end):
                await self._pace.turn(is_answer=is_answer)
        except TimeoutError:
            raise StageFailed("it is too old by now to be shown (too much is said here)") from None


def _bold(words: Words) -> list[MessageEntity] | None:
    return [MessageEntity(MessageEntity.BOLD, 0, words.bold_units)] if words.bold_units else None


def _reply(message_id: int | None) -> ReplyParameters | None:
    # The message may be gone by now.
    return ReplyParameters(message_id, allow_sending_without_reply=True) if message_id else None
