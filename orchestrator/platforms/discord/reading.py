"""What people wrote, in words: Discord's marks for members, roles, channels, emoji and times become
what people see in their place. Pure.

The marks: https://docs.discord.com/developers/reference#message-formatting
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

NameOf = Callable[[int], str | None]

MARKS = re.compile(
    r"<@!?(?P<user>\d{1,20})>|<@&(?P<role>\d{1,20})>|<#(?P<channel>\d{1,20})>"
    r"|<a?:(?P<emoji>\w{1,100}):\d{1,20}>|</(?P<command>[^:>\n]{1,100}):\d{1,20}>"
    r"|<t:(?P<time>-?\d{1,12})(?::[tTdDfFRsS])?>"
)


@dataclass(frozen=True, slots=True)
class Names:
    """How ids are called; None if nobody knows."""

    user: NameOf
    role: NameOf
    channel: NameOf


def readable(text: str, names: Names, me: int | None = None) -> str:
    """The text with names in place of ids. A mention of `me`, the bot itself, means "you all"
    and is left out, unless it is all there is."""

    def word(found: re.Match[str]) -> str:
        kind, value = found.lastgroup, found[found.lastgroup or 0]
        match kind:
            case "user":
                return "@" + (names.user(int(value)) or "somebody")
            case "role":
                return "@" + (names.role(int(value)) or "role")
            case "channel":
                return "#" + (names.channel(int(value)) or "channel")
            case "emoji":
                return f":{value}:"
            case "command":
                return f"/{value}"
            case _:
                return _moment(int(value)) or found[0]

    if me is not None:
        rest = re.sub(rf"\s*<@!?{me}>[,:]?", " ", text).strip()
        text = rest or text
    return MARKS.sub(word, text).strip()


def mentioned(text: str) -> tuple[list[int], list[int]]:
    """Ids of the users and of the roles that the text itself mentions, in order, each once: a reply
    also pings whom it answers, who is not in the text."""
    users: dict[int, None] = {}
    roles: dict[int, None] = {}
    for found in MARKS.finditer(text):
        if found["user"]:
            users[int(found["user"])] = None
        elif found["role"]:
            roles[int(found["role"])] = None
    return list(users), list(roles)


def _moment(seconds: int) -> str | None:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return None
