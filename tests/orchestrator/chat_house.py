"""What tests of a stage on any chat platform stand on: what is logged, and what the stage tells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.platforms import Event, Platform
from orchestrator.transcript import Transcript
from orchestrator.transcript.file import transcript_path

PATIENCE_SECONDS = 20.0
EventKind = TypeVar("EventKind")


class Told(logging.Handler):
    """What the log says, with whatever traceback belongs to it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self._changed = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        line = logging.Formatter().format(record)
        self.lines.append(line)
        if record.levelno >= logging.WARNING:
            self.warnings.append(line)
        self._changed.set()

    async def wait(self, words: str) -> None:
        """Until some line has these words."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(words in line for line in self.lines):
                self._changed.clear()
                await self._changed.wait()


@contextmanager
def listening_to(logger: str, level: int) -> Iterator[Told]:
    """What this logger and those below it say from the level on; "" is the one above all."""
    log, handler = logging.getLogger(logger), Told()
    before = log.level
    log.setLevel(level)
    log.addHandler(handler)
    try:
        yield handler
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def token_file(path: Path, token: str) -> Path:
    """The token in a file that only its owner may read."""
    path.write_text(token)
    path.chmod(0o600)
    return path


def transcript_in(home: Path) -> Any:
    """The conversation that goes on, where a show has it."""
    path = transcript_path(home)
    path.parent.mkdir(exist_ok=True)
    return Transcript.open(path, fresh=False, seed=1, now=datetime.now(UTC))


class Ears:
    """What a platform tells, in order."""

    def __init__(self, platform: Platform) -> None:
        self.heard: list[Event] = []
        self.error: Exception | None = None
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._listen(platform))

    async def _listen(self, platform: Platform) -> None:
        try:
            async for event in platform.events():
                await self._note(event)
        except Exception as error:  # noqa: BLE001  # looked at by the test
            self.error = error
            await self._note(None)

    async def _note(self, event: Event | None) -> None:
        async with self._changed:
            if event is not None:
                self.heard.append(event)
            self._changed.notify_all()

    async def when(self, kind: type[EventKind], count: int = 1) -> list[EventKind]:
        """Waits until so many events of a kind were told."""
        await self._until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)

    async def when_lost(self) -> str:
        """Waits until the platform says that it is gone for good, and why."""
        await self._until(lambda: self.error is not None)
        return str(self.error)

    def of(self, kind: type[EventKind]) -> list[EventKind]:
        return [event for event in self.heard if isinstance(event, kind)]

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with self._changed, asyncio.timeout(PATIENCE_SECONDS):
            await self._changed.wait_for(condition)


async def ready(platform: Platform) -> None:
    await asyncio.wait_for(platform.ready.wait(), PATIENCE_SECONDS)
