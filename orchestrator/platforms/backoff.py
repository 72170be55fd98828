"""Pauses between attempts: they double, are never the same for all, and have an end."""

from __future__ import annotations

import random

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0
"""An outage of an hour is over when it is over, not a quarter of an hour later."""


class Backoff:
    """The next pause, in seconds, twice as long as the one before."""

    def __init__(self) -> None:
        self._count = 0
        self._chance = random.Random()

    def next(self) -> float:
        """Between half and the whole of what is due, so that not all come back at once."""
        due = min(FIRST_SECONDS * float(1 << self._count), LONGEST_SECONDS)
        self._count = min(self._count + 1, 20)
        return due * (0.5 + self._chance.random() / 2)

    def reset(self) -> None:
        """All is well again."""
        self._count = 0
