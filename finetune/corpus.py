"""The corpus: every imported message, raw, in one SQLite file.

Importing again adds only what is new; an edited message replaces the older wording. Times
are stored as milliseconds since 1970 (UTC) with the offset that the export gave.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Self

from finetune.errors import FinetuneError
from finetune.importers import Importer
from finetune.message import Account, Chat, ChatMessage, Kind, Skipped

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE chats (
    id INTEGER PRIMARY KEY, platform TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
    UNIQUE (platform, key));
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY, platform TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
    shown_name TEXT NOT NULL, person TEXT,
    UNIQUE (platform, key));
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, chat INTEGER NOT NULL REFERENCES chats,
    account INTEGER NOT NULL REFERENCES accounts, key TEXT NOT NULL, kind TEXT NOT NULL,
    sent_ms INTEGER NOT NULL, offset_seconds INTEGER NOT NULL, edited_ms INTEGER,
    text TEXT NOT NULL, reply_to TEXT, attachments INTEGER NOT NULL,
    UNIQUE (chat, key));
CREATE INDEX messages_by_time ON messages (chat, sent_ms, id);
"""


@dataclass(slots=True)
class ImportReport:
    """What became of one file's records: read = kept + duplicates + skipped."""

    path: str
    format: str
    chat: str = ""
    read: int = 0
    kept: int = 0
    duplicates: int = 0
    replaced: int = 0
    """Of the duplicates, those whose newer edit replaced the older wording."""
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[Skipped] = field(default_factory=list)
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account in the corpus with what it wrote."""

    name: str
    platform: str
    id: str
    kind: Kind
    messages: int
    first: datetime
    last: datetime
    person: str


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A raw message of the corpus with the person that it belongs to."""

    id: int
    chat: str
    person: str
    kind: Kind
    sent_at: datetime
    text: str
    attachments: int


