"""Who speaks next, by what the export taught. Pure: weights and chance, no texts.

The chance of a friend is how often they followed the last speaker in the export, mixed with
equal chances (`chaos`), times how talkative they are, times whether they were mentioned,
times whether it is their time of day, times how long they have been silent for their share.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

MENTION_WEIGHT = 4.0
"""How much likelier a friend speaks whom a bot has just named. A person's naming decides;
a bot's only weighs, or two bots that name each other would never let anybody else in."""
REMEMBERED_TURNS = 200
STARVED_ROUNDS = 10
"""Everybody's turn comes within so many rounds of all friends, or four times what their share
of the export gives them, whichever is longer."""
STARVED_SHARES = 4
REST_EXPONENT = 0.5
LEAST_REST, MOST_REST = 0.5, 3.0
HOURS_AROUND = 1
"""Hours before and after the present one that count as the same time of day."""
LEAST_HOUR, MOST_HOUR = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class Habits:
    """How a friend behaves in the export, from the manifest's statistics. `follows` counts
    whose lines they answered; a burst is a run of own lines; hours are counts of lines by hour
    of the day, 24 or none."""

    follows: Mapping[str, int] = field(default_factory=dict)
    burst_mean: float = 1.0
    burst_max: int = 1
    line_chars: float | None = None
    pause_seconds: float | None = None
    hours: tuple[int, ...] = ()

    @classmethod
    def of(cls, statistics: Mapping[str, Any]) -> Self:
        """Habits of a manifest; what it lacks or has otherwise is left at its default."""

        def part(name: str) -> Mapping[str, Any]:
            found = statistics.get(name)
            return found if isinstance(found, Mapping) else {}

        burst = part("burst")
        hours = statistics.get("active_hours") or ()
        return cls(
            follows={str(n): int(c) for n, c in part("follows").items()},
            burst_mean=max(1.0, float(burst.get("mean", 1.0))),
            burst_max=max(1, int(burst.get("max", 1))),
            line_chars=part("line_length").get("median"),
            pause_seconds=part("pause_seconds").get("median"),
            hours=tuple(hours) if len(hours) == 24 else (),
        )

    def hour_factor(self, hour: int) -> float:
        """How active the friend is around this hour, beside their average; 1 if unknown."""
        if not any(self.hours):
            return 1.0
        near = [self.hours[(hour + d) % 24] for d in range(-HOURS_AROUND, HOURS_AROUND + 1)]
        average = sum(self.hours) / 24
        return _between(LEAST_HOUR, sum(near) / len(near) / average, MOST_HOUR)


@dataclass(frozen=True, slots=True)
class Member:
    """A friend as far as turn-taking is concerned."""

    name: str
    aliases: tuple[str, ...] = ()
    talkativeness: float = 0.5
    habits: Habits = Habits()


