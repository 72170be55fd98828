"""What may become of a request to the Bot API. python-telegram-bot's and httpx's errors stop here.

RequestFailed        nothing came of it, or nobody knows
 ├─ NotTaken         Telegram has certainly not carried it out; later it may
 │   ├─ Flooded      it asks to wait
 │   └─ OtherCopy    another program asks for the bot's news
 ├─ AnswerLost       nobody knows whether it was carried out
 ├─ Withheld         Telegram refuses: no rights, no such chat
 └─ Moved            the group has another id by now
StageLost            the token is not taken
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
from telegram import error as telegram

from orchestrator.errors import StageLost

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Without a connection nothing was sent. Whatever fails later may have been carried out."""
TOO_MANY = "Too Many Requests"


class RequestFailed(Exception):
    """The message says why, for people."""


class NotTaken(RequestFailed):
    """It was not carried out."""


class Flooded(NotTaken):
    """The bot sends too much, and is to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Telegram asks for a pause of {seconds:g} seconds")
        self.seconds = seconds


class OtherCopy(NotTaken):
    """Another program uses the same bot."""


class AnswerLost(RequestFailed):
    """It may have been carried out."""


class Withheld(RequestFailed):
    """Telegram has refused it."""


class Moved(RequestFailed):
    """The group has become a supergroup."""

    def __init__(self, chat_id: int) -> None:
        super().__init__(f"the group is now {chat_id}")
        self.chat_id = chat_id


@contextmanager
def outcome(what: str) -> Iterator[None]:
    """Around a request of the bot that is called `what`. Raises RequestFailed or StageLost."""
    try:
        yield
    except telegram.TelegramError as error:
        # Without the cause: python-telegram-bot puts the token into some of its messages.
        raise _meaning(error, what) from None


def _meaning(error: telegram.TelegramError, what: str) -> Exception:
    match error:
        case telegram.RetryAfter():
            return Flooded(_seconds(error))
        case telegram.ChatMigrated():
            return Moved(error.new_chat_id)
        case _ if error.__cause__ is not None:
            return _without_answer(error, error.__cause__)
        case telegram.InvalidToken():
            return StageLost(
                f"Telegram does not take the token of {what}: get it from @BotFather (/mybots, "
                "API Token), put it in the old one's place, and start again."
            )
        case telegram.Conflict():
            return OtherCopy("another program asks for the news of this bot")
        case telegram.BadRequest() | telegram.Forbidden():
            return Withheld(str(error))
        case _ if TOO_MANY in str(error):
            return NotTaken(str(error))
    return AnswerLost(f"Telegram has trouble ({error})")


def _without_answer(error: telegram.TelegramError, cause: BaseException) -> RequestFailed:
    """Trouble on the way, or an answer that is none of Telegram's, as of a proxy."""
    if isinstance(cause, NEVER_SENT):
        return NotTaken(f"Telegram cannot be reached ({type(cause).__name__})")
    if isinstance(cause, httpx.HTTPError):
        return AnswerLost(f"Telegram did not answer ({type(cause).__name__})")
    return AnswerLost("something that is not Telegram answers in its place")


def _seconds(error: telegram.RetryAfter) -> float:
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)
