"""DiscordChatExporter's CSV, all versions.

Written by https://github.com/Tyrrrz/DiscordChatExporter (`CsvMessageWriter.cs`, before 2.16
a template). Since 2.16 every field is quoted, quotes are doubled, and messages keep their
line breaks. Before, `;` followed every field, the last one too, and the habits changed:

    up to 2.7    fields bare; only content with `,` or `;` is quoted; line breaks became ", "
    2.8 to 2.10  fields quoted, but quotes inside of them not doubled
    2.11 to 2.15 quotes doubled; reactions since 2.14, ids of the authors since 2.15

No version tells message ids, replies, edits, or which authors are bots.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

from finetune.message import Chat, ChatMessage, ReadOptions, Record, Remark, Skipped
from finetune.reading.discord_dates import DateSurvey, printed_time
from finetune.reading.discord_exports import (
    PLATFORM,
    account,
    chat_by_file_name,
    export_name,
    kind_of,
)
from finetune.reading.source import Source, with_line_feeds

Header = tuple[str, ...]

NAMED: Header = ("AuthorID", "Author", "Date", "Content", "Attachments", "Reactions")
HEADERS: tuple[tuple[str, Header], ...] = (
    (",", NAMED),
    (";", NAMED),
    (";", NAMED[1:]),
    (";", NAMED[1:5]),
)
LONGEST_LINE = 1 << 17
"""Characters that are taken at once; no message is so long, but a damaged file may be one line."""

# What a row starts with, line by line; an address after a last line of content is no date.
_DATE = r'(?!https?:)([^";\n]{0,40}\d[^";\n]{0,40})'
START_WITH_ID = re.compile(rf'"(\d+)";"([^\n]{{0,100}}?)";"{_DATE}";"')
QUOTED_START = re.compile(rf'"()([^\n]{{1,100}}?)";"{_DATE}";"')
BARE_START = re.compile(rf"()([^\n]{{1,100}}?#\d{{4}});{_DATE};")
ATTACHMENT = re.compile(r"(?:^|,)https?://|_Files[/\\]")
"""What each attachment has once: an address, or a path into the folder of downloads."""


@dataclass(frozen=True, slots=True)
class Row:
    """A message as the file has it."""

    author_id: str
    author: str
    date: str
    content: str
    attachments: str


class DiscordChatExporterCsv:
    """Importer of DiscordChatExporter's CSV files."""

    name = "DiscordChatExporter CSV"
    platforms = (PLATFORM,)
    rank = 2

    def group(self, source: Source) -> str:
        return export_name(source)

    def recognises(self, source: Source) -> bool:
        return _form(source) is not None

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        survey = DateSurvey(options.day_first)
        with closing(_rows(source)) as rows:
            for row in rows:
                if isinstance(row, Row):
                    survey.add(row.date)
                if survey.knows_day:
                    break
        if survey.doubt:
            yield Remark(survey.doubt)
        yield from _messages(source, survey.day_first, options)


def _messages(source: Source, day_first: bool, options: ReadOptions) -> Iterator[Record]:
    """The messages; a row that is too short is an error if it is the last one."""
    chat = chat_by_file_name(source)
    count = 0
    broken: Skipped | None = None
    for row in _rows(source):
        count += 1
        if broken:
            yield broken
            broken = None
        if isinstance(row, Row):
            yield _message(row, chat, f"message {count}", day_first, options)
        else:
            broken = Skipped(f"message {count}", "not of a message's form")
    if broken:
        raise source.broken_off(f"message {count - 1}")


def _message(
    row: Row, chat: Chat, where: str, day_first: bool, options: ReadOptions
) -> ChatMessage | Skipped:
    try:
        sent_at = options.aware(printed_time(row.date, day_first))
    except ValueError:
        return Skipped(where, "no readable time")
    text = with_line_feeds(row.content)
    attachments = max(1, len(ATTACHMENT.findall(row.attachments))) if row.attachments else 0
    return ChatMessage(
        chat=chat,
        author=account(row.author, row.author_id),
        kind=kind_of(row.author, text),
        sent_at=sent_at,
        text=text,
        attachments=attachments,
        day_order_guessed=True,
    )


def _form(source: Source) -> tuple[str, Header, bool] | None:
    """Delimiter, columns, and whether the delimiter follows the last field, too."""
    first = source.head_text.partition("\n")[0].replace('"', "").strip()
    for delimiter, header in HEADERS:
        line = delimiter.join(header)
        if first in (line, line + delimiter):
            return delimiter, header, first != line
    return None


def _rows(source: Source) -> Generator[Row | None, None, None]:
    """The rows after the header; None for one that is no message."""
    form = _form(source)
    if form is None:
        return
    delimiter, header, is_closed = form
    # The very first versions had no delimiter after the header, but after the rows.
    if delimiter == ";" and (is_closed or len(header) == 4):
        yield from _old_rows(source, header)
    else:
        yield from _regular_rows(source, delimiter, header)


def _lines(source: Source) -> Generator[str, None, None]:
    """The lines after the header, with their ends; endless ones in pieces."""
    with source.open_text() as text:
        text.readline()
        while line := text.readline(LONGEST_LINE):
            yield line


def _regular_rows(
    source: Source, delimiter: str, header: Header
) -> Generator[Row | None, None, None]:
    with closing(_lines(source)) as lines:
        rows = csv.reader(lines, delimiter=delimiter)
        while True:
            try:
                fields = next(rows)
            except StopIteration:
                return
            except csv.Error:  # a field without an end; the next line begins a new row
                yield None
                continue
            if len(fields) >= len(header):
                row = dict(zip(header, fields, strict=False))
                yield Row(
                    row.get("AuthorID", ""),
                    row["Author"],
                    row["Date"],
                    row["Content"],
                    row["Attachments"],
                )
            elif fields:
                yield None


def _old_rows(source: Source, header: Header) -> Generator[Row | None, None, None]:
    """Rows of files whose quotes cannot be trusted: a row goes until a line looks like the
    start of another, and its fields are split off from both sides."""
    quoted_start = START_WITH_ID if header is NAMED else QUOTED_START
    start: re.Match[str] | None = None
    rest = ""
    with closing(_lines(source)) as lines:
        for line in lines:
            found = (quoted_start if line.startswith('"') else BARE_START).match(line)
            if found:
                if start:
                    yield _old_row(start, rest, header)
                start, rest = found, line[found.end() :]
            elif start and len(rest) < LONGEST_LINE:
                rest += line
            elif not start and line.strip():
                yield None
    if start:
        yield _old_row(start, rest, header)


def _old_row(start: re.Match[str], rest: str, header: Header) -> Row | None:
    is_quoted = start[0].startswith('"')
    end, delimiter = ('";', '";"') if is_quoted else (";", ";")
    rest = rest.rstrip("\r\n")
    after_content = len(header) - header.index("Content") - 1
    fields = rest.removesuffix(end).rsplit(delimiter, after_content)
    if not rest.endswith(end) or len(fields) <= after_content:
        return None
    content = fields[0]
    if not is_quoted and content[:1] == content[-1:] == '"' and re.search("[,;]", content):
        content = content[1:-1]
    if '"' not in content.replace('""', ""):
        content = content.replace('""', '"')
    return Row(start[1], start[2].strip('"'), start[3], content, fields[1])
