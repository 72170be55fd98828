"""WhatsApp's "Export chat": `_chat.txt` (iOS) and `WhatsApp Chat with NAME.txt` (Android).

The exporter is closed; https://faq.whatsapp.com/1180414079177245 tells how to use it. The file
holds local times, names as in the phone book of the exporting person, no ids and no replies.
Where a message begins can only be told by the look of the lines (`reading/whatsapp_header.py`);
so the file is read twice, first to learn its style. The order of the lines is the order of the
messages even where times go back a little.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from finetune.message import (
    Account,
    Chat,
    ChatMessage,
    ReadOptions,
    Record,
    Remark,
    Skipped,
)
from finetune.reading.placeholders import (
    MARKS,
    is_media_placeholder,
    is_system_notice,
    without_attachment_names,
    without_edit_mark,
)
from finetune.reading.source import Source, ZipTree
from finetune.reading.whatsapp_header import Dates, Header, Style, Styles, header_of, time_of

PLATFORM = "whatsapp"
SYSTEM = Account(PLATFORM, "WhatsApp", "WhatsApp", "WhatsApp")
"""Who speaks in lines without an author."""

FIRST_LINES = 20
"""One of so many lines must be the beginning of a message."""
LONGEST_AUTHOR = 120
SAME_SECOND_PART = 5
"""So many messages of "Dr: Who: ..." and none of "Dr: ..." make a name with a colon."""
CRLF_SHARE = 0.9
"""If so many messages follow CR LF, all do, and what looks like one after LF is pasted text."""
OTHER_STYLE_SHARE = 0.1
"""From this share on, headers in another style are no pasted lines but a second export."""

SPACES = " \t\u00a0\u202f"
WITH = (
    *("with", "mit", "con", "com", "avec", "met", "med", "z", "ze", "с контактом", "с", "со"),
    *("з контактом", "із", "з", "dengan", "amb", "cu", "s", "sa", "se", "với", "مع", "עם", "με"),
    *("kanssa", "na", "bersama"),
)
TITLES = (
    re.compile(r".*?whatsapp[^-]{0,20}? - (.+)", re.IGNORECASE),
    re.compile(rf".*?whatsapp.{{0,20}}? (?:{'|'.join(WITH)}) (.+)", re.IGNORECASE),
    re.compile(r".*?(?:واتساب|وواتساب).{0,10}? مع (.+)"),
    re.compile(r"(.+?)(?: ile| के साथ|님과의|さんとの) ?whatsapp.*", re.IGNORECASE),
)
"""How WhatsApp names exports, in many languages: the last words are the chat's title."""
PUSH_NAME = re.compile(rf"^~[{SPACES}]*")
"""Before the name that a person outside of the phone book has chosen."""
COPY = re.compile(r" ?\(\d+\)$")
"""What browsers put behind the name of a second download."""
NO_TITLES = ("", "chat", "whatsapp", "whatsapp chat")


class WhatsApp:
    """Importer of WhatsApp's text exports."""

    name = "WhatsApp text"
    platforms = (PLATFORM,)
    rank = 0

    def group(self, source: Source) -> str:
        return str(source.place)

    def recognises(self, source: Source) -> bool:
        lines = [line for line in source.head_text[:16_000].split("\n") if line.strip(MARKS + "\r")]
        headers = [header_of(line.rstrip("\r")) for line in lines[:FIRST_LINES]]
        found = [header for header in headers if header is not None]
        if not found:
            return False
        if "whatsapp" in source.name.casefold() or source.stem.startswith("_chat"):
            return True
        # Any other name: then the first line must be a message, and no line of a log file.
        first = headers[0]
        if first is None or (first.style.mark == "-" and first.style.has_seconds):
            return False
        return any(_author_and_text(header.rest)[0] for header in found)

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        title = _title(source)
        survey = _survey(source)
        dates = survey.styles.dominant()
        if dates is None:
            return
        order, is_sure = dates.order(options.day_first)
        if not is_sure and options.day_first is None:
            yield Remark(_order_remark(source, order))
        if survey.styles.others() > OTHER_STYLE_SHARE * dates.count:
            yield Remark(
                f"{source.name} holds {survey.styles.others()} lines that begin like messages of "
                "another phone; they were taken as text of the messages before them."
            )
        chat = Chat(PLATFORM, title.casefold(), title)
        yield from _records(source, options, _File(chat, dates, order, survey))


def _order_remark(source: Source, order: str) -> str:
    words = {"d": "day", "m": "month", "y": "year"}
    written = ", ".join(words[letter] for letter in order)
    return f"The dates of {source.name} can be read in two ways; they were taken as {written}."


@dataclass(slots=True)
class _Author:
    """What pass one learns about a name before a colon."""

    count: int = 0
    second: str | None = None
    """The words up to the second colon, if they are the same in all messages so far."""
    always_marked: bool = True
    """Whether all texts begin with a direction mark, as the program's do."""

    def add(self, text: str) -> None:
        second = _second_part(text)
        self.second = second if self.count == 0 or second == self.second else None
        self.always_marked = self.always_marked and text[:1] in ("\u200e", "\u200f")
        self.count += 1


@dataclass(slots=True)
class _Survey:
    """What pass one learns about a file; grows with the number of people only."""

    styles: Styles = field(default_factory=Styles)
    after_crlf: Counter[Style] = field(default_factory=Counter)
    """Headers at the start of the file or after a line that ends with CR LF."""
    authors: dict[tuple[object, str], _Author] = field(default_factory=dict)


def _second_part(text: str) -> str | None:
    second, colon, rest = text.partition(": ")
    if not colon or len(second) > 40 or second[:1] in MARKS or rest.startswith("http"):
        return None
    return second


