"""Chat markup to plain words. One of the three doors between the packages.

Training text and the lines that people type live are read with the same rules. Light: no
library is loaded until private data is asked for.
Discord's forms: https://discord.com/developers/docs/reference#message-formatting
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from finetune.links_and_tags import LINK as LINK  # who reads markup asks for it here
from finetune.links_and_tags import TAG

RAW_MENTION = re.compile(r"<@[!&]?(\d+)>")
RAW_CHANNEL = re.compile(r"<#\d+>")
RAW_TIME = re.compile(r"<t:-?\d+(?::\w)?>")
RAW_EMOJI = re.compile(r"<a?:(\w+):\d+>")
SHORT_EMOJI = re.compile(r"(?<![\w:]):([a-zA-Z]\w+):(?![\w:])")
NUMBER_MENTION = re.compile(r"(?<![\w@])@(\d{7,15})(?!\w)")
"""WhatsApp's: the phone number of whom is meant."""
ISOLATED_MENTION = re.compile("(?<![\\w@])@\u2068([^\u2068\u2069]*)\u2069")
"""WhatsApp's: a name between the marks of bidirectional isolation."""
MENTION = re.compile(r"(?<![\w@])@(?=\w)")
WHOLE = rf"({LINK.pattern}|{TAG}|{SHORT_EMOJI.pattern})|"
"""What must not be torn apart if it is still there: group 1."""
MARKS = re.compile(WHOLE + r"\|\||\*\*|__|~~|```|`", re.IGNORECASE)
EMPHASIS = re.compile(
    WHOLE + r"(?<![^\s(\[\"'“‘*_~|])([*_])(?=[^\s*_])([^\n]{1,500}?)(?<=\S)\3"
    r"(?![^\s.,!?;:)\]\"'”’*_~|…-])",
    re.IGNORECASE,
)
"""A pair around words: not >_<, nor 2 * 3 * 4, nor the star of "*you're"."""
ANY_STYLE_MARK = re.compile(r"[*_`]|\|\||~~")
ANY_MARKUP = re.compile(r"[<:@*_~`|\ufe0f]|://|www\.", re.IGNORECASE)


def plain_words(text: str, names: Mapping[str, str] | None = None) -> str:
    """The text as one line of plain words.

    Links, channel tags and time stamps go; mentions become names (`names`: account id to
    name; unknown ids become "someone"); custom emoji become the words of their name; marks
    of bold, italic, code and spoilers go. Plain words stay as they are.
    """
    if not ANY_MARKUP.search(text):
        return one_line(text)
    known = names or {}
    while True:
        stripped = with_names(without_links(text), known)
        stripped = one_line(without_style_marks(without_tags(emoji_as_words(stripped))))
        if stripped == text:
            return text
        # What was taken away may have stood inside other markup. Names are looked up only
        # once, as people are free to call themselves "<@42>".
        text, known = stripped, {}


def without_links(text: str) -> str:
    return LINK.sub(" ", text)


def with_names(text: str, names: Mapping[str, str]) -> str:
    """Mentions of accounts as the names of people."""
    if "@" not in text:
        return text

    def name(found: re.Match[str]) -> str:
        return names.get(found[1], "someone")

    text = NUMBER_MENTION.sub(name, RAW_MENTION.sub(name, text))
    return MENTION.sub("", ISOLATED_MENTION.sub(r"\1", text))


def emoji_as_words(text: str) -> str:
    """Custom emoji as the words of their names."""
    if ":" not in text:
        return text

    def words(found: re.Match[str]) -> str:
        return found[1].replace("_", " ")

    return SHORT_EMOJI.sub(words, RAW_EMOJI.sub(words, text))


def without_tags(text: str) -> str:
    """Without Discord's tags of channels and times."""
    return RAW_TIME.sub(" ", RAW_CHANNEL.sub(" ", text)) if "<" in text else text


def without_style_marks(text: str) -> str:
    """The text without marks, those inside others too."""
    while ANY_STYLE_MARK.search(text):
        stripped = MARKS.sub(lambda found: found[1] or "", text)
        stripped = EMPHASIS.sub(lambda found: found[1] or found[4], stripped)
        if stripped == text:
            break
        text = stripped
    return text


def one_line(text: str) -> str:
    return " ".join(text.replace("\N{VARIATION SELECTOR-16}", "").split())


def without_private_data(text: str) -> tuple[str, Counter[str]]:
    """See `finetune.private_data`, which needs libraries that not every process has loaded."""
    from finetune import private_data

    return private_data.without_private_data(text)
