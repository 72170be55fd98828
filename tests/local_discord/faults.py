"""Everything that can go wrong on Discord's side, on command or by chance with a seed. It decides
what strikes and counts it; rest.py and gateway.py carry it out."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from .world import Bot

Drop = Literal["abruptly", "close", "reconnect", "invalid", "invalid_resumable"]
DROPS: tuple[Drop, ...] = ("abruptly", "close", "reconnect", "invalid", "invalid_resumable")
Mishap = Drop | Literal["silence", "lose"]
"""What chance may do to the gateway: break it, silence it, or lose the next message for good."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request. `accepted`: the server does what was asked, and then fails."""

    kind: str
    accepted: bool = False
    status: int = 0
    retry_after_s: float = 0.0
    delay_s: float = 0.0
    reset: bool = False


@dataclass(slots=True)
class _Waiting:
    method: str
    path: re.Pattern[str]
    fault: Fault
    times: int


class FaultPlan:
    """Random faults: of each request with `request_rate`, of each event with `gateway_rate`.

    The same seed and the same order of requests give the same faults. `kinds` and `mishaps`
    may repeat one to make it likelier; "silence" and "lose" strike only where they are named.
    """

    KINDS: tuple[Fault, ...] = (
        Fault("500", status=500), Fault("502", status=502), Fault("503", status=503),
        Fault("500 accepted", accepted=True, status=500),
        Fault("502 accepted", accepted=True, status=502),
        Fault("429", status=429, retry_after_s=0.2), Fault("cut"), Fault("cut accepted", True),
        Fault("delay", delay_s=0.2),
    )  # fmt: skip

    def __init__(
        self, seed: int, request_rate: float = 0.01, gateway_rate: float = 0.001,
        kinds: tuple[Fault, ...] = KINDS, mishaps: tuple[Mishap, ...] = DROPS,
    ) -> None:  # fmt: skip
        """`request_rate` and `gateway_rate`: chances from 0 to 1."""
        self.request_rate, self.gateway_rate = request_rate, gateway_rate
        self._kinds, self._mishaps = kinds, mishaps
        self._requests, self._events = random.Random(seed), random.Random(seed + 1)

    def for_request(self) -> Fault | None:
        """The fault that strikes the next request, mostly none."""
        struck = self._requests.random() < self.request_rate
        return self._requests.choice(self._kinds) if struck else None

    def for_event(self) -> Mishap | None:
        """What happens to the connection after the next event, mostly nothing."""
        struck = self._events.random() < self.gateway_rate
        return self._events.choice(self._mishaps) if struck else None


class Connections(Protocol):
    """What the gateway must do on command."""

    def drop(self, bot: Bot | None, how: Drop, code: int) -> int:
        """Break connections; gives back how many."""

    def silence(self, bot: Bot | None) -> int:
        """Stop answering on connections; gives back how many."""


