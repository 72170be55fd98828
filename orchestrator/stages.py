"""All platforms of a show as one: says a line everywhere, and remembers where it stands.

A platform that fails or hangs does not stop the others; it comes back by itself, or is left out
for good once it says that it cannot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from orchestrator.errors import StageFailed, StageLost
from orchestrator.platforms import Platform
from orchestrator.transcript import Transcript
from orchestrator.writer import Writer

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
"""So long the show waits for a stage if another one has shown the line already."""
LONGEST_BACKLOG = 8
"""Actions that may wait for a stage; what comes after is not shown there, and counted."""

Result = TypeVar("Result")


class _Stage:
    """One platform, and what waits for it: one action at a time, in order."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.missed = 0
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def perform(self, action: Callable[[], Awaitable[Result]]) -> Result:
        """Raises StageFailed if the stage is too far behind, or the action does."""
        if self._waiting >= LONGEST_BACKLOG:
            raise StageFailed("it is too far behind")
        self._waiting += 1
        try:
            async with self._turn:
                return await action()
        finally:
            self._waiting -= 1


class Stages:
    """The platforms that show one conversation."""

    def __init__(
        self,
        platforms: Sequence[Platform],
        transcript: Transcript,
        writer: Writer,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._stages = {platform.name: _Stage(platform) for platform in platforms}
        self._transcript = transcript
        self._writer = writer
        self._patience_seconds = patience_seconds
        self._tasks: set[asyncio.Task[Any]] = set()
        self.lost: dict[str, str] = {}
        """Platforms that are gone for good, each with a sentence."""
        self.all_lost = asyncio.Event()

    @property
    def platforms(self) -> list[Platform]:
        """Those that are not gone."""
        return [stage.platform for stage in self._stages.values()]

    @property
    def is_read(self) -> bool:
        """Whether somebody is known to be reading along somewhere."""
        return any(platform.is_read for platform in self.platforms)

    async def open(self, action: Callable[[Platform], Awaitable[None]]) -> None:
        """Does this with each platform at once; those that raise StageLost are left out."""

        async def opened(platform: Platform) -> None:
            try:
                await action(platform)
            except StageLost as error:
                await self.lose(platform, str(error))

        await asyncio.gather(*(opened(platform) for platform in self.platforms))

    async def when_ready(self) -> None:
        """Waits until a line can be shown somewhere, or no platform is left."""
        while not any(platform.ready.is_set() for platform in self.platforms):
            if self.all_lost.is_set():
                return
            waiting = [asyncio.create_task(p.ready.wait()) for p in self.platforms]
            waiting.append(asyncio.create_task(self.all_lost.wait()))
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()

    async def lose(self, platform: Platform, why: str) -> None:
        """Leaves a platform out from now on, and tells the others."""
        if self._stages.pop(platform.name, None) is None:
            return
        self.lost[platform.name] = why
        await platform.close()
        if not self._stages:
            self.all_lost.set()  # the show ends with these words
            return
        log.error("%s: %s", platform.name, why)
        await self.notice(f"The show goes on without {platform.name}: {why}")

    # --- what is shown --------------------------------------------------------------------------

    async def say(self, line_id: int, friend: str, text: str) -> bool:
        """Returns whether the line could be shown anywhere. A stage that takes long shows it
        later than the others."""
        able = [stage for stage in self._stages.values() if stage.platform.ready.is_set()]
        for stage in self._stages.values():
            stage.missed += stage not in able
        if not able:
            return False
        tasks = {self._task(self._say_on(stage, line_id, friend, text)) for stage in able}
        done, pending = await asyncio.wait(tasks, timeout=self._patience_seconds)
        while pending and not any(task.result() for task in done):
            more, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        return any(task.result() for task in done)

    async def _say_on(self, stage: _Stage, line_id: int, friend: str, text: str) -> bool:
        show = partial(stage.platform.say, line_id, friend, text)
        return await self._show_on(stage, line_id, show)

    async def _show_on(
        self, stage: _Stage, line_id: int, show: Callable[[], Awaitable[str]]
    ) -> bool:
        message_id = await self._try(stage, show)
        if message_id is None:
            stage.missed += 1
            return False
        place = stage.platform.name
        await self._writer.write(lambda: self._transcript.posted(line_id, place, message_id))
        await self._tell_of_missed(stage)
        return True

    async def _tell_of_missed(self, stage: _Stage) -> None:
        """Once lines are shown again: how many were not, meanwhile. A single stage misses
        nothing, as the show waits for it."""
        missed, stage.missed = stage.missed, 0
        if missed and len(self._stages) > 1:
            lines = "line was" if missed == 1 else "lines were"
            text = f"{missed} {lines} not shown here meanwhile; /transcript has all."
            await self._try(stage, partial(stage.platform.notice, text))

    def relay(self, origin: Platform, line_id: int, author: str, text: str) -> None:
        """Shows a person's line on the other stages, soon."""
        for stage in self._stages.values():
            platform = stage.platform
            if "relay" not in platform.capabilities or not platform.ready.is_set():
                continue
            if platform is origin and "echo" not in platform.capabilities:
                continue
            show = partial(platform.relay, line_id, author, text, origin.name)
            self._begin(self._show_on(stage, line_id, show))

    async def reword(
        self, line_id: int, speaker: str, text: str, but_not_on: Platform | None = None
    ) -> None:
        """Shows a line's new wording in its place, or a friend's anew where that cannot be."""
        actions: list[Coroutine[Any, Any, object]] = []
        for stage in self._stages.values():
            platform = stage.platform
            if platform is but_not_on:
                continue
            message_id = self._transcript.message_of(platform.name, line_id)
            if message_id and "edit" in platform.capabilities:
                change = partial(platform.edit, message_id, speaker, text)
                actions.append(self._try(stage, change))
            elif but_not_on is None:
                actions.append(self._say_on(stage, line_id, speaker, text))
        await self._patiently(actions)

    async def take_back(self, line_id: int, but_not_on: Platform | None = None) -> None:
        actions = []
        for stage in self._stages.values():
            platform = stage.platform
            message_id = self._transcript.message_of(platform.name, line_id)
            if message_id and "delete" in platform.capabilities and platform is not but_not_on:
                actions.append(self._try(stage, partial(platform.delete, message_id)))
        await self._patiently(actions)

    async def typing(self, friend: str) -> None:
        """Shows it where that can be at once: nobody waits for it."""
        for stage in self._stages.values():
            platform = stage.platform
            if "typing" in platform.capabilities and platform.ready.is_set():
                self._begin(self._try(stage, partial(platform.typing, friend)))

    async def notice(self, text: str) -> None:
        tell = [self._try(s, partial(s.platform.notice, text)) for s in self._stages.values()]
        await self._patiently(tell)

    async def tell(self, platform: Platform, text: str) -> None:
        """A notice on one platform only."""
        if stage := self._stages.get(platform.name):
            await self._patiently([self._try(stage, partial(platform.notice, text))])

    # --- with care ------------------------------------------------------------------------------

    async def _try(self, stage: _Stage, action: Callable[[], Awaitable[Result]]) -> Result | None:
        try:
            return await stage.perform(action)
        except StageLost as error:
            await self.lose(stage.platform, str(error))
        except StageFailed as error:
            log.warning("%s: %s", stage.platform.name, error)
        return None

    async def _patiently(self, actions: Sequence[Coroutine[Any, Any, Any]]) -> None:
        """Waits until all is done, but not for a stage that hangs."""
        tasks = [self._task(action) for action in actions]
        if tasks:
            done, _ = await asyncio.wait(tasks, timeout=self._patience_seconds)
            for task in done:
                task.result()

    def _begin(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Does it without anybody who waits."""
        self._task(coroutine).add_done_callback(_failed)

    def _task(self, coroutine: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for platform in self.platforms:
            await platform.close()


def _failed(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("a stage could not be told: %s", error, exc_info=error)
