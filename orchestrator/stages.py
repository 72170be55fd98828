"""All platforms of a show as one: says a line everywhere, and remembers where it stands.

A platform that fails or hangs does not stop the others; it comes back by itself, or is left out
for good once it says that it cannot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from orchestrator.errors import StageFailed, StageLost
from orchestrator.platforms import Platform, past_message
from orchestrator.stage import CLOSING_SECONDS, LONGEST_BACKLOG, MOST_CHANGES, Stage, closed
from orchestrator.transcript import Transcript
from orchestrator.writer import Writer

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
"""So long the show waits for a stage if another one has shown the line already; after that no
longer at all, until the stage has caught up."""

Result = TypeVar("Result")


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
        self._stages = {platform.name: Stage(platform) for platform in platforms}
        self._transcript = transcript
        self._writer = writer
        self.patience_seconds = patience_seconds
        self._tasks: set[asyncio.Task[Any]] = set()
        self._changing: dict[asyncio.Task[Any], Stage] = {}
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
        if not self._stages:
            self.all_lost.set()  # the show ends with these words
        else:
            await self.alarm(f"The show goes on without {platform.name}: {why}")
        await closed([platform])

    # --- what is shown --------------------------------------------------------------------------

    async def say(self, line_id: int, friend: str, text: str) -> bool:
        """Returns whether the line could be shown anywhere. A stage that takes long shows it
        later than the others."""
        showing = {
            self._task(self._say_on(stage, line_id, friend, text)): stage
            for stage in self._stages.values() if stage.platform.ready.is_set()
        }  # fmt: skip
        if not await self._any_of(showing):
            return False
        for task, stage in showing.items():
            task.add_done_callback(stage.count)
        for stage in self._stages.values():
            stage.missed += stage not in showing.values()
        return True

    async def _any_of(self, showing: Mapping[asyncio.Task[bool], Stage]) -> bool:
        """Waits for all with patience, and without end until one has shown it."""
        await self._patiently(showing)
        while pending := [task for task in showing if not task.done()]:
            if any(task.result() for task in showing if task.done()):
                return True
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        return any(task.result() for task in showing)

    async def _say_on(self, stage: Stage, line_id: int, friend: str, text: str) -> bool:
        show = partial(stage.platform.say, line_id, friend, text)
        return await self._show_on(stage, line_id, show)

    async def _show_on(
        self, stage: Stage, line_id: int, show: Callable[[], Awaitable[str]]
    ) -> bool:
        async def show_unless_gone() -> str:
            # It may have been taken back while the stage was behind.
            line = self._transcript.line(line_id)
            return "" if line is None or line.unsaid else await show()

        message_id = await self._try(stage, show_unless_gone)
        if message_id is None:
            return False
        if message_id:
            place = stage.platform.name
            await self._writer.write(lambda: self._transcript.posted(line_id, place, message_id))
            stage.is_in_trouble = False
            await self._tell_of_missed(stage)
        return True

    async def _tell_of_missed(self, stage: Stage) -> None:
        """Once lines are shown again: how many were not, meanwhile."""
        missed, stage.missed = stage.missed, 0
        if not missed:
            return
        lines = "line was" if missed == 1 else "lines were"

        async def tell() -> bool:
            text = f"{missed} {lines} not shown here meanwhile; the transcript has all."
            await stage.platform.notice(text)
            return True

        if not await self._try(stage, tell):
            stage.missed += missed  # told with the next line

    def relay(self, origin: Platform, line_id: int, author: str, text: str) -> None:
        """Shows a person's line on the other stages, soon."""
        for stage in self._stages.values():
            platform = stage.platform
            if "relay" not in platform.capabilities:
                continue
            if platform is origin and "echo" not in platform.capabilities:
                continue
            if not platform.ready.is_set():
                stage.missed += 1
                continue
            show = partial(platform.relay, line_id, author, text, origin.name)
            self._task(self._show_on(stage, line_id, show)).add_done_callback(stage.count)

    def reword(
        self, line_id: int, speaker: str, text: str, but_not_on: Platform | None = None
    ) -> None:
        """Shows a line's new wording in its place, or a friend's anew where that cannot be; soon,
        so that whoever had it changed can write that down first."""
        may_be_said = but_not_on is None
        for stage in self._but_not(but_not_on):
            self._change(
                stage, self._reword_on(stage, line_id, speaker, text, may_be_said=may_be_said)
            )

    async def _reword_on(
        self, stage: Stage, line_id: int, speaker: str, text: str, *, may_be_said: bool
    ) -> None:
        platform = stage.platform

        # Looked up when it is its turn: a stage that is behind shows the line only then.
        async def change() -> str | None:
            messages = self._messages_on(platform, line_id)
            if messages and "edit" in platform.capabilities:
                await _each(messages, lambda message: platform.edit(message, speaker, text))
            elif may_be_said:
                return await platform.say(line_id, speaker, text)
            return None

        if new_id := await self._try(stage, change, MOST_CHANGES):
            await self._writer.write(
                lambda: self._transcript.posted(line_id, platform.name, new_id)
            )

    def take_back(self, line_id: int, but_not_on: Platform | None = None) -> None:
        """Takes the line away wherever it is shown, or would be shown yet; soon."""
        for stage in self._but_not(but_not_on):
            self._change(stage, self._take_back_on(stage, line_id))

    async def when_changed(self) -> None:
        """Waits, with patience, until what was to be reworded or taken back is."""
        await self._patiently(dict(self._changing))

    def _change(self, stage: Stage, showing: Coroutine[Any, Any, None]) -> None:
        task = self._task(showing)
        self._changing[task] = stage
        task.add_done_callback(lambda done: self._changing.pop(done, None))

    def _but_not(self, platform: Platform | None) -> list[Stage]:
        return [stage for stage in self._stages.values() if stage.platform is not platform]

    async def _take_back_on(self, stage: Stage, line_id: int) -> None:
        platform = stage.platform

        async def remove() -> None:
            if "delete" in platform.capabilities:
                await _each(self._messages_on(platform, line_id), platform.delete)

        await self._try(stage, remove, MOST_CHANGES)

    def _messages_on(self, platform: Platform, line_id: int) -> list[str]:
        """All that show the line there."""
        found = self._transcript.messages_of(platform.name, line_id)
        if "echo" in platform.capabilities:
            found = found[-1:]  # what a person sent there is not what is shown
        return found or ([past_message(line_id)] if "past" in platform.capabilities else [])

    async def typing(self, friend: str) -> None:
        """Shows it where that can be at once: nobody waits for it."""
        for stage in self._stages.values():
            platform = stage.platform
            if "typing" in platform.capabilities and platform.ready.is_set() and not stage.is_busy:
                _ = self._task(self._try(stage, partial(platform.typing, friend)))

    async def notice(self, text: str) -> None:
        """Tells something about the show itself wherever that can be now."""
        await self._patiently(self._telling(self._stages.values(), text))

    async def alarm(self, text: str) -> None:
        """Tells of trouble everywhere; in the log, too, unless whoever started the show sees it."""
        telling = self._telling(self._stages.values(), text)
        is_seen = any("operator" in stage.platform.capabilities for stage in telling.values())
        log.log(logging.INFO if is_seen else logging.ERROR, "%s", text)
        await self._patiently(telling)

    def tell_others(self, origin: Platform, text: str) -> None:
        """A notice on all platforms but that one, soon."""
        self._telling(self._but_not(origin), text)

    def _telling(self, stages: Iterable[Stage], text: str) -> dict[asyncio.Task[Any], Stage]:
        return {
            self._task(self._try(stage, partial(stage.platform.notice, text))): stage
            for stage in stages if stage.platform.ready.is_set()
        }  # fmt: skip

    async def tell(self, platform: Platform, text: str) -> None:
        """A notice on one platform only."""
        if stage := self._stages.get(platform.name):
            telling = self._task(self._try(stage, partial(platform.notice, text)))
            await self._patiently({telling: stage})

    # --- with care ------------------------------------------------------------------------------

    async def _try(
        self,
        stage: Stage,
        action: Callable[[], Awaitable[Result]],
        most_waiting: int = LONGEST_BACKLOG,
    ) -> Result | None:
        """None if it failed, whatever a platform does: others go on."""
        try:
            return await stage.perform(action, most_waiting)
        except StageLost as error:
            await self.lose(stage.platform, str(error))
        except StageFailed as error:
            stage.log_trouble(str(error))
        except Exception as error:  # noqa: BLE001  # the outermost place of one platform
            stage.log_trouble(repr(error), error)
        return None

    async def _patiently(self, doing: Mapping[asyncio.Task[Any], Stage]) -> None:
        """Waits until all is done, but not for a stage that hangs."""
        awaited = [task for task, stage in doing.items() if not stage.is_left_behind]
        if not awaited:
            return
        done, late = await asyncio.wait(awaited, timeout=self.patience_seconds)
        for task in late:
            doing[task].is_left_behind = True
        for task in done:
            task.result()

    def _task(self, coroutine: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_failed)
        return task

    async def close(self) -> None:
        """Ends what is still being shown, and then the platforms. May be called again."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSING_SECONDS)
        await closed(self.platforms)


async def _each(messages: Iterable[str], change: Callable[[str], Awaitable[None]]) -> None:
    """Changes all of them; raises StageFailed afterwards if one could not be."""
    failure = None
    for message_id in messages:
        try:
            await change(message_id)
        except StageFailed as error:
            failure = error
    if failure:
        raise failure


def _failed(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("a stage could not be told: %s", error, exc_info=error)
