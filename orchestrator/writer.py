"""Writes to the transcript with patience: a full disk stops the show, and loses nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from orchestrator.errors import TranscriptFull

log = logging.getLogger(__name__)

RETRY_SECONDS = 15.0

Result = TypeVar("Result")


class Writer:
    """Repeats what the transcript refuses for want of room until it takes it. `tell` says so to
    people, once per trouble."""

    def __init__(self, retry_seconds: float = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._in_trouble = False
        self.tell: Callable[[str], Awaitable[None]] | None = None

    async def write(self, action: Callable[[], Result]) -> Result:
        while True:
            try:
                result = action()
            except TranscriptFull as error:
                await self._say_once(f"The show waits: {error}")
                await asyncio.sleep(self._retry_seconds)
            else:
                if self._in_trouble:
                    self._in_trouble = False
                    log.warning("the transcript can be written again")
                return result

    async def _say_once(self, text: str) -> None:
        if self._in_trouble:
            return
        self._in_trouble = True
        log.error("%s", text)
        if self.tell:
            await self.tell(text)
