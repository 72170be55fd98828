"""What help says, and how long answers are made to fit. Knows nothing of discord.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orchestrator.platforms.discord.command_settings import CommandName
from orchestrator.platforms.discord.wording import LONGEST_LINE, fitted
from orchestrator.platforms.fitting import SHORTENED, units

HELP: Mapping[CommandName, str] = {
    "ask": "a friend to speak next, about something if you like",
    "topic": "what they talk about for some lines; `off` ends it",
    "friends": "who is here",
    "roles": "a role for each of them to @mention",
    "why": "the last line was said, or the one with that number",
    "status": "what is going on",
    "again": "the last line is said anew in its place",
    "oops": "the last line is taken back, and will not come again",
    "pause": "everybody is silent",
    "resume": "on with the show",
    "pace": "2 is twice as fast, 0.5 half as fast",
    "mute": "a friend is silent",
    "unmute": "and may speak again",
    "transcript": "what was said, as a file for you alone",
}
SHOWN: Mapping[CommandName, str] = {"roles": "friends roles"}
"""Commands that Discord shows under another name."""
ENTRIES = ("why", "Why?"), ("again", "Again"), ("oops", "Oops")


def helped(allowed: Collection[CommandName]) -> str:
    """What somebody can do who may use these commands."""
    lines = [f"**/{SHOWN.get(name, name)}** {HELP[name]}" for name in HELP if name in allowed]
    lines.append("Name a friend or reply to a line of theirs to have that one answer.")
    if entries := [entry for name, entry in ENTRIES if name in allowed]:
        lines.append(
            f"In the menu of a message, under Apps, is for that line: {', '.join(entries)}"
        )
    return "\n".join(lines)


def by_lines(text: str) -> str:
    """The text, which ends at a line's end if it is too long for Discord, or else at a word's."""
    if units(text) <= LONGEST_LINE:
        return text
    kept = ""
    for line in text.splitlines(keepends=True):
        if units(kept + line) > LONGEST_LINE - len(SHORTENED):
            break
        kept += line
    return kept + SHORTENED if kept.strip() else fitted(text)
