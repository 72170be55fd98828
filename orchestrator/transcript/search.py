"""Lines as they are asked for: conditions of SQL with their values, and what they find."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Literal

from orchestrator.transcript.file import INDEXED_LETTERS
from orchestrator.transcript.records import TranscriptLine

COLUMNS = "id, conversation, run, said_at, speaker, kind, text, reply_to, why, unsaid"

PAGE_LINES = 500
"""Lines that are read at once; between pages others may write."""
MOST_TRIGRAMS = 40
"""So many narrow the choice down enough; SQLite limits how deep an expression may be."""

Condition = tuple[str, tuple[object, ...]]
Which = int | Literal["all"] | None
"""A conversation by its id, all of them, or (None) the one that is open."""


def within(conversation: Which, open_one: int) -> Condition:
    """Lines or runs of a conversation."""
    if conversation == "all":
        return "TRUE", ()
    return "conversation = ?", (open_one if conversation is None else conversation,)


def times(since: datetime | None, until: datetime | None) -> Iterator[Condition]:
    """Lines from `since` on and before `until`."""
    # By the day's number, as the time zone may have changed between two lines.
    if since is not None:
        yield "julianday(said_at) >= julianday(?)", (since.isoformat(),)
    if until is not None:
        yield "julianday(said_at) < julianday(?)", (until.isoformat(),)


def words(search: str, *, has_index: bool) -> Iterator[Condition]:
    """Lines that hold every word of a search, in any case, as a part of a word too. Needs `holds`
    as a function of the database."""
    wanted = search.replace("\0", " ").split()
    trigrams = [trigram for word in wanted for trigram in _trigrams(word)] if has_index else []
    if trigrams:
        # The index gives few lines, some too many but none too few; `holds` looks closely.
        match = " AND ".join(trigrams[:MOST_TRIGRAMS])
        yield "id IN (SELECT rowid FROM words WHERE words MATCH ?)", (match,)
    for word in wanted:
        yield "holds(text, ?)", (word,)


def holds(text: str, word: str) -> bool:
    return word.casefold() in text.casefold()


def _trigrams(word: str) -> list[str]:
    parts = (word[n : n + INDEXED_LETTERS] for n in range(len(word) - INDEXED_LETTERS + 1))
    return ['"' + part.replace('"', '""') + '"' for part in parts]


def select(
    database: sqlite3.Connection, where: str, values: Collection[object], order: str
) -> list[TranscriptLine]:
    """The lines that these conditions find."""
    rows = database.execute(
        f"SELECT {COLUMNS} FROM lines WHERE {where} {order}", tuple(values)
    ).fetchall()
    return [
        TranscriptLine(
            id_, conversation, run, datetime.fromisoformat(said_at), speaker, kind, text,
            reply_to, json.loads(why), bool(unsaid),
        )
        for id_, conversation, run, said_at, speaker, kind, text, reply_to, why, unsaid in rows
    ]  # fmt: skip


def matching(
    database: sqlite3.Connection,
    conditions: Collection[Condition],
    after_id: int,
    before_id: int | None,
    limit: int | None,
) -> Iterator[TranscriptLine]:
    """Lines between these that meet all conditions, in order; only the last so many if there is a
    limit. Read by pages; what is added meanwhile does not come out."""
    condition = " AND ".join(condition for condition, _ in conditions)
    values = [value for _, values in conditions for value in values]
    first = after_id + 1
    (end,) = database.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM lines").fetchone()
    end = min(end, before_id) if before_id is not None else end
    if limit is not None:
        # A scan backwards along the ids, which stops after so many.
        (lowest,) = database.execute(
            f"SELECT MIN(id) FROM (SELECT id FROM lines WHERE {condition}"
            f" AND id BETWEEN ? AND ? ORDER BY id DESC LIMIT {max(0, limit):d})",
            (*values, first, end - 1),
        ).fetchone()
        first = end if lowest is None else lowest
    while page := select(
        database,
        f"{condition} AND id BETWEEN ? AND ?", (*values, first, end - 1),
        f"ORDER BY id LIMIT {PAGE_LINES}",
    ):  # fmt: skip
        yield from page
        first = page[-1].id + 1
