"""What may be printed in a terminal, and how it is coloured. Knows no prompt_toolkit, so that the
plain terminal has it, too."""

from __future__ import annotations

import os
import sys
import unicodedata
from typing import TextIO

ANSI = {
    "red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "white": 37,
}  # fmt: skip
"""The eight that every terminal with colours has."""
UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of surrogate pairs, and ends of lines and paragraphs. Joiners stay:
many an emoji is made of several."""
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Turn round whatever follows them, on terminals that know both directions of writing
(https://www.unicode.org/reports/tr9/)."""
BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
WITHOUT_COLORS = ("dumb", "unknown")


def has_colors(stream: TextIO) -> bool:
    """Whether what goes there may be coloured: https://no-color.org."""
    is_able = os.environ.get("TERM") not in WITHOUT_COLORS
    return stream.isatty() and not os.environ.get("NO_COLOR") and is_able


def printable(text: str) -> str:
    """Without control characters: a model must not move the cursor or ring the bell."""
    return "".join(
        c for c in text if unicodedata.category(c) not in UNPRINTABLE and c not in TURNING
    )


def in_color(name: str, color: str | None) -> str:
    """The name of whoever speaks; those without a color are people."""
    start = BOLD if color is None else f"\x1b[1;{ANSI[color]}m"
    return f"{start}{name}{PLAIN}"


def dimmed(text: str) -> str:
    return f"{DIM}{text}{PLAIN}"


def can_be_live() -> bool:
    """Whether standard input and output are a terminal that can move its cursor."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout and sys.stdout.isatty()):
        return False
    if sys.platform == "win32":
        from prompt_toolkit.output.windows10 import is_win_vt100_enabled

        return is_win_vt100_enabled()
    return os.environ.get("TERM", "") not in ("", *WITHOUT_COLORS)
