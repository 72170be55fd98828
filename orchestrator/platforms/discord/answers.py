"""What the commands that only look are answered with: texts and a file. Knows the show, and
nothing of discord.py."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Literal

from orchestrator.backstage import Backstage
from orchestrator.errors import OrchestratorError
from orchestrator.platforms.discord.command_settings import CommandName
from orchestrator.platforms.discord.wording import LONGEST_LINE, fitted
from orchestrator.platforms.fitting import SHORTENED, units
from orchestrator.transcript import Transcript
from orchestrator.transcript.export import FORMS
from orchestrator.transcript.file import transcript_path
from orchestrator.transcript.when import moment

Form = Literal["html", "md"]

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


def friends(backstage: Backstage) -> Iterator[str]:
    """A line for each friend: how they are, and what they learned from."""
    muted = backstage.control.conversation.muted
    for friend in backstage.show.friends:
        state = backstage.friends.state(friend.name)
        parts: list[str] = [state.kind]  # its text names ports and files of the machine
        count = backstage.friends.manifest_of(friend.name).trained_on.messages
        if count:
            parts.append(f"learned from {count:,} messages")
        if friend.name in muted:
            parts.append("muted")
        called = f" ({', '.join(friend.aliases)})" if friend.aliases else ""
        yield f"{friend.name}{called}: {'; '.join(parts)}"


class TooLarge(OrchestratorError):
    """A transcript that Discord would not take."""


async def transcript(
    backstage: Backstage, conversation: str, form: Form, since: str, most_bytes: int
) -> bytes:
    """What was said in this conversation. Raises OrchestratorError, also if nothing was said since
    then or it is too large."""
    path = transcript_path(backstage.show.home, conversation)
    began = moment(since, backstage.now()) if since else None

    def read() -> bytes:
        # A connection of its own: a long transcript takes seconds, and the show goes on.
        with Transcript.read(path) as kept:
            return b"".join(_bounded(_pieces(kept, form, began), most_bytes))

    return await asyncio.to_thread(read)


def _pieces(kept: Transcript, form: Form, since: datetime | None) -> Iterator[str]:
    if next(kept.lines(since, None, None), None) is None:
        raise OrchestratorError("Nothing was said in that time.")
    return FORMS[form](kept, kept.lines(since, None, None))


def _bounded(pieces: Iterator[str], most_bytes: int) -> Iterator[bytes]:
    left = most_bytes
    for piece in pieces:
        data = piece.encode()
        left -= len(data)
        if left < 0:
            raise TooLarge(
                f"That is more than the {most_bytes / 1e6:.0f} MB which Discord takes here; "
                "ask for less, as with since: 2 days."
            )
        yield data
