"""No more messages a minute than Telegram takes of a bot in a group.

Telegram would take the pause itself, and a longer one:
https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
"""

from __future__ import annotations

import asyncio
from collections import deque

MINUTE_SECONDS = 60.0
KEPT_FOR_ANSWERS = 4
"""One in so many messages: the friends' talk among themselves leaves them to whoever is asked."""


class Pace:
    """`per_minute` 0: as fast as Telegram takes it."""

    def __init__(self, per_minute: int) -> None:
        self._most = {True: per_minute, False: per_minute - per_minute // KEPT_FOR_ANSWERS}
        self._in_turn = {True: asyncio.Lock(), False: asyncio.Lock()}
        self._sent: deque[float] = deque(maxlen=per_minute)

    async def turn(self, *, is_answer: bool) -> None:
        """Waits until one more message may be sent, in the order of those who wait. An answer to a
        person goes before what the friends say by themselves."""
        most = self._most[is_answer]
        if not most:
            return
        async with self._in_turn[is_answer]:
            while (seconds := self._seconds_left(most)) > 0:  # noqa: ASYNC110  # it is time that is waited for
                await asyncio.sleep(seconds)
            self._sent.append(asyncio.get_running_loop().time())

    def _seconds_left(self, most: int) -> float:
        """Until fewer than so many messages are of the last minute."""
        if len(self._sent) < most:
            return 0.0
        return self._sent[-most] + MINUTE_SECONDS - asyncio.get_running_loop().time()
