"""Whether lines can be shown in a chat now, and if not, when they can be again.

Says so once when it turns bad, tries by itself, and is woken by whoever knows better.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

from orchestrator.errors import StageLost
from orchestrator.platforms.backoff import Backoff
from orchestrator.platforms.telegram.errors import Flooded, Moved, RequestFailed, Withheld

log = logging.getLogger(__name__)

Kind = Literal["", "unreachable", "refused"]


class Standing:
    """`probe` does something in the chat that takes the right to write and leaves no trace."""

    def __init__(
        self,
        name: str,
        probe: Callable[[], Awaitable[None]],
        lose: Callable[[StageLost], None],
        recovered: Callable[[], None] = lambda: None,
        moved: Callable[[int], None] = lambda chat_id: None,
        remedy: str = "",
    ) -> None:
        self.ready = asyncio.Event()
        self.well = asyncio.Event()
        """Set while there is no trouble, whether or not the stage is open already."""
        self.well.set()
        self.problem = ""
        self.lost: StageLost | None = None
        self._name = name
        self._probe = probe
        self._tell_of_loss = lose
        self._remedy = remedy
        self._recovered = recovered
        self.move = moved
        """Told that the chat has another id by now."""
        self._kind: Kind = ""
        self._held_until = 0.0
        self._is_open = False
        self._release: asyncio.TimerHandle | None = None
        self._hint = asyncio.Event()
        self._is_over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """From now on lines can be shown, as far as nothing is known to the contrary."""
        self._is_open = True
        self._settle()

    def unreachable(self, reason: str) -> None:
        self._turn_bad("unreachable", reason)

    def refused(self, reason: str) -> None:
        self._turn_bad("refused", reason + self._remedy)

    def hold(self, seconds: float) -> None:
        """Nothing is to be sent for so long."""
        loop = asyncio.get_running_loop()
        self._held_until = max(self._held_until, loop.time() + seconds)
        if self._release is not None:
            self._release.cancel()
        self._release = loop.call_at(self._held_until, self._settle)
        self._settle()

    async def when_ready(self, seconds: float) -> bool:
        """Waits until lines can be shown, but no longer than this; whether they can. Raises
        StageLost once they never can be again."""
        if not self.ready.is_set() and self.lost is None:
            waiting = [asyncio.create_task(e.wait()) for e in (self.ready, self._is_over)]
            try:
                await asyncio.wait(
                    waiting, timeout=max(seconds, 0.0), return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for task in waiting:
                    task.cancel()
        if self.lost is not None:
            raise self.lost
        return self.ready.is_set()

    def lose(self, error: StageLost) -> None:
        """Nothing can be shown any more."""
        self.lost = error
        self._is_over.set()
        self._settle()

    def look(self) -> None:
        """Something changed in the chat: tries again at once, if there is trouble."""
        self._hint.set()

    async def close(self) -> None:
        self._is_open = False
        self.ready.clear()
        if self._release is not None:
            self._release.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # --- in trouble -----------------------------------------------------------------------------

    def _turn_bad(self, kind: Kind, problem: str) -> None:
        if self._kind != kind:
            log.warning("%s: %s. It goes on by itself as soon as it can.", self._name, problem)
        self._kind, self.problem = kind, problem
        self.well.clear()
        self._settle()
        if self._task is None:
            self._task = asyncio.create_task(self._until_well())

    async def _until_well(self) -> None:
        backoff = Backoff()
        try:
            while not await self._is_well(backoff):
                pass
        except StageLost as error:
            self.lose(error)
            self._tell_of_loss(error)
            return
        finally:
            self._task = None
        log.warning("%s: all is well again.", self._name)
        self._kind, self.problem = "", ""
        self.well.set()
        self._settle()
        self._recovered()

    async def _is_well(self, backoff: Backoff) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hint.wait(), backoff.next())
            backoff.reset()
        self._hint.clear()
        try:
            await self._probe()
        except Flooded as error:
            self.hold(error.seconds)
        except Moved as error:
            self.move(error.chat_id)
        except Withheld as error:
            self._turn_bad("refused", f"Telegram refuses ({error}){self._remedy}")
            return False
        except RequestFailed as error:
            self._turn_bad("unreachable", str(error))
            return False
        return True

    def _settle(self) -> None:
        now = asyncio.get_running_loop().time()
        is_well = self._is_open and not self._kind and self.lost is None
        if is_well and now >= self._held_until:
            self.ready.set()
        else:
            self.ready.clear()
