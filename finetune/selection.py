"""Which messages of the corpus are used: by chat and by date. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
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
                meant = f"perhaps you mean {' or '.join(map(repr, near))}; " if near else ""
                raise FinetuneError(
                    f"No chat of the corpus is called {pattern!r}; {meant}see: botconvo stats"
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

    def why_nothing(self, days: Collection[date]) -> str:
        """One sentence on why no message is wanted; `days` are those on which there are some in
        the chosen chats."""
        narrowed = self.chats or self.not_chats
        if not days and not narrowed:
            return "The corpus holds no messages; import a chat first: botconvo import EXPORT"
        if not days:
            return "--chat and --not-chat leave no chat with messages; see: botconvo stats"
        runs = "the chosen chats run" if narrowed else "the corpus runs"
        return f"No message lies {self._span()}; {runs} from {min(days)} to {max(days)}."

    def _span(self) -> str:
        if self.since is None:
            return f"before or on {self.until}"
        if self.until is None:
            return f"on or after {self.since}"
        if self.since == self.until:
            return f"on {self.since}"
        return f"between {self.since} and {self.until}"

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
