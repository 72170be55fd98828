"""A platform in memory that can do all: for tests, and for plays without an audience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from orchestrator.backstage import Backstage
from orchestrator.platforms import Capability, Event


@dataclass(slots=True)
class Shown:
    """A message as the audience sees it now."""

    message_id: str
    friend: str
    text: str
    deleted: bool = False


class ScriptedPlatform:
    """Records what is shown; people's doings are put in with `do`."""

    capabilities: frozenset[Capability] = frozenset(
        {"typing", "edit", "delete", "reactions", "relay", "operator"}
    )

    def __init__(self, name: str = "scripted") -> None:
        self.name = name
        self.where = ""
        self.ready = asyncio.Event()
        self.ready.set()
        self.backstage: Backstage | None = None
        self.shown: list[Shown] = []
        self.notices: list[str] = []
        self.typed_by: list[str] = []
        self.is_read = False
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._changed = asyncio.Condition()

    async def open(self, backstage: Backstage) -> None:
        self.backstage = backstage

    def do(self, event: Event) -> None:
        """A person does something."""
        self._events.put_nowait(event)

    async def when(self, is_true: Callable[[], bool]) -> None:
        """Waits until something that is shown is so."""
        async with self._changed:
            await self._changed.wait_for(is_true)

    async def when_shown(self, count: int) -> list[Shown]:
        """Waits until so many messages have been shown."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.shown) >= count)
        return self.shown

    async def when_noticed(self, count: int) -> list[str]:
        """Waits until so many notices have been given."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.notices) >= count)
        return self.notices

    async def events(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            yield event

    async def say(self, line_id: int, friend: str, text: str) -> str:
        message_id = f"m{line_id}"
        async with self._changed:
            self.shown.append(Shown(message_id, friend, text))
            self._changed.notify_all()
        return message_id

    async def relay(self, line_id: int, author: str, text: str, stage: str) -> str:
        return await self.say(line_id, author, text)

    async def notice(self, text: str) -> None:
        async with self._changed:
            self.notices.append(text)
            self._changed.notify_all()

    async def typing(self, friend: str) -> None:
        self.typed_by.append(friend)

    async def edit(self, message_id: str, speaker: str, text: str) -> None:
        async with self._changed:
            self._find(message_id).text = text
            self._changed.notify_all()

    async def delete(self, message_id: str) -> None:
        async with self._changed:
            self._find(message_id).deleted = True
            self._changed.notify_all()

    def _find(self, message_id: str) -> Shown:
        return next(shown for shown in self.shown if shown.message_id == message_id)

    async def close(self) -> None:
        self._events.put_nowait(None)
