"""Lines as somebody scrolls through them: by pages, each with its reactions and whether it was
changed. Knows nothing of who asks.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from orchestrator.transcript import Transcript
from orchestrator.transcript.file import connect, index_words
from orchestrator.transcript.records import TranscriptLine
from orchestrator.transcript.search import Condition, holds, select, words

SHOWN = "kind IN ('friend', 'person', 'notice')"
"""What is said aloud; silences and commands are no part of a conversation."""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line with what people put to it: how often each emoji."""

    line: TranscriptLine
    reactions: Mapping[str, int] = field(default_factory=dict)
    is_edited: bool = False


@dataclass(frozen=True, slots=True)
class ShownPage:
    """Some lines, oldest first, and whether there are others on either side."""

    lines: list[ShownLine]
    more_before: bool
    more_after: bool


class Scroll:
    """One conversation, on a connection of its own: in a thread of its own it reads while the show
    writes, and a search of a long transcript holds up nobody."""

    def __init__(self, database: sqlite3.Connection, path: Path, conversation: int) -> None:
        self.database = database
        self.conversation = conversation
        self.transcript = Transcript(database, path, conversation, None)
        self._has_index = index_words(database, path)
        database.create_function("holds", 2, holds, deterministic=True)
        database.execute("PRAGMA query_only = ON")

    @classmethod
    @contextmanager
    def open(cls, path: Path, conversation: int) -> Iterator[Self]:
        """To be used in the thread that opened it. Raises OrchestratorError."""
        with closing(connect(path)) as database:
            yield cls(database, path, conversation)

    def ends(self) -> tuple[int | None, int | None]:
        """Ids of the first and the last line that are shown."""
        # Two statements, as SQLite takes either end from the index only if asked alone.
        first, last = (
            self.database.execute(
                f"SELECT id FROM lines WHERE conversation = ? AND {SHOWN} ORDER BY id {order}"
                " LIMIT 1",
                (self.conversation,),
            ).fetchone()
            for order in ("ASC", "DESC")
        )
        return (first[0] if first else None), (last[0] if last else None)

    def before(self, id_: int | None, limit: int, search: str = "") -> ShownPage:
        """The last lines before this one, or of all; with `search` those that hold all its
        words."""
        conditions: list[Condition] = []
        if search:
            conditions += [*words(search, has_index=self._has_index), ("NOT unsaid", ())]
        if id_ is not None:
            conditions.append(("id < ?", (id_,)))
        found = self._select(conditions, "DESC", limit + 1)[::-1]
        lines = found[-limit:]
        more_after = id_ is not None and bool(lines) and self._is_any_after(lines[-1].id)
        return ShownPage(self.with_all(lines), len(found) > limit, more_after)

    def after(self, id_: int, limit: int) -> ShownPage:
        """The first lines after this one."""
        found = self._select([("id > ?", (id_,))], "ASC", limit + 1)
        lines = found[:limit]
        is_first = not self._select([("id <= ?", (id_,))], "DESC", 1)
        return ShownPage(self.with_all(lines), not is_first, len(found) > limit)

    def around(self, id_: int, limit: int) -> ShownPage:
        """The line in the middle of others."""
        older = self._select([("id < ?", (id_,))], "DESC", limit // 2 + 1)[::-1]
        newer = self._select([("id >= ?", (id_,))], "ASC", limit - limit // 2 + 1)
        lines = [*older[-(limit // 2) :], *newer[: limit - limit // 2]]
        return ShownPage(
            self.with_all(lines), len(older) > limit // 2, len(newer) > limit - limit // 2
        )

    def lines(self, ids: Sequence[int]) -> dict[int, ShownLine]:
        """These lines, as far as they are there and of this conversation."""
        found = [line for id_ in dict.fromkeys(ids) if (line := self.transcript.line(id_))]
        own = [line for line in found if line.conversation == self.conversation]
        return {shown.line.id: shown for shown in self.with_all(own)}

    def with_all(self, lines: Sequence[TranscriptLine]) -> list[ShownLine]:
        """The lines with reactions and whether they were changed."""
        marks = ",".join("?" * len(lines))
        ids = [line.id for line in lines]
        reactions: dict[int, dict[str, int]] = defaultdict(dict)
        for id_, emoji, count in self.database.execute(
            f"SELECT line, emoji, COUNT(*) FROM reactions WHERE line IN ({marks})"
            " GROUP BY line, emoji ORDER BY line, MIN(at)",
            ids,
        ):
            reactions[id_][emoji] = count
        edited = {
            id_
            for (id_,) in self.database.execute(
                f"SELECT DISTINCT line FROM edits WHERE line IN ({marks})", ids
            )
        }
        return [ShownLine(line, reactions[line.id], line.id in edited) for line in lines]

    def _select(
        self, conditions: Sequence[Condition], order: str, limit: int
    ) -> list[TranscriptLine]:
        everywhere: list[Condition] = [("conversation = ?", (self.conversation,)), (SHOWN, ())]
        all_conditions = [*everywhere, *conditions]
        return select(
            self.database,
            " AND ".join(condition for condition, _ in all_conditions),
            [value for _, values in all_conditions for value in values],
            f"ORDER BY id {order} LIMIT {limit:d}",
        )

    def _is_any_after(self, id_: int) -> bool:
        return bool(self._select([("id > ?", (id_,))], "ASC", 1))
