"""DiscordChatExporter's JSON, version 2.18 and later.

Written by https://github.com/Tyrrrz/DiscordChatExporter (`JsonMessageWriter.cs`): one
object per channel with `guild`, `channel` and `messages`, oldest first unless exported with
`--reverse`. Read as a stream, so a file may be larger than memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from finetune.message import Account, Chat, ChatMessage, Kind, ReadOptions, Record, Skipped
from finetune.reading.discord_exports import export_name
from finetune.reading.json_items import first, items
from finetune.reading.source import Source

PLATFORM = "discord"

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


class User(TypedDict):
    id: str
    name: str
    discriminator: NotRequired[str]
    nickname: NotRequired[str | None]
    isBot: NotRequired[bool]


class Reference(TypedDict):
    messageId: str | None


class Message(TypedDict):
    id: str
    type: str
    timestamp: str
    timestampEdited: NotRequired[str | None]
    content: str
    author: User
    attachments: NotRequired[list[Any]]
    reference: NotRequired[Reference | None]


class DiscordChatExporterJson:
    """Importer of DiscordChatExporter's JSON files."""

    name = "DiscordChatExporter JSON"
    platforms = (PLATFORM,)
    rank = 0
    owner_only = False

    def group(self, source: Source) -> str:
        return export_name(source)

    def recognises(self, source: Source) -> bool:
        head = source.head
        return bool(
            head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"{"
            and re.search(rb'"guild"\s*:\s*\{', head)
            and re.search(rb'"channel"\s*:\s*\{', head)
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        chat = _chat(source)
        for count, item in enumerate(items(source, "messages"), 1):
            yield _message(item, chat, f"message {count}")


def _chat(source: Source) -> Chat:
    guild: dict[str, Any] = first(source, "guild", {})
    channel: dict[str, Any] = first(source, "channel", {})
    name = " / ".join(str(p) for p in (guild.get("name"), channel.get("name")) if p)
    return Chat(PLATFORM, str(channel.get("id", name)), name)


def _message(item: Message, chat: Chat, where: str) -> ChatMessage | Skipped:
    try:
        sent_at = _time(item["timestamp"])
        author = item["author"]
        account = Account(
            PLATFORM,
            str(author["id"]),
            str(author["name"]),
            str(author.get("nickname") or author["name"]),
        )
        edited = item.get("timestampEdited")
        reference = item.get("reference")
        return ChatMessage(
            chat=chat,
            author=account,
            kind=_kind(str(item["type"]), author),
            sent_at=sent_at,
            text=str(item["content"]),
            message_id=str(item["id"]),
            reply_to=reference["messageId"] if reference else None,
            edited_at=_time(edited) if edited else None,
            attachments=len(item.get("attachments") or []),
        )
    except (KeyError, TypeError, AttributeError):
        return Skipped(where, "not of a message's form")
    except ValueError:
        return Skipped(where, "no readable time")


def _kind(message_type: str, author: User) -> Kind:
    if _is_notice(message_type):
        return "system"
    # The export marks webhooks as bots and does not tell the two apart for certain.
    return "bot" if author.get("isBot") else "person"


def _is_notice(message_type: str) -> bool:
    if message_type.isdigit():
        return 0 < int(message_type) <= LAST_SYSTEM_TYPE
    return message_type in SYSTEM_TYPES


def _time(text: str) -> datetime:
    # .NET writes up to seven digits of a second, Python reads six.
    time = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    if time.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    return time
