"""Text in rows of a terminal. Pure: knows no colours and no screen."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prompt_toolkit.utils import get_cwidth

LEAST_TEXT_COLUMNS = 12
"""Beside an indent; where there are fewer, the indent gets smaller."""


def wrapped(text: str, columns: int, indent: int = 0) -> Iterator[str]:
    """Rows of at most so many columns; all but the first begin with the indent. Ends of rows are
    between words where that can be. Widths are those of Unicode's East Asian Width, as terminals
    have them."""
    columns = max(columns, 2)  # a wide character needs two
    indent = max(0, min(indent, columns - LEAST_TEXT_COLUMNS))
    row, width = "", 0
    for word in re.findall(r"\s*\S+|\s+$", text):
        if width + get_cwidth(word) <= columns:
            row, width = row + word, width + get_cwidth(word)
            continue
        rest = word
        if row:
            yield row
            row, width, rest = " " * indent, indent, word.lstrip()
        while get_cwidth(rest) > columns - width:
            count = _fitting(rest, columns - width)
            yield row + rest[:count]
            row, width, rest = " " * indent, indent, rest[count:]
        row, width = row + rest, width + get_cwidth(rest)
    yield row


def _fitting(text: str, columns: int) -> int:
    """How many characters at the beginning fit."""
    width = 0
    for count, character in enumerate(text):
        width += get_cwidth(character)
        if width > columns:
            return count
    return len(text)
