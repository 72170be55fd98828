"""People, bots, chats and messages, in the Bot API's shapes:
https://core.telegram.org/bots/api#available-types"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["private", "group", "supergroup", "channel"]
JSON = dict[str, Any]


@dataclass(eq=False)
class Person:
    id: int
    name: str

    def as_json(self) -> JSON:
        return {"id": self.id, "is_bot": False, "first_name": self.name}


@dataclass(eq=False)
class Bot:
    """`reads_all`: its privacy mode is off."""

    id: int
    name: str
    username: str
    token: str
    reads_all: bool = False
    is_revoked: bool = False
    commands: dict[str, list[JSON]] = field(default_factory=dict)
    webhook: str = ""
    webhook_secret: str = ""
    updates: list[JSON] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    polls: int = 0

    def as_json(self) -> JSON:
        return {
            "id": self.id, "is_bot": True, "first_name": self.name, "username": self.username,
        }  # fmt: skip

    def about_itself(self) -> JSON:
        return self.as_json() | {
            "can_join_groups": True, "can_read_all_group_messages": self.reads_all,
            "supports_inline_queries": False,
        }  # fmt: skip


GROUP_ANONYMOUS_BOT = {
    "id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot",
}  # fmt: skip
CHANNEL_BOT = {
    "id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot",
}  # fmt: skip


@dataclass(eq=False)
class Message:
    """A message as people see it now. `silent`: it makes no sound. `in_name_of`: the group itself
    or a channel, as which a person writes; Telegram tells nobody who that is. `via_bot`: the inline
    bot whose words they chose. `topic`: the title of one that begins with it."""

    id: int
    chat: Chat
    sender: Person | Bot
    text: str
    at: int = field(default_factory=lambda: int(time.time()))
    entities: list[JSON] = field(default_factory=list)
    reply_to: Message | None = None
    buttons: list[list[JSON]] = field(default_factory=list)
    silent: bool = False
    has_preview: bool = True
    is_edited: bool = False
    document: bytes = b""
    in_name_of: Chat | None = None
    forwarded_from: Person | None = None
    via_bot: Bot | None = None
    topic: str = ""

    def as_json(self, *, with_reply: bool = True) -> JSON:
        found: JSON = {
            "message_id": self.id, "date": self.at, "chat": self.chat.as_json(),
            "from": self.sender.as_json(), "text": self.text,
        }  # fmt: skip
        if self.in_name_of is not None:
            is_group = self.in_name_of is self.chat
            found["from"] = GROUP_ANONYMOUS_BOT if is_group else CHANNEL_BOT
            found["sender_chat"] = self.in_name_of.as_json()
        if self.document:
            found["document"] = {
                "file_id": "f", "file_unique_id": "f", "file_size": len(self.document),
            }  # fmt: skip
        if self.forwarded_from is not None:
            found["forward_origin"] = {
                "type": "user", "date": self.at, "sender_user": self.forwarded_from.as_json(),
            }  # fmt: skip
        if self.via_bot is not None:
            found["via_bot"] = self.via_bot.as_json()
        if self.topic:
            del found["text"]
            found["forum_topic_created"] = {"name": self.topic, "icon_color": 0x6FB9F0}
        if self.entities:
            found["entities"] = self.entities
        if self.reply_to is not None and with_reply:
            found["reply_to_message"] = self.reply_to.as_json(with_reply=False)
            if self.reply_to.topic:
                found |= {"message_thread_id": self.reply_to.id, "is_topic_message": True}
        if self.buttons:
            found["reply_markup"] = {"inline_keyboard": self.buttons}
        if self.is_edited:
            found["edit_date"] = self.at
        return found

    @property
    def bold(self) -> str:
        """What is bold of the text."""
        raw = self.text.encode("utf-16-le")
        return "".join(
            raw[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le")
            for e in self.entities
            if e["type"] == "bold"
        )


@dataclass(eq=False)
class Chat:
    id: int
    kind: Kind
    title: str
    people: list[Person] = field(default_factory=list)
    administrators: list[Person] = field(default_factory=list)
    bots: dict[Bot, str] = field(default_factory=dict)
    """Each with its status: "member", "administrator", "kicked" ..."""
    messages: list[Message] = field(default_factory=list)
    moved_to: int = 0
    last_id: int = 0
    has_started: bool = True
    """Of a private chat: bots may write only to who has written to them first."""
    actions: list[tuple[Bot, str]] = field(default_factory=list)

    def as_json(self) -> JSON:
        if self.kind == "private":
            return {"id": self.id, "type": "private", "first_name": self.title}
        return {"id": self.id, "type": self.kind, "title": self.title}

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages]

    def of_bots(self) -> list[Message]:
        return [message for message in self.messages if isinstance(message.sender, Bot)]


def entities_of(text: str) -> list[JSON]:
    """Commands, as Telegram marks them in what people write."""
    first = text.split()[0] if text.split() else ""
    if first.startswith("/") and len(first) > 1:
        return [{"type": "bot_command", "offset": 0, "length": len(first)}]
    return []
