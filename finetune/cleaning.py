"""From raw messages to lines worth learning. Pure; every message is kept or counted.

Cleaning happens on reading the corpus, so its rules can change without a new import.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from finetune.corpus import StoredMessage
from finetune.markup import LINK, plain_words

COMMAND = re.compile(r"[!/][a-z][\w-]*(\s|$)")
"""What people type to other bots: `!roll 2d6`, `/play`."""


@dataclass(frozen=True, slots=True)
class CleanLine:
    """A message as plain words on one line."""

    id: int
    chat: str
    person: str
    sent_at: datetime
    text: str


@dataclass(slots=True)
class CleaningReport:
    """read = kept + the sum of dropped."""

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def clean(
    messages: Iterable[StoredMessage], names: Mapping[str, str], report: CleaningReport
) -> Iterator[CleanLine]:
    """The messages that people wrote, as plain words; the rest is counted in `report`."""
    for message in messages:
        report.read += 1
        text = plain_words(message.text, names)
        reason = drop_reason(message, text)
        if reason is None:
            report.kept += 1
            yield CleanLine(message.id, message.chat, message.person, message.sent_at, text)
        else:
            report.dropped[reason] += 1


def drop_reason(message: StoredMessage, plain: str) -> str | None:
    """Why a message is not learnt from, or None if it is."""
    if message.kind != "person":
        return f"{message.kind} message"
    if not message.text.strip():
        return "attachment without text" if message.attachments else "empty"
    if not plain:
        return "link only" if LINK.search(message.text) else "nothing but markup"
    if COMMAND.match(message.text):
        return "command to a bot"
    return None
