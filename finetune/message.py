"""One chat message as every importer yields it. No platform's own words enter here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal

Kind = Literal["person", "bot", "webhook", "system"]


@dataclass(frozen=True, slots=True)
class Account:
    """Who wrote a message, as the platform knows them."""

    platform: str
    key: str
    """Stable id on the platform, or the name where the format has none."""
    name: str
    shown_name: str


@dataclass(frozen=True, slots=True)
class Chat:
    """Where a message was written: a channel, a group or a conversation of two."""

    platform: str
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message, raw: nothing of its text is removed or resolved."""

    chat: Chat
    author: Account
    kind: Kind
    sent_at: datetime
    """Always with a time zone."""
    text: str
    message_id: str | None = None
    reply_to: str | None = None
    edited_at: datetime | None = None
    attachments: int = 0
    forwarded: bool = False
    """Whether the text is somebody else's, passed on."""
    day_order_guessed: bool = False
    """Whether day and month were told apart by a guess, and may be the other way round."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record of an export that is no message, and why."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a whole file that its reader had to guess or leave out."""

    text: str


Record = ChatMessage | Skipped | Remark


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user knows better than the file says."""

    zone: tzinfo | None = None
    """Of formats that write local times; None is the zone of this machine."""
    day_first: bool | None = None
    """Whether 3/4 is the third of April; None is worked out from the file."""
    platform: str | None = None
    author: str | None = None
    """Who wrote a file that names nobody."""

    def aware(self, time: datetime) -> datetime:
        """The time with its zone, if it has none yet."""
        if time.tzinfo is not None:
            return time
        return time.replace(tzinfo=self.zone) if self.zone else time.astimezone()
