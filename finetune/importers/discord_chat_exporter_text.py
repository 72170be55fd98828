"""DiscordChatExporter's plain text, all versions.

Written by https://github.com/Tyrrrz/DiscordChatExporter (`PlainTextMessageWriter.cs`): a
preamble between two rules of `=`, then messages of a line `[date] name`, the content, a blank
line, blocks that begin with a word in braces, and a blank line; at the end how many were
exported. Nothing is escaped, so content that looks like a heading or a block after a blank
line is taken for one. Up to 2.15 addresses of attachments followed the content without a
heading, and there was no ending; the very first versions wrote `name [date]` and then all that
a person said in a row.

No version tells ids, replies, edits, or which authors are bots; times are of minutes.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

from finetune.errors import BrokenOff
from finetune.message import Chat, ChatMessage, ReadOptions, Record, Remark, Skipped
from finetune.reading.discord_dates import DateSurvey, printed_time, shape
from finetune.reading.discord_exports import PLATFORM, account, channel_id, export_name, kind_of
from finetune.reading.source import Source

LONGEST_LINE = 1 << 17
"""Characters that are taken at once; no line is so long, but a damaged file may be one."""
MOST_LINES = 10_000
"""More than the longest message with its blocks."""

RULE = re.compile(r"={40,}")
PREAMBLE = re.compile(
    r"\s*={40,}\r?\nGuild: *(?P<guild>.*?)\r?\nChannel: *(?P<channel>.*?)\r?\n"
    r"(?P<rest>(?s:.*?))^={40,}\r?$",
    re.MULTILINE,
)
HEADINGS = (
    re.compile(
        r"\[(?P<date>[^\]]{0,40}\d[^\]]{0,40})\] (?P<author>(?!\(pinned\)$).+?)( \(pinned\))?"
    ),
    re.compile(r"(?P<author>.+#\d{4}) {1,2}\[(?P<date>[^\]]{0,40}\d[^\]]{0,40})\]"),
)
FORWARDED = "{Forwarded Message}"
MEDIA = ("{Attachments}", "{Attachment}", "{Stickers}")
BLOCKS = (FORWARDED, *MEDIA, "{Embed}", "{Reactions}")
ORIGINALLY = "Originally sent: "
POSTAMBLE = re.compile(r"={40,}\nExported .+ message\(s\)\n={40,}\Z")
OLD_ATTACHMENT = re.compile(r"https://(?:cdn|media)\.discordapp\.(?:com|net)/attachments/\S+")


@dataclass(frozen=True, slots=True)
class Preamble:
    chat: Chat
    is_old: bool
    """Of 2.15 or before."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A heading and the lines below it."""

    date: str
    author: str
    lines: list[str]
    is_group: bool
    """Whether it is all that a person said in a row."""


class DiscordChatExporterText:
    """Importer of DiscordChatExporter's text files."""

    name = "DiscordChatExporter text"
    platforms = (PLATFORM,)
    rank = 3

    def group(self, source: Source) -> str:
        return export_name(source)

    def recognises(self, source: Source) -> bool:
        return PREAMBLE.match(source.head_text) is not None

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        preamble = _preamble(source)
        if preamble is None:
            return
        survey = DateSurvey(options.day_first)
        has_groups = False
        with closing(_entries(source)) as entries:
            for entry in entries:
                has_groups = entry.is_group
                survey.add(entry.date)
                if survey.knows_day and survey.knows_direction:
                    break
        if survey.doubt:
            yield Remark(survey.doubt)
        if has_groups:
            yield Remark(
                "This export is so old that it joins what a person wrote in a row; each such "
                "block was read as one message."
            )
        records = _records(source, preamble, survey.day_first, options)
        yield from _turned_round(records) if survey.newest_first else records


def _preamble(source: Source) -> Preamble | None:
    match = PREAMBLE.match(source.head_text)
    if match is None:
        return None
    guild, channel = match["guild"].strip(), match["channel"].strip()
    path = " / ".join(part for part in (guild, channel) if part) or source.stem
    # The channel comes with its category, and a thread with its channel.
    name = " / ".join(part for part in (guild, channel.split(" / ")[-1].strip()) if part)
    chat = Chat(PLATFORM, channel_id(source) or path, name or source.stem)
    return Preamble(chat, re.search("^Messages:", match["rest"], re.MULTILINE) is not None)


