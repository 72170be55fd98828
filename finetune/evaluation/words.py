"""What counts as a word, as the same line, and as a friend's name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

TOO_NEAR_PERCENT = 85.0
"""Similarity of the letters (indel ratio, 0 to 100) from which on two lines count as the same,
as in the show."""
SHORTEST_NAME = 3
MASK = "@"
"""Stands for a friend's name: no letter, and rare in a chat's plain words."""


def words_of(text: str) -> list[str]:
    """Words without case and marks, as a copied line is known by."""
    return re.findall(r"\w+", text.casefold())


def letters(text: str) -> str:
    return " ".join(words_of(text))


def name_mask(names: Iterable[str]) -> re.Pattern[str]:
    """Finds the names of people, whole and each of their words, in any case."""
    parts = {part for name in names for part in (name, *re.findall(r"\w+", name))}
    long = sorted((p for p in parts if len(p) >= SHORTEST_NAME), key=len, reverse=True)
    return re.compile(
        rf"(?<!\w)(?:{'|'.join(map(re.escape, long)) or '(?!)'})(?!\w)", re.IGNORECASE
    )


def without_names(text: str, names: re.Pattern[str]) -> str:
    return names.sub(MASK, text)
