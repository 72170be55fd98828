"""Writes to the transcript with patience: a full disk stops the show, and loses nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from orchestrator.errors import TranscriptFull, TranscriptLocked

log = logging.getLogger(__name__)

FULL_SECONDS = 15.0
LOCKED_SECONDS = 1.0

Result = TypeVar("Result")


class Writer:
    """Repeats what the transcript refuses until it takes it: every `full_seconds` for want of
    room, every `locked_seconds` while another process keeps it to itself. `tell` says so to
    people, once per trouble; a lock is one only if it lasts."""

    def __init__(
        self, full_seconds: float = FULL_SECONDS, locked_seconds: float = LOCKED_SECONDS
    ) -> None:
        self._full_seconds = full_seconds
        self._locked_seconds = locked_seconds
        self._in_trouble = False
        self.tell: Callable[[str], Awaitable[None]] = _log

    async def write(self, action: Callable[[], Result]) -> Result:
        has_waited = False
        while True:
            try:
                result = action()
            except (TranscriptFull, TranscriptLocked) as error:
                is_full = isinstance(error, TranscriptFull)
                if is_full or has_waited:
                    await self._say_once(f"The show waits: {error}")
                await asyncio.sleep(self._full_seconds if is_full else self._locked_seconds)
                has_waited = True
            else:
                if self._in_trouble:
                    self._in_trouble = False
                    log.warning("the transcript can be written again")
                return result

    async def _say_once(self, text: str) -> None:
        if self._in_trouble:
            return
        self._in_trouble = True
        await self.tell(text)


async def _log(text: str) -> None:
    log.error("%s", text)
