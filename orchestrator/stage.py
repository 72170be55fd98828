"""One platform of a show, and what waits for it. Knows no lines and no other platform."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from orchestrator.errors import StageFailed
from orchestrator.platforms import Platform

log = logging.getLogger(__name__)

LONGEST_BACKLOG = 8
"""Actions that may wait for a stage; what comes after is not shown there, and counted."""
MOST_CHANGES = 1000
"""Lines changed or taken back may wait for longer: whoever takes a line back wants it gone."""
CLOSING_SECONDS = 1.0
"""So long platforms may take to end: whoever ends the show does not wait for a network."""

Result = TypeVar("Result")


class Stage:
    """One platform, and what waits for it: one action at a time, in order."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.missed = 0
        """Lines that others have shown since this stage last showed one."""
        self.is_left_behind = False
        """Whether the show has waited for it in vain, and waits no more until it has caught up."""
        self.is_in_trouble = False
        """Whether anything has failed since it last showed a line."""
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def is_busy(self) -> bool:
        return self._waiting > 0

    async def perform(
        self, action: Callable[[], Awaitable[Result]], most_waiting: int = LONGEST_BACKLOG
    ) -> Result:
        """Raises StageFailed if so many are waiting already, or the action does."""
        if self._waiting >= most_waiting:
            raise StageFailed("it is too far behind")
        self._waiting += 1
        try:
            async with self._turn:
                return await action()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self.is_left_behind = False

    def count(self, showing: asyncio.Task[bool]) -> None:
        """A line was tried here, and is counted if it was missed."""
        if not showing.cancelled():
            self.missed += showing.exception() is not None or not showing.result()

    def log_trouble(self, text: str, error: Exception | None = None) -> None:
        """Warns of it once until a line is shown again: a long trouble fails with each line."""
        level = logging.INFO if self.is_in_trouble else logging.WARNING
        self.is_in_trouble = True
        log.log(level, "%s: %s", self.platform.name, text, exc_info=error)


async def closed(platforms: Sequence[Platform]) -> None:
    """Closes all at once; one that hangs or fails is told of, and left."""
    closing = {asyncio.create_task(platform.close()): platform for platform in platforms}
    if not closing:
        return
    done, late = await asyncio.wait(closing, timeout=CLOSING_SECONDS)
    for task in late:
        task.cancel()
        log.warning("%s did not end in time", closing[task].name)
    for task in done:
        if error := task.exception():
            log.error("%s did not end well: %s", closing[task].name, error, exc_info=error)
