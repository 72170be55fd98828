"""Time as a parameter: the real clock, and one that only counts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now(self) -> datetime: ...

    async def pause(self, seconds: float, unless: asyncio.Event) -> None:
        """Waits, but no longer than until the event is set."""
        ...


class RealClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC).astimezone()

    async def pause(self, seconds: float, unless: asyncio.Event) -> None:
        try:
            await asyncio.wait_for(unless.wait(), seconds)
        except TimeoutError:
            return


class VirtualClock:
    """Begins at the same moment every time and moves on only by pauses, so that a seeded show
    is the same on every run. With `real`, pauses are waited for as well."""

    def __init__(self, *, real: bool) -> None:
        self._now = datetime(2000, 1, 1, tzinfo=UTC)
        self._real = RealClock() if real else None

    def now(self) -> datetime:
        return self._now

    async def pause(self, seconds: float, unless: asyncio.Event) -> None:
        self._now += timedelta(seconds=seconds)
        if self._real:
            await self._real.pause(seconds, unless)
        else:
            # Events of people still get their turn.
            await asyncio.sleep(0)
