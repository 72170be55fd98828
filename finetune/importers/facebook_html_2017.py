"""Facebook's archive as it was until early 2018: `html/messages.htm`, or pages `messages/N.html`.

There is no open exporter; https://github.com/ownaginatious/fbchat-archive-parser reads the same.
A `div.thread` begins with the names of those who take part, then come `div.message` (who and
when) each followed by a `<p>` (what) beside it, newest first. Odd about it: one conversation is
often spread over several threads with the same people; times are in words, in the language of
the account, to the minute; all chats may be in one file of hundreds of megabytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from finetune.message import Chat, ChatMessage, ReadOptions, Record, Skipped
from finetune.reading.html_blocks import Element, blocks, first_with_class, has_class, text_of
from finetune.reading.meta_exports import MESSENGER, NOBODY, account
from finetune.reading.meta_notices import is_notice
from finetune.reading.meta_pages import AGAIN, TAIL_BYTES, Dates, is_whole, oldest_first, tidy
from finetune.reading.source import Source

THREAD = re.compile(rb"""<div\s+class\s*=\s*["']thread["']""")
LABEL = re.compile(r"^\w+\s?:\s")
"""`Participants: ` and its translations, which only the single pages of 2017/18 have."""


class FacebookHtml2017:
    """Importer of Facebook's messages.htm."""

    name = "Facebook messages.htm"
    platforms = (MESSENGER,)
    rank = 1

    def group(self, source: Source) -> str:
        return str(source.place)

    def recognises(self, source: Source) -> bool:
        head = source.head
        return b"<" in head[:200] and all(
            re.search(rb"class\s*=\s*[\"']?" + name + rb"\b", head)
            for name in (b"thread", b"message_header", b"user", b"meta")
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        pages = _Archive(Dates(options))
        for element in blocks(source, _is_part, restart=THREAD):
            yield from pages.take(element)
        end = source.tail(TAIL_BYTES)
        cut = not is_whole(end)
        if cut:
            pages.drop_what_is_open(end)
        yield from pages.finish()
        yield from pages.dates.remarks()
        if cut:
            raise source.broken_off(f"message {pages.count}", AGAIN)


def _is_part(element: Element) -> bool:
    return element.tag in ("h1", "p") or (
        element.tag == "div" and (has_class(element, "message") or has_class(element, "thread"))
    )


class _Archive:
    """Puts messages together from the parts that stand beside each other."""

    def __init__(self, dates: Dates) -> None:
        self.dates = dates
        self.count = 0
        self._owner = ""
        self._thread: Element | None = None
        self._chat = Chat(MESSENGER, "?", "?")
        self._header: tuple[str, str] | None = None
        self._text: list[str] = []
        self._attachments = 0
        self._messages: list[ChatMessage] = []

    def take(self, element: Element) -> Iterator[Record]:
        if element.tag == "h1":
            self._owner = self._owner or tidy(text_of(element))
        elif element.tag == "p":
            self._paragraph(element)
        elif has_class(element, "message"):
            thread = element.getparent()
            if thread is not self._thread:
                yield from self.finish()
                self._thread = thread
                self._chat = _chat(thread, self._owner)
            else:
                yield from self._complete()
            self._header = (_part(element, "user"), _part(element, "meta"))

    def _paragraph(self, element: Element) -> None:
        if self._header is None:
            return
        self._attachments += sum(1 for _ in element.iter("img", "video", "audio"))
        self._text.append(text_of(element))

    def drop_what_is_open(self, end: bytes) -> None:
        """Forgets the last message if the page, which ends so, breaks off within it."""
        if not self._text or end.rfind(b"</p") < end.rfind(b"<p"):
            self._header = None

    def finish(self) -> Iterator[Record]:
        """What the thread still holds."""
        yield from self._complete()
        yield from oldest_first(self._messages)
        self._messages = []
        self._thread = None

    def _complete(self) -> Iterator[Skipped]:
        header, self._header = self._header, None
        text = tidy("\n".join(filter(None, self._text)))
        attachments, self._text, self._attachments = self._attachments, [], 0
        if header is None:
            return
        self.count += 1
        who, when = header
        try:
            sent_at = self.dates.read(when)
        except ValueError:
            yield Skipped(f"message {self.count}", "no readable time")
            return
        is_filler = is_notice(text)
        self._messages.append(
            ChatMessage(
                chat=self._chat,
                author=account(who, self._chat),
                kind="system" if is_filler and not attachments else "person",
                sent_at=sent_at,
                text="" if is_filler and attachments else text,
                attachments=attachments,
            )
        )


def _part(message: Element, name: str) -> str:
    found = first_with_class(message, name)
    return "" if found is None else " ".join(text_of(found).split())


def _chat(thread: Element, owner: str) -> Chat:
    """By who takes part; the owner is left out, as only some versions name them."""
    texts = [thread.text, *(child.tail for child in thread)]
    text = next((" ".join(t.split()) for t in texts if t and t.strip()), "")
    people = {name.strip() for name in LABEL.sub("", text).split(",")} - {""}
    if not LABEL.match(text):
        people = people - {owner} or people
    names = ", ".join(sorted(people)) or NOBODY[MESSENGER]
    return Chat(MESSENGER, names, names)
