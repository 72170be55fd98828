"""The corpus: every imported message, raw, in one SQLite file.

Importing again adds only what is new; an edited message replaces the older wording. Times
are stored as milliseconds since 1970 (UTC) with the offset that the export gave.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Self

from finetune.errors import BrokenOff, FinetuneError
from finetune.importers import Importer
from finetune.message import Account, Chat, ChatMessage, Kind, ReadOptions, Remark, Skipped
from finetune.reading.source import Source
from finetune.selection import EVERYTHING, Selection

SCHEMA_VERSION = 2

SCHEMA = """
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
INSERT = """
INSERT INTO messages (chat, account, key, kind, sent_ms, offset_seconds, edited_ms, text,
    reply_to, attachments, forwarded) VALUES (?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (chat, key) DO UPDATE SET text = excluded.text, edited_ms = excluded.edited_ms,
    sent_ms = excluded.sent_ms, offset_seconds = excluded.offset_seconds
WHERE excluded.edited_ms > COALESCE(messages.edited_ms, 0)
    OR (messages.key LIKE '~%' AND (messages.sent_ms, messages.offset_seconds)
        != (excluded.sent_ms, excluded.offset_seconds))
"""
READING_VERSION = 1
"""Counts up when an importer learns to read more, so that files are read once more."""
FIRST_MS, LAST_MS = (
    round(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000) for year in (2, 9998)
)
"""Between these the calendar has a time in every zone."""
LONG_AGO_MS = -(2**53)
PATIENCE_SECONDS = 120
"""How long to wait for another import into the same corpus."""
ROWS_AT_ONCE = 2000
REMEMBERED_PROBLEMS = 1000
"""A file with more problems than that is simply read again."""
CACHE_KIB = 16_000

WITHOUT_ID = "~"
"""Begins the key of a message whose export gives no id."""
FORGOTTEN = "written by somebody who was forgotten"
IMPOSSIBLE_TIME = "no possible time"

Row = tuple[int, int, str, str, int, int, int | None, str, str | None, int, bool]


