"""Which lines are wanted, as conditions of SQL with their values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from orchestrator.transcript_file import INDEXED_LETTERS

MOST_TRIGRAMS = 40
"""So many narrow the choice down enough; SQLite limits how deep an expression may be."""

Condition = tuple[str, tuple[object, ...]]


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
