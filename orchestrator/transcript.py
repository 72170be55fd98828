"""SQLite: every line of the show, with the whole reason why it was said."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from orchestrator.errors import OrchestratorError

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, seed INTEGER);
CREATE TABLE lines (
    id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL REFERENCES conversations,
    said_at TEXT NOT NULL, speaker TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
    reply_to INTEGER REFERENCES lines, why TEXT NOT NULL, unsaid INTEGER NOT NULL DEFAULT 0);
CREATE TABLE posts (
    line INTEGER NOT NULL REFERENCES lines, stage TEXT NOT NULL, message_id TEXT NOT NULL,
    PRIMARY KEY (stage, message_id));
CREATE INDEX posts_of_line ON posts (line);
"""

PATIENCE_SECONDS = 5.0
"""How long to try again while a show is writing."""
TOO_NEAR_TO = "too near to "
"""How a verdict begins that goes on with the line that was said before."""

LineKind = Literal["friend", "person", "silence"]


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """A stored line. `why` holds the turn, the candidates with their verdicts, and what
    became of them; a silence has a reason too."""

    id: int
    speaker: str
    kind: LineKind
    text: str
    why: dict[str, Any]


class Transcript:
    """The lines of one conversation in a file that holds all of them."""

    def __init__(self, database: sqlite3.Connection, conversation: int) -> None:
        self._database = database
        self.conversation = conversation

    @classmethod
    @contextmanager
    def open(cls, path: Path, *, fresh: bool, seed: int | None, now: datetime) -> Iterator[Self]:
        """Goes on with the last conversation of the file, or begins one if `fresh` or none is
        there. Raises OrchestratorError if the file is no transcript."""
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path)
        try:
            _prepare(database, path)
            last = database.execute("SELECT MAX(id) FROM conversations").fetchone()[0]
            if fresh or last is None:
                with database:
                    last = database.execute(
                        "INSERT INTO conversations (started_at, seed) VALUES (?, ?)",
                        (now.isoformat(), seed),
                    ).lastrowid
            assert last is not None
            yield cls(database, last)
        finally:
            database.close()

    def add(
        self,
        speaker: str,
        kind: LineKind,
        text: str,
        why: dict[str, Any],
        said_at: datetime,
        reply_to: int | None = None,
    ) -> int:
        """Stores a line and returns its id, which is its name everywhere in the show."""
        with self._database:
            row = self._database.execute(
                "INSERT INTO lines (conversation, said_at, speaker, kind, text, reply_to, why)"
                " VALUES (?,?,?,?,?,?,?)",
                (
                    self.conversation, said_at.isoformat(), speaker, kind, text, reply_to,
                    json.dumps(why, ensure_ascii=False),
                ),
            )  # fmt: skip
        assert row.lastrowid is not None
        return row.lastrowid

    def posted(self, line_id: int, stage: str, message_id: str) -> None:
        """The line stands on a stage as this message."""
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO posts VALUES (?,?,?)", (line_id, stage, message_id)
            )

    def line_of(self, stage: str, message_id: str) -> int | None:
        """The line that a message of a stage shows."""
        row = self._database.execute(
            "SELECT line FROM posts WHERE stage = ? AND message_id = ?", (stage, message_id)
        ).fetchone()
        return int(row[0]) if row else None

    def message_of(self, stage: str, line_id: int) -> str | None:
        """The message of a stage that shows a line."""
        row = self._database.execute(
            "SELECT message_id FROM posts WHERE stage = ? AND line = ?", (stage, line_id)
        ).fetchone()
        return str(row[0]) if row else None

    def unsay(self, line_id: int) -> None:
        """Marks a line as taken back; it stays in the file."""
        with self._database:
            self._database.execute("UPDATE lines SET unsaid = 1 WHERE id = ?", (line_id,))

    def last(self, count: int) -> list[TranscriptLine]:
        """The last lines that were said and not taken back, oldest first."""
        rows = self._database.execute(
            "SELECT id, speaker, kind, text, why FROM lines WHERE conversation = ?"
            " AND kind != 'silence' AND NOT unsaid ORDER BY id DESC LIMIT ?",
            (self.conversation, count),
        ).fetchall()
        return [
            TranscriptLine(id_, speaker, kind, text, json.loads(why))
            for id_, speaker, kind, text, why in reversed(rows)
        ]


def forget_speakers(path: Path, names: Collection[str]) -> int:
    """Takes all lines of these speakers, friends or people, out of all conversations of a
    transcript, for good, and what the reasons of other lines quote of them. A show may be running
    meanwhile. Returns how many; 0 if there is no transcript. Raises OrchestratorError."""
    if not path.is_file():
        return 0
    wanted = {name.casefold() for name in names}
    database = sqlite3.connect(path, timeout=PATIENCE_SECONDS)
    try:
        _prepare(database, path)
        database.execute("PRAGMA secure_delete = ON")
        with database:
            database.execute("BEGIN IMMEDIATE")  # a running show waits, and adds nothing meanwhile
            ids = {
                id_
                for id_, speaker in database.execute("SELECT id, speaker FROM lines")
                if speaker.casefold() in wanted
            }
            gone = [(id_,) for id_ in ids]
            database.executemany("DELETE FROM posts WHERE line = ?", gone)
            database.executemany("UPDATE lines SET reply_to = NULL WHERE reply_to = ?", gone)
            database.executemany("DELETE FROM lines WHERE id = ?", gone)
            rows = database.execute("SELECT id, why FROM lines WHERE kind != 'person'").fetchall()
            unquoted = [(_unquoted(why, ids), id_) for id_, why in rows] if ids else []
            database.executemany("UPDATE lines SET why = ? WHERE id = ?", unquoted)
        database.execute("VACUUM")
        _empty_log(database)
    except sqlite3.OperationalError as error:
        raise OrchestratorError(
            f"{path} cannot be changed ({error}); end the show if one is running, or mend the "
            "file's permissions, then forget again."
        ) from error
    finally:
        database.close()
    return len(ids)


def _unquoted(why: str, gone: Collection[int]) -> str:
    """The reason of a line without what it quotes of lines that are gone: phrases taken up, and
    what was too near to a line that had been said."""
    reason = json.loads(why)
    turn = reason.get("turn", {})
    if turn.get("answers") in gone:
        turn["phrase"] = ""
    for candidate in (c for attempt in reason.get("attempts", ()) for c in attempt):
        if candidate["verdict"].startswith(TOO_NEAR_TO):
            candidate["verdict"] = f"{TOO_NEAR_TO}a line"
    return json.dumps(reason, ensure_ascii=False)


def _empty_log(database: sqlite3.Connection) -> None:
    """Moves everything into the main file: the write-ahead log keeps what was overwritten."""
    if database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        raise sqlite3.OperationalError("somebody is reading it")


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    try:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        tables = database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise OrchestratorError(f"{path} is no transcript; move it away.") from error
    if version == 0 and tables == 0:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SCHEMA + f"PRAGMA user_version = {SCHEMA_VERSION};")
    elif version != SCHEMA_VERSION:
        raise OrchestratorError(
            f"{path} is no transcript of this version of BotConvo; move it away."
        )
