"""Text made to fit into a message. Pure."""

from __future__ import annotations

SHORTENED = "…"


def units(text: str) -> int:
    """Length in UTF-16 units, in which Telegram counts, and Discord's own programs do; never below
    the count of Discord's server."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def whole_characters(text: str) -> str:
    """Without halves of surrogate pairs, which nobody takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def shortened(text: str, longest: int) -> str:
    """The text, trimmed; one of more than `longest` units ends at a word, with an ellipsis. One
    line stays one message, so that a reply, an edit and a deletion mean the whole of it."""
    text = whole_characters(text).strip()
    if units(text) <= longest:
        return text
    cut = text[: longest - len(SHORTENED)]
    while units(cut) > longest - len(SHORTENED):
        cut = cut[:-1]
    at_word = cut.rsplit(maxsplit=1)[0]
    # A single word of half a screen is cut inside rather than lost.
    return (at_word if len(at_word) > len(cut) // 2 else cut).rstrip() + SHORTENED
