"""How texts are searched: first for hints, which is quick, then with patterns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable


def has_any(hints: tuple[str, ...], small: str) -> bool:
    """Whether one of them is in a text of small letters."""
    for hint in hints:  # noqa: SIM110 (`any` takes three times as long, and this is asked always)
        if hint in small:
            return True
    return False


def replaced(
    text: str,
    pattern: re.Pattern[str],
    kind: str,
    kinds: Counter[str],
    is_one: Callable[[re.Match[str]], bool] | None = None,
) -> str:
    """The text with `kind` in the place of all that the pattern finds and `is_one` agrees to; adds
    to `kinds` how many there were."""

    def word(found: re.Match[str]) -> str:
        if is_one is not None and not is_one(found):
            return found[0]
        kinds[kind] += 1
        return kind

    return pattern.sub(word, text)
