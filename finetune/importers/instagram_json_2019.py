"""Instagram's `messages.json` of 2018 to 2020: all chats of an account in one array.

Known from readers only, such as https://github.com/furkantarikgocmen/IG-DM-PARSER. Newest
message first; people go by their handles, chats have no ids, and the sender is missing where
that account is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NotRequired, TypedDict

import ijson

from finetune.message import Chat, ChatMessage, ReadOptions, Record, Skipped
from finetune.reading.json_items import ERRORS, broken_off, opened
from finetune.reading.meta_exports import (
    INSTAGRAM,
    NOBODY,
    account,
    repaired,
    ties_oldest_first,
    words,
)
from finetune.reading.source import Source

START = re.compile(rb'\s*\[\s*\{\s*"participants"\s*:\s*\[[^\]{]*\]\s*,\s*"conversation"\s*:\s*\[')
MEDIA = (
    "media", "media_url", "media_share_url", "story_share", "voice_media",
    "animated_media_images", "profile_share_username",
)  # fmt: skip
NOTICES = ("action", "video_call_action")


class Message(TypedDict):
    sender: NotRequired[str]
    created_at: str
    text: NotRequired[str | None]
    heart: NotRequired[str]
    """Sent instead of a text."""


class InstagramJson2019:
    """Importer of Instagram's one `messages.json`."""

    name = "Instagram JSON of 2019"
    platforms = (INSTAGRAM,)
    rank = 0

    def group(self, source: Source) -> str:
        return str(source.place)

    def recognises(self, source: Source) -> bool:
        return bool(START.match(source.head.removeprefix(b"\xef\xbb\xbf")))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        yield from ties_oldest_first(
            _message(item, _chat(people), f"message {count}", options)
            for count, (people, item) in enumerate(_messages(source), 1)
        )


def _messages(source: Source) -> Iterator[tuple[list[str], Any]]:
    """All messages, each with who takes part in its chat."""
    people: list[str] = []

    def watched(events: Iterator[tuple[str, str, Any]]) -> Iterator[tuple[str, str, Any]]:
        for prefix, kind, value in events:
            if prefix == "item" and kind == "start_map":
                people.clear()
            elif prefix == "item.participants.item" and kind == "string":
                people.append(repaired(value))
            yield prefix, kind, value

    count = 0
    with opened(source) as file:
        try:
            for item in ijson.items(watched(ijson.parse(file)), "item.conversation.item"):
                count += 1
                yield people, item
        except ERRORS as error:
            raise broken_off(source, count, error) from error


def _chat(people: list[str]) -> Chat:
    name = ", ".join(sorted(people)) or NOBODY[INSTAGRAM]
    return Chat(INSTAGRAM, name, name)


def _message(item: Message, chat: Chat, where: str, options: ReadOptions) -> ChatMessage | Skipped:
    try:
        author = account(words(item.get("sender")), chat)
        text = words(item.get("text")) or words(item.get("heart"))
        notice = next((words(item.get(key)) for key in NOTICES if item.get(key)), "")
        attachments = sum(bool(item.get(key)) for key in MEDIA)
        sent_at = _time(item.get("created_at"), options)
    except (TypeError, AttributeError):
        return Skipped(where, "not of a message's form")
    except (ValueError, OverflowError, OSError):
        return Skipped(where, "no readable time")
    if notice and not text:
        return ChatMessage(chat, author, "system", sent_at, notice, attachments=attachments)
    return ChatMessage(chat, author, "person", sent_at, text, attachments=attachments)


def _time(text: object, options: ReadOptions) -> datetime:
    if not isinstance(text, str):
        raise ValueError("not a time")
    time = datetime.fromisoformat(text)
    if not 1971 <= time.year <= 9000:
        raise ValueError("not a time that any zone can hold")
    return options.aware(time)
