"""What BotConvo writes into a chat, made such that Telegram takes it. Pure.

Formatting is by entities, never by a markup language: what friends and people say is shown as it
is. Limits: https://core.telegram.org/bots/api#sendmessage; entities count in UTF-16 units:
https://core.telegram.org/bots/api#messageentity.
"""

from __future__ import annotations

from typing import NamedTuple

from orchestrator.platforms.fitting import shortened, units

LONGEST_MESSAGE = 4096
LONGEST_TOAST = 200
"""Of the answer to a pressed button: https://core.telegram.org/bots/api#answercallbackquery."""
LONGEST_NAME = 80
NAMELESS = "Friend"


class Words(NamedTuple):
    """A message's text; its first `bold_units` UTF-16 units are bold."""

    text: str
    bold_units: int = 0


def fitted(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """As much of the text as a message takes."""
    return shortened(text, longest)


def named(name: str, text: str, place: str = "") -> Words:
    """A line of somebody who has no account of their own: "Dex: hello", the name in bold. `place`:
    where they said it, if elsewhere."""
    name = fitted(" ".join(name.split()), LONGEST_NAME) or NAMELESS
    start = f"{name} ({place}): " if place else f"{name}: "
    return Words(start + fitted(text, LONGEST_MESSAGE - units(start)), units(name))
