"""Bare lines of one person: a text file, or a CSV of one column.

What bot makers have lying about, and what `gpt_2_simple.finetune` reads
(https://github.com/minimaxir/gpt-2-simple, `load_dataset.py`): no names, no times, no ids. A
CSV is known by its single column; a text file could be anything, so it counts only if the
user says who wrote it.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from finetune.errors import BrokenOff
from finetune.message import Account, Chat, ChatMessage, ReadOptions, Record, Remark, Skipped
from finetune.reading.source import HEAD_BYTES, Source

PLATFORM = "lines"
HEADERS = {"text", "content", "contents", "message", "messages", "line", "lines"}
FIRST_TIME = datetime(1970, 1, 1, tzinfo=UTC)
APART = timedelta(hours=2)
"""Far enough that no line counts as an answer to the one before."""
NO_TIMES = "The file gives no times, so its lines are dated from 1970 on, two hours apart."


class OnePersonsLines:
    """Importer of one person's lines; the author is `--author`, else the file's name."""

    name = "one person's lines"
    platforms = (PLATFORM,)
    rank = 0

    def group(self, source: Source) -> str:
        return str(source.place)

    def recognises(self, source: Source) -> bool:
        """A CSV file of one column that the user named; in folders there are too many of them."""
        if not source.is_named or source.place.suffix.casefold() != ".csv" or not source.is_text:
            return False
        try:
            rows = list(csv.reader(source.head_text.splitlines(keepends=True)))
        except csv.Error:
            return False
        if len(source.head) == HEAD_BYTES:
            rows = rows[:-1]  # cut where the head ends
        return any(rows) and all(len(row) <= 1 for row in rows)

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        author = options.author or source.stem
        account = Account(PLATFORM, author, author, author)
        chat = Chat(PLATFORM, author, f"lines of {author}")
        seen: Counter[str] = Counter()
        yield Remark(NO_TIMES)
        for number, text in _texts(source):
            if not text.strip():
                yield Skipped(f"line {number}", "blank line")
                continue
            digest = hashlib.blake2b(text.encode(errors="replace"), digest_size=16).hexdigest()
            seen[digest] += 1
            sent_at = FIRST_TIME + APART * (number % 10_000_000)
            yield ChatMessage(
                chat, account, "person", sent_at, text, message_id=f"{digest}-{seen[digest]}"
            )


def _texts(source: Source) -> Iterator[tuple[int, str]]:
    """Number of the row, from 1 on, and its text."""
    with source.open_text() as file:
        if not _is_csv(source.place):
            for number, line in enumerate(file, 1):
                yield number, line.rstrip("\r\n")
            return
        rows = csv.reader(file)
        number = 0
        while True:
            number += 1
            try:
                row = next(rows, None)
            except csv.Error as error:
                raise BrokenOff(
                    f"{source} is no readable CSV from row {number} on ({error}).",
                    f"row {number}",
                ) from error
            if row is None:
                return
            text = ",".join(row)
            if number > 1 or text.strip().casefold() not in HEADERS:
                yield number, text


def _is_csv(place: PurePosixPath) -> bool:
    return place.suffix.casefold() == ".csv"
