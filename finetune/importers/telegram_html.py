"""Telegram Desktop's HTML export: `messages.html`, `messages2.html` and so on, 1,000 each.

Written by https://github.com/telegramdesktop/tdesktop (`export_output_html.cpp`) since 2018, for
one chat or, under `chats/chat_001/`, for a whole account. Odd: there are no ids of people
or chats, only names; a message that follows another of the same author does not name them
again; notices have no time but that of the messages around them; the time zone, written since
3.7.6, is that of winter even for times in summer; white space around text is indentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

from finetune.message import Account, Chat, ChatMessage, ReadOptions, Record, Skipped
from finetune.reading.html_blocks import (
    Element,
    blocks,
    classes,
    first_with_class,
    has_class,
    text_of,
)
from finetune.reading.source import Source, with_line_feeds
from finetune.reading.telegram_exports import (
    DELETED,
    LOCAL_TIMES,
    NOTICE_AUTHOR,
    PLATFORM,
    UNSUPPORTED,
)

TITLE = re.compile(rb"<title>\s*Exported Data\s*</title>")
CHAT_PAGE = re.compile(rb"""class=["']?(?:page_body chat_page|history)\b""")
TIME = re.compile(
    r"(\d{1,2})\.(\d{1,2})\.(\d{4}) (\d{1,2}):(\d{2}):(\d{2})"
    r"(?P<zone> UTC(?:(?P<sign>[+-])(?P<hours>\d{1,2}):(?P<minutes>\d{2}))?)?",
    re.ASCII,
)
DAY = re.compile(r"(\d{1,2}) ([A-Z][a-z]+) (\d{4})", re.ASCII)
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
NO_MESSAGES = "No exported messages"
UNSUPPORTED_NOTICE = "This message is not supported by this version"
VIA = re.compile(r"\s+via @\w+\Z")
LINK = re.compile(r"#go_to_message(-?\d+)", re.ASCII)
BLANK = " \t\r\n"
TAIL_BYTES = 1000


class TelegramHtml:
    """Importer of Telegram Desktop's pages of messages."""

    name = "Telegram HTML"
    platforms = (PLATFORM,)
    rank = 1

    def group(self, source: Source) -> str:
        folder = source.folder
        return str(folder.parent.parent if folder.parent.name == "chats" else folder)

    def recognises(self, source: Source) -> bool:
        return bool(TITLE.search(source.head) and CHAT_PAGE.search(source.head))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        page = Page(options)
        last: Record | None = None
        for block in blocks(source, _is_block):
            record = page.record(block)
            if record is None:
                continue
            if last is not None:
                yield last
            if page.guesses_zone:
                page.guesses_zone = False
                yield LOCAL_TIMES
            last = record
        if b"</html" in source.tail(TAIL_BYTES).lower():
            if last is not None:
                yield last
            return
        # Nothing tells whether the last message, too, is cut off.
        if last is not None:
            yield Skipped(f"message {page.count}", "cut off")
        good = max(0, page.count - 1)
        raise source.broken_off(f"message {good}")


def _is_block(element: Element) -> bool:
    if element.tag != "div":
        return False
    return has_class(element, "message") or has_class(element, "page_header")


