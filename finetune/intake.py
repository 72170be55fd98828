"""One export on its way into the corpus: keys, counts, and who is whom."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from finetune.message import Account, Chat, ChatMessage, Remark, Skipped

INSERT = """
INSERT INTO messages (chat, account, key, kind, sent_ms, offset_seconds, edited_ms, text,
    reply_to, attachments, forwarded) VALUES (?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (chat, key) DO UPDATE SET text = excluded.text, edited_ms = excluded.edited_ms,
    sent_ms = excluded.sent_ms, offset_seconds = excluded.offset_seconds
WHERE excluded.edited_ms > COALESCE(messages.edited_ms, 0)
    OR (messages.key LIKE '~%' AND (messages.sent_ms, messages.offset_seconds)
        != (excluded.sent_ms, excluded.offset_seconds))
"""
FIRST_MS, LAST_MS = (
    round(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000) for year in (2, 9998)
)
"""Between these the calendar has a time in every zone."""
LONG_AGO_MS = -(2**53)
ROWS_AT_ONCE = 2000

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


class Intake:
    """One file on its way into the database."""

    def __init__(self, database: sqlite3.Connection, report: ImportReport, prune: bool) -> None:
        self._database = database
        self.report = report
        self._keys = MessageKeys()
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
            self._write()

    def finish(self) -> None:
        """Writes what is left, calls accounts by the newest name that anybody knows, and prunes if
        that was asked for."""
        self._write()
        self._database.executemany(
            "UPDATE accounts SET name = ?, shown_name = ?, named_ms = ?"
            " WHERE id = ? AND named_ms <= ?",
            [
                (_storable(account.name), _storable(account.shown_name), sent_ms, id_, sent_ms)
                for id_, (sent_ms, account) in self._named.items()
            ],
        )
        if self._prune:
            self._take_out_what_is_not_held()

    def _write(self) -> None:
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

    def _take_out_what_is_not_held(self) -> None:
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


class MessageKeys:
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
        digest = content_digest(
            message.author.key, message.sent_at, message.text, message.day_order_guessed
        )
        self._seen[digest] += 1
        return f"{WITHOUT_ID}{digest.hex()}-{self._seen[digest]}"


def content_digest(author: str, sent_at: datetime, text: str, day_order_guessed: bool) -> bytes:
    """Of what was written when by whom: 16 bytes."""
    content = f"{author}\0{_wall_clock(sent_at, day_order_guessed)}\0{text}"
    return hashlib.blake2b(content.encode(errors="surrogatepass"), digest_size=16).digest()


def _wall_clock(sent_at: datetime, day_order_guessed: bool) -> str:
    """The time on the clock of the writer, the same whichever way day and month were guessed."""
    time = sent_at.replace(tzinfo=None)
    if not day_order_guessed:
        return time.isoformat()
    day = sorted((time.month, time.day))
    return f"{time.year} {day} {time.time().isoformat()}"


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


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
