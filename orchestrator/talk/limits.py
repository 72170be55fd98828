"""How much friends may talk while no person does. Pure: told the time, knows no clock.

Only lines that nobody asked for are limited; whoever speaks to a friend is answered.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.settings import LimitSettings

HOUR = timedelta(hours=1)
PAUSES_GROW_AFTER_LINES = 40
"""Lines without a person or a reader after which pauses begin to grow; they double with each
so many more."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Nobody speaks: why, in words, and until when (None: until a person does something)."""

    reason: str
    until: datetime | None = None
    is_told: bool = True
    """Whether people should hear of it."""


class Limits:
    """Counts the lines that friends say among themselves."""

    def __init__(self, settings: LimitSettings, *, alone: bool = False) -> None:
        self._settings = settings
        self._most_in_a_row = settings.lines_alone if alone else settings.lines_in_a_row
        self._in_a_row = 0
        self._within_the_hour: deque[datetime] = deque()

    def said(self, now: datetime, *, asked_for: bool) -> None:
        """A friend's line was said; `asked_for` if it answers a person or a wish."""
        self._in_a_row += 1
        if not asked_for:
            self._within_the_hour.append(now)

    def person_spoke(self) -> None:
        self._in_a_row = 0

    def rest(self, now: datetime) -> Rest | None:
        """Whether friends must be quiet now."""
        if self._settings.is_quiet(now.time()):
            until = self._settings.quiet_until(now)
            return Rest(f"quiet hours until {until:%H:%M}; say something to be answered", until)
        if self._in_a_row >= self._most_in_a_row:
            return Rest(f"{self._in_a_row} lines in a row without a person; say something to go on")
        while self._within_the_hour and self._within_the_hour[0] <= now - HOUR:
            self._within_the_hour.popleft()
        if len(self._within_the_hour) >= self._settings.lines_per_hour:
            until = self._within_the_hour[0] + HOUR
            return Rest(
                f"{self._settings.lines_per_hour} lines within the hour; on with it at "
                f"{until:%H:%M}, or when you say something",
                until,
            )
        return None

    def pause_factor(self, *, is_read: bool) -> float:
        """By how much pauses are longer, as nobody seems to read along."""
        if is_read:
            return 1.0
        excess = max(0, self._in_a_row - PAUSES_GROW_AFTER_LINES)
        return float(2.0 ** min(excess / PAUSES_GROW_AFTER_LINES, 16.0))
