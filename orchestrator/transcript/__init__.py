"""SQLite: everything that happened in the show, in order, with the whole reason of each line.

Every row of `lines` is an event, and their ids are its order, so that a show can be played again
from them. What `why` holds, by kind (older rows may lack any of it):

friend, silence  turn (speaker, source, phrase, phrases, answers, lines, seed, chosen_because,
                 weights), sampling, model, attempts, timings; a silence has its `reason`
person           stage, addressed
command          stage, name, argument, answer; the speaker is who gave it
                 (edited, deleted: somebody changed a line, or took it back, on a platform)
notice           stage

Knows nothing of platforms, models and who speaks next.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from orchestrator.errors import OrchestratorError
from orchestrator.transcript.file import as_json, changing, connect, index_words, storable
from orchestrator.transcript.records import Edited, LineKind, PutReaction, Run, TranscriptLine
from orchestrator.transcript.search import Which, holds, matching, select, times, within, words

__all__ = ["LineKind", "Run", "Transcript", "TranscriptLine", "Which"]

WRITING_PATIENCE_SECONDS = 0.2
"""How long a show tries again while another process writes: it stands still meanwhile, and its
writer comes back by itself."""

NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


class Transcript:
    """The lines of one conversation in a file that holds all of them.

    Whatever changes the file raises TranscriptFull if the disk takes no more, TranscriptLocked if
    another process keeps it to itself; nothing is half written then, and the same call works again
    later.
    """

    def __init__(
        self, database: sqlite3.Connection, path: Path, conversation: int, run: int | None
    ) -> None:
        self._database = database
        self._path = path
        self._has_index = index_words(database, path)
        self.conversation = conversation
        self.run = run
        database.create_function("holds", 2, holds, deterministic=True)

    @classmethod
    @contextmanager
    def open(
        cls,
        path: Path,
        *,
        fresh: bool,
        seed: int | None,
        now: datetime,
        settings: Mapping[str, Any] = NO_SETTINGS,
    ) -> Iterator[Self]:
        """Begins a run in the last conversation of the file, or in a new one if `fresh` or none is
        there. `settings` (JSON-able) are kept with the run. Raises OrchestratorError if the file
        is no transcript."""
        with closing(connect(path)) as database:
            begun = (now.isoformat(), as_json(settings))
            with changing(database, path):
                conversation = _last_conversation(database)
                if fresh or conversation is None:
                    conversation = database.execute(
                        "INSERT INTO conversations (started_at, settings) VALUES (?,?)", begun
                    ).lastrowid
                run = database.execute(
                    "INSERT INTO runs (conversation, started_at, settings, seed, version)"
                    " VALUES (?,?,?,?,?)",
                    (conversation, *begun, seed, _version()),
                ).lastrowid
            assert conversation is not None
            milliseconds = int(WRITING_PATIENCE_SECONDS * 1000)
            database.execute(f"PRAGMA busy_timeout = {milliseconds:d}")
            yield cls(database, path, conversation, run)

    @classmethod
    @contextmanager
    def read(cls, path: Path) -> Iterator[Self]:
        """The last conversation, to be read only, while a show may be running. Raises
        OrchestratorError if there is none."""
        nothing = f"There is no transcript at {path} yet; start a show with: botconvo run"
        if not path.is_file():
            raise OrchestratorError(nothing)
        with closing(connect(path)) as database:
            conversation = _last_conversation(database)
            if conversation is None:
                raise OrchestratorError(nothing)
            yield cls(database, path, conversation, None)

    # --- what happens -----------------------------------------------------------------------

    def add(
        self,
        speaker: str,
        kind: LineKind,
        text: str,
        why: Mapping[str, Any],
        said_at: datetime,
        reply_to: int | None = None,
        *,
        post: tuple[str, str] | None = None,
    ) -> int:
        """Stores a line and returns its id, which is its name everywhere in the show. `post`: the
        stage that it comes from, and its message there."""
        assert self.run is not None, "opened for reading only"
        text = storable(text)
        with self._changing():
            row = self._database.execute(
                "INSERT INTO lines (conversation, run, said_at, speaker, kind, text, reply_to, why)"
                " VALUES (?,?,?,?,?,?,?,?)",
                (
                    self.conversation, self.run, said_at.isoformat(), storable(speaker), kind,
                    text, reply_to, as_json(why),
                ),
            )  # fmt: skip
            assert row.lastrowid is not None
            self._index(row.lastrowid, text)
            if post is not None:
                self._post(row.lastrowid, *post)
        return row.lastrowid

    def posted(self, line_id: int, stage: str, message_id: str) -> None:
        """The line stands on a stage as this message."""
        with self._changing():
            self._post(line_id, stage, message_id)

    def unsay(self, line_id: int) -> None:
        """Marks a line as taken back; it stays in the file."""
        with self._changing():
            self._database.execute("UPDATE lines SET unsaid = 1 WHERE id = ?", (line_id,))

    def replace_text(
        self,
        line_id: int,
        text: str,
        why: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> None:
        """The line has this text from now on (`at`, or else the machine's clock), for this reason
        if one is given; what it had before is kept among the edits."""
        old = self.line(line_id)
        if old is None:
            return
        text, at = storable(text), at or datetime.now(UTC).astimezone()
        with self._changing():
            self._database.execute(
                "INSERT INTO edits (line, at, old_text, new_text, old_why) VALUES (?,?,?,?,?)",
                (line_id, at.isoformat(), old.text, text, as_json(old.why)),
            )
            self._unindex(line_id, old.text)
            self._database.execute(
                "UPDATE lines SET text = ?, why = ? WHERE id = ?",
                (text, as_json(old.why if why is None else why), line_id),
            )
            self._index(line_id, text)

    def add_reaction(
        self, stage: str, message_id: str, author: str, emoji: str, at: datetime
    ) -> int | None:
        """Somebody put an emoji to a message. Returns the line that it shows; None, and nothing is
        stored, if it shows none of ours. Twice the same counts once."""
        line_id = self.line_of(stage, message_id)
        if line_id is None:
            return None
        with self._changing():
            self._database.execute(
                "INSERT OR IGNORE INTO reactions VALUES (?,?,?,?,?,?)",
                (stage, message_id, line_id, storable(author), storable(emoji), at.isoformat()),
            )
        return line_id

    def remove_reaction(self, stage: str, message_id: str, author: str, emoji: str) -> bool:
        """Somebody took an emoji away. Returns whether it was there."""
        with self._changing():
            gone = self._database.execute(
                "DELETE FROM reactions WHERE (stage, message_id, author, emoji) = (?,?,?,?)",
                (stage, message_id, storable(author), storable(emoji)),
            )
        return gone.rowcount > 0

    # --- what is known ----------------------------------------------------------------------

    def line_of(self, stage: str, message_id: str) -> int | None:
        """The line that a message of a stage shows."""
        row = self._database.execute(
            "SELECT line FROM posts WHERE stage = ? AND message_id = ?", (stage, message_id)
        ).fetchone()
        return int(row[0]) if row else None

    def messages_of(self, stage: str, line_id: int) -> list[str]:
        """All messages of a stage that show a line, in the order in which they came."""
        rows = self._database.execute(
            "SELECT message_id FROM posts WHERE stage = ? AND line = ? ORDER BY rowid",
            (stage, line_id),
        )
        return [str(message_id) for (message_id,) in rows]

    def message_of(self, stage: str, line_id: int) -> str | None:
        """The message of a stage that shows a line; of several the newest."""
        return next(reversed(self.messages_of(stage, line_id)), None)

    def last_message(self, stage: str) -> str | None:
        """The message of a stage that shows the newest line there."""
        row = self._database.execute(
            "SELECT message_id FROM posts WHERE stage = ? ORDER BY line DESC LIMIT 1", (stage,)
        ).fetchone()
        return str(row[0]) if row else None

    def line(self, line_id: int) -> TranscriptLine | None:
        """Any line of any conversation."""
        found = select(self._database, "id = ?", (line_id,), "")
        return found[0] if found else None

    def last_id(self) -> int:
        """Id of whatever was stored last; 0 if nothing was."""
        (last,) = self._database.execute("SELECT COALESCE(MAX(id), 0) FROM lines").fetchone()
        return int(last)

    def last(self, count: int) -> list[TranscriptLine]:
        """The last lines that were said and not taken back, oldest first."""
        return select(
            self._database,
            "conversation = ? AND kind IN ('friend', 'person') AND NOT unsaid",
            (self.conversation,), f"ORDER BY id DESC LIMIT {count:d}",
        )[::-1]  # fmt: skip

    def lines(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        search: str | None = None,
        conversation: Which = None,
        before_id: int | None = None,
        limit: int | None = None,
        *,
        after_id: int = 0,
        kind: LineKind | None = None,
    ) -> Iterator[TranscriptLine]:
        """All that happened from `since` on and before `until`, in order: every kind unless one is
        named, also what was taken back. `search`: only lines that hold all its words, in any case;
        `before_id`, `after_id`: only lines before and after these; `limit`: only the last so many
        of all that. Reads by pages, so the file may be of any size, and be written meanwhile: what
        is added later does not come out."""
        conditions = [
            within(conversation, self.conversation),
            *times(since, until),
            *([("kind = ?", (kind,))] if kind else []),
            *words(search or "", has_index=self._has_index),
        ]
        yield from matching(self._database, conditions, after_id, before_id, limit)

    def kinds_after(self, line: TranscriptLine, limit: int) -> Counter[str]:
        """How often what happened in a line's conversation, among the next so many after it."""
        return Counter(
            kind
            for (kind,) in self._database.execute(
                "SELECT kind FROM lines WHERE conversation = ? AND id > ? ORDER BY id LIMIT ?",
                (line.conversation, line.id, limit),
            )
        )

    def answers_to(self, line_id: int) -> list[TranscriptLine]:
        """Lines and silences that answer a line, oldest first."""
        return select(self._database, "reply_to = ?", (line_id,), "ORDER BY id")

    def unanswered(self, since: datetime) -> list[TranscriptLine]:
        """Lines of people in this conversation, said since then and not taken back, to which no
        later line or silence of a friend is an answer."""
        return select(
            self._database, "conversation = ? AND kind = 'person' AND NOT unsaid"
            " AND julianday(said_at) >= julianday(?)"
            " AND NOT EXISTS (SELECT 1 FROM lines AS answer WHERE answer.reply_to = lines.id"
            " AND answer.id > lines.id AND answer.kind IN ('friend', 'silence'))",
            (self.conversation, since.isoformat()), "ORDER BY id",
        )  # fmt: skip

    def commands(self) -> list[TranscriptLine]:
        """What people wanted of the show in this conversation, in order."""
        return select(
            self._database, "conversation = ? AND kind = 'command'", (self.conversation,),
            "ORDER BY id",
        )  # fmt: skip

    def unsaid_texts(self, limit: int) -> list[str]:
        """The last texts of friends in this conversation that were taken back, oldest first."""
        rows = self._database.execute(
            "SELECT text FROM lines WHERE conversation = ? AND kind = 'friend' AND unsaid"
            " ORDER BY id DESC LIMIT ?",
            (self.conversation, limit),
        ).fetchall()
        return [text for (text,) in reversed(rows)]

    def reactions(self, line_id: int) -> list[PutReaction]:
        """What people have put to a line, in order."""
        rows = self._database.execute(
            "SELECT line, author, emoji, at FROM reactions WHERE line = ? ORDER BY rowid",
            (line_id,),
        )
        return [
            PutReaction(line, author, emoji, datetime.fromisoformat(at))
            for line, author, emoji, at in rows
        ]

    def edits(self, line_id: int) -> list[Edited]:
        """How the text of a line was changed, in order."""
        rows = self._database.execute(
            "SELECT line, old_text, new_text, at, old_why FROM edits WHERE line = ? ORDER BY id",
            (line_id,),
        )
        return [
            Edited(line, old_text, new_text, datetime.fromisoformat(at), json.loads(old_why))
            for line, old_text, new_text, at, old_why in rows
        ]

    def runs(self, conversation: Which = None) -> list[Run]:
        """The starts of the show, in order."""
        of, values = within(conversation, self.conversation)
        rows = self._database.execute(
            "SELECT id, conversation, started_at, seed, settings, version FROM runs"
            f" WHERE {of} ORDER BY id",
            values,
        )
        return [
            Run(id_, within, datetime.fromisoformat(at), seed, json.loads(settings), by)
            for id_, within, at, seed, settings, by in rows
        ]

    # --- SQL --------------------------------------------------------------------------------

    def _post(self, line_id: int, stage: str, message_id: str) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO posts VALUES (?,?,?)", (line_id, stage, message_id)
        )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with changing(self._database, self._path):
            yield

    def _index(self, line_id: int | None, text: str) -> None:
        if self._has_index:
            self._database.execute("INSERT INTO words (rowid, text) VALUES (?,?)", (line_id, text))

    def _unindex(self, line_id: int, text: str) -> None:
        if self._has_index:
            self._database.execute(
                "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", (line_id, text)
            )


def _last_conversation(database: sqlite3.Connection) -> int | None:
    last: int | None = database.execute("SELECT MAX(id) FROM conversations").fetchone()[0]
    return last


def _version() -> str:
    try:
        return version("botconvo")
    except PackageNotFoundError:  # run from its folder without having been installed
        return ""