class Corpus:
    """One SQLite file of messages."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    @contextmanager
    def open(cls, path: Path, *, create: bool = False) -> Iterator[Self]:
        """Raises FinetuneError if the file is missing (unless `create`) or no corpus. A new file
        into which nothing came is not left behind."""
        if not create and not path.is_file():
            raise FinetuneError(
                f"{path}: there is no corpus yet; import a chat first: botconvo import EXPORT"
            )
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path)
        try:
            _prepare(database, path)
            yield cls(database)
            is_empty = database.execute("SELECT NOT EXISTS (SELECT 1 FROM messages)").fetchone()[0]
        finally:
            database.close()
        if is_new and is_empty:
            path.unlink()

    def add(self, importer: Importer, path: Path) -> ImportReport:
        """Imports a file whole or, if it raises BadExport, not at all."""
        report = ImportReport(str(path), importer.name)
        keys = _MessageKeys()
        with self._database:
            for record in importer.read(path):
                report.read += 1
                if isinstance(record, Skipped):
                    report.skipped[record.reason] += 1
                    report.problems.append(record)
                else:
                    self._add(record, keys.of(record), report)
        return report

    def _add(self, message: ChatMessage, key: str, report: ImportReport) -> None:
        chat = self._chat_id(message.chat)
        row = self._database.execute(
            "SELECT id, edited_ms FROM messages WHERE chat = ? AND key = ?", (chat, key)
        ).fetchone()
        report.chat = message.chat.name
        report.first = min(report.first or message.sent_at, message.sent_at)
        report.last = max(report.last or message.sent_at, message.sent_at)
        edited = _milliseconds(message.edited_at) if message.edited_at else None
        if row is None:
            offset = message.sent_at.utcoffset() or timedelta()
            self._database.execute(
                "INSERT INTO messages (chat, account, key, kind, sent_ms, offset_seconds,"
                " edited_ms, text, reply_to, attachments) VALUES (?,?,?,?,?,?,?,?,?,?)",
                (
                    chat, self._account_id(message.author), key, message.kind,
                    _milliseconds(message.sent_at), int(offset.total_seconds()), edited,
                    message.text, message.reply_to, message.attachments,
                ),
            )  # fmt: skip
            report.kept += 1
            return
        report.duplicates += 1
        if edited is not None and edited > (row[1] or 0):
            self._database.execute(
                "UPDATE messages SET text = ?, edited_ms = ? WHERE id = ?",
                (message.text, edited, row[0]),
            )
            report.replaced += 1

    def _chat_id(self, chat: Chat) -> int:
        row = self._database.execute(
            "INSERT INTO chats (platform, key, name) VALUES (?,?,?)"
            " ON CONFLICT DO UPDATE SET name = excluded.name RETURNING id",
            (chat.platform, chat.key, chat.name),
        ).fetchone()
        return int(row[0])

    def _account_id(self, account: Account) -> int:
        row = self._database.execute(
            "INSERT INTO accounts (platform, key, name, shown_name) VALUES (?,?,?,?)"
            " ON CONFLICT DO UPDATE SET name = excluded.name, shown_name = excluded.shown_name"
            " RETURNING id",
            (account.platform, account.key, account.name, account.shown_name),
        ).fetchone()
        return int(row[0])

    def accounts(self) -> list[AccountRow]:
        """All accounts, the one with most messages first; notices of the system aside, an
        account is what it mostly writes as."""
        rows = self._database.execute(
            "SELECT COALESCE(person, shown_name), platform, accounts.key, kind, COUNT(*),"
            " MIN(sent_ms), MAX(sent_ms), offset_seconds, COALESCE(person, shown_name)"
            " FROM messages JOIN accounts ON accounts.id = account"
            " WHERE kind != 'system' GROUP BY account ORDER BY COUNT(*) DESC, 1"
        )
        return [
            AccountRow(name, platform, key, kind, count, _time(a, zone), _time(b, zone), person)
            for name, platform, key, kind, count, a, b, zone, person in rows
        ]

    def messages(self) -> Iterator[StoredMessage]:
        """Every message, chat by chat, oldest first."""
        rows = self._database.execute(
            "SELECT messages.id, chats.name, COALESCE(person, shown_name), kind, sent_ms,"
            " offset_seconds, text, attachments FROM messages"
            " JOIN accounts ON accounts.id = account JOIN chats ON chats.id = chat"
            " ORDER BY chat, sent_ms, messages.id"
        )
        for id_, chat, person, kind, sent, offset, text, attachments in rows:
            yield StoredMessage(id_, chat, person, kind, _time(sent, offset), text, attachments)

    def names_by_account_key(self) -> dict[str, str]:
        """Shown name of every account by its id on its platform, to resolve raw mentions."""
        rows = self._database.execute("SELECT key, COALESCE(person, shown_name) FROM accounts")
        return dict(rows.fetchall())


class _MessageKeys:
    """Keys that tell messages apart: the id, or for formats without ids what was written
    when by whom, numbered among equals, so that saying "ok" twice counts twice."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def of(self, message: ChatMessage) -> str:
        if message.message_id is not None:
            return message.message_id
        content = f"{message.author.key}\0{_milliseconds(message.sent_at)}\0{message.text}"
        key = hashlib.sha256(content.encode()).hexdigest()[:32]
        self._seen[key] += 1
        return f"{key}-{self._seen[key]}"


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    try:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        tables = database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise FinetuneError(
            f"{path} is no corpus but some other file; name another with --corpus."
        ) from error
    if version == 0 and tables == 0:
        database.executescript(SCHEMA + f"PRAGMA user_version = {SCHEMA_VERSION};")
    elif version != SCHEMA_VERSION:
        raise FinetuneError(
            f"{path} is no corpus of this version of BotConvo; move it away and import again."
        )
    database.execute("PRAGMA foreign_keys = ON")


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _time(milliseconds: int, offset_seconds: int) -> datetime:
    zone = timezone(timedelta(seconds=offset_seconds)) if offset_seconds else UTC
    return datetime.fromtimestamp(milliseconds / 1000, zone)
