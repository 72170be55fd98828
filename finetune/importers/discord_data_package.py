"""Discord's data package: what a user gets who requests their data from Discord.

https://support.discord.com/hc/en-us/articles/360004957991-Your-Discord-Data-Package
A zip (or the folder it was unpacked to) with one folder per channel, `messages/c123/`:
`messages.csv` until the spring of 2024, `messages.json` since, beside it `channel.json`, above
both `index.json` with the channels' names. Until 2021 the folders had no `c`. Outer folders are
named in the user's language, so nothing here depends on them but their depth.

Only what the user themselves wrote is in it, newest first as a rule, and no message says who
wrote it: that is in `user.json` of the account's folder, which users may leave out.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TextIO
from weakref import WeakKeyDictionary

from finetune.errors import BadExport
from finetune.message import Account, Chat, ChatMessage, ReadOptions, Record, Remark, Skipped
from finetune.reading.discord_exports import PLATFORM
from finetune.reading.discord_packages import Package, chat_of, snowflake, time_of
from finetune.reading.json_items import items
from finetune.reading.source import Source, Tree, with_line_feeds

COLUMNS = ["ID", "Timestamp", "Contents", "Attachments"]
"""Of the CSV; the keys of each object of the JSON are the same."""

NO_OWNER = (
    "Nothing says whose messages these are (the account's user.json is missing), so they are those "
    "of 'You'; import the whole package to have the right name."
)
NO_CHANNEL = (
    "The file does not say which channel it comes from (channel.json is missing), so its name or "
    "its folder's stands for that."
)
MANGLED_IDS = (
    "Ids of messages have been damaged, as spreadsheets do; those messages cannot be told from "
    "their copies in other exports."
)

Row = tuple[str, list[Any] | None]
"""Where a record stands, and its values in the order of COLUMNS if it has that form."""


class DiscordDataPackage:
    """Importer of the messages in Discord's data packages."""

    name = "Discord data package"
    platforms = (PLATFORM,)
    rank = 0

    def __init__(self) -> None:
        self._packages: WeakKeyDictionary[Tree, Package] = WeakKeyDictionary()

    def group(self, source: Source) -> str:
        return str(source.place)

    def recognises(self, source: Source) -> bool:
        if _is_csv(source) or _is_json(source):
            return source.is_named or source.beside("channel.json") is not None
        # A channel without messages: nothing but the files around it tells what it is.
        return (
            source.name.casefold() == "messages.json"
            and re.fullmatch(r"\s*\[\s*\]\s*", source.head_text) is not None
            and source.beside("channel.json") is not None
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        package = self._packages.setdefault(source.tree, Package())
        owner = package.owner(source)
        if owner is None:
            name = options.author or "You"
            owner = Account(PLATFORM, options.author or "you", name, name)
            if not options.author:
                yield Remark(NO_OWNER)
        chat = chat_of(source, package, owner)
        if snowflake(chat.key) is None:
            yield Remark(NO_CHANNEL)
        rows = _csv_rows(source) if _is_csv(source) else _json_rows(source)
        yield from _oldest_first_at_once(_messages(rows, chat, owner))


def _is_csv(source: Source) -> bool:
    return source.head_text.partition("\n")[0].rstrip("\r") == ",".join(COLUMNS)


def _is_json(source: Source) -> bool:
    start = re.match(r"[ \t\r\n]*\[[ \t\r\n]*(?=\{)", source.head_text)
    if start is None:
        return False
    try:
        first, _ = json.JSONDecoder().raw_decode(source.head_text, start.end())
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict) and set(first) == set(COLUMNS)


def _json_rows(source: Source) -> Iterator[Row]:
    for count, item in enumerate(items(source, ""), 1):
        is_record = isinstance(item, dict) and "Contents" in item
        yield f"message {count}", [item.get(key) for key in COLUMNS] if is_record else None


def _csv_rows(source: Source) -> Iterator[Row]:
    with source.open_text() as text:
        lines = _Lines(text)
        reader = csv.reader(lines, strict=True)
        next(reader, None)
        count, line = 0, reader.line_num
        while (row := _next_row(reader)) is not None:
            where, line = f"line {line + 1}", reader.line_num
            if not any(value.strip() for value in row):
                continue
            is_record = len(row) == len(COLUMNS)
            if not is_record and (lines.are_over or not lines.last_is_whole):
                raise source.broken_off(f"record {count}", "fetch the package once more")
            count += 1
            yield where, row if is_record else None


def _next_row(reader: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error:  # wrong quotes; the reader begins anew with the next line
        return ["not CSV"]


class _Lines:
    """The lines of a text, and how it ended: a reader of CSV does not tell."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.are_over = False
        """Whether a line was asked for after the last one: within quotes that never closed."""
        self.last_is_whole = True

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.last_is_whole = line.endswith(("\n", "\r"))
            yield line
        self.are_over = True


def _messages(rows: Iterable[Row], chat: Chat, author: Account) -> Iterator[Record]:
    is_remarked = False
    for where, row in rows:
        record = _message(row, chat, author, where)
        has_no_id = isinstance(record, ChatMessage) and record.message_id is None
        if has_no_id and not is_remarked:
            is_remarked = True
            yield Remark(MANGLED_IDS)
        yield record


def _message(
    row: list[Any] | None, chat: Chat, author: Account, where: str
) -> ChatMessage | Skipped:
    if row is None or not all(isinstance(value, str | None) for value in row[2:]):
        return Skipped(where, "not of a message's form")
    message_id = snowflake(row[0])
    sent_at = time_of(message_id) if message_id is not None else _printed_time(row[1])
    if sent_at is None:
        return Skipped(where, "no readable time")
    return ChatMessage(
        chat=chat,
        author=author,
        kind="person",
        sent_at=sent_at,
        text=with_line_feeds(row[2] or ""),
        message_id=None if message_id is None else str(message_id),
        attachments=len((row[3] or "").split()),
    )


def _oldest_first_at_once(records: Iterable[Record]) -> Iterator[Record]:
    """The records, but messages of one and the same time oldest first. All others may stay as
    they are: their times tell their order."""
    same_time: list[ChatMessage] = []
    goes_back = True
    try:
        for record in records:
            if not isinstance(record, ChatMessage):
                yield record
                continue
            if same_time and record.sent_at != same_time[0].sent_at:
                goes_back = record.sent_at < same_time[0].sent_at
                yield from _oldest_first(same_time, goes_back)
                same_time = []
            same_time.append(record)
    except BadExport:
        yield from _oldest_first(same_time, goes_back)
        raise
    yield from _oldest_first(same_time, goes_back)


def _oldest_first(same_time: list[ChatMessage], goes_back: bool) -> list[ChatMessage]:
    """Ids grow within a millisecond, too; without them the file's direction has to tell."""
    if all(message.message_id for message in same_time):
        return sorted(same_time, key=lambda message: int(message.message_id or 0))
    return same_time[::-1] if goes_back else same_time


def _printed_time(text: Any) -> datetime | None:
    """Of `2022-08-02 00:59:59.753000+00:00`, and of `2023-12-11 02:01:09`, which is UTC, too."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
