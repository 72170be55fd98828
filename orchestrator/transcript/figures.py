"""What a conversation comes to in numbers, counted by SQLite: who speaks how often, how fast, about
whose words. Knows nothing of how they are shown.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

RECENT_LINES = 10_000
"""What is read from their reasons, which are long, is read from so many; a conversation
of a hundred thousand lines would take seconds otherwise, and how fast a model was last year is no
news."""
RECENT_PHRASES = 200
RECENT_HOURS = 7 * 24
MOST_LIKED = 10
MOST_SILENCES = 12
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Handed:
    """A phrase that a friend took up from somebody's line, in this one."""

    phrase: str
    giver: str
    taker: str
    line: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """How much was said."""

    lines_by_friend: Counter[str] = field(default_factory=Counter)
    lines_by_hour: list[tuple[str, int]] = field(default_factory=list)
    """Beginnings of the last hours in which anybody spoke, ISO 8601 with offset, oldest first,
    with the lines of friends and people."""
    people: int = 0
    """How many different people have said something."""


@dataclass(frozen=True, slots=True)
class Recent:
    """What the reasons of the last lines of friends tell."""

    sources: Counter[str] = field(default_factory=Counter)
    """What they were about: a person's line, a topic, ..."""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """How long each friend's model took for each line, sorted."""
    phrases: list[Handed] = field(default_factory=list)
    """The last first."""


class Figures:
    """Of one conversation. What was taken back does not count."""

    def __init__(self, database: sqlite3.Connection, conversation: int) -> None:
        self._database = database
        self._conversation = conversation

    def spoken(self) -> Spoken:
        """Who said how much, and when. One look at every line, as each is long."""
        found = Spoken()
        people = set()
        # Times are written as 2026-11-21T14:03:05.123456+01:00: the hour, and the offset.
        rows = self._rows(
            "SELECT kind, speaker, substr(said_at, 1, 13) || ':00:00' || substr(said_at, -6)"
            " AS hour, COUNT(*) FROM lines WHERE conversation = ?"
            " AND kind IN ('friend', 'person') AND NOT unsaid GROUP BY kind, speaker, hour"
        )
        by_hour: Counter[str] = Counter()
        for kind, speaker, hour, count in rows:
            by_hour[hour] += count
            if kind == "friend":
                found.lines_by_friend[speaker] += count
            else:
                people.add(speaker)
        hours = sorted(by_hour, key=datetime.fromisoformat)[-RECENT_HOURS:]
        found.lines_by_hour.extend((hour, by_hour[hour]) for hour in hours)
        return replace(found, people=len(people))

    def most_liked(self) -> list[tuple[int, int]]:
        """Lines with the most reactions, and how many, the most first."""
        return self._rows(
            "SELECT line, COUNT(*) AS count FROM reactions CROSS JOIN lines ON lines.id = line"
            " WHERE conversation = ? AND NOT unsaid GROUP BY line ORDER BY count DESC, line DESC"
            f" LIMIT {MOST_LIKED}"
        )

    def silences(self) -> list[tuple[str, int]]:
        """The most frequent reasons of silences lately."""
        return self._rows(
            f"SELECT substr(json_extract(why, '$.reason'), 1, {LONGEST_REASON}) AS reason,"
            " COUNT(*) AS count FROM (SELECT why, kind FROM lines WHERE conversation = ?"
            f" ORDER BY id DESC LIMIT {RECENT_LINES}) WHERE kind = 'silence'"
            " AND reason IS NOT NULL GROUP BY reason ORDER BY count DESC, reason"
            f" LIMIT {MOST_SILENCES}"
        )

    def recent(self) -> Recent:
        """What the reasons of the last lines of friends tell, read in one go."""
        found = Recent()
        rows = self._rows(
            "SELECT id, speaker, json_extract(why, '$.turn.source', '$.turn.phrase',"
            " '$.turn.phrase_from', '$.timings.generate_seconds') FROM lines"
            " WHERE conversation = ? AND kind = 'friend' AND NOT unsaid"
            f" ORDER BY id DESC LIMIT {RECENT_LINES}"
        )
        seconds: dict[str, list[float]] = defaultdict(list)
        handed: list[tuple[int, str, str, int]] = []
        for id_, speaker, told in rows:
            source, phrase, giver, took = json.loads(told)
            if isinstance(source, str):
                found.sources[source] += 1
            if isinstance(took, int | float):
                seconds[speaker].append(float(took))
            if phrase and isinstance(giver, int) and len(handed) < RECENT_PHRASES:
                handed.append((id_, speaker, str(phrase), giver))
        found.seconds.update({name: sorted(values) for name, values in seconds.items()})
        givers = self._speakers([giver for _, _, _, giver in handed])
        found.phrases.extend(
            Handed(phrase, givers[giver], taker, id_)
            for id_, taker, phrase, giver in handed
            if giver in givers
        )
        return found

    def _speakers(self, ids: Sequence[int]) -> dict[int, str]:
        marks = ",".join("?" * len(ids))
        return dict(
            self._database.execute(f"SELECT id, speaker FROM lines WHERE id IN ({marks})", ids)
        )

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self._database.execute(statement, (self._conversation,)).fetchall()


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The nearest rank of sorted values; None of none
    (https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method)."""
    if not values:
        return None
    return values[max(0, math.ceil(len(values) * percent / 100) - 1)]
