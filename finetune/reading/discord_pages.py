"""The parts of DiscordChatExporter's HTML pages, whichever version wrote them.

from   group                   message                                author
2.4    msg                     none, only its content                 msg-user
2.5    chatlog__message-group  none, only its content                 chatlog__author-name
2.15   chatlog__message-group  chatlog__message, with an id           chatlog__author-name
2.34   chatlog__message-group  chatlog__message-container, with an id chatlog__author
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from finetune.message import Account, ReadOptions
from finetune.reading.discord_dates import DateSurvey, printed_time
from finetune.reading.discord_exports import DISCRIMINATOR, NO_NUMBER, account, persona
from finetune.reading.discord_packages import time_of
from finetune.reading.html_blocks import Element, blocks, classes
from finetune.reading.source import Source

GROUP = {"chatlog__message-group", "msg"}
GROUP_TAG = re.compile(rb'<div class="?(?:chatlog__message-group|msg)\b(?!-)')
CONTAINER = "chatlog__message-container"
MESSAGE = "chatlog__message"
TITLES = {"preamble__entry", "info__guild-name", "info__channel-name", "guild-name", "channel-name"}
SMALL_TITLE = "preamble__entry--small"
"""The topic of a channel and the dates that were asked for."""
POSTAMBLE = "postamble__entry"
BLOCKS = {CONTAINER, POSTAMBLE} | GROUP | TITLES

SYSTEM_AUTHOR = ("chatlog__system-notification-author",)
SYSTEM_CONTENT = ("chatlog__system-notification-content",)
AUTHOR = ("chatlog__author", "chatlog__author-name", "msg-user")
BOT = ("chatlog__author-tag", "chatlog__bot-label", "chatlog__bot-tag")
CONTENT = ("chatlog__content", "msg-content")
FORWARDED = ("chatlog__forwarded",)
FORWARDED_CONTENT = ("chatlog__forwarded-content",)
EDITED = ("chatlog__edited-timestamp", "msg-edited")
REPLY = ("chatlog__reply-link", "chatlog__reference-link")
TIME = (
    "chatlog__timestamp",
    "chatlog__short-timestamp",
    "chatlog__system-notification-timestamp",
    "msg-date",
)
ATTACHMENT = {"chatlog__attachment", "chatlog__forwarded-attachment", "chatlog__sticker"}
ATTACHMENT_BOX = {"chatlog__attachment", "msg-attachment"}
EMBED = "chatlog__embed"
REACTIONS = "chatlog__reactions"

SNOWFLAKE = re.compile(r"[0-9]{15,19}")
ID_AT_END = re.compile(r"[0-9]+$")
QUOTED_ID = re.compile(r"'([0-9]+)'")
FARTHEST_ZONE = timedelta(hours=15)
ZONE_STEP = timedelta(minutes=15)

Parts = dict[str, Element]
"""The first element of each class."""


def is_block(element: Element) -> bool:
    """Titles, messages, groups after their messages, and the end of the page."""
    if element.tag != "div":
        return False
    words = classes(element)
    if not BLOCKS.isdisjoint(words):
        return True
    # A container holds another `chatlog__message`, which has no id.
    return MESSAGE in words and element.get("data-message-id") is not None


def ahead_of(message: Element) -> Iterator[Element]:
    """What comes in a group before its first message: up to 2.33 the header."""
    group = next((e for e in message.iterancestors() if classes(e) & GROUP), None)
    if group is None:
        return
    for element in group.iterdescendants():
        if element is message:
            return
        yield element


def parts_of(elements: Iterable[Element]) -> tuple[Parts, int]:
    """The parts, and how many things are attached."""
    parts: Parts = {}
    attachments = 0
    for element in elements:
        for word in classes(element):
            parts.setdefault(word, element)
            attachments += word in ATTACHMENT
    return parts, attachments


def first(parts: Parts, names: Iterable[str]) -> Element | None:
    return next((parts[name] for name in names if name in parts), None)


def contents(group: Element) -> list[tuple[Element | None, int]]:
    """Text and number of attachments of each message of a group whose messages have no element.

    Every text begins a message; what is attached belongs to the text before it.
    """
    found: list[tuple[Element | None, int]] = []
    is_open = False
    for element in group.iterdescendants("div"):
        words = classes(element)
        is_attachment = not words.isdisjoint(ATTACHMENT_BOX)
        if not words.isdisjoint(CONTENT):
            found.append((element, 0))
            is_open = True
        elif is_attachment or EMBED in words:
            content, attachments = found.pop() if is_open else (None, 0)
            found.append((content, attachments + is_attachment))
            is_open = True
        elif REACTIONS in words:
            is_open = False
    return found


def account_of(author: Element) -> Account:
    shown = one_line(author)
    known = account(author.get("title") or shown, author.get("data-user-id") or "")
    return replace(known, shown_name=shown or known.name)


def persona_of(bot: Element) -> Account | None:
    """The account of a webhook, which is marked as a bot; bots proper have a number."""
    full_name = bot.get("title") or ""
    number = DISCRIMINATOR.search(full_name)
    if not full_name or (number and number[0] != NO_NUMBER):
        return None
    return persona(full_name.removesuffix(NO_NUMBER) or full_name)


def id_of(message: Element) -> str | None:
    found = ID_AT_END.search(message.get("data-message-id") or message.get("id") or "")
    return found[0] if found else None


def reply_to(parts: Parts) -> str | None:
    link = first(parts, REPLY)
    found = QUOTED_ID.search(link.get("onclick") or "") if link is not None else None
    return found[1] if found else None


def one_line(element: Element) -> str:
    """The element's text with the white space of a page."""
    return " ".join(element.xpath("string()").split())


