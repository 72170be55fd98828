"""The corpus as a file: its tables, older forms of it, and what can go wrong with it.

Knows nothing of what a message means. `corpus.py` is the only caller.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from pathlib import Path

from finetune.errors import FinetuneError
from finetune.intake import WITHOUT_ID, content_digest

log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
PATIENCE_SECONDS = 120
"""How long to wait for another import into the same corpus."""
CACHE_KIB = 16_000

TABLES = """
CREATE TABLE chats (
    id INTEGER PRIMARY KEY, platform TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
    UNIQUE (platform, key));
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY, platform TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
    shown_name TEXT NOT NULL, named_ms INTEGER NOT NULL, given_name TEXT,
    person INTEGER REFERENCES accounts,
    UNIQUE (platform, key));
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, chat INTEGER NOT NULL REFERENCES chats,
    account INTEGER NOT NULL REFERENCES accounts, key TEXT NOT NULL, kind TEXT NOT NULL,
    sent_ms INTEGER NOT NULL, offset_seconds INTEGER NOT NULL, edited_ms INTEGER,
    text TEXT NOT NULL, reply_to TEXT, attachments INTEGER NOT NULL, forwarded INTEGER NOT NULL,
    UNIQUE (chat, key));
CREATE TABLE forgotten (digest TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE files (digest TEXT PRIMARY KEY, report TEXT NOT NULL) WITHOUT ROWID;
"""

NAMED_MS = "COALESCE((SELECT MAX(sent_ms) FROM old_messages WHERE account = old.id), -(1 << 53))"
"""When an account had its name: older forms call it by the newest that was imported."""

FROM_SCHEMA_1 = f"""
ALTER TABLE chats RENAME TO old_chats;
ALTER TABLE accounts RENAME TO old_accounts;
ALTER TABLE messages RENAME TO old_messages;
DROP INDEX messages_by_time;
{TABLES}
INSERT INTO chats SELECT id, platform, key, name FROM old_chats;
INSERT INTO accounts SELECT id, platform, key, name, shown_name, {NAMED_MS}, person,
    NULLIF((SELECT MIN(id) FROM old_accounts AS first WHERE first.person = old.person), id)
    FROM old_accounts AS old;
INSERT INTO messages SELECT id, chat, account, key, kind, sent_ms, offset_seconds, edited_ms,
    text, reply_to, attachments, 0 FROM old_messages;
DROP TABLE old_messages;
DROP TABLE old_accounts;
DROP TABLE old_chats;
"""
"""Schema 1 did not keep whether a message was forwarded. Its `person` is a name, and accounts with
the same one are one person."""

FROM_EARLY_SCHEMA_2 = f"""
ALTER TABLE accounts RENAME TO old_accounts;
ALTER TABLE messages RENAME TO old_messages;
ALTER TABLE chats RENAME TO old_chats;
ALTER TABLE forgotten RENAME TO old_forgotten;
ALTER TABLE files RENAME TO old_files;
{TABLES}
INSERT INTO chats SELECT * FROM old_chats;
INSERT INTO accounts SELECT id, platform, key, name, shown_name, {NAMED_MS}, given_name, person
    FROM old_accounts AS old;
INSERT INTO messages SELECT * FROM old_messages;
INSERT INTO forgotten SELECT * FROM old_forgotten;
INSERT INTO files SELECT * FROM old_files;
DROP TABLE old_messages;
DROP TABLE old_accounts;
DROP TABLE old_chats;
DROP TABLE old_forgotten;
DROP TABLE old_files;
"""

OLDER_FORMS = {"1": FROM_SCHEMA_1, "2-early": FROM_EARLY_SCHEMA_2}
COPIES = {"1": "v1", "2-early": "v2-early"}
"""What the names of their copies end with."""

GROWTH = 3
"""Room that a migration takes, in sizes of the file (measured: 2.9): the copy, the new tables
beside the old, and the journal."""


def prepare(database: sqlite3.Connection, path: Path) -> None:
    """Makes the tables of a new file, and brings an older one up to date after laying a copy of it
    beside it (`corpus.sqlite.v1`). Raises FinetuneError for what is no corpus, or one of a newer
    BotConvo, and sqlite3.Error."""
    try:
        form = _form(database)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise FinetuneError(
            f"{path} is no corpus but some other file; name another with --corpus."
        ) from error
    if form == "none":
        _make(database)
    elif form in OLDER_FORMS:
        _migrate(database, path, form)
    elif form == "newer":
        raise FinetuneError(
            f"{path} was written by a newer BotConvo; update this one, or name another corpus "
            "with --corpus."
        )
    elif form == "foreign":
        raise FinetuneError(
            f"{path} is no corpus but another program's database; name another with --corpus."
        )
    database.execute("PRAGMA foreign_keys = ON")
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    # A crash of the machine may lose the last import, which can be done again.
    database.execute("PRAGMA synchronous = NORMAL")


def _form(database: sqlite3.Connection) -> str:
    """none (nothing in it yet) | one of OLDER_FORMS | current | newer | foreign."""
    # In one statement, as another process may be making the tables.
    version, tables, columns = database.execute(
        "SELECT user_version, (SELECT COUNT(*) FROM sqlite_master),"
        " (SELECT group_concat(name) FROM pragma_table_info('accounts')) FROM pragma_user_version"
    ).fetchone()
    names = set((columns or "").split(","))
    if version == 0 and tables == 0:
        return "none"
    if not {"shown_name", "person"} <= names:
        return "foreign"
    if version == 1:
        return "1"
    if version == SCHEMA_VERSION:
        return "current" if "named_ms" in names else "2-early"
    return "newer" if version > SCHEMA_VERSION else "foreign"


def _make(database: sqlite3.Connection) -> None:
    # At once or not at all: another process may be making the same file.
    with database:
        database.execute("BEGIN IMMEDIATE")
        if _form(database) == "none":
            _run_script(database, TABLES)
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _migrate(database: sqlite3.Connection, path: Path, form: str) -> None:
    """All of it or nothing; who comes second finds it done. Killed at any time, it leaves the old
    file as it was. Raises FinetuneError and sqlite3.Error."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        if _form(database) != form:
            return
        _see_that_there_is_room(path)
        copy = _free_name(path.with_name(f"{path.name}.{COPIES[form]}"))
        part = copy.with_name(f"{copy.name}.part")
        # Said before, as nothing else is seen of it while it lasts.
        log.warning("%s is brought up to date; as it was it is kept as %s.", path, copy.name)
        try:
            _copy(path, part)
            _run_script(database, OLDER_FORMS[form])
            if form == "2-early":
                _renew_keys(database)
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            part.rename(copy)
        except OSError as error:
            raise FinetuneError(
                f"{copy}, a copy to be kept of the older corpus, cannot be written "
                f"({error.strerror or error}); make room, or mend the folder's permissions. "
                "Nothing was changed."
            ) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _run_script(database: sqlite3.Connection, script: str) -> None:
    # Not `executescript`, which would end the transaction.
    for statement in script.split(";"):
        database.execute(statement)


def _renew_keys(database: sqlite3.Connection) -> None:
    """Of formats that may write the day before the month or after it, messages without an id are
    known by a key that fits both, so that importing again finds them."""
    rows = database.execute(
        "SELECT messages.id, messages.key, accounts.key, sent_ms, offset_seconds, text"
        " FROM messages JOIN accounts ON accounts.id = account"
        " WHERE messages.key LIKE '~%' AND platform IN ('whatsapp', 'discord')"
    )
    keys: list[tuple[str, int]] = []
    for id_, key, author, sent_ms, offset_seconds, text in rows:
        digest = content_digest(author, stored_time(sent_ms, offset_seconds), text, True)
        keys.append((f"{WITHOUT_ID}{digest.hex()}-{key.rpartition('-')[2]}", id_))
    # Two that differed in the order of day and month only: the second keeps its key.
    database.executemany("UPDATE OR IGNORE messages SET key = ? WHERE id = ?", keys)


def stored_time(milliseconds: int, offset_seconds: int) -> datetime:
    """The time of a message, aware."""
    return datetime.fromtimestamp(milliseconds / 1000, _zone(offset_seconds))


@lru_cache
def _zone(offset_seconds: int) -> tzinfo:
    return timezone(timedelta(seconds=offset_seconds)) if offset_seconds else UTC


def _see_that_there_is_room(path: Path) -> None:
    needed, free = path.stat().st_size * GROWTH, shutil.disk_usage(path.parent).free
    if free < needed:
        raise FinetuneError(
            f"{path} is of an older version of BotConvo, and bringing it up to date takes "
            f"{needed / 1e6:.0f} MB, of which {free / 1e6:.0f} MB are free; make room. Nothing was "
            "changed."
        )


def _copy(path: Path, part: Path) -> None:
    """A whole copy, also of what is in the journal. What is locked against writing can be read
    meanwhile. Raises OSError."""
    part.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        raise OSError(str(error)) from error


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def copies_of(path: Path) -> list[Path]:
    """The copies that were laid beside a corpus when it was brought up to date."""
    return sorted(path.parent.glob(f"{path.name}.v*"))
