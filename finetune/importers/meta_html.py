"""The HTML pages of Messenger (since April 2018) and Instagram, one folder of them per chat.

Written by the "download your information" of Facebook and Instagram as
`messages/inbox/NAME_ID/message_1.html` and so on; there is no open exporter. A page is a row of
boxes, mostly newest first: who, what and when. Odd about it: times are local, in words of the
account's language and without a zone; who reacted and what was shared lies within the box, beside
the text; and the names of classes mean nothing and change every few years, so pages with unknown
ones are read by the shape of their boxes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from finetune.message import Chat, ChatMessage, Kind, ReadOptions, Record, Skipped
from finetune.reading.html_blocks import Element, blocks, classes, text_of
from finetune.reading.long_dates import LONGEST_DATE, long_date
from finetune.reading.meta_exports import (
    INSTAGRAM,
    MESSENGER,
    NOBODY,
    account,
    chat_key,
    platform_of,
    thread_of,
)
from finetune.reading.meta_notices import is_notice
from finetune.reading.meta_pages import AGAIN, TAIL_BYTES, Dates, is_whole, oldest_first, tidy
from finetune.reading.source import Source

PAGE_NAME = re.compile(r"message(_\d+)?\.html?", re.IGNORECASE)
BOXES = re.compile(rb"class\s*=\s*[\"']?[^\"'>]*\b(uiBoxWhite|_a6-g)\b")
STYLES = re.compile(rb"\._(?:a6-g|3-95)\b")
SENDERS = {"_2lek", "_2lel", "_a6-h", "_a6-i"}
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
NO_TEXT = {"ul", "img", "video", "audio", "source", "script", "style", "svg"}
"""Lists are of reactions."""
INLINE = {"a", "b", "i", "em", "strong", "span", "br", "img", "code", "u", "s", "p"}
LONGEST_NAME = 200
PEOPLE = re.compile(r"\w+\s?:\s+(?P<names>.+)", re.DOTALL)
"""`Participants: ` and its translations."""


class MetaHtml:
    """Importer of Messenger's and Instagram's `message_1.html`."""

    name = "Messenger or Instagram HTML"
    platforms = (MESSENGER, INSTAGRAM)
    rank = 1

    def group(self, source: Source) -> str:
        return str(source.folder)

    def recognises(self, source: Source) -> bool:
        head = source.head
        if b"<" not in head[:200] or b"chatlog__" in head:
            return False
        has_boxes = bool(BOXES.search(head))
        # Posts, comments and lists of friends lie in the same boxes.
        is_named = bool(PAGE_NAME.fullmatch(source.name))
        if not (is_named or (has_boxes and b'role="main"' in head)):
            return False
        found = [element for element in _elements(head) if _is_box(element, has_boxes)]
        if not found:  # styles and pictures may fill the whole head
            return is_named and STYLES.search(head) is not None and b"</style" not in head
        if is_named and any(map(_is_message, found)):
            return True
        return _names_people(found[0]) and all(map(_is_message, found[1:3]))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        has_boxes = bool(BOXES.search(source.head))
        page = _Page(source, options)
        for element in blocks(source, lambda e: e.tag in ("title", "h1") or _is_box(e, has_boxes)):
            page.take(element)
        end = source.tail(TAIL_BYTES)
        cut = not is_whole(end)
        if cut and not re.search(re.escape(page.last_date.encode()) + rb"\s*</", end):
            page.drop_last()
        yield from page.skipped
        yield from oldest_first(page.messages)
        yield from page.dates.remarks()
        if cut:
            raise source.broken_off(f"message {page.count}", AGAIN)


def _elements(head: bytes) -> Iterator[Element]:
    """The elements of the head, each after those in it."""
    parser = etree.HTMLPullParser(events=("end",), encoding="utf-8", huge_tree=True)
    parser.feed(head)
    for _, element in parser.read_events():
        if isinstance(element.tag, str):
            yield element


def _is_box(element: Element, has_boxes: bool) -> bool:
    if has_boxes:
        names = classes(element)
        return "_a6-g" in names or {"uiBoxWhite", "noborder"} <= names
    if element.tag in INLINE or element.tag in ("html", "body", "head"):
        return False
    return _is_message(element)


def _is_message(element: Element) -> bool:
    """Whether the element begins with a line that may be a name and ends with a date."""
    parts = _children(element)
    if len(parts) < 2:
        return False
    name = text_of(parts[0]).strip()
    return 0 < len(name) < LONGEST_NAME and "\n" not in name and _is_date(text_of(parts[-1]))


def _is_date(text: str) -> bool:
    if not 6 < len(text.strip()) <= LONGEST_DATE:
        return False
    try:
        long_date(text)
    except ValueError:
        return False
    return True


def _names_people(element: Element) -> bool:
    """Whether the box is the one at the top that says who takes part."""
    return len(_children(element)) < 2 and bool(PEOPLE.match(text_of(element).strip()))


def _children(element: Element) -> list[Element]:
    return [child for child in element if isinstance(child.tag, str)]


class _Page:
    """Collects the messages of a page; a page holds ten thousand at most."""

    def __init__(self, source: Source, options: ReadOptions) -> None:
        self.dates = Dates(options)
        self.count = 0
        self.skipped: list[Skipped] = []
        self.messages: list[ChatMessage] = []
        self.last_date = ""
        self._last_is_message = False
        self._thread = thread_of(source)
        self._platform = options.platform or platform_of(source) or MESSENGER
        self._titles: dict[str, str] = {}
        self._people = ""
        self._chat: Chat | None = None

    def take(self, element: Element) -> None:
        if element.tag in ("title", "h1"):
            self._titles.setdefault(element.tag, " ".join(text_of(element).split()))
            return
        parts = _children(element)
        if len(parts) < 2:  # no message: who takes part, what the group is called
            people = PEOPLE.match(" ".join(text_of(element).split()))
            self._people = self._people or (people["names"] if people else "")
            return
        self.count += 1
        self.last_date = text_of(parts[-1]).strip()
        self._chat = self._chat or self._read_chat()
        try:
            self.messages.append(_message(parts, self._chat, self.dates))
            self._last_is_message = True
        except ValueError:
            self.skipped.append(Skipped(f"message {self.count}", "no readable time"))
            self._last_is_message = False

    def drop_last(self) -> None:
        """Forgets the last box, which is cut off."""
        if self.count:
            (self.messages if self._last_is_message else self.skipped).pop()
            self.count -= 1

    def _read_chat(self) -> Chat:
        name = self._titles.get("h1") or self._titles.get("title") or self._people
        name = name or NOBODY[self._platform]
        return Chat(self._platform, chat_key(self._thread) or name, name)


def _message(parts: list[Element], chat: Chat, dates: Dates) -> ChatMessage:
    """Raises ValueError if the box has no time."""
    sent_at = dates.read(text_of(parts[-1]).strip())
    has_sender = len(parts) > 2 or _is_sender(parts[0])
    sender = " ".join(text_of(parts[0]).split()) if has_sender else ""
    content = parts[1:-1] if has_sender else parts[:-1]
    said = [_said(part) for part in content]
    text = tidy("\n".join(filter(None, map(_text, said))))
    attachments = sum(map(_attachments, content, said))
    kind: Kind = "person" if has_sender else "system"
    if kind == "person" and is_notice(text):
        # "Ada sent an attachment." beside a photo or link: she did, but did not say so.
        kind, text = ("person", "") if attachments else ("system", text)
    return ChatMessage(chat, account(sender, chat), kind, sent_at, text, attachments=attachments)


def _is_sender(element: Element) -> bool:
    return element.tag in HEADINGS or bool(classes(element) & SENDERS)


def _said(content: Element) -> Element | None:
    """What holds what was said: of the parts of a content the second, the others are shares,
    media, reactions and the like. A content without parts is the text itself."""
    inner = content
    while len(parts := _children(inner)) == 1 and not (inner.text or "").strip():
        if parts[0].tag in INLINE or parts[0].tag in NO_TEXT or (parts[0].tail or "").strip():
            break
        inner = parts[0]
    if len(parts) < 2 or any(part.tag in INLINE for part in parts) or (inner.text or "").strip():
        return inner
    parts = [part for part in (parts[1], parts[0]) if part.tag not in NO_TEXT]
    return next((part for part in parts if _text(part).strip()), None)


def _text(element: Element | None) -> str:
    return "" if element is None else text_of(element, _is_no_text)


def _is_no_text(element: Element) -> bool:
    return element.tag in NO_TEXT


def _attachments(content: Element, said: Element | None) -> int:
    """Files of the download that the content shows or links to, often it does both, and the page
    that is shared beside what was said."""
    files = set()
    shares = False
    for element in content.iter("img", "video", "audio", "source", "a"):
        file = element.get("src") or element.get("href") or ""
        if re.match(r"https?:", file, re.IGNORECASE):
            shares |= element.tag == "a" and said not in (element, *element.iterancestors())
        elif file and not re.match(r"[a-z]+:|//|#", file, re.IGNORECASE):
            files.add(file)
    return len(files) + shares