class Page:
    """What earlier parts of a page tell about later ones."""

    def __init__(self, options: ReadOptions) -> None:
        self.count = 0
        """Of messages and notices."""
        self.guesses_zone = False
        """Set at the first time without a zone, if the user did not name one."""
        self._has_guessed = options.zone is not None
        self._options = options
        self._chat = Chat(PLATFORM, DELETED, DELETED)
        self._author: str | None = None
        self._time: datetime | None = None

    def record(self, block: Element) -> Record | None:
        """The message or notice, or None for what is neither."""
        if has_class(block, "page_header"):
            heading = first_with_class(block, "text")
            title = _text(heading) or DELETED
            self._chat = Chat(PLATFORM, title, title)
            return None
        is_notice = has_class(block, "service")
        if is_notice and self._is_separator(block):
            return None
        self.count += 1
        where = f"message {self.count}"
        return self._notice(block, where) if is_notice else self._message(block, where)

    def _is_separator(self, block: Element) -> bool:
        """Takes the day from a separator. These count from -1 down; but so do, from far below,
        messages from before a group's move."""
        text = _text(_child(block, "body"))
        if not (_id(block) or "").startswith("-"):
            return False
        day = DAY.fullmatch(text)
        if day is None:
            return text == NO_MESSAGES
        try:
            month = MONTHS.index(day[2]) + 1
            self._time = self._aware(datetime(int(day[3]), month, int(day[1])))  # noqa: DTZ001  # aware() adds the zone
        except (ValueError, OverflowError, OSError):
            self._time = None
        return True

    def _notice(self, block: Element, where: str) -> Record:
        text = _text(_child(block, "body"))
        if text.startswith(UNSUPPORTED_NOTICE):
            return Skipped(where, UNSUPPORTED)
        return self._system(block, text, where)

    def _system(self, block: Element, text: str, where: str, author: str = NOTICE_AUTHOR) -> Record:
        if self._time is None:
            return Skipped(where, "no readable time")
        return ChatMessage(
            chat=self._chat,
            author=_account(author),
            kind="system",
            sent_at=self._time,
            text=text,
            message_id=_id(block),
        )

    def _message(self, block: Element, where: str) -> Record:
        body = _child(block, "body")
        from_name = _child(body, "from_name")
        if from_name is not None:
            self._author = VIA.sub("", _text(from_name)) or DELETED
        elif not has_class(block, "joined"):
            self._author = None
        date = _child(body, "date")
        if body is None or date is None or self._author is None:
            return Skipped(where, "not of a message's form")
        try:
            self._time = self._read_time(date.get("title") or "")
        except (ValueError, OverflowError, OSError):
            return Skipped(where, "no readable time")
        forwarded = _child(body, "forwarded", "body")
        inner = body if forwarded is None else forwarded
        call = first_with_class(inner, "media_call")
        if call is not None:  # in JSON a notice, too
            status = _text(first_with_class(call, "status"))
            text = f"phone call: {status.lower()}".removesuffix(": ")
            return self._system(block, text, where, self._author)
        return ChatMessage(
            chat=self._chat,
            # Posts of channels may be signed.
            author=_account(_text(_child(inner, "signature")) or self._author),
            kind="person",
            sent_at=self._time,
            text=_text(_child(inner, "text")),
            message_id=_id(block),
            reply_to=_reply_to(inner),
            attachments=sum(has_class(child, "media_wrap") for child in inner),
            forwarded=forwarded is not None,
        )

    def _read_time(self, title: str) -> datetime:
        """Raises ValueError, OverflowError or OSError where there is none."""
        found = TIME.fullmatch(title.strip())
        if found is None:
            raise ValueError("no time")
        day, month, year, hour, minute, second = (int(found[n]) for n in range(1, 7))
        time = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  # comes below
        if found["zone"] is None:
            if not self._has_guessed:
                self._has_guessed = self.guesses_zone = True
            return self._aware(time)
        offset = timedelta(hours=int(found["hours"] or 0), minutes=int(found["minutes"] or 0))
        offset = -offset if found["sign"] == "-" else offset
        time = time.replace(tzinfo=self._summer(time, offset) or timezone(offset))
        time.astimezone(UTC)  # fails for the ends of the calendar
        return time

    def _summer(self, time: datetime, offset: timedelta) -> timezone | None:
        """What the offset should have been, if it is the winter's of the user's zone."""
        local = time.replace(tzinfo=self._options.zone)
        shift = local.dst()
        if shift and local.utcoffset() == offset + shift:
            return timezone(offset + shift)
        return None

    def _aware(self, time: datetime) -> datetime:
        time = self._options.aware(time)
        time.astimezone(UTC)
        return time


def _account(name: str) -> Account:
    return Account(PLATFORM, name, name, name)


def _child(element: Element | None, *names: str) -> Element | None:
    """The first direct child that has all these classes."""
    if element is None:
        return None
    return next((child for child in element if classes(child).issuperset(names)), None)


def _text(element: Element | None) -> str:
    if element is None:
        return ""
    return with_line_feeds(text_of(element, _is_detail).strip(BLANK))


def _is_detail(element: Element) -> bool:
    return has_class(element, "details")


def _id(block: Element) -> str | None:
    return (block.get("id") or "").removeprefix("message") or None


def _reply_to(inner: Element) -> str | None:
    reply = _child(inner, "reply_to")
    if reply is None:
        return None
    for link in reply.iter("a"):
        if found := LINK.search(link.get("href") or ""):
            return found[1]
    return None