@dataclass(frozen=True, slots=True)
class _File:
    """What is known of a file after pass one."""

    chat: Chat
    dates: Dates
    order: str
    survey: _Survey

    def is_start(self, header: Header, follows_crlf: bool) -> bool:
        """Whether a message begins here, and no pasted lines of another chat."""
        # iOS writes CR LF between messages and LF within them.
        crlf = self.survey.after_crlf[self.dates.style] >= CRLF_SHARE * self.dates.count
        return header.style == self.dates.style and (follows_crlf or not crlf)


def _survey(source: Source) -> _Survey:
    survey = _Survey()
    follows_crlf = True
    for line in _lines(source):
        header = header_of(line.rstrip("\r\n"))
        after_crlf, follows_crlf = follows_crlf, line.endswith("\r\n")
        if header is None:
            continue
        survey.after_crlf[header.style] += after_crlf
        survey.styles.add(header)
        author, text = _author_and_text(header.rest)
        if author:
            survey.authors.setdefault((header.style, author), _Author()).add(text)
    return survey


def _lines(source: Source) -> Iterator[str]:
    """Lines as WhatsApp means them: only U+000A ends one, whatever else may stand in a text."""
    parts: list[str] = []
    with source.open_text() as file:
        for part in file:
            parts.append(part)
            if part.endswith("\n"):
                yield "".join(parts)
                parts = []
    if parts:
        yield "".join(parts)


def _records(source: Source, options: ReadOptions, file: _File) -> Iterator[Record]:
    header: Header | None = None
    begins_at = 0
    more: list[str] = []
    follows_crlf = True
    for number, raw in enumerate(_lines(source), 1):
        line = raw.rstrip("\r\n")
        found = header_of(line)
        after_crlf, follows_crlf = follows_crlf, raw.endswith("\r\n")
        if found is not None and file.is_start(found, after_crlf):
            if header is not None:
                yield _message(header, more, file, options, f"line {begins_at}")
            header, begins_at, more = found, number, []
        elif header is not None:
            more.append(line)
        elif line.strip(MARKS + SPACES):
            yield Skipped(f"line {number}", "not of a message's form")
    if header is not None:
        yield _message(header, more, file, options, f"line {begins_at}")


def _message(
    header: Header, more: list[str], file: _File, options: ReadOptions, where: str
) -> ChatMessage | Skipped:
    try:
        sent_at = options.aware(time_of(header, file.order))
    except (ValueError, OverflowError, OSError):
        return Skipped(where, "no readable time")
    author, text = _author_and_text(header.rest)
    known = file.survey.authors.get((header.style, author)) if author else None
    if known is not None and known.second is not None and known.count >= SAME_SECOND_PART:
        author, text = f"{author}: {known.second}", text[len(known.second) + 2 :]
    if not author:
        text = "\n".join([header.rest, *more]).rstrip("\n")
        return ChatMessage(
            file.chat, SYSTEM, "system", sent_at, _unmarked(text), day_order_guessed=True
        )
    text = without_edit_mark("\n".join([text, *more]).rstrip("\n"))
    shown = PUSH_NAME.sub("", author) or author
    message = ChatMessage(
        file.chat,
        Account(PLATFORM, shown, shown, shown),
        "person",
        sent_at,
        text.lstrip("\u200e\ufeff"),
        day_order_guessed=True,
    )
    media = _media_text(text)
    if media is not None:
        return replace(message, text=media, attachments=1)
    is_title = known is not None and known.always_marked and shown == file.chat.name
    if is_title or is_system_notice(text):
        return replace(message, kind="system", text=_unmarked(text))
    return message


def _author_and_text(rest: str) -> tuple[str, str]:
    """What comes after a header; a notice of the program has no author."""
    author, colon, text = rest.partition(": ")
    if not colon and rest.rstrip(MARKS + SPACES).endswith(":"):
        author, colon, text = rest.rstrip(MARKS + SPACES)[:-1], ":", ""
    author = author.strip(MARKS + SPACES)
    if not colon or not author or len(author) > LONGEST_AUTHOR:
        return "", rest
    # 'Ann changed the subject to "a: b"' has no author although it has a colon.
    if any(quote in author for quote in '“„«"') and is_system_notice(rest):
        return "", rest
    return author, text


def _media_text(text: str) -> str | None:
    """The caption of a picture, sound or file, or else its placeholder; None if there is none."""
    if is_media_placeholder(text):
        return _unmarked(text)
    caption = without_attachment_names(text)
    if caption != text:
        return caption
    first, _, rest = text.partition("\n")
    if rest and is_media_placeholder(first):
        return rest
    before, mark, last = text.rpartition("\u200e")
    if mark and is_media_placeholder(last):
        return before.strip()
    return None


def _unmarked(text: str) -> str:
    return text.replace("\u200e", "").replace("\ufeff", "").strip()


def _title(source: Source) -> str:
    """The chat's title, from the name of the file, the zip or the folder."""
    above = source.folder.name or source.tree.path.resolve().name
    if isinstance(source.tree, ZipTree) and not source.folder.name:
        above = source.tree.path.stem
    for name in (source.stem, above):
        title = _title_in(name)
        if title.casefold().strip("_ ") not in NO_TITLES:
            return title
    return "WhatsApp"


def _title_in(name: str) -> str:
    plain = unicodedata.normalize("NFC", name).translate(dict.fromkeys(map(ord, MARKS)))
    plain = COPY.sub("", " ".join(plain.split()))
    for pattern in TITLES:
        found = pattern.fullmatch(plain)
        if found:
            return str(found[1]).strip()
    return plain
