"""What people did on a chat platform, until the show takes it in. Knows no platform."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from orchestrator.errors import StageLost
from orchestrator.platforms import Command, Event, PersonLine, Reaction

log = logging.getLogger(__name__)

MOST_EVENTS = 10_000
"""That wait to be taken into the show; what comes on top is lost, and counted."""
TOLD_COUNTS = (1, 100, 10_000)
"""Of what was lost: the log tells as it gets worse, and not of each."""
READS_SECONDS = 300.0
"""Whoever wrote or put an emoji so short a time ago is reading along."""


class IncomingEvents:
    """Those of one stage, in order. `lost` is why the stage is gone for good, once it is."""

    def __init__(self, stage: str) -> None:
        self.lost: StageLost | None = None
        self._stage = stage
        self._waiting: asyncio.Queue[Event | StageLost | None] = asyncio.Queue()
        self._missed = 0
        self._somebody_was_here = -READS_SECONDS

    @property
    def is_somebody_here(self) -> bool:
        """Whether people did something lately."""
        return _now() - self._somebody_was_here < READS_SECONDS

    def put(self, event: Event) -> None:
        """A person did something."""
        if isinstance(event, PersonLine | Reaction | Command):
            self._somebody_was_here = _now()
        if self._waiting.qsize() < MOST_EVENTS:
            self._waiting.put_nowait(event)
            return
        self._missed += 1
        if self._missed in TOLD_COUNTS:
            log.warning("%s: %d events came faster than they can be taken in, and are lost",
                        self._stage, self._missed)  # fmt: skip

    def lose(self, error: StageLost) -> None:
        """The stage is gone for good, which is told after what came before."""
        self.lost = error
        self._waiting.put_nowait(error)

    def end(self) -> None:
        """Nothing more comes."""
        self._waiting.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Until the end. Raises StageLost."""
        while (event := await self._waiting.get()) is not None:
            if isinstance(event, StageLost):
                raise event
            yield event


def _now() -> float:
    return asyncio.get_running_loop().time()
