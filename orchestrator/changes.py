"""Something that changes now and then, for any number of tasks to wait for."""

from __future__ import annotations

import asyncio


class Changes:
    """Whoever waits looks at what changed, and waits again; a change in between is told, as long
    as nothing is awaited in between."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def tell(self) -> None:
        """It has changed."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Returns at the next change."""
        await self._next.wait()
