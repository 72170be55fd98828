"""Chats of Messenger and Instagram from "Download your information" as JSON, 2018 and later.

Meta publishes no description; files look as in https://github.com/mlomb/chat-analytics and other
readers. A folder per chat (`messages/inbox/<name>_<id>/`) with `message_1.json` and so on, or
`message.json` in early 2018, newest message first. Odd about it: every byte of UTF-8 is written
as a character of its own, in names as in messages; people have no ids; what the chat is called
stands behind the messages; notices are hardly marked and in the language of the account; and
nothing tells for certain whether a file is Messenger's or Instagram's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NotRequired, TypedDict

from finetune.message import Chat, ChatMessage, Kind, ReadOptions, Record, Remark, Skipped
from finetune.reading.json_items import first, items
from finetune.reading.meta_exports import (
    INSTAGRAM,
    MESSENGER,
    MILLISECOND,
    NOBODY,
    SECOND,
    ChatForm,
    account,
    chat_key,
    is_deleted,
    platform_of,
    repaired,
    thread_of,
    ties_oldest_first,
    time_of,
    words,
)
from finetune.reading.meta_notices import is_notice
from finetune.reading.source import Source

NOTICE_TYPES = {"Subscribe", "Unsubscribe", "Call", "Payment"}
CALL_KEYS = ("call_duration", "missed")
MEDIA_LISTS = ("photos", "videos", "audio_files", "files", "gifs")
MEDIA_OBJECTS = ("sticker", "share")

FORM = ChatForm(
    people=re.compile(rb'"participants"\s*:\s*\[\s*(?:\{\s*"name"\s*:|\])'),
    title=re.compile(rb'"(?:title|thread_path)"\s*:\s*"'),
    sender=re.compile(rb'"sender_name"\s*:'),
    time=re.compile(rb'"timestamp(?:_ms)?"\s*:\s*\d'),
)

GUESSED = Remark(
    "Nothing says for certain whether this file is from Messenger or Instagram, so it was taken "
    "for Messenger; if that is wrong, import it with --platform instagram."
)


class Message(TypedDict):
    sender_name: NotRequired[str]
    timestamp_ms: NotRequired[int]
    timestamp: NotRequired[int]
    """Seconds, early in 2018."""
    content: NotRequired[str]
    type: NotRequired[str]
    users: NotRequired[list[Any]]
    """Who was added or removed."""
    is_unsent: NotRequired[bool]


class MetaJson:
    """Importer of Messenger's and Instagram's `message_1.json`."""

    name = "Messenger or Instagram JSON"
    platforms = (MESSENGER, INSTAGRAM)
    rank = 0

    def group(self, source: Source) -> str:
        return str(source.folder)

    def recognises(self, source: Source) -> bool:
        return FORM.is_of(source)

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        platform = options.platform or platform_of(source)
        if platform is None and _may_be_instagram(source):
            yield GUESSED
        chat = _chat(source, platform or MESSENGER)
        yield from ties_oldest_first(
            _message(item, chat, f"message {count}")
            for count, item in enumerate(items(source, "messages"), 1)
        )


def _may_be_instagram(source: Source) -> bool:
    """Instagram never wrote a `type`, and newer files of Messenger have none either."""
    return b'"is_geoblocked_for_viewer"' in source.head and b'"type"' not in source.head


def _chat(source: Source, platform: str) -> Chat:
    path = _text(first(source, "thread_path"))
    title = _text(first(source, "title")).strip()
    title = title or _participants(source) or NOBODY[platform]
    thread = path.rstrip("/").rpartition("/")[2] or thread_of(source)
    return Chat(platform, chat_key(thread) or title, title)


def _participants(source: Source) -> str:
    people = first(source, "participants")
    if not isinstance(people, list):
        return ""
    names = [_text(p.get("name")).strip() for p in people if isinstance(p, dict)]
    return ", ".join(name for name in names if not is_deleted(name))


def _text(value: object) -> str:
    return repaired(value) if isinstance(value, str) else ""


def _message(item: Message, chat: Chat, where: str) -> ChatMessage | Skipped:
    try:
        if "timestamp_ms" in item:
            sent_at = time_of(item["timestamp_ms"], MILLISECOND)
        else:
            sent_at = time_of(item.get("timestamp"), SECOND)
        author = account(words(item.get("sender_name")), chat)
        text = words(item.get("content"))
        attachments = _attachments(item)
    except (TypeError, AttributeError):
        return Skipped(where, "not of a message's form")
    except ValueError:
        return Skipped(where, "no readable time")
    kind = _kind(item)
    if kind == "person" and is_notice(text):
        # "Ada sent an attachment." beside a shared post: she did, but did not say so.
        kind, text = ("person", "") if attachments else ("system", text)
    if item.get("is_unsent") is True:
        text = ""
    return ChatMessage(chat, author, kind, sent_at, text, attachments=attachments)


def _kind(item: Message) -> Kind:
    is_marked = (
        str(item.get("type")) in NOTICE_TYPES
        or any(key in item for key in CALL_KEYS)
        or bool(item.get("users"))
    )
    return "system" if is_marked else "person"


def _attachments(item: Message) -> int:
    lists = [value for key in MEDIA_LISTS if isinstance(value := item.get(key), list)]
    return sum(map(len, lists)) + sum(bool(item.get(key)) for key in MEDIA_OBJECTS)
