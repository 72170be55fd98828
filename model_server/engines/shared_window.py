"""Who may use how much of a window that all generations share.

llama.cpp with one window for all slots fails every request in it when it overflows, so nobody
is let in whose tokens might not find room. First come, first served.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_EVERY_SECONDS = 0.1
"""How soon a waiting generation notices that nobody wants it any more."""


class SharedWindow:
    """So many tokens and so many slots for all."""

    def __init__(self, tokens: int, slots: int) -> None:
        self.tokens = tokens
        self.slots = slots
        self._free_tokens = tokens
        self._free_slots = slots
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def room(self, tokens: int, slots: int, cancelled: Callable[[], bool]) -> Iterator[bool]:
        """Waits for room and holds it; yields False if cancelled meanwhile. `tokens` and `slots`
        must not be more than there are."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            while not (gone := cancelled()) and not self._fits(ticket, tokens, slots):
                self._changed.wait(LOOK_EVERY_SECONDS)
            self._queue.remove(ticket)
            if not gone:
                self._free_tokens -= tokens
                self._free_slots -= slots
            self._changed.notify_all()
        try:
            yield not gone
        finally:
            if not gone:
                with self._changed:
                    self._free_tokens += tokens
                    self._free_slots += slots
                    self._changed.notify_all()

    def _fits(self, ticket: object, tokens: int, slots: int) -> bool:
        is_first = self._queue[0] is ticket
        return is_first and tokens <= self._free_tokens and slots <= self._free_slots
