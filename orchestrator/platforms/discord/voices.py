"""How friends appear in a channel: by webhooks, by bot accounts of their own, or by their names
before their lines. Each way posts one message and knows its own again; none repeats anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import discord

from orchestrator.platforms.discord.connection import Connection
from orchestrator.platforms.discord.errors import Withheld, outcome
from orchestrator.platforms.discord.wording import fitted, prefixed

log = logging.getLogger(__name__)

TRY_ACCOUNT_AGAIN_SECONDS = 300.0
NOBODY = discord.AllowedMentions.none()
"""Models write @everyone and names; none of it may ring anywhere."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be shown. `place`: the stage that a person said it on; "" for a friend's line or
    a notice. No `speaker`: the bot itself speaks."""

    speaker: str
    text: str
    place: str = ""


class Voice(Protocol):
    """A way to appear. All raise RequestFailed."""

    async def post(self, line: Line, nonce: str) -> discord.Message:
        """Shows the line. The same `nonce` marks attempts to show one line."""
        ...

    def wrote(self, message: discord.Message, line: Line) -> bool:
        """Whether this message in the channel is the line, posted in this way."""
        ...

    async def edit(self, message: discord.Message, line: Line) -> None: ...

    async def delete(self, message: discord.Message) -> None: ...

    async def typing(self, speaker: str) -> None: ...

    async def close(self) -> None: ...


class AccountVoice:
    """Friends with an account of their own post by it; the others, people of other stages and
    the show itself by the main bot."""

    def __init__(
        self, channel_id: int, main: Connection, accounts: Mapping[str, Connection]
    ) -> None:
        self._channel_id = channel_id
        self._main = main
        self._accounts = accounts
        self._silent_until: dict[str, float] = {}

    async def post(self, line: Line, nonce: str) -> discord.Message:
        try:
            return await self._post(line, nonce)
        except Withheld as error:
            account = self._account(line.speaker)
            if account is self._main or error.status not in (401, 403, 404):
                raise
            if error.status == 401:
                account.token_refused()
            again = asyncio.get_running_loop().time() + TRY_ACCOUNT_AGAIN_SECONDS
            self._silent_until[line.speaker] = again
            log.warning(
                "%s may not write in the channel (%s): %s speaks through the main bot meanwhile.",
                account.what, error, line.speaker,
            )  # fmt: skip
            return await self._post(line, nonce)

    async def _post(self, line: Line, nonce: str) -> discord.Message:
        async with outcome():
            return await self._channel(line.speaker).send(
                self._words(line), nonce=nonce, allowed_mentions=NOBODY, suppress_embeds=True
            )

    def wrote(self, message: discord.Message, line: Line) -> bool:
        own = self._accounts.get(line.speaker)
        if own is not None and message.author.id == own.user_id:
            return message.content == fitted(line.text)
        return message.author.id == self._main.user_id and message.content == self._prefixed(line)

    async def edit(self, message: discord.Message, line: Line) -> None:
        author = self._by_id(message.author.id)
        text = self._prefixed(line) if author is self._main else fitted(line.text)
        async with outcome():
            partial = _channel_of(author, self._channel_id).get_partial_message(message.id)
            await partial.edit(content=text, allowed_mentions=NOBODY)

    async def delete(self, message: discord.Message) -> None:
        author = self._by_id(message.author.id)
        async with outcome():
            await _channel_of(author, self._channel_id).get_partial_message(message.id).delete()

    async def typing(self, speaker: str) -> None:
        async with outcome():
            await self._channel(speaker).typing()

    async def close(self) -> None:
        """Its connections are not its own."""

    def _words(self, line: Line) -> str:
        has_own = self._account(line.speaker) is not self._main
        return fitted(line.text) if has_own else self._prefixed(line)

    def _prefixed(self, line: Line) -> str:
        """As the main bot says it, which needs no name before its own words."""
        return prefixed(line.speaker, line.text, line.place) if line.speaker else fitted(line.text)

    def _account(self, speaker: str) -> Connection:
        """A friend whose own bot is gone speaks through the main one."""
        own = self._accounts.get(speaker)
        if own is None or not own.is_usable:
            return self._main
        is_silent = asyncio.get_running_loop().time() < self._silent_until.get(speaker, 0.0)
        return self._main if is_silent else own

    def _by_id(self, user_id: int) -> Connection:
        accounts = (own for own in self._accounts.values() if own.user_id == user_id)
        return next(accounts, self._main)

    def _channel(self, speaker: str) -> discord.PartialMessageable:
        return _channel_of(self._account(speaker), self._channel_id)


def _channel_of(account: Connection, channel_id: int) -> discord.PartialMessageable:
    return account.usable().get_partial_messageable(channel_id)
