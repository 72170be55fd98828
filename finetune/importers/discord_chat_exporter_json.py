"""DiscordChatExporter's JSON, version 2.18 and later.

Written by https://github.com/Tyrrrz/DiscordChatExporter (`JsonMessageWriter.cs`): one
object per channel with `guild`, `channel` and `messages`, oldest first unless exported with
`--reverse`. Read as a stream, so a file may be larger than memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, NotRequired, TypedDict

from finetune.message import Account, Chat, ChatMessage, Kind, ReadOptions, Record, Skipped
from finetune.reading.discord_exports import (
    DELETED,
    PLATFORM,
    chat_by_file_name,
    export_name,
    persona,
)
from finetune.reading.json_items import first, items
from finetune.reading.source import Source

LAST_SYSTEM_TYPE = 18
"""Discord's numbered message types up to this one are notices of the system; DCE writes the
types that it knows by name and all others as their number. 20 and above (slash commands,
context menus) are ordinary messages."""
SYSTEM_TYPES = {
    "RecipientAdd",
    "RecipientRemove",
    "Call",
    "ChannelNameChange",
    "ChannelIconChange",
    "ChannelPinnedMessage",
    "GuildMemberJoin",
    "ThreadCreated",
}
REPLY_TYPES = {"Reply", "19"}


class User(TypedDict):
    id: str
    name: str
    discriminator: NotRequired[str | int]  # a number in the mentions of 2.25
    nickname: NotRequired[str | None]
    isBot: NotRequired[bool]


class Reference(TypedDict):
    type: NotRequired[str]
    messageId: str | None
    channelId: NotRequired[str | None]


class Content(TypedDict):
    content: str | None
    attachments: NotRequired[list[Any]]
    stickers: NotRequired[list[Any]]


class Message(Content):
    id: str
    type: str
    timestamp: str
    timestampEdited: NotRequired[str | None]
    author: User
    reference: NotRequired[Reference | None]
    forwardedMessage: NotRequired[Content | None]


class DiscordChatExporterJson:
    """Importer of DiscordChatExporter's JSON files."""

    name = "DiscordChatExporter JSON"
    platforms = (PLATFORM,)
    rank = 0

    def group(self, source: Source) -> str:
        return export_name(source)

    def recognises(self, source: Source) -> bool:
        head = source.head
        return bool(
            source.begins_as_object
            and re.search(rb'"guild"\s*:\s*\{', head)
            and re.search(rb'"channel"\s*:\s*\{', head)
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        chat = _chat(source)
        for count, item in enumerate(items(source, "messages"), 1):
            yield _message(item, chat, f"message {count}")


def _chat(source: Source) -> Chat:
    guild, channel = _object(source, "guild"), _object(source, "channel")
    names = " / ".join(str(p) for p in (guild.get("name"), channel.get("name")) if p)
    name = names or chat_by_file_name(source).name
    return Chat(PLATFORM, str(channel.get("id") or name), name)


def _object(source: Source, key: str) -> dict[str, Any]:
    value = first(source, key)
    return value if isinstance(value, dict) else {}


def _message(item: Message, chat: Chat, where: str) -> ChatMessage | Skipped:
    try:
        sent_at = _time(item["timestamp"])
        author = item["author"]
        edited = item.get("timestampEdited")
        forwarded = item.get("forwardedMessage")
        return ChatMessage(
            chat=chat,
            author=_account(author),
            kind=_kind(str(item["type"]), author),
            sent_at=sent_at,
            text=_text(item) or (_text(forwarded) if forwarded else ""),
            message_id=str(item["id"]),
            reply_to=_reply_to(item, chat),
            edited_at=_time(edited) if edited else None,
            attachments=_attachments(item) + (_attachments(forwarded) if forwarded else 0),
            forwarded=forwarded is not None,
        )
    except (KeyError, TypeError, AttributeError):
        return Skipped(where, "not of a message's form")
    except ValueError:
        return Skipped(where, "no readable time")


def _account(author: User) -> Account:
    name = str(author["name"]) or DELETED
    if _is_webhook(author):
        return persona(name)
    return _person(str(author["id"]), name, str(author.get("nickname") or name))


@lru_cache  # one object for a person's thousands of messages
def _person(key: str, name: str, shown_name: str) -> Account:
    return Account(PLATFORM, key, name, shown_name)


def _is_webhook(author: User) -> bool:
    """Webhooks are marked as bots; bots proper still have a number."""
    return bool(author.get("isBot")) and str(author.get("discriminator")) in ("0", "0000")


def _text(content: Content) -> str:
    text = content["content"]
    return "" if text is None else str(text)


def _attachments(content: Content) -> int:
    return len(content.get("attachments") or []) + len(content.get("stickers") or [])


def _reply_to(item: Message, chat: Chat) -> str | None:
    """The message that is answered, or pinned. What other references point at, in other channels,
    is where something was passed on from, or where a thread began."""
    reference = item.get("reference")
    if not reference or not reference["messageId"] or reference.get("type") == "Forward":
        return None
    is_elsewhere = str(reference.get("channelId") or chat.key) != chat.key
    if is_elsewhere and str(item["type"]) not in REPLY_TYPES:
        return None
    return str(reference["messageId"])


def _kind(message_type: str, author: User) -> Kind:
    if _is_notice(message_type):
        return "system"
    if _is_webhook(author):
        return "webhook"
    return "bot" if author.get("isBot") else "person"


def _is_notice(message_type: str) -> bool:
    if message_type.isdigit():
        return 0 < int(message_type) <= LAST_SYSTEM_TYPE
    return message_type in SYSTEM_TYPES


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    return time
