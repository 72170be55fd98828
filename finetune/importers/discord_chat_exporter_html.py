"""DiscordChatExporter's HTML pages, version 2.4 and later.

Written by https://github.com/Tyrrrz/DiscordChatExporter (`HtmlMessageWriter.cs` and the templates
beside it): one page per channel, or several if it was exported in parts. Messages lie in groups;
author and time are printed for the first of a group and hold for the others. Class names changed
with the years, `reading/discord_pages.py` knows them. Since 2.34 attributes have no quotes where
HTML needs none and some end tags are missing.

A message's id tells its exact time. Printed times are in the zone and the language of the machine
that exported, so they count only for edits, and for messages before 2.15, which have no ids. Of
those, pictures cannot be told apart from the message above them. Notices of the system have no
mark before 2.36 and no text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from lxml import etree

from finetune.message import (
    Account,
    Chat,
    ChatMessage,
    Kind,
    ReadOptions,
    Record,
    Remark,
    Skipped,
)
from finetune.reading.discord_exports import PLATFORM, chat_by_file_name, export_name
from finetune.reading.discord_markup import written_text
from finetune.reading.discord_pages import (
    AUTHOR,
    BOT,
    CONTENT,
    EDITED,
    FORWARDED,
    FORWARDED_CONTENT,
    GROUP,
    GROUP_TAG,
    POSTAMBLE,
    SMALL_TITLE,
    SYSTEM_AUTHOR,
    SYSTEM_CONTENT,
    TIME,
    TITLES,
    PageClock,
    Parts,
    account_of,
    ahead_of,
    contents,
    first,
    id_of,
    is_block,
    one_line,
    parts_of,
    persona_of,
    reply_to,
    snowflake_time,
)
from finetune.reading.html_blocks import Element, blocks, classes
from finetune.reading.source import Source

OPENING = re.compile(r"\s*(?:<!--[^>]*-->\s*)*<(?:!doctype\s+html|html)\b", re.I)
VERSION_2_4_SIGNS = (b'class="msg"', b"msg-user", b"msg-content", b"DiscordChatExporter")
TAIL_BYTES = 256


class DiscordChatExporterHtml:
    """Importer of DiscordChatExporter's HTML pages."""

    name = "DiscordChatExporter HTML"
    platforms = (PLATFORM,)
    rank = 1

    def group(self, source: Source) -> str:
        return export_name(source)

    def recognises(self, source: Source) -> bool:
        head = source.head
        # The styles in every page name the group, even if there is no message.
        if b"chatlog__message-group" in head or all(sign in head for sign in VERSION_2_4_SIGNS):
            return bool(OPENING.match(source.head_text))
        return False

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        page = _Page(source, options)
        # The last record of a page that breaks off may be half a message, so each one waits until
        # the next has come.
        held: Record | None = None
        try:
            for block in blocks(source, is_block, GROUP_TAG):
                for record in page.records(block):
                    if held is not None:
                        yield held
                    held = record
            whole = page.has_postamble or _ends_as_page(source)
        except etree.LxmlError:
            whole = False
        if whole and held is not None:
            yield held
        if page.clock.doubt:
            yield Remark(page.clock.doubt)
        if not whole:
            raise source.broken_off(f"message {max(0, page.count - 1)}")


def _ends_as_page(source: Source) -> bool:
    """Whether the file ends with the end of a page; versions before 2.17 have no postamble."""
    return b"</html>" in source.tail(TAIL_BYTES).lower()


class _Page:
    """What is known of a page while its blocks come by."""

    def __init__(self, source: Source, options: ReadOptions) -> None:
        self.count = 0
        self.has_postamble = False
        self.clock = PageClock(source, options)
        self._source = source
        self._titles: list[str] = []
        self._in_group = 0
        self._author: Account | None = None
        self._kind: Kind = "person"

    def records(self, block: Element) -> Iterator[Record]:
        words = classes(block)
        if POSTAMBLE in words:
            self.has_postamble = True
        elif not TITLES.isdisjoint(words):
            if SMALL_TITLE not in words and len(self._titles) < 2:
                self._titles.append(one_line(block))
        elif not GROUP.isdisjoint(words):
            if not self._in_group:
                yield from self._messages_without_ids(block)
            self._in_group, self._author = 0, None
        else:
            yield self._message_with_id(block)

    def _message_with_id(self, element: Element) -> Record:
        self._in_group += 1
        ahead = ahead_of(element) if self._in_group == 1 else ()
        parts, attachments = parts_of(chain(ahead, element.iterdescendants()))
        self._take_author(parts)
        message_id = id_of(element)
        sent_at = snowflake_time(message_id)
        if sent_at:
            self.clock.learn(first(parts, TIME), sent_at)
        return self._record(parts, _text(parts), message_id, sent_at, attachments)

    def _messages_without_ids(self, group: Element) -> Iterator[Record]:
        header, _ = parts_of(group.iterdescendants())
        self._take_author(header)
        sent_at = self.clock.time(first(header, TIME))
        messages = contents(group)
        if not messages and self._author:
            messages = [(None, 0)]
        for content, attachments in messages:
            parts: Parts = {}
            text = ""
            if content is not None:
                parts, _ = parts_of(content.iterdescendants())
                text = written_text(content)
            yield self._record(parts, text, None, sent_at, attachments)

    def _take_author(self, parts: Parts) -> None:
        notice, author = first(parts, SYSTEM_AUTHOR), first(parts, AUTHOR)
        if notice is not None:
            self._author, self._kind = account_of(notice), "system"
        elif author is not None:
            self._author, self._kind = account_of(author), "person"
            if first(parts, BOT) is not None:
                webhook = persona_of(author)
                self._author, self._kind = webhook or self._author, "webhook" if webhook else "bot"

    def _record(
        self,
        parts: Parts,
        text: str,
        message_id: str | None,
        sent_at: datetime | None,
        attachments: int,
    ) -> ChatMessage | Skipped:
        self.count += 1
        sent_at = sent_at or self.clock.time(first(parts, TIME))
        if self._author is None:
            return Skipped(f"message {self.count}", "no author")
        if sent_at is None:
            return Skipped(f"message {self.count}", "no readable time")
        edited_at = self.clock.time(first(parts, EDITED))
        return ChatMessage(
            chat=self._chat(),
            author=self._author,
            kind=self._kind,
            sent_at=sent_at,
            text=text,
            message_id=message_id,
            reply_to=reply_to(parts),
            # A printed time lacks its seconds.
            edited_at=max(edited_at, sent_at) if edited_at else None,
            attachments=attachments,
            forwarded=first(parts, FORWARDED) is not None,
        )

    def _chat(self) -> Chat:
        by_file = chat_by_file_name(self._source)
        name = " / ".join(title for title in self._titles if title) or by_file.name
        has_id = f"[{by_file.key}]" in self._source.stem
        return Chat(PLATFORM, by_file.key if has_id else name, name)


def _text(parts: Parts) -> str:
    notice = first(parts, SYSTEM_CONTENT)
    if notice is not None:
        return one_line(notice)
    for names in (CONTENT, FORWARDED_CONTENT):
        content = first(parts, names)
        if content is not None and (text := written_text(content)):
            return text
    return ""
