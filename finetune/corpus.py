"""The corpus: every imported message, raw, in one SQLite file.

Importing again adds only what is new; an edited message replaces the older wording. Times
are stored as milliseconds since 1970 (UTC) with the offset that the export gave.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Self

from finetune.corpus_file import PATIENCE_SECONDS, prepare, stored_time
from finetune.errors import BrokenOff, FinetuneError
from finetune.importers import Importer
from finetune.intake import WITHOUT_ID, ImportReport, Intake
from finetune.message import Kind, ReadOptions
from finetune.reading.source import Source
from finetune.selection import EVERYTHING, Selection

READING_VERSION = 1
"""Counts up when an importer learns to read more, so that files are read once more."""
REMEMBERED_PROBLEMS = 1000
"""A file with more problems than that is simply read again."""


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
        be read or written. A new file into which nothing came is not left behind; one that an older
        BotConvo wrote is brought up to date."""
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
            prepare(database, path)
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
            intake = Intake(self.database, ImportReport(str(source), importer.name), prune)
            report = intake.report
            try:
                for record in importer.read(source, options):
                    intake.take(record)
            except BrokenOff as error:
                if not report.read:
                    raise
                report.broken_off = str(error)
            intake.finish()
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


def _file_digest(importer: Importer, source: Source, options: ReadOptions) -> str:
    """Of all that decides about what a file gives: its bytes, its name, and how it is read."""
    with source.open() as file:
        digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]  # any BinaryIO works
    read_as = (READING_VERSION, importer.name, source.tree.path.name, str(source.place), options)
    digest.update(repr(read_as).encode(errors="surrogatepass"))
    return digest.hexdigest()


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
