"""What people in a chat get who only look: who the friends are, and what was said as a file. Knows
the show, and no platform."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile
from typing import Literal

from orchestrator.backstage import Backstage
from orchestrator.errors import OrchestratorError
from orchestrator.transcript import Transcript
from orchestrator.transcript.export import FORMS
from orchestrator.transcript.file import transcript_path
from orchestrator.transcript.when import moment

Form = Literal["html", "md"]


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
    """A transcript that a platform would not take."""


async def transcript(
    backstage: Backstage, conversation: str, form: Form, since: str, most_bytes: int, advice: str
) -> bytes:
    """What was said in this conversation. Raises OrchestratorError, also if nothing was said since
    then or it is too large; `advice` is how to ask for less."""
    path = transcript_path(backstage.show.home, conversation)
    began = moment(since, backstage.now()) if since else None

    given_up = threading.Event()

    def read() -> bytes:
        # A connection of its own: a long transcript takes seconds, and the show goes on.
        with Transcript.read(path) as kept:
            pieces = _until(given_up, _pieces(kept, form, began))
            return b"".join(_bounded(pieces, most_bytes, advice))

    try:
        return await asyncio.to_thread(read)
    finally:
        given_up.set()  # a show that ends would wait for the thread


def _until(given_up: threading.Event, pieces: Iterator[str]) -> Iterator[str]:
    return takewhile(lambda _: not given_up.is_set(), pieces)


def _pieces(kept: Transcript, form: Form, since: datetime | None) -> Iterator[str]:
    if next(kept.lines(since, None, None), None) is None:
        raise OrchestratorError("Nothing was said in that time.")
    return FORMS[form](kept, kept.lines(since, None, None))


def _bounded(pieces: Iterator[str], most_bytes: int, advice: str) -> Iterator[bytes]:
    left = most_bytes
    for piece in pieces:
        data = piece.encode()
        left -= len(data)
        if left < 0:
            raise TooLarge(
                f"That is more than the {most_bytes / 1e6:.0f} MB which a file may have here; "
                f"ask for less, as with {advice}."
            )
        yield data
