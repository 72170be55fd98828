"""Where the show is seen and people join in: what a platform tells and what it can do.

A platform never decides what is said. Each says in `capabilities` what it can do besides
`say`; what it cannot is not asked of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

Capability = Literal["typing", "edit", "delete", "reactions"]


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A person said something. `addressed` are the friends that the platform itself knows to
    be meant (a mention, a reply); names in the text are found by the conversation."""

    message_id: str
    author: str
    text: str
    reply_to: str | None = None
    addressed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A person wants something of the show: `/topic pizza` is ("topic", "pizza")."""

    author: str
    name: str
    argument: str


@dataclass(frozen=True, slots=True)
class Reaction:
    """A person put an emoji to a message."""

    message_id: str
    author: str
    emoji: str


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
    """One stage of the show."""

    name: str
    capabilities: frozenset[Capability]

    @property
    def is_read(self) -> bool:
        """Whether somebody is known to be reading along; pauses grow where nobody is."""
        ...

    def events(self) -> AsyncIterator[Event]:
        """What people do, until the platform is closed."""
        ...

    async def say(self, line_id: int, friend: str, text: str) -> str:
        """Shows a friend's line; returns the platform's id of the message. This and what
        follows raise StageFailed if it cannot be shown."""
        ...

    async def notice(self, text: str) -> None:
        """Tells people something about the show itself."""
        ...

    async def typing(self, friend: str) -> None: ...

    async def edit(self, message_id: str, text: str) -> None: ...

    async def delete(self, message_id: str) -> None: ...

    async def close(self) -> None: ...