class Faults:
    """Faults on command, and what has struck so far."""

    def __init__(
        self, connections: Connections, close_all: Callable[[float], None]
    ) -> None:  # fmt: skip
        """`close_all`: refuse all requests with a global 429 for so many seconds."""
        self.struck: Counter[str] = Counter()
        self.plan: FaultPlan | None = None
        self.left_out: frozenset[str] = frozenset()
        self._connections, self._close_all = connections, close_all
        self._waiting: list[_Waiting] = []
        self._off: dict[tuple[str, str], int] = {}
        self._refused_resumes = 0
        self._lost: dict[str, list[bool]] = {}

    # -- on command: REST ---------------------------------------------------------------------

    def answer(
        self, method: str, path: str, status: int, times: int = 1, *, accepted: bool = False,
        retry_after_s: float = 1.0,
    ) -> None:  # fmt: skip
        """Answer the next requests of a route with a status; a 429 says when to come again."""
        kind = f"{status} accepted" if accepted else str(status)
        self._wait(method, path, times, Fault(kind, accepted, status, retry_after_s))

    def cut(
        self, method: str, path: str, times: int = 1, *, accepted: bool = False, reset: bool = False
    ) -> None:
        """Cut the connection instead of answering, by FIN or (`reset`) by RST. Mind that clients
        of HTTP may by themselves repeat a GET, PUT or DELETE whose connection was cut."""
        kind = "cut accepted" if accepted else "cut"
        self._wait(method, path, times, Fault(kind, accepted, reset=reset))

    def delay(self, method: str, path: str, seconds: float, times: int = 1) -> None:
        """Do at once what was asked, and answer late."""
        self._wait(method, path, times, Fault("delay", accepted=True, delay_s=seconds))

    def cloudflare(self, times: int = 1, method: str = "*", path: str = "/**") -> None:
        """Answer with a 429 of the house in front of Discord: HTML, none of Discord's headers."""
        self._wait(method, path, times, Fault("cloudflare", status=429))

    def global_limit(self, seconds: float) -> None:
        """Answer everything with a global 429 for a while."""
        self.struck["global limit"] += 1
        self._close_all(seconds)

    def switch_off(self, method: str, path: str, status: int = 404) -> None:
        """Be a server that lacks these endpoints: 404, 405 or 501, until switched on again."""
        self._off[method, path] = status

    def switch_on(self, method: str, path: str) -> None:
        """Have endpoints again that were switched off with the same words."""
        self._off.pop((method, path), None)

    def leave_out(self, *names: str) -> None:
        """Leave fields of these names out of every body; without names: send them all again."""
        self.left_out = frozenset(names)

    # -- on command: gateway ------------------------------------------------------------------

    def drop(self, bot: Bot | None = None, how: Drop = "abruptly", code: int = 4000) -> int:
        """Break the gateway connections of a bot (None: of all); gives back how many there were.

        "close" sends `code`; "reconnect" asks by op 7; "invalid" ends the session by op 9.
        """
        count = self._connections.drop(bot, how, code)
        self.struck[f"drop {how}"] += count
        return count

    def silence(self, bot: Bot | None = None) -> int:
        """Keep connections open, but send nothing more on them, not even ACKs."""
        count = self._connections.silence(bot)
        self.struck["silence"] += count
        return count

    def refuse_resume(self, times: int = 1) -> None:
        """Answer the next RESUMEs with INVALID_SESSION; the missed events are lost."""
        self._refused_resumes += times

    def lose_dispatches(
        self, times: int = 1, event: str = "MESSAGE_CREATE", *, resumable: bool = False
    ) -> None:
        """Never send the next events of a name; `resumable`: a RESUME brings them after all."""
        self._lost.setdefault(event, []).extend([resumable] * times)

    # -- asked by the server ------------------------------------------------------------------

    def switched_off(self, method: str, path: str) -> int | None:
        """The status with which an endpoint isn't there, or None."""
        for (its_method, pattern), status in self._off.items():
            if its_method in ("*", method) and _pattern(pattern).fullmatch(path):
                self.struck["switched off"] += 1
                return status
        return None

    def for_request(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request: one on command, else one by chance."""
        for each in self._waiting:
            if each.method in ("*", method) and each.path.fullmatch(path):
                each.times -= 1
                if each.times <= 0:
                    self._waiting.remove(each)
                return self._counted(each.fault)
        by_chance = self.plan.for_request() if self.plan else None
        return None if by_chance is None else self._counted(by_chance)

    def resume_is_refused(self) -> bool:
        """Whether this RESUME must fail."""
        if self._refused_resumes == 0:
            return False
        self._refused_resumes -= 1
        self.struck["resume refused"] += 1
        return True

    def loses(self, event: str) -> Literal["kept", "for good", "until resume"]:
        """Whether this event is lost on its way."""
        lost = self._lost.get(event)
        if not lost:
            return "kept"
        self.struck["event lost"] += 1
        return "until resume" if lost.pop(0) else "for good"

    def after_event(self, bot: Bot) -> None:
        """Perhaps do something to the connection by chance, after an event was sent."""
        mishap = self.plan.for_event() if self.plan else None
        if mishap == "silence":
            self.silence(bot)
        elif mishap == "lose":
            self.lose_dispatches()
        elif mishap is not None:
            self.drop(bot, mishap)

    def _wait(self, method: str, path: str, times: int, fault: Fault) -> None:
        self._waiting.append(_Waiting(method, _pattern(path), fault, times))

    def _counted(self, fault: Fault) -> Fault:
        self.struck[fault.kind] += 1
        return fault


_PATTERNS: dict[str, re.Pattern[str]] = {}


def _pattern(path: str) -> re.Pattern[str]:
    """A path with `*` for one part and `**` for any rest, as a regular expression."""
    if path not in _PATTERNS:
        parts = re.split(r"(\*\*|\*)", path)
        known = {"**": ".*", "*": "[^/]+"}
        _PATTERNS[path] = re.compile("".join(known.get(each, re.escape(each)) for each in parts))
    return _PATTERNS[path]
