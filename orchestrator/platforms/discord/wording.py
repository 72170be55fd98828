"""What BotConvo writes into a channel, made such that Discord takes it: names and lines. Pure.

Limits: https://docs.discord.com/developers/resources/webhook#create-webhook (names) and
https://docs.discord.com/developers/resources/message#create-message (lines).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from orchestrator.platforms.fitting import shortened, units, whole_characters

LONGEST_LINE = 2000
LONGEST_NAME = 80
NAMELESS = "Friend"
REFUSED_IN_NAMES = re.compile(
    "(dis)(cord)|(cly)(de)|^(every)(one)$|^(he)(re)$|^(system) (message)$", re.IGNORECASE
)
"""The last three as the whole name, which Discord documents for user names and applies here too."""
INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by their category of which nothing is seen."""
MARKDOWN = re.compile(r"([\\*_~`|>\[\]()#+-])")


def fitted(text: str, longest: int = LONGEST_LINE) -> str:
    """As much of the text as a message takes."""
    return shortened(text, longest)


def prefixed(name: str, text: str, place: str = "") -> str:
    """A line of somebody who has no account of their own: "**Dex:** hello". `place`: where they
    said it, if elsewhere."""
    shown = MARKDOWN.sub(r"\\\1", lawful(name))
    start = f"**{shown}** ({place}): " if place else f"**{shown}:** "
    return start + fitted(text, LONGEST_LINE - units(start))


def lawful(name: str) -> str:
    """The name as a webhook may bear it: 1 to 80 characters, something to be seen, and nothing of
    what Discord keeps for itself."""
    name = " ".join(whole_characters(name).split())
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
