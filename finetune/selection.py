"""Which messages of the corpus are used: by chat and by date. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from finetune.errors import FinetuneError


@dataclass(frozen=True, slots=True)
class Selection:
    """Chats by their names or parts of them (`general`, `*/ off-topic`), and days, both included,
    in the zone that the messages carry."""

    chats: tuple[str, ...] = ()
    not_chats: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None

    def chats_among(self, names: Iterable[str]) -> set[str]:
        """The chosen ones of these names. Raises FinetuneError if a pattern fits none."""
        known = list(dict.fromkeys(names))
        for pattern in (*self.chats, *self.not_chats):
            if not any(_fits(pattern, name) for name in known):
                near = get_close_matches(pattern, known, 3, 0.3) or known[:3]
                raise FinetuneError(
                    f"No chat of the corpus is called {pattern!r}; perhaps you mean "
                    f"{' or '.join(map(repr, near))}; see: botconvo stats"
                )
        return {
            name
            for name in known
            if (not self.chats or any(_fits(pattern, name) for pattern in self.chats))
            and not any(_fits(pattern, name) for pattern in self.not_chats)
        }

    def covers(self, sent_at: datetime) -> bool:
        """Whether a message of this time is wanted."""
        day = sent_at.date()
        return (self.since is None or day >= self.since) and (
            self.until is None or day <= self.until
        )

    def as_json(self) -> dict[str, Any]:
        """What was chosen, without what was not."""
        given = {
            "chats": list(self.chats),
            "not_chats": list(self.not_chats),
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
        }
        return {key: value for key, value in given.items() if value}


EVERYTHING = Selection()


def _fits(pattern: str, name: str) -> bool:
    pattern, name = pattern.casefold(), name.casefold()
    return fnmatchcase(name, pattern) if "*" in pattern else pattern in name
