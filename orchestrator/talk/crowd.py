"""Whether people are talking among themselves, so that friends had better be quiet. Pure: told the
time, knows no clock."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=1)
A_CROWD = 2
"""One person who says much talks to the friends."""


class Crowd:
    """Remembers what people said to nobody of the show within the last minute."""

    def __init__(self, lines_per_minute: int) -> None:
        self._most = lines_per_minute
        self._lines: deque[tuple[datetime, str]] = deque(maxlen=lines_per_minute)

    def heard(self, author: str, at: datetime) -> None:
        """A person said something that addressed no friend."""
        self._lines.append((at, author))

    def busy_until(self, now: datetime) -> datetime | None:
        """When it is calm at the earliest; None if it is. Busy are as many lines within a minute as
        the setting says, by two people or more."""
        while self._lines and self._lines[0][0] <= now - WINDOW:
            self._lines.popleft()
        if len(self._lines) < self._most or len({name for _, name in self._lines}) < A_CROWD:
            return None
        return self._lines[0][0] + WINDOW