def snowflake_time(message_id: str | None) -> datetime | None:
    if message_id is None or not SNOWFLAKE.fullmatch(message_id):
        return None
    return time_of(int(message_id))


class PageClock:
    """Makes times of what a page prints.

    Where messages have ids, these tell in which zone and in which order of day and month the
    page prints; else the user's options and all dates together do.
    """

    def __init__(self, source: Source, options: ReadOptions) -> None:
        self._source = source
        self._options = options
        self._example: tuple[str, datetime] | None = None
        self._survey: DateSurvey | None = None

    @property
    def doubt(self) -> str | None:
        """One sentence if the order of day and month had to be guessed."""
        return self._survey.doubt if self._survey else None

    def learn(self, printed: Element | None, exact: datetime) -> None:
        """How the page prints a time that is known."""
        if printed is not None:
            self._example = _shown(printed), exact

    def time(self, printed: Element | None) -> datetime | None:
        if printed is None:
            return None
        day_first, ahead = self._habits()
        time = _time(_shown(printed), day_first)
        if time is None or time.tzinfo is not None or ahead is None:
            return self._options.aware(time) if time else None
        return (time - ahead).replace(tzinfo=UTC)

    def _habits(self) -> tuple[bool, timedelta | None]:
        """Whether the day comes first, and how far the page's clock is ahead of UTC."""
        if self._example is None:
            self._survey = self._survey or self._look_through()
            return self._survey.day_first, None
        printed, exact = self._example
        usual = bool(self._options.day_first)
        for day_first in (usual, not usual):
            time = _time(printed, day_first)
            if time is not None and time.tzinfo is None:
                ahead = time - exact.replace(tzinfo=None)
                if abs(ahead) <= FARTHEST_ZONE:
                    return day_first, round(ahead / ZONE_STEP) * ZONE_STEP
        return usual, None

    def _look_through(self) -> DateSurvey:
        survey = DateSurvey(self._options.day_first)
        for block in blocks(self._source, is_block, GROUP_TAG):
            parts, _ = parts_of(block.iterdescendants())
            if (printed := first(parts, TIME)) is not None:
                survey.add(_shown(printed))
            if survey.knows_day:
                break
        return survey


def _shown(printed: Element) -> str:
    """The long form of a time."""
    return printed.get("title") or one_line(printed)


def _time(text: str, day_first: bool) -> datetime | None:
    try:
        return printed_time(text, day_first)
    except ValueError:
        return None
