"""End-to-end-encrypted chats of Messenger, from its "Download secure storage data", 2023 and later.

A zip with one flat file per chat, `<name>_<number>.json`, and a `media/` folder. Not the format
of "Download your information": other keys, participants are plain names, messages in no certain
order, and text mostly is proper UTF-8. The number only counts the chats of one download.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NotRequired, TypedDict

from finetune.message import Chat, ChatMessage, Kind, ReadOptions, Record, Skipped
from finetune.reading.json_items import first, items
from finetune.reading.meta_exports import (
    MESSENGER,
    MILLISECOND,
    NOBODY,
    ChatForm,
    account,
    is_deleted,
    repaired,
    ties_oldest_first,
    time_of,
    words,
)
from finetune.reading.meta_notices import is_notice
from finetune.reading.source import Source

FORM = ChatForm(
    people=re.compile(rb'"participants"\s*:\s*\[\s*["\]]'),
    title=re.compile(rb'"threadName"\s*:\s*"'),
    sender=re.compile(rb'"senderName"\s*:'),
    time=re.compile(rb'"timestamp"\s*:\s*\d'),
)


class Message(TypedDict):
    senderName: NotRequired[str]
    timestamp: int
    """Milliseconds."""
    text: NotRequired[str]
    type: NotRequired[str]
    """"text", "media", "link", or "placeholder" where the platform speaks."""
    isUnsent: NotRequired[bool]
    media: NotRequired[list[Any]]


class MessengerEncryptedJson:
    """Importer of Messenger's encrypted chats."""

    name = "Messenger end-to-end-encrypted JSON"
    platforms = (MESSENGER,)
    rank = 0

    def group(self, source: Source) -> str:
        return str(source.place)

    def recognises(self, source: Source) -> bool:
        return FORM.is_of(source)

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        chat = _chat(source)
        yield from ties_oldest_first(
            _message(item, chat, f"message {count}")
            for count, item in enumerate(items(source, "messages"), 1)
        )


def _chat(source: Source) -> Chat:
    thread = first(source, "threadName")
    thread = repaired(thread).strip() if isinstance(thread, str) else ""
    thread = thread or repaired(source.stem)
    name = re.sub(r"_\d+$", "", thread).strip()
    if is_deleted(name):  # only the number tells such chats apart
        return Chat(MESSENGER, thread, name or NOBODY[MESSENGER])
    participants = first(source, "participants")
    is_group = isinstance(participants, list) and len(participants) > 2
    # A group may have the name of a person.
    return Chat(MESSENGER, f"{name} (group)" if is_group else name, name)


def _message(item: Message, chat: Chat, where: str) -> ChatMessage | Skipped:
    try:
        sent_at = time_of(item.get("timestamp"), MILLISECOND)
        author = account(words(item.get("senderName")), chat)
        text = words(item.get("text"))
        media = item.get("media")
        attachments = len(media) if isinstance(media, list) else 0
        is_unsent = item.get("isUnsent") is True
    except (TypeError, AttributeError):
        return Skipped(where, "not of a message's form")
    except ValueError:
        return Skipped(where, "no readable time")
    kind: Kind = "person"
    if is_unsent:
        text = ""  # "User unsent a message"
    elif item.get("type") == "placeholder" or is_notice(text):
        kind, text = ("person", "") if attachments else ("system", text)
    return ChatMessage(chat, author, kind, sent_at, text, attachments=attachments)
