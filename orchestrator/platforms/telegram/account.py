"""One bot account: python-telegram-bot's `Bot` such that nobody sees the token."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

from pydantic import SecretStr
from telegram import Bot, User
from telegram.request import HTTPXRequest

from orchestrator.cast import Show
from orchestrator.platforms.bot_tokens import FriendsTokens
from orchestrator.platforms.telegram.errors import outcome
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.tokens import Tokens

TELEGRAM = "https://api.telegram.org"
SENDING_SECONDS = 15.0
"""An answer that takes longer is not waited for."""
CONNECTIONS = 16

# The addresses of the Bot API contain the token: httpx logs them at level INFO, and
# python-telegram-bot at DEBUG, with all that is said in private.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("telegram").setLevel(logging.INFO)
# Otherwise python-telegram-bot warns of a change to come whenever Telegram asks for a pause.
os.environ.setdefault("PTB_TIMEDELTA", "true")


class _QuietBot(Bot):
    """Its own repr is the token."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Bot[]"


class _WholeRequests(HTTPXRequest):
    """Requests that end by themselves, also when nobody waits for them any longer.

    One that is cancelled while its connection is made keeps its place among the connections for
    ever, and after CONNECTIONS of these nothing can be sent any more: httpcore's issue 1093.
    """

    def __init__(self) -> None:
        options: dict[str, Any] = {"read_timeout": SENDING_SECONDS, "pool_timeout": SENDING_SECONDS}
        super().__init__(CONNECTIONS, **options)
        self._running: set[asyncio.Task[tuple[int, bytes]]] = set()

    async def do_request(self, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        running = asyncio.create_task(super().do_request(*arguments, **options))
        self._running.add(running)
        running.add_done_callback(self._ended)
        return await asyncio.shield(running)

    def _ended(self, running: asyncio.Task[tuple[int, bytes]]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # whoever still waits is told; otherwise it matters to nobody

    async def shutdown(self) -> None:
        for running in list(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await super().shutdown()


class Account:
    """A bot account. `what` is how messages call it: "the Telegram bot"."""

    def __init__(self, token: SecretStr, what: str, api_base: str = "") -> None:
        self.what = what
        self._requests = [_WholeRequests(), _WholeRequests()]  # to send, and to ask for news
        base = api_base or TELEGRAM
        self.bot: Bot = _QuietBot(
            token.get_secret_value(), f"{base}/bot", f"{base}/file/bot",
            request=self._requests[0], get_updates_request=self._requests[1],
        )  # fmt: skip
        self.me: User | None = None

    async def introduce(self) -> User:
        """Who the bot is. Raises RequestFailed or StageLost."""
        with outcome(self.what):
            self.me = await self.bot.get_me()
        return self.me

    async def close(self) -> None:
        await asyncio.gather(*(request.shutdown() for request in self._requests))


def friends_accounts(
    settings: TelegramStage, show: Show, tokens: Tokens, main: SecretStr, stage: str
) -> dict[str, Account]:
    """Those of friends who have a bot of their own. Raises SettingsError."""
    names = [friend.name for friend in show.friends]
    found = FriendsTokens(stage, "Telegram", main, "a token of its own (/newbot at @BotFather)")
    return {
        name: Account(token, f"{name}'s Telegram bot", settings.api_base)
        for name, token in found.read(settings.friend_tokens, names, tokens).items()
    }