def _lines(source: Source) -> Generator[str, None, None]:
    """The lines below the preamble, without their ends."""
    rules = 0
    with source.open_text() as text:
        while line := text.readline(LONGEST_LINE):
            line = line.rstrip("\r\n")
            if rules == 2:
                yield line
            elif RULE.fullmatch(line):
                rules += 1


def _entries(source: Source) -> Generator[Entry, None, None]:
    """The messages; the first heading tells what all others look like."""
    heading: re.Pattern[str] | None = None
    date_shape = ""
    entry: Entry | None = None
    after_blank = True
    with closing(_lines(source)) as lines:
        for line in lines:
            match = None
            if after_blank and heading is None:
                match = next((m for form in HEADINGS if (m := form.fullmatch(line))), None)
                if match:
                    heading, date_shape = match.re, shape(match["date"])
            elif after_blank and heading is not None:
                match = heading.fullmatch(line)
            if match and shape(match["date"]) == date_shape:
                if entry:
                    yield entry
                entry = Entry(match["date"], match["author"], [], heading is HEADINGS[1])
            elif entry and len(entry.lines) < MOST_LINES:
                entry.lines.append(line)
            after_blank = not line.strip()
    if entry:
        yield entry


def _records(
    source: Source, preamble: Preamble, day_first: bool, options: ReadOptions
) -> Iterator[Record]:
    """The messages. Raises BrokenOff at an end without the words that end a newer export."""
    needs_ending = False
    count = 0
    last: Entry | None = None
    for entry in _entries(source):
        if last:
            count += 1
            # Two blank lines are of the versions that have an ending.
            needs_ending = needs_ending or last.lines[-2:] == ["", ""]
            yield _record(last, preamble, f"message {count}", day_first, options)
        last = entry
    if last is None:
        return
    text = "\n".join(last.lines).rstrip()
    ending = POSTAMBLE.search(text)
    if not ending and needs_ending and not preamble.is_old:
        raise source.broken_off(f"message {count}")
    if ending:
        last.lines[:] = text[: ending.start()].split("\n")
    yield _record(last, preamble, f"message {count + 1}", day_first, options)


def _turned_round(records: Iterator[Record]) -> Iterator[Record]:
    """Oldest first, for exports made with `--reverse`: minutes alone could not sort them."""
    kept = []
    broken: BrokenOff | None = None
    try:
        for record in records:
            kept.append(record)
    except BrokenOff as error:
        broken = error
    yield from reversed(kept)
    if broken:
        raise broken


def _record(
    entry: Entry, preamble: Preamble, where: str, day_first: bool, options: ReadOptions
) -> ChatMessage | Skipped:
    try:
        sent_at = options.aware(printed_time(entry.date, day_first))
    except ValueError:
        return Skipped(where, "no readable time")
    lines = entry.lines
    attachments = 0
    if preamble.is_old:
        lines = [line for line in lines if not OLD_ATTACHMENT.fullmatch(line)]
        attachments = len(entry.lines) - len(lines)
    (_, content), *blocks = _blocks(lines)
    text = "\n".join(content).strip("\n")
    forwarded = None
    for name, block in blocks:
        if name == FORWARDED:
            forwarded = _forwarded(block)
        elif name in MEDIA:
            attachments += sum(1 for x in block if x.strip() and not x.startswith(ORIGINALLY))
    return ChatMessage(
        chat=preamble.chat,
        author=account(entry.author),
        kind=kind_of(entry.author, text),
        sent_at=sent_at,
        text=text or forwarded or "",
        attachments=attachments,
        # Discord has no own words in a message that passes another on.
        forwarded=forwarded is not None and not text,
        day_order_guessed=True,
    )


def _blocks(lines: list[str]) -> list[tuple[str, list[str]]]:
    """The content under no name, then the blocks by theirs."""
    blocks: list[tuple[str, list[str]]] = [("", [])]
    after_blank = False
    for line in lines:
        name, block = blocks[-1]
        if line in BLOCKS and (after_blank or (name and not block)):
            blocks.append((line, []))
        else:
            block.append(line)
        after_blank = not line.strip()
    return blocks


def _forwarded(block: list[str]) -> str:
    """The words that were passed on, without when they were first sent."""
    ends = [number for number, line in enumerate(block) if line.startswith(ORIGINALLY)]
    return "\n".join(block[: ends[-1]] if ends else block).strip("\n")
