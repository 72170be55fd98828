"""What comes out of the transcript, as plain values. Knows no SQLite."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

LineKind = Literal["friend", "person", "silence", "command", "notice"]


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """A stored line. `why` holds the turn, the candidates with their verdicts, and what
    became of them; a silence has a reason too."""

    id: int
    conversation: int
    run: int
    said_at: datetime
    speaker: str
    kind: LineKind
    text: str
    reply_to: int | None
    why: dict[str, Any]
    unsaid: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the show within a conversation; `settings` is what it was started with."""

    id: int
    conversation: int
    started_at: datetime
    seed: int | None
    settings: dict[str, Any]
    version: str


@dataclass(frozen=True, slots=True)
class PutReaction:
    """An emoji that a person has put to a line."""

    line: int
    author: str
    emoji: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Edited:
    """A line before and after its text was changed."""

    line: int
    old_text: str
    new_text: str
    at: datetime
    old_why: dict[str, Any]


def printable(text: str) -> str:
    """On one line and without control characters: a model must not move the cursor."""
    return "".join(c if c.isprintable() else " " for c in text)
