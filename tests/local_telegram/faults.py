"""What can go wrong with a request, on command or by chance with a seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request. `accepted`: the server does what was asked, and then fails.
    `status` 0: the connection is cut instead of an answer. `hangs`: there never is one."""

    kind: str
    status: int = 0
    accepted: bool = False
    description: str = ""
    retry_after_s: int = 0
    hangs: bool = False


BAD_GATEWAY = Fault("502", 502, description="Bad Gateway")
CUT = Fault("cut")
HANGS = Fault("hangs", hangs=True)
CUT_ACCEPTED = Fault("cut accepted", accepted=True)
BAD_GATEWAY_ACCEPTED = Fault("502 accepted", 502, accepted=True, description="Bad Gateway")
REVOKED = Fault("401", 401, description="Unauthorized")
KICKED = Fault("403", 403, description="Forbidden: bot was kicked from the group chat")
OTHER_COPY = Fault(
    "409", 409,
    description="Conflict: terminated by other getUpdates request; make sure that only one bot "
    "instance is running",
)  # fmt: skip


def flood(seconds: int) -> Fault:
    """The bot sends too much."""
    text = f"Too Many Requests: retry after {seconds}"
    return Fault("429", 429, description=text, retry_after_s=seconds)


@dataclass(slots=True)
class _Waiting:
    method: str
    fault: Fault
    times: int


class Faults:
    """Decides what strikes, and counts it."""

    def __init__(self) -> None:
        self.struck: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []
        self._rate = 0.0
        self._kinds: Sequence[Fault] = ()
        self._method = "*"
        self._rng = random.Random(0)

    def next(self, method: str, fault: Fault, times: int = 1) -> None:
        """Strikes the next requests of a method (`*` for any part of the name)."""
        self._waiting.append(_Waiting(method, fault, times))

    def by_chance(self, method: str, kinds: Sequence[Fault], rate: float, seed: int) -> None:
        """Strikes each request of the method with this chance, from 0 to 1."""
        self._method, self._kinds, self._rate = method, kinds, rate
        self._rng = random.Random(seed)

    def for_request(self, method: str) -> Fault | None:
        """The fault that strikes this request, mostly none."""
        for waiting in self._waiting:
            if fnmatchcase(method, waiting.method):
                waiting.times -= 1
                if waiting.times <= 0:
                    self._waiting.remove(waiting)
                self.struck[waiting.fault.kind] += 1
                return waiting.fault
        if fnmatchcase(method, self._method) and self._rng.random() < self._rate:
            fault = self._rng.choice(self._kinds)
            self.struck[fault.kind] += 1
            return fault
        return None