@dataclass(frozen=True, slots=True)
class Weight:
    """Why a friend's chance was what it was: `share` is the chance, from 0 to 1; the others
    are the factors that were multiplied, of which `learnt` is a chance too."""

    share: float
    learnt: float
    talkativeness: float
    mention: float
    rest: float
    hour: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Who speaks, why in words, and the weights of all (none if there was nothing to draw)."""

    name: str
    because: str
    weights: Mapping[str, Weight] = field(default_factory=dict)


class TurnTaking:
    """Draws the next speaker. `chaos` goes from what the export taught (0) to anybody (1)."""

    def __init__(self, members: Sequence[Member], chaos: float, rng: random.Random) -> None:
        self._members = {member.name: member for member in members}
        self._chaos = chaos
        self._rng = rng
        self._turns: deque[str] = deque(maxlen=REMEMBERED_TURNS)
        self._in_a_row = 0
        self._shares = self._shares_of_the_export()

    def heard(self, speaker: str) -> None:
        """Somebody, a friend or a person, has said a line."""
        self._in_a_row = self._in_a_row + 1 if self._turns and self._turns[-1] == speaker else 1
        self._turns.append(speaker)

    def choose(
        self, able: Sequence[str], named: Collection[str], now: datetime, *, by_person: bool
    ) -> Choice:
        """One of `able` (not empty). `named` are those whom the last line names; `by_person`
        says that a person said it."""
        last = self._turns[-1] if self._turns else None
        if last is None:
            return Choice(self._rng.choice(list(able)), "the conversation begins")
        if last in able and not by_person and self._goes_on(last):
            return Choice(last, f"{last} goes on, as in the export")
        others = [name for name in able if name != last] or list(able)
        if starved := self._starved(others):
            return Choice(
                starved, f"{starved} has not spoken for {self._silent_for(starved)} lines"
            )
        weights = self._weights(others, last, () if by_person else named, now)
        chosen = self._rng.choices(others, [weights[name].share for name in others])[0]
        because = f"drawn at {weights[chosen].share:.0%}"
        if weights[chosen].mention > 1:
            because = f"{last} named {chosen}; {because}"
        return Choice(chosen, because, weights)

    def _goes_on(self, last: str) -> bool:
        habits = self._members[last].habits
        if len(self._members) == 1 or self._in_a_row >= habits.burst_max:
            return False
        chance = (1 - 1 / habits.burst_mean) * (1 - self._chaos)
        return self._rng.random() < chance

    def _weights(
        self, others: Sequence[str], last: str, named: Collection[str], now: datetime
    ) -> dict[str, Weight]:
        learnt = self._learnt(others, last)
        members = [self._members[name] for name in others]
        factors = [
            (
                (1 - self._chaos) * learnt[m.name] + self._chaos / len(others),
                2 * m.talkativeness,
                MENTION_WEIGHT if m.name in named else 1.0,
                self._rest(m.name),
                m.habits.hour_factor(now.hour),
            )
            for m in members
        ]
        products = [a * b * c * d * e for a, b, c, d, e in factors]
        if not any(products):
            products = [1.0] * len(others)
        total = sum(products)
        return {
            m.name: Weight(product / total, *map(_rounded, parts))
            for m, product, parts in zip(members, products, factors, strict=True)
        }

    def _learnt(self, others: Sequence[str], last: str) -> dict[str, float]:
        """Chances by who followed `last` in the export; after a person, or somebody unknown
        there, by how much each spoke at all. With Laplace's rule nobody has none."""
        counts = {name: self._members[name].habits.follows.get(last, 0) + 1 for name in others}
        if last not in self._members:
            counts = {name: sum(self._members[name].habits.follows.values()) + 1 for name in others}
        total = sum(counts.values())
        return {name: count / total for name, count in counts.items()}

    def _shares_of_the_export(self) -> dict[str, float]:
        counts = {m.name: sum(m.habits.follows.values()) + 1 for m in self._members.values()}
        total, even = sum(counts.values()), 1 / len(counts)
        return {
            name: (1 - self._chaos) * count / total + self._chaos * even
            for name, count in counts.items()
        }

    def _silent_for(self, name: str) -> int:
        """Lines since this friend spoke; all that are remembered if they have not."""
        for gap, speaker in enumerate(reversed(self._turns), 1):
            if speaker == name:
                return gap
        return len(self._turns) + 1

    def _rest(self, name: str) -> float:
        """Above 1 for those who have been silent for longer than their share of lines lets
        expect, below 1 for those who have just spoken."""
        relative = self._silent_for(name) * self._shares[name]
        return _between(LEAST_REST, relative**REST_EXPONENT, MOST_REST)

    def _starved(self, others: Sequence[str]) -> str | None:
        for name in sorted(others, key=self._silent_for, reverse=True):
            patience = max(STARVED_ROUNDS * len(self._members), STARVED_SHARES / self._shares[name])
            if self._members[name].talkativeness and (
                self._silent_for(name) > min(patience, REMEMBERED_TURNS)
            ):
                return name
        return None


def _between(least: float, value: float, most: float) -> float:
    return min(most, max(least, value))


def _rounded(value: float) -> float:
    return round(value, 3)
