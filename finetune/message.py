"""One chat message as every importer yields it. No platform's own words enter here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record of an export that is no message, and why."""

    where: str
    reason: str
