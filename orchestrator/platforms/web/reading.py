"""Questions to the transcript, answered in a thread of their own: a page that searches a hundred
thousand lines holds up neither the show nor the other pages' sockets.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from orchestrator.errors import OrchestratorError
from orchestrator.platforms.web.limits import READS_WAITING
from orchestrator.transcript.shown import Scroll

Result = TypeVar("Result")


class TooMuchToRead(Exception):
    """The transcript cannot be asked now, as too many do; later calls may work."""


class Reading:
    """The transcript of one conversation."""

    def __init__(self, path: Path, conversation: int) -> None:
        self._path, self._conversation = path, conversation
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="web-reading")
        self._opened = ExitStack()
        self._scroll: Scroll | None = None
        self._waiting = 0
        self._is_closed = False

    async def ask(self, question: Callable[[Scroll], Result]) -> Result:
        """Asks in the thread, one at a time. Raises TooMuchToRead, also if another program keeps
        the transcript to itself."""
        if self._is_closed or self._waiting >= READS_WAITING:
            raise TooMuchToRead
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._asked, question)
        except (sqlite3.OperationalError, OrchestratorError) as error:
            raise TooMuchToRead from error
        finally:
            self._waiting -= 1

    def _asked(self, question: Callable[[Scroll], Result]) -> Result:
        if self._scroll is None:
            opened = Scroll.open(self._path, self._conversation)
            self._scroll = self._opened.enter_context(opened)
        return question(self._scroll)

    async def close(self) -> None:
        """Ends what is being read."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._scroll is not None:
            self._scroll.database.interrupt()
        # A connection is closed where it was opened.
        await asyncio.get_running_loop().run_in_executor(self._thread, self._opened.close)
        self._thread.shutdown(wait=False, cancel_futures=True)
