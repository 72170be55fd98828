"""The transcript as a file: its tables, older forms of it, and what can go wrong with it.

Knows nothing of what a line means. `transcript.py` is the only caller but for tests.
"""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from orchestrator.errors import OrchestratorError, TranscriptFull, TranscriptLocked

log = logging.getLogger(__name__)

MAIN = "main"
"""The conversation of stages that name none."""
PATIENCE_SECONDS = 5.0
"""How long to try again while a show is writing."""
SCHEMA_VERSION = 2
APPLICATION_ID = 0x42435472
"""Tells a transcript from other programs' SQLite files ("BCTr"); schema 1 had none yet."""

TABLES = """
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, settings TEXT NOT NULL);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL REFERENCES conversations,
    started_at TEXT NOT NULL, seed INTEGER, settings TEXT NOT NULL, version TEXT NOT NULL);
CREATE TABLE lines (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations, run INTEGER NOT NULL REFERENCES runs,
    said_at TEXT NOT NULL, speaker TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
    reply_to INTEGER REFERENCES lines, why TEXT NOT NULL, unsaid INTEGER NOT NULL DEFAULT 0);
CREATE TABLE posts (
    line INTEGER NOT NULL REFERENCES lines, stage TEXT NOT NULL, message_id TEXT NOT NULL,
    PRIMARY KEY (stage, message_id));
CREATE TABLE reactions (
    stage TEXT NOT NULL, message_id TEXT NOT NULL, line INTEGER NOT NULL REFERENCES lines,
    author TEXT NOT NULL, emoji TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (stage, message_id, author, emoji));
CREATE TABLE edits (
    id INTEGER PRIMARY KEY, line INTEGER NOT NULL REFERENCES lines, at TEXT NOT NULL,
    old_text TEXT NOT NULL, new_text TEXT NOT NULL, old_why TEXT NOT NULL);
"""
"""Ids of lines are never used twice (AUTOINCREMENT): reasons refer to lines by id, and a line
that is forgotten must not come back as another one."""

INDEXES = """
CREATE INDEX lines_of_conversation ON lines (conversation, id);
CREATE INDEX answers_to_line ON lines (reply_to) WHERE reply_to IS NOT NULL;
CREATE INDEX posts_of_line ON posts (line);
CREATE INDEX reactions_to_line ON reactions (line);
CREATE INDEX edits_of_line ON edits (line);
"""

WORD_INDEX = """
CREATE VIRTUAL TABLE words USING fts5(
    text, content = lines, content_rowid = id, tokenize = trigram, detail = none)
"""
"""Three letters each, so that a part of a word is found too, in any script; without their places,
which would make the file half as large again for nothing but a few checks saved."""
REBUILD_WORD_INDEX = "INSERT INTO words (words) VALUES ('rebuild')"
INDEXED_LETTERS = 3

OF_SCHEMA_1 = {"conversations", "lines", "posts"}
FROM_SCHEMA_1 = """
ALTER TABLE conversations RENAME TO old_conversations;
ALTER TABLE lines RENAME TO old_lines;
ALTER TABLE posts RENAME TO old_posts;
DROP INDEX posts_of_line;
{tables}
INSERT INTO conversations SELECT id, started_at, '{{}}' FROM old_conversations;
INSERT INTO runs SELECT id, id, started_at, seed, '{{}}', '' FROM old_conversations;
INSERT INTO lines SELECT id, conversation, conversation, said_at, speaker, kind, text, reply_to,
    why, unsaid FROM old_lines;
INSERT INTO posts SELECT * FROM old_posts;
DROP TABLE old_posts;
DROP TABLE old_lines;
DROP TABLE old_conversations;
{indexes}
"""

MIGRATION_GROWTH = 4
"""Room that a migration takes, in sizes of the file (measured: 3.8): the copy, the new tables
beside the old, and both once more in the write-ahead log."""
MIGRATION_PATIENCE_SECONDS = 600
"""How long to wait for another process that migrates; 200,000 lines take it ten seconds."""

READ_ONLY, INPUT_OUTPUT, FULL, CANNOT_OPEN = (
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
)  # fmt: skip
LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
REMEDIES = {
    READ_ONLY: "it may not be written to; mend its permissions",
    INPUT_OUTPUT: "the disk takes nothing more; make room, or mend the disk",
    FULL: "the disk is full; make room",
}


def transcript_path(home: Path, conversation: str = MAIN) -> Path:
    """Where the lines of a conversation are kept: each has a file of its own, as what is said in
    one chat is no business of another."""
    name = "transcript" if conversation == MAIN else f"transcript-{conversation}"
    return home / "data" / f"{name}.sqlite"


def transcript_paths(home: Path) -> list[Path]:
    """The transcripts of all conversations, as far as there are any."""
    return sorted((home / "data").glob("transcript*.sqlite"))


def connect(path: Path) -> sqlite3.Connection:
    """Opens or makes the file, in its newest form. An older one is brought up to date, after a
    copy of it was laid beside it (`transcript.sqlite.v1`). Raises OrchestratorError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Transactions are begun by `changing` alone.
        database = sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None)
    except (OSError, sqlite3.OperationalError) as error:
        raise OrchestratorError(
            f"{path} cannot be opened ({error}); mend that, or name other settings with --settings."
        ) from error
    try:
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def changing(database: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All changes inside are made, or none. Raises TranscriptFull if the file takes no more,
    TranscriptLocked if another process keeps it to itself; calling again later works."""
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise _told(error, path) from error
    finally:
        # After a full disk SQLite may have rolled back by itself.
        if database.in_transaction:
            database.execute("ROLLBACK")


