"""The corpus in forms that any program reads: JSON, CSV, or text."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TextIO

from finetune.cleaning import CleaningReport, clean
from finetune.corpus import Corpus
from finetune.selection import Selection

COLUMNS = (
    "platform", "chat", "person", "kind", "sent_at", "text", "id", "reply_to", "attachments",
    "forwarded",
)  # fmt: skip

Row = dict[str, Any]


def raw_rows(corpus: Corpus, selection: Selection) -> Iterator[Row]:
    """Every message as it was imported."""
    for m in corpus.messages(selection):
        yield {
            "platform": m.platform, "chat": m.chat, "person": m.person, "kind": m.kind,
            "sent_at": m.sent_at.isoformat(), "text": m.text, "id": m.message_id,
            "reply_to": m.reply_to, "attachments": m.attachments, "forwarded": m.forwarded,
        }  # fmt: skip


def cleaned_rows(corpus: Corpus, selection: Selection, keep: Collection[str]) -> Iterator[Row]:
    """What can be learnt from, as plain words."""
    messages = corpus.messages(selection)
    for line in clean(messages, corpus.mention_names(), CleaningReport(), keep):
        yield {
            "chat": line.chat, "person": line.person, "sent_at": line.sent_at.isoformat(),
            "text": line.text, "id": line.message_id, "reply_to": line.reply_to,
        }  # fmt: skip


def write_rows(rows: Iterable[Row], file: TextIO, form: str, *, authors: bool = False) -> int:
    """Writes rows as "json" (one array), "csv" (with a header) or "text" (a message a line,
    `name: text` with `authors`). Returns how many."""
    if form == "csv":
        return _write_csv(rows, file)
    if form == "json":
        return _write_json(rows, file)
    count = 0
    for row in rows:
        count += 1
        text = " ".join(row["text"].split())
        file.write(f"{row['person']}: {text}\n" if authors else f"{text}\n")
    return count


def _write_csv(rows: Iterable[Row], file: TextIO) -> int:
    writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        count += 1
        writer.writerow(row)
    return count


def _write_json(rows: Iterable[Row], file: TextIO) -> int:
    """One array, an object a line: fit for programs that read all of it or line by line."""
    count = 0
    for row in rows:
        count += 1
        file.write("[\n" if count == 1 else ",\n")
        file.write(json.dumps(row, ensure_ascii=False))
    file.write("\n]\n" if count else "[]\n")
    return count
