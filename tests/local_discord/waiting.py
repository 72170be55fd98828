"""Waiting for the world to become as wanted, by events and never by polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """Wakes those who wait for a condition, each time that something has changed."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], Callable[[], object]] = {}

    def notify(self) -> None:
        """Something changed: look at every condition that somebody waits for."""
        for future, condition in list(self._waiting.items()):
            if future.done():
                continue
            try:
                if condition():
                    future.set_result(None)
            except Exception as error:  # noqa: BLE001  # belongs to the one who waits
                future.set_exception(error)

    async def when(self, condition: Callable[[], T], timeout_s: float, what: str) -> T:
        """Wait until `condition` gives something true, and give that back.

        Raises TimeoutError, saying `what` was waited for.
        """
        result = condition()
        if result:
            return result
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = condition
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            raise TimeoutError(f"{what} did not come about in {timeout_s} s") from None
        finally:
            del self._waiting[future]
        return condition()
