"""Each line reaches the channel exactly once, whatever becomes of the requests.

An attempt whose answer was lost may have been carried out. Before the next one the channel's
history after the last line that is known to stand there is searched for it; that takes as long as
Discord cannot be asked. Messages of bots carry a nonce besides, the same in each attempt.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import discord

from orchestrator.errors import StageFailed
from orchestrator.platforms.backoff import Backoff
from orchestrator.platforms.discord.errors import (
    AnswerLost,
    NotTaken,
    RequestFailed,
    Withheld,
    outcome,
)
from orchestrator.platforms.discord.voices import Line, Voice

log = logging.getLogger(__name__)

STALE_SECONDS = 180.0
"""A line that could not be shown for so long is not shown any more: an answer to something that
people said before an outage reads oddly after it."""
SEARCHED_MESSAGES = 1000
NONCE_BYTES = 12
"""In hexadecimal digits within the 25 characters that Discord allows."""

History = Callable[[int, int], AsyncIterator[discord.Message]]
"""The messages after an id, oldest first, at most so many."""


class Stage(Protocol):
    """What delivery asks of the stage."""

    async def refused(self, error: Withheld) -> StageFailed:
        """Discord refuses: what is to be raised, after having said so where it belongs."""

    def troubled(self, reason: str) -> None:
        """Discord cannot be reached for now."""

    def untroubled(self) -> None: ...


class Delivery:
    """Shows lines by a voice. One at a time."""

    def __init__(self, stage: Stage, history: History) -> None:
        self._stage = stage
        self._history = history
        self.stands_until = 0
        """Id of the newest message that is known to stand in the channel."""

    async def deliver(self, voice: Voice, line: Line) -> int:
        """Returns the message's id. Raises StageFailed once it is sure that the line is not
        shown, StageLost if nothing ever will be."""
        nonce, backoff = secrets.token_hex(NONCE_BYTES), Backoff()
        end = asyncio.get_running_loop().time() + STALE_SECONDS
        is_uncertain = False
        while True:
            try:
                message_id = await self._found(voice, line) if is_uncertain else None
                is_uncertain = False
                if message_id is None:
                    if asyncio.get_running_loop().time() > end:
                        raise StageFailed("the line is too old by now to be shown")
                    message_id = (await voice.post(line, nonce)).id
            except Withheld as error:
                # If even the history may not be read, nobody can know; the friends go on as if
                # the line had not been said.
                raise await self._stage.refused(error) from error
            except AnswerLost as error:
                is_uncertain = True
                await self._wait(error, backoff)
            except NotTaken as error:
                await self._wait(error, backoff)
            else:
                self._stage.untroubled()
                self.stands_until = max(self.stands_until, message_id)
                return message_id

    async def _wait(self, error: RequestFailed, backoff: Backoff) -> None:
        self._stage.troubled(str(error))
        await asyncio.sleep(backoff.next())

    async def _found(self, voice: Voice, line: Line) -> int | None:
        async with outcome():
            async for message in self._history(self.stands_until, SEARCHED_MESSAGES):
                if voice.wrote(message, line):
                    log.info("A line whose answer was lost stands in the channel: not said again.")
                    return message.id
        return None


async def at_last(action: Callable[[], Awaitable[None]], stage: Stage) -> None:
    """An edit or a deletion, which may be made again without harm. Raises StageFailed."""
    backoff, end = Backoff(), asyncio.get_running_loop().time() + STALE_SECONDS
    while True:
        try:
            await action()
        except Withheld as error:
            raise await stage.refused(error) from error
        except RequestFailed as error:
            if asyncio.get_running_loop().time() > end:
                raise StageFailed(f"it could not be changed: {error}") from error
            await asyncio.sleep(backoff.next())
        else:
            return
