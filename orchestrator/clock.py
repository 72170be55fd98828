"""Time as a parameter: the real clock, and one that only counts."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from orchestrator.transcript.when import COUNTED_FROM


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now(self) -> datetime: ...

    async def pause(self, seconds: float, unless: asyncio.Event) -> float:
        """Waits, but no longer than until the event is set. Returns the seconds that were left
        then; 0 if none were."""
        ...


class RealClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC).astimezone()

    async def pause(self, seconds: float, unless: asyncio.Event) -> float:
        # Not by the time of day, which jumps when a laptop wakes up.
        end = time.monotonic() + seconds
        try:
            await asyncio.wait_for(unless.wait(), seconds)
        except TimeoutError:
            return 0.0
        return max(0.0, end - time.monotonic())


class VirtualClock:
    """Begins at the same moment every time and moves on only by pauses, so that a seeded show
    is the same on every run. With `real`, pauses are waited for as well."""

    def __init__(self, *, real: bool) -> None:
        self._now = COUNTED_FROM
        self._real = RealClock() if real else None

    def now(self) -> datetime:
        return self._now

    async def pause(self, seconds: float, unless: asyncio.Event) -> float:
        left = await self._real.pause(seconds, unless) if self._real else 0.0
        self._now += timedelta(seconds=seconds - left)
        # Events of people still get their turn.
        await asyncio.sleep(0)
        return left
