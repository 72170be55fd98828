"""How messages name commands and people."""

from __future__ import annotations

import os
import re
import shlex

CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")


def worded(text: str) -> str:
    """The text with `botconvo` as the user calls it: scripts/run says how that is."""
    return text.replace("botconvo ", os.environ.get("BOTCONVO_COMMAND", "botconvo") + " ")


def as_arguments(*names: str) -> str:
    """Names as the last words of a command line; none of them is taken for an option."""
    words = shlex.join(names)
    return f"-- {words}" if any(name.startswith("-") for name in names) else words


def on_one_line(name: str) -> str:
    """A name without line ends and other signs that would break a table."""
    return " ".join(CONTROL.sub(" ", name).split())
