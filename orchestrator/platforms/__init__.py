"""Where the show is seen and people join in: what a platform tells and what it can do.

A platform never decides what is said. Each says in `capabilities` what it can do besides
`say`; what it cannot is not asked of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from orchestrator.backstage import Backstage

Capability = Literal["typing", "edit", "delete", "reactions", "relay", "echo", "past", "operator"]
"""`relay`: shows what people say on other stages. `echo`: shows what people say on this one only
when it is told to, as any relayed line; a chat shows it by itself. `past`: shows lines
of before it was there, too, each as the message that `past_message` names. `operator`: whoever is
there started the show."""


def past_message(line_id: int) -> str:
    """What a stage that shows the past calls a line: the same before and after any restart."""
    return f"line-{line_id}"


class Answer(Protocol):
    """Tells whoever gave a command what came of it; not `is_done` means that it was refused."""

    def __call__(self, text: str, is_done: bool = True) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A person said something. `addressed` are the friends that the platform itself knows to
    be meant (a mention, a reply); names in the text are found by the conversation."""

    message_id: str
    author: str
    text: str
    reply_to: str | None = None
    addressed: tuple[str, ...] = ()
    at: datetime | None = None
    """When it was said, with a time zone, if that was before now: lines that a platform reads
    after a gap. One of long ago is taken into the conversation and waits for no answer."""


@dataclass(frozen=True, slots=True)
class Command:
    """A person wants something of the show: `/topic pizza` is ("topic", "pizza")."""

    author: str
    name: str
    argument: str
    answer: Answer | None = field(default=None, compare=False)
    """Tells that person what came of it; without it the answer is a notice on the platform."""
    message_id: str | None = None
    """The message that the person pointed at, if any: /why about this line."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """A person put an emoji to a message, or took it away again."""

    message_id: str
    author: str
    emoji: str
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """A person changed the text of a message of theirs."""

    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """A message is gone."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Gap:
    """The platform was away; lines of people may be missing."""

    reason: str


Event = PersonLine | Command | Reaction | Edit | Deletion | Gap


class Platform(Protocol):
    """One stage of the show. Calls that show something come one at a time, in order; `close` may
    come at any time."""

    name: str
    """Under which the transcript remembers messages: the same after a restart, and no other
    stage's ("discord 1234")."""
    capabilities: frozenset[Capability]
    ready: asyncio.Event
    """Set while the platform can show lines. The show waits if none can."""

    @property
    def where(self) -> str:
        """Once it is open: where people find it, to be told elsewhere ("on http://...", "in
        #bots"); "" if they are there already."""
        ...

    @property
    def is_read(self) -> bool:
        """Whether somebody is known to be reading along; pauses grow where nobody is."""
        ...

    async def open(self, backstage: Backstage) -> None:
        """Before anything else: connects, listens, checks. Raises StageLost if it cannot be, with
        one sentence that says what to do. What may come right by itself (no network yet) is no
        error: `ready` is set later."""
        ...

    def events(self) -> AsyncIterator[Event]:
        """What people do, until the platform is closed. Raises StageLost when it is gone for
        good."""
        ...

    async def say(self, line_id: int, friend: str, text: str) -> str:
        """Shows a friend's line; returns the platform's id of the message. This and what
        follows raise StageFailed if it cannot be shown."""
        ...

    async def relay(self, line_id: int, author: str, text: str, stage: str) -> str:
        """Shows a person's line, said on that stage; returns the id of the message."""
        ...

    async def notice(self, text: str) -> None:
        """Tells people something about the show itself."""
        ...

    async def typing(self, friend: str) -> None:
        """Shows that the friend writes, until they have said something or some ten seconds are
        over."""
        ...

    async def edit(self, message_id: str, speaker: str, text: str) -> None:
        """Gives a message that `say` or `relay` made another text."""
        ...

    async def delete(self, message_id: str) -> None: ...

    async def close(self) -> None: ...
