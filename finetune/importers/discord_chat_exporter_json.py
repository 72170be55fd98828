"""DiscordChatExporter's JSON, version 2.18 and later.

Written by https://github.com/Tyrrrz/DiscordChatExporter (`JsonMessageWriter.cs`): one
object per channel with `guild`, `channel` and `messages`, oldest first unless exported with
`--reverse`. Read as a stream, so a file may be larger than memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NotRequired, TypedDict

import ijson

from finetune.errors import BadExport
from finetune.message import Account, Chat, ChatMessage, Kind, Skipped

HEAD_BYTES = 65_536
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

    def recognises(self, path: Path) -> bool:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        return bool(
            head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"{"
            and re.search(rb'"guild"\s*:\s*\{', head)
            and re.search(rb'"channel"\s*:\s*\{', head)
        )

    def read(self, path: Path) -> Iterator[ChatMessage | Skipped]:
        with path.open("rb") as file:
            yield from self._read(file, path)

    def _read(self, file: BinaryIO, path: Path) -> Iterator[ChatMessage | Skipped]:
        count = 0
        try:
            chat = _chat(file)
            file.seek(0)
            for item in ijson.items(file, "messages.item"):
                count += 1
                yield _message(item, chat, f"message {count}")
        except ijson.JSONError as error:
            raise BadExport(
                f"{path} is broken or cut off after message {count}; export the channel once "
                f"more and import the new file ({_short(error)})."
            ) from error


def _chat(file: BinaryIO) -> Chat:
    guild: dict[str, Any] = next(ijson.items(file, "guild"), {})
    file.seek(0)
    channel: dict[str, Any] = next(ijson.items(file, "channel"), {})
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
    except KeyError as error:
        return Skipped(where, f"a message without {error}")
    except ValueError as error:
        return Skipped(where, f"a message with an unreadable time ({_short(error)})")
    except (TypeError, AttributeError):
        return Skipped(where, "no message, but something of another form")


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
        raise ValueError(f"the time {text} has no offset")
    return time


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:80]
