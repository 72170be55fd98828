"""All pages that are open, each with a socket: whatever is told goes to all of them, and to those
who come back what they missed, once.

Knows nothing of what a frame says.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from orchestrator.platforms.web import limits

log = logging.getLogger(__name__)

TOO_SLOW, TOO_MUCH, UNREADABLE, OVER = 4000, 4001, 4002, 4003
"""Close codes of our own (https://www.rfc-editor.org/rfc/rfc6455#section-7.4.2)."""
GOODBYE_SECONDS = 5.0
"""For a page to take what was sent before the good-bye; then it is cut off."""
HEARTBEAT_SECONDS = 30.0
"""After which a page that does not answer a ping is gone; proxies keep quiet sockets for 60."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What all pages are sent. `new_line` is the id of the line that it brings, if any: pages that
    have had the line already are not sent it again."""

    text: str
    new_line: int | None = None


def frame(data: dict[str, Any], new_line: int | None = None) -> Frame:
    return Frame(json.dumps(data, ensure_ascii=False, separators=(",", ":")), new_line)


class Page:
    """One page that is open. Frames wait here while its greeting is made and while it is slow."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self._socket = socket
        self._transport = transport
        self._waiting: deque[Frame] = deque()
        self._is_any_waiting = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self.is_visible = True

    def greet(self, greeting: Frame, had: Collection[int] = ()) -> None:
        """Sends this, then whatever was and is told. `had`: new lines that the greeting holds."""
        self._sending = asyncio.create_task(self._send(greeting, frozenset(had)))

    def tell(self, told: Frame) -> None:
        """Sends the frame as soon as the page takes it. One that is too far behind has to go and
        come back."""
        if self._ending is not None:
            return
        if len(self._waiting) < limits.FRAMES_WAITING:
            self._waiting.append(told)
            self._is_any_waiting.set()
            return
        log.info("a page is too slow, and has to come back")
        self.dismiss(TOO_SLOW, "too far behind; come back")

    async def _send(self, greeting: Frame, had: Collection[int]) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):  # its reading side hears of it
            await self._socket.send_str(greeting.text)
            while True:
                await self._is_any_waiting.wait()
                self._is_any_waiting.clear()
                while self._waiting:
                    told = self._waiting.popleft()
                    if told.new_line is None or told.new_line not in had:
                        await self._socket.send_str(told.text)

    def dismiss(self, code: int, reason: str) -> None:
        """Says good-bye and hangs up; nothing more is told then."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(code, reason))

    async def _end(self, code: int, reason: str) -> None:
        self._waiting.clear()
        # What is being sent is not cancelled: aiohttp has all that wait for a transport wait for
        # one future, which would be cancelled with it.
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._socket.close(code=code, message=reason.encode())
        except (TimeoutError, ConnectionError, RuntimeError):
            log.debug("a page did not take its leave")
        if self._transport is not None:
            self._transport.abort()

    async def gone(self) -> None:
        """Tidies up once nothing more is read from it."""
        if self._ending is not None:
            await asyncio.gather(self._ending, return_exceptions=True)
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)


class Pages:
    """All of them."""

    def __init__(self) -> None:
        self._open: set[Page] = set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_any_visible(self) -> bool:
        return any(page.is_visible for page in self._open)

    def enter(self, page: Page) -> None:
        """From now on the page is told whatever all are."""
        self._open.add(page)

    def leave(self, page: Page) -> None:
        self._open.discard(page)

    def tell(self, told: Frame) -> None:
        for page in list(self._open):
            page.tell(told)

    def close(self) -> None:
        """Takes leave of all. They go by themselves then."""
        for page in self._open:
            page.dismiss(OVER, "the show is over")
