"""What was said lately, and whether a new line only says it again. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from rapidfuzz import fuzz, process

TOO_NEAR_PERCENT = 85.0
"""Similarity of the letters (indel ratio, 0 to 100) from which on two lines count as the same."""


def letters(text: str) -> str:
    """Words of a text without case and marks: what two equal lines have in common."""
    return " ".join(re.findall(r"\w+", text.casefold()))


class RecentLines:
    """The last `within` lines, and those that were taken back and must not come again."""

    def __init__(self, within: int) -> None:
        self._recent: deque[tuple[int, str]] = deque(maxlen=within)
        self._taken_back: list[str] = []

    def add(self, line_id: int, text: str) -> None:
        self._recent.append((line_id, letters(text)))

    def take_back(self, line_id: int, text: str) -> None:
        """This line is gone, and must not be said again."""
        self.forget(line_id)
        self.never_again([text])

    def forget(self, line_id: int) -> None:
        """This line was not said, and may be said yet."""
        self._recent = deque((r for r in self._recent if r[0] != line_id), self._recent.maxlen)

    def never_again(self, texts: Iterable[str]) -> None:
        self._taken_back += map(letters, texts)

    def objection(self, text: str) -> str | None:
        """Why the text must not be said: "too near to ...", "was taken back", or None."""
        new = letters(text)
        if not new:
            return "says nothing"
        if _nearest(new, self._taken_back) is not None:
            return "was taken back"
        nearest = _nearest(new, [said for _, said in self._recent])
        return None if nearest is None else f"too near to {nearest!r}"


def _nearest(text: str, others: list[str]) -> str | None:
    found = process.extractOne(text, others, scorer=fuzz.ratio, score_cutoff=TOO_NEAR_PERCENT)
    return str(found[0]) if found else None
