"""The sign that somebody writes: shown until a line is said or plainly does not come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from orchestrator.errors import StageFailed
from orchestrator.platforms.discord.errors import RequestFailed

AGAIN_SECONDS = 8.0
"""Discord shows it for ten."""
LONGEST_SECONDS = 30.0
"""A line that takes longer is not coming: a person went first."""


class TypingSign:
    """One sign at a time."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def show(self, once: Callable[[], Awaitable[None]]) -> None:
        """Shows it by `once`, again and again."""
        self.stop()
        self._task = asyncio.create_task(self._keep(once))

    async def _keep(self, once: Callable[[], Awaitable[None]]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_SECONDS):
                while True:
                    with suppress(RequestFailed, StageFailed):  # it is a nicety
                        await once()
                    await asyncio.sleep(AGAIN_SECONDS)

    def stop(self) -> None:
        """Shows it no more; Discord itself takes it away within ten seconds, or at a line."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
