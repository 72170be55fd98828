"""Chat markup to plain words. One of the three doors between the packages.

Training text and the lines that people type live are read with the same rules.
Discord's forms: https://discord.com/developers/docs/reference#message-formatting
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LINK = re.compile(r"<?\b(?:https?://|www\.)[^\s<>]+>?", re.IGNORECASE)
RAW_MENTION = re.compile(r"<@[!&]?(\d+)>")
RAW_CHANNEL = re.compile(r"<#\d+>")
RAW_TIME = re.compile(r"<t:-?\d+(?::\w)?>")
RAW_EMOJI = re.compile(r"<a?:(\w+):\d+>")
SHORT_EMOJI = re.compile(r"(?<![\w:]):([a-zA-Z]\w+):(?![\w:])")
MENTION = re.compile(r"(?<![\w@])@(?=\w)")
STYLE_MARKS = re.compile(r"\|\||\*\*|__|~~|```|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)")


def plain_words(text: str, names: Mapping[str, str] | None = None) -> str:
    """The text as one line of plain words.

    Links, channel tags and time stamps go; mentions become names (`names`: account id to
    name; unknown ids become "someone"); custom emoji become the words of their name; marks
    of bold, italic, code and spoilers go.
    """
    known = names or {}
    text = LINK.sub(" ", text)
    text = RAW_MENTION.sub(lambda found: known.get(found[1], "someone"), text)
    text = RAW_EMOJI.sub(lambda found: found[1].replace("_", " "), text)
    text = RAW_TIME.sub(" ", RAW_CHANNEL.sub(" ", text))
    text = SHORT_EMOJI.sub(lambda found: found[1].replace("_", " "), text)
    text = MENTION.sub("", STYLE_MARKS.sub("", text))
    return " ".join(text.replace("\N{VARIATION SELECTOR-16}", "").split())
