"""How long a line lets wait for itself: reading the last one, thinking, typing. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from orchestrator.talk.turn_taking import Member

READING_CHARS_PER_SECOND = 40.0
TYPING_CHARS_PER_SECOND = 18.0
THINK_SPREAD = 0.4
"""Standard deviation of the logarithm of a think: people are irregular."""
SLOWEST, QUICKEST = 2.0, 0.5
"""Bounds of a friend's own factor: a minute's pause of the export is no fun to watch."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds before typing is seen, and seconds of typing."""

    think: float
    typing: float


@dataclass(frozen=True, slots=True)
class Pacing:
    """How fast the friends are; `own` is each one's factor on thinking. `fast` waits for
    nothing."""

    pause_seconds: float
    longest_seconds: float = 600.0
    fast: bool = False
    own: Mapping[str, float] = field(default_factory=dict)

    def before(self, speaker: str, read: str, text: str, factor: float, rng: random.Random) -> Wait:
        """From the line that was `read` to the line `text`, all `factor` times as long."""
        if self.fast:
            return Wait(0.0, 0.0)
        think = self.pause_seconds * rng.lognormvariate(0.0, THINK_SPREAD)
        think = think * self.own.get(speaker, 1.0) + len(read) / READING_CHARS_PER_SECOND
        typing = len(text) / TYPING_CHARS_PER_SECOND
        return Wait(min(think * factor, self.longest_seconds), typing * min(factor, 1.0))


def own_factors(members: Mapping[str, Member]) -> dict[str, float]:
    """Each friend's typical pause in the export beside the usual one, so that the slow stay slow;
    the square root of it, since pauses differ by more than is fun."""
    known = {
        name: seconds
        for name, member in members.items()
        if (seconds := member.habits.pause_seconds)
    }
    if not known:
        return {}
    usual = median(known.values())
    return {
        name: min(SLOWEST, max(QUICKEST, (seconds / usual) ** 0.5))
        for name, seconds in known.items()
    }