@dataclass(slots=True)
class ImportReport:
    """What became of one file's records: read = kept + duplicates + skipped."""

    path: str
    format: str
    chats: Counter[str] = field(default_factory=Counter)
    read: int = 0
    kept: int = 0
    duplicates: int = 0
    replaced: int = 0
    """Of the duplicates, those of which a newer wording, or a time read anew, replaced the old."""
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[Skipped] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    broken_off: str | None = None
    """Where and why the file ends too early, if it does."""
    pruned: int = 0
    """Messages taken out of the corpus since this export does not hold them any more."""
    first: datetime | None = None
    last: datetime | None = None

    @property
    def chat(self) -> str:
        """The chat's name, or how many chats there are."""
        names = [name for name, _ in self.chats.most_common()]
        return names[0] if len(names) == 1 else f"{len(names)} chats" if names else ""

    def as_json(self) -> str:
        """What a second import of the file must know of the first."""
        return json.dumps(
            {
                "format": self.format, "chats": self.chats, "read": self.read,
                "skipped": self.skipped, "problems": [astuple(p) for p in self.problems],
                "remarks": self.remarks, "first": self.first.isoformat() if self.first else None,
                "last": self.last.isoformat() if self.last else None,
            }
        )  # fmt: skip

    @classmethod
    def again(cls, text: str, path: str) -> Self:
        """The report on a file like the one that `as_json` told of: everything is there."""
        data = json.loads(text)
        skipped = Counter(data["skipped"])
        return cls(
            path, data["format"], Counter(data["chats"]), read=data["read"],
            duplicates=data["read"] - skipped.total(), skipped=skipped,
            problems=[Skipped(*p) for p in data["problems"]], remarks=data["remarks"],
            first=datetime.fromisoformat(data["first"]) if data["first"] else None,
            last=datetime.fromisoformat(data["last"]) if data["last"] else None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A raw message of the corpus with the person that it belongs to."""

    id: int
    chat_id: int
    chat: str
    platform: str
    person: str
    kind: Kind
    sent_at: datetime
    text: str
    attachments: int = 0
    forwarded: bool = False
    message_id: str | None = None
    reply_to: str | None = None


class Corpus:
    """One SQLite file of messages."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self.database = database
        self.path = path

    @classmethod
    @contextmanager
    def open(cls, path: Path, *, create: bool = False) -> Iterator[Self]:
        """Raises FinetuneError if the file is missing (unless `create`), is no corpus, or cannot
        be read or written. A new file into which nothing came is not left behind."""
        if not create and not path.is_file():
            raise FinetuneError(
                f"{path}: there is no corpus yet; import a chat first: botconvo import EXPORT"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            is_new = _touch(path)
            database = sqlite3.connect(path, timeout=PATIENCE_SECONDS)
        except (OSError, sqlite3.Error) as error:
            raise FinetuneError(_trouble(path, error)) from error
        try:
            _prepare(database, path)
            yield cls(database, path)
        except sqlite3.Error as error:
            raise FinetuneError(_trouble(path, error)) from error
        finally:
            # Only what this process made, and only if nobody put anything into it meanwhile.
            is_empty = is_new and not _has_messages(database)
            database.close()
            if is_empty:
                path.unlink(missing_ok=True)

    def add(
        self, importer: Importer, source: Source, options: ReadOptions, *, prune: bool = False
    ) -> ImportReport:
        """Imports a file. What is good before a break is kept and the break reported; a file
        that gives nothing raises BadExport and leaves the corpus as it was, as FinetuneError does
        when the corpus cannot be written.

        With `prune`, messages of the same chats, authors and span that this file no longer holds
        go.
        """
        try:
            return self._add(importer, source, options, prune=prune)
        except sqlite3.Error as error:
            raise FinetuneError(_trouble(self.path, error)) from error

    def _add(
        self, importer: Importer, source: Source, options: ReadOptions, *, prune: bool
    ) -> ImportReport:
        digest = _file_digest(importer, source, options)
        if not prune and (known := self._known_file(digest, source)):
            return known
        with self.database:
            # From here on nobody else writes, so what is looked up stays true.
            self.database.execute("BEGIN IMMEDIATE")
            batch = _Batch(self.database, ImportReport(str(source), importer.name), prune)
            report = batch.report
            try:
                for record in importer.read(source, options):
                    batch.take(record)
            except BrokenOff as error:
                if not report.read:
                    raise
                report.broken_off = str(error)
            batch.finish()
            if prune:
                batch.prune()
            if report.pruned:
                self.forget_files()
            if not report.broken_off and len(report.problems) <= REMEMBERED_PROBLEMS:
                self._remember_file(digest, report)
        return report

    def _known_file(self, digest: str, source: Source) -> ImportReport | None:
        """The report on a file that was read before and brings nothing new."""
        row = self.database.execute(
            "SELECT report FROM files WHERE digest = ?", (digest,)
        ).fetchone()
        return ImportReport.again(row[0], str(source)) if row else None

    def _remember_file(self, digest: str, report: ImportReport) -> None:
        self.database.execute("REPLACE INTO files VALUES (?,?)", (digest, report.as_json()))

    def forget_files(self) -> None:
        """Has every file read anew when it is next imported: after messages were deleted."""
        self.database.execute("DELETE FROM files")

    def messages(self, selection: Selection = EVERYTHING) -> Iterator[StoredMessage]:
        """The selected messages, chat by chat, oldest first."""
        names = self.person_names()
        rows = self.database.execute(
            "SELECT messages.id, chats.id, chats.name, platform, account, kind, sent_ms,"
            " offset_seconds, text, attachments, forwarded, messages.key, reply_to FROM messages"
            " JOIN chats ON chats.id = chat ORDER BY chat, sent_ms, messages.id"
        )
        wanted = selection.chats_among(self.chat_names())
        for (id_, chat, name, platform, account, kind, sent, offset, text, attachments,
             forwarded, key, reply_to) in rows:  # fmt: skip
            sent_at = stored_time(sent, offset)
            if name in wanted and selection.covers(sent_at):
                yield StoredMessage(
                    id_, chat, name, platform, names[account], kind, sent_at, text, attachments,
                    bool(forwarded), None if key.startswith(WITHOUT_ID) else key, reply_to,
                )  # fmt: skip

    def chat_names(self) -> list[str]:
        """Names of all chats, in the order in which they were first imported."""
        return [name for (name,) in self.database.execute("SELECT name FROM chats ORDER BY id")]

    def person_names(self) -> dict[int, str]:
        """The name of the person behind every account, by the account's id in the corpus.

        Accounts are one person only if they were merged. Persons of one name are told apart:
        whoever was given it or had it first keeps it, others are called `Ana (telegram)`,
        `Ana (telegram 2)`.
        """
        rows = self.database.execute(
            "SELECT id, platform, COALESCE(given_name, shown_name), person FROM accounts"
            " ORDER BY person IS NOT NULL, given_name IS NULL, id"
        )
        names: dict[int, str] = {}
        taken: set[str] = set()
        for id_, platform, name, person in rows:
            names[id_] = names[person] if person is not None else _unique(name, platform, taken)
        return names

    def mention_names(self) -> Mapping[str, str]:
        """Person by id of the Discord account, to resolve raw mentions."""
        names = self.person_names()
        rows = self.database.execute("SELECT id, key FROM accounts WHERE platform = 'discord'")
        return {key: names[id_] for id_, key in rows}


def _unique(name: str, platform: str, taken: set[str]) -> str:
    names = (
        name if number == 0 else f"{name} ({platform}{'' if number == 1 else f' {number}'})"
        for number in count()
    )
    free = next(found for found in names if found.casefold() not in taken)
    taken.add(free.casefold())
    return free


class _Batch:
    """One file on its way into the database."""

    def __init__(self, database: sqlite3.Connection, report: ImportReport, prune: bool) -> None:
        self._database = database
        self.report = report
        self._keys = _MessageKeys()
        self._chats: dict[Chat, int] = {}
        self._accounts: dict[Account, int | None] = {}
        self._named: dict[int, tuple[int, Account]] = {}
        self._forgotten = {d for (d,) in database.execute("SELECT digest FROM forgotten")}
        self._rows: list[Row] = []
        self._prune = prune
        self._first_ms, self._last_ms = LAST_MS, FIRST_MS
        if prune:
            database.execute("CREATE TEMP TABLE IF NOT EXISTS held (chat, account, key)")
            database.execute("DELETE FROM held")

    def take(self, record: ChatMessage | Skipped | Remark) -> None:
        report = self.report
        if isinstance(record, Remark):
            report.remarks.append(record.text)
            return
        report.read += 1
        if isinstance(record, Skipped):
            report.skipped[record.reason] += 1
            report.problems.append(record)
            return
        sent_ms = _milliseconds(record.sent_at)
        offset = record.sent_at.utcoffset() or timedelta()
        offset_seconds = offset.days * 86_400 + offset.seconds
        if not FIRST_MS < sent_ms < LAST_MS:
            report.skipped[IMPOSSIBLE_TIME] += 1
            report.problems.append(Skipped(f"record {report.read}", IMPOSSIBLE_TIME))
            return
        account = self._account_id(record.author)
        if account is None:
            report.skipped[FORGOTTEN] += 1
            return
        if account not in self._named or self._named[account][0] <= sent_ms:
            self._named[account] = sent_ms, record.author
        report.chats[record.chat.name] += 1
        if sent_ms < self._first_ms:
            self._first_ms, report.first = sent_ms, record.sent_at
        if sent_ms > self._last_ms:
            self._last_ms, report.last = sent_ms, record.sent_at
        self._rows.append(
            (
                self._chat_id(record.chat), account, _storable(self._keys.of(record)),
                record.kind, sent_ms, offset_seconds,
                _milliseconds(record.edited_at) if record.edited_at else None,
                _storable(record.text), record.reply_to and _storable(record.reply_to),
                record.attachments, record.forwarded,
            )
        )  # fmt: skip
        if len(self._rows) >= ROWS_AT_ONCE:
            self.write()

    def finish(self) -> None:
        """Writes what is left, and calls accounts by the newest name that anybody knows."""
        self.write()
        self._database.executemany(
            "UPDATE accounts SET name = ?, shown_name = ?, named_ms = ?"
            " WHERE id = ? AND named_ms <= ?",
            [
                (_storable(account.name), _storable(account.shown_name), sent_ms, id_, sent_ms)
                for id_, (sent_ms, account) in self._named.items()
            ],
        )

    def write(self) -> None:
        rows, self._rows = self._rows, []
        before, changes = self._last_id(), self._database.total_changes
        self._database.executemany(INSERT, rows)
        changed = self._database.total_changes - changes
        # New rows get consecutive ids, and nothing is deleted meanwhile.
        kept = self._last_id() - before
        self.report.kept += kept
        self.report.duplicates += len(rows) - kept
        self.report.replaced += changed - kept
        if self._prune:
            self._database.executemany(
                "INSERT INTO held VALUES (?,?,?)", [(row[0], row[1], row[2]) for row in rows]
            )

    def _last_id(self) -> int:
        row = self._database.execute("SELECT COALESCE(MAX(id), 0) FROM messages").fetchone()
        return int(row[0])

    def prune(self) -> None:
        """Deletes what this file does not hold although it covers its chat and time.

        Of somebody who does not occur in the file nothing is deleted: it may be an export of some
        people's messages only. Keys of formats with and without ids never meet, so neither may
        prune the other.
        """
        if self.report.broken_off or self.report.problems:
            self.report.remarks.append(
                "Nothing was pruned, since this file could not be read as a whole."
            )
            return
        self._database.execute("CREATE INDEX IF NOT EXISTS temp.by_key ON held (chat, key)")
        self.report.pruned = self._database.execute(
            "DELETE FROM messages WHERE id IN (SELECT messages.id FROM messages JOIN"
            " (SELECT m.chat, MIN(sent_ms) AS a, MAX(sent_ms) AS b, MIN(m.key LIKE '~%') AS bare"
            "  FROM messages AS m JOIN held ON held.chat = m.chat AND held.key = m.key"
            "  GROUP BY m.chat) AS span"
            " ON span.chat = messages.chat AND sent_ms BETWEEN a AND b"
            " AND (messages.key LIKE '~%') = bare AND account IN (SELECT account FROM held)"
            " WHERE NOT EXISTS (SELECT 1 FROM held"
            "  WHERE held.chat = messages.chat AND held.key = messages.key))"
        ).rowcount

    def _chat_id(self, chat: Chat) -> int:
        if chat not in self._chats:
            row = self._database.execute(
                "INSERT INTO chats (platform, key, name) VALUES (?,?,?)"
                " ON CONFLICT DO UPDATE SET name = excluded.name RETURNING id",
                (chat.platform, _storable(chat.key), _storable(chat.name)),
            ).fetchone()
            self._chats[chat] = int(row[0])
        return self._chats[chat]

    def _account_id(self, account: Account) -> int | None:
        """None for an account that was forgotten."""
        if account not in self._accounts:
            self._accounts[account] = self._add_account(account)
        return self._accounts[account]

    def _add_account(self, account: Account) -> int | None:
        key = _storable(account.key)
        row = self._database.execute(
            "SELECT id FROM accounts WHERE platform = ? AND key = ?", (account.platform, key)
        ).fetchone()
        if row:
            return int(row[0])
        # Forgotten accounts are no longer in the table. Digests are slow to make, on purpose.
        if self._forgotten and account_digest(account.platform, key) in self._forgotten:
            return None
        names = (_storable(account.name), _storable(account.shown_name))
        row = self._database.execute(
            "INSERT INTO accounts (platform, key, name, shown_name, named_ms) VALUES (?,?,?,?,?)"
            " RETURNING id",
            (account.platform, key, *names, LONG_AGO_MS),
        ).fetchone()
        return int(row[0])


class _MessageKeys:
    """Keys that tell messages apart: the id, or for formats without ids what was written
    when by whom, numbered among equals, so that saying "ok" twice counts twice.

    The time is taken as it stands in the file, so that a second import with another time zone
    or order of day and month finds the same messages, and mends their times.
    """

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def of(self, message: ChatMessage) -> str:
        if message.message_id is not None:
            return message.message_id
        content = f"{message.author.key}\0{_wall_clock(message)}\0{message.text}"
        digest = hashlib.blake2b(content.encode(errors="surrogatepass"), digest_size=16)
        self._seen[digest.digest()] += 1
        return f"{WITHOUT_ID}{digest.hexdigest()}-{self._seen[digest.digest()]}"


def _wall_clock(message: ChatMessage) -> str:
    """The time on the clock of the writer, the same whichever way day and month were guessed."""
    time = message.sent_at.replace(tzinfo=None)
    if not message.day_order_guessed:
        return time.isoformat()
    day = sorted((time.month, time.day))
    return f"{time.year} {day} {time.time().isoformat()}"


def _file_digest(importer: Importer, source: Source, options: ReadOptions) -> str:
    """Of all that decides about what a file gives: its bytes, its name, and how it is read."""
    with source.open() as file:
        digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]  # any BinaryIO works
    read_as = (READING_VERSION, importer.name, source.tree.path.name, str(source.place), options)
    digest.update(repr(read_as).encode(errors="surrogatepass"))
    return digest.hexdigest()


def account_digest(platform: str, key: str) -> str:
    """What the corpus keeps of a forgotten account: enough to know it again, not to name it."""
    digest = hashlib.scrypt(
        f"{platform}\0{key}".encode(), salt=b"botconvo forgotten", n=2**12, r=8, p=1, dklen=16
    )
    return digest.hex()


def _storable(text: str) -> str:
    """The text, with halves of surrogate pairs joined or, where the other half is missing,
    replaced: neither SQLite nor any file takes them."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    try:
        # In one statement, as another process may be making the tables.
        version, tables = database.execute(
            "SELECT user_version, (SELECT COUNT(*) FROM sqlite_master) FROM pragma_user_version"
        ).fetchone()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise FinetuneError(
            f"{path} is no corpus but some other file; name another with --corpus."
        ) from error
    if version == 0 and tables == 0:
        # At once or not at all: another process may be making the same file.
        with database:
            database.execute("BEGIN IMMEDIATE")
            if not database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                for statement in SCHEMA.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    elif version != SCHEMA_VERSION:
        raise FinetuneError(
            f"{path} is no corpus of this version of BotConvo; move it away and import again."
        )
    database.execute("PRAGMA foreign_keys = ON")
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    # A crash of the machine may lose the last import, which can be done again.
    database.execute("PRAGMA synchronous = NORMAL")


def _has_messages(database: sqlite3.Connection) -> bool:
    try:
        return bool(database.execute("SELECT EXISTS (SELECT 1 FROM messages)").fetchone()[0])
    except sqlite3.Error:
        return False


def _trouble(path: Path, error: Exception) -> str:
    """One sentence about what stands in the way of reading or writing the corpus."""
    text = str(error)
    if "disk is full" in text:
        return f"{path}: the disk is full; what was not reported as imported is not in the corpus."
    if "locked" in text:
        return f"{path}: another program is writing to it; try again when that has ended."
    if "readonly" in text or "unable to open" in text or isinstance(error, PermissionError):
        return f"{path} may not be opened or written by you; name another file with --corpus."
    return f"{path} cannot be used ({text}); name another file with --corpus."


def _touch(path: Path) -> bool:
    """Whether this process made the file."""
    try:
        path.open("x").close()
    except FileExistsError:
        return False
    return True


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def stored_time(milliseconds: int, offset_seconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, _zone(offset_seconds))


@lru_cache
def _zone(offset_seconds: int) -> tzinfo:
    return timezone(timedelta(seconds=offset_seconds)) if offset_seconds else UTC