def _told(error: sqlite3.OperationalError, path: Path) -> OrchestratorError:
    # Extended codes keep the plain one in their lowest byte (https://sqlite.org/rescode.html).
    code = error.sqlite_errorcode & 0xFF
    if code in REMEDIES:
        return TranscriptFull(f"{path} cannot be written: {REMEDIES[code]}.")
    kind = TranscriptLocked if code in LOCKED else OrchestratorError
    return kind(f"{path} cannot be written ({error}); end what else is using it.")


def index_words(database: sqlite3.Connection, path: Path) -> bool:
    """Sees to it that all lines are in the index of words, also those that were written where
    SQLite was built without FTS5. Returns whether there is an index here."""
    try:
        database.execute("SELECT rowid FROM words LIMIT 0")
    except sqlite3.OperationalError as error:
        if str(error).startswith("no such module"):
            return False
        with changing(database, path):
            return _make_word_index(database)
    indexed, last = database.execute(
        "SELECT (SELECT MAX(id) FROM words_docsize), (SELECT MAX(id) FROM lines)"
    ).fetchone()
    if indexed != last:
        with changing(database, path):
            database.execute(REBUILD_WORD_INDEX)
    return True


def _make_word_index(database: sqlite3.Connection) -> bool:
    try:
        database.execute(WORD_INDEX)
    except sqlite3.OperationalError as error:
        # "table words already exists": another process was faster.
        if not str(error).startswith(("no such", "error in tokenizer")):
            return "already exists" in str(error)
        return False
    database.execute(REBUILD_WORD_INDEX)
    return True


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    try:
        form = _form(database)
        if form == "none":
            database.execute("PRAGMA journal_mode = WAL")
            with changing(database, path):
                if _form(database) == "none":  # another process may have been faster
                    _run_script(database, TABLES + INDEXES)
                    _finish(database)
        elif form == "old":
            _migrate(database, path)
            _wait_at_most(database, PATIENCE_SECONDS)
        # A crash of the machine may lose the last lines, but never the file.
        database.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == CANNOT_OPEN:
            raise OrchestratorError(
                f"{path} cannot be opened; it is no file, or you have no right to it."
            ) from error
        raise _told(error, path) from error
    except sqlite3.DatabaseError as error:
        raise OrchestratorError(f"{path} is no transcript; move it away.") from error
    if form == "newer":
        raise OrchestratorError(
            f"{path} was written by a newer BotConvo; update this one, or move the file away."
        )
    if form == "foreign":
        raise OrchestratorError(
            f"{path} is no transcript but another program's database; move it away."
        )


def _form(database: sqlite3.Connection) -> str:
    """none (nothing in it yet) | old | current | newer | foreign."""
    # In one statement, as another process may be making the tables.
    version, application, names = database.execute(
        "SELECT user_version, application_id, (SELECT group_concat(name) FROM sqlite_master"
        " WHERE type = 'table') FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    tables = set((names or "").split(",")) - {"", "sqlite_sequence"}
    if not tables and version == 0:
        return "none"
    if version == 1 and tables == OF_SCHEMA_1:
        return "old"
    if application != APPLICATION_ID or version < SCHEMA_VERSION:
        return "foreign"
    return "current" if version == SCHEMA_VERSION else "newer"


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    """All of it or nothing; who comes second finds it done. Killed at any time, it leaves the old
    file as it was."""
    _wait_at_most(database, MIGRATION_PATIENCE_SECONDS)
    with changing(database, path):
        if _form(database) != "old":
            return
        _see_that_there_is_room(path)
        target = _free_name(path.with_name(f"{path.name}.v1"))
        part = target.with_name(f"{target.name}.part")
        # Said before, as nothing else is seen of it while it lasts.
        log.warning("%s is brought up to date; as it was it is kept as %s.", path, target.name)
        try:
            _copy(path, part)
            _run_script(database, FROM_SCHEMA_1.format(tables=TABLES, indexes=INDEXES))
            _finish(database)
            part.rename(target)
        except OSError as error:
            raise OrchestratorError(
                f"{target}, a copy to be kept of the older transcript, cannot be written ({error});"
                " make room, or mend the folder's permissions. Nothing was changed."
            ) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _wait_at_most(database: sqlite3.Connection, seconds: float) -> None:
    database.execute(f"PRAGMA busy_timeout = {int(seconds * 1000):d}")


def _see_that_there_is_room(path: Path) -> None:
    needed, free = path.stat().st_size * MIGRATION_GROWTH, shutil.disk_usage(path.parent).free
    if free < needed:
        raise OrchestratorError(
            f"{path} is of an older version of BotConvo, and bringing it up to date takes "
            f"{needed / 1e6:.0f} MB, of which {free / 1e6:.0f} MB are free; make room. Nothing was "
            "changed."
        )


def _finish(database: sqlite3.Connection) -> None:
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _run_script(database: sqlite3.Connection, script: str) -> None:
    # Not `executescript`, which would end the transaction.
    for statement in script.split(";"):
        database.execute(statement)


def _copy(path: Path, part: Path) -> None:
    """Copies all of it, also what is in the write-ahead log. What is locked against writing can be
    read meanwhile. Raises OSError."""
    part.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
    except sqlite3.OperationalError as error:
        raise OSError(str(error)) from error


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def copies_of(path: Path) -> list[Path]:
    """The copies that were laid beside a transcript when it was brought up to date."""
    return sorted(path.parent.glob(f"{path.name}.v*"))


def storable(text: str) -> str:
    """Without what SQLite does not take: halves of surrogate pairs, and the sign at which C's
    strings end."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def as_json(data: Mapping[str, Any]) -> str:
    """JSON that SQLite takes."""
    return storable(json.dumps(dict(data), ensure_ascii=False))
