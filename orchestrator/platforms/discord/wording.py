"""What BotConvo writes into a channel, made such that Discord takes it: names and lines. Pure.

Limits: https://docs.discord.com/developers/resources/webhook#create-webhook (names) and
https://docs.discord.com/developers/resources/message#create-message (lines).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST_LINE = 2000
LONGEST_NAME = 80
SHORTENED = "…"
NAMELESS = "Friend"
REFUSED_IN_NAMES = re.compile("(dis)(cord)|(cly)(de)", re.IGNORECASE)
INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by their category of which nothing is seen."""
MARKDOWN = re.compile(r"([\\*_~`|>\[\]()#+-])")


def units(text: str) -> int:
    """Length as Discord's own programs count it, in UTF-16 units; never below its server's
    count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def fitted(text: str, longest: int = LONGEST_LINE) -> str:
    """The text, trimmed; one that is too long ends at a word, with an ellipsis. One line stays one
    message, so that a reply, an edit and a deletion mean the whole of it."""
    text = _without_halves(text).strip()
    if units(text) <= longest:
        return text
    cut = text[: longest - len(SHORTENED)]
    while units(cut) > longest - len(SHORTENED):
        cut = cut[:-1]
    at_word = cut.rsplit(maxsplit=1)[0]
    # A single word of half a screen is cut inside rather than lost.
    return (at_word if len(at_word) > len(cut) // 2 else cut).rstrip() + SHORTENED


def prefixed(name: str, text: str, place: str = "") -> str:
    """A line of somebody who has no account of their own: "**Dex:** hello". `place`: where they
    said it, if elsewhere."""
    shown = MARKDOWN.sub(r"\\\1", lawful(name))
    start = f"**{shown}** ({place}): " if place else f"**{shown}:** "
    return start + fitted(text, LONGEST_LINE - units(start))


def lawful(name: str) -> str:
    """The name as a webhook may bear it: 1 to 80 characters, neither `discord` nor `clyde` in it,
    something to be seen."""
    name = " ".join(_without_halves(name).split())
    if not any(_is_seen(char) for char in name):
        name = NAMELESS
    name = REFUSED_IN_NAMES.sub(lambda found: "·".join(filter(None, found.groups())), name)
    return fitted(name, LONGEST_NAME)


def lawful_names(names: Sequence[str]) -> dict[str, str]:
    """A lawful name for each, still told apart: the second that would look like another gets a
    number."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        shown, count = lawful(name), 1
        while shown.casefold() in taken:
            count += 1
            number = f" ({count})"
            shown = fitted(lawful(name), LONGEST_NAME - len(number)) + number
        taken.add(shown.casefold())
        found[name] = shown
    return found


def _is_seen(char: str) -> bool:
    return unicodedata.category(char)[0] not in "CZ" and char not in INVISIBLE


def _without_halves(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
