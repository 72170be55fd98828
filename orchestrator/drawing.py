"""A turn becomes a line: asks the speaker's server and takes the first candidate that is fit."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from model_server import wire
from orchestrator.changes import Changes
from orchestrator.errors import ModelServerError
from orchestrator.servers.client import Candidate, ModelClient
from orchestrator.servers.process import ServerState
from orchestrator.talk.conversation import Conversation
from orchestrator.talk.turn import Turn

ATTEMPTS = 3
"""Draws after which a friend without a fit line stays silent this time. The last draw of a turn
that nobody asked for is about something new."""


BeforeJudging = Callable[[int], Awaitable[int]]
"""Called with an attempt's number from 0 before its candidates are judged; returns the id of the
last line that the judgement knows of."""


class Friends(Protocol):
    """Where the friends' servers are."""

    async def client_of(self, friend: str) -> ModelClient:
        """The friend's server, once it is up. Raises ModelServerDown."""
        ...

    changed: Changes
    """Of the state of any server."""

    def able(self) -> Collection[str]:
        """Friends who can speak now."""
        ...

    def state(self, friend: str) -> ServerState:
        """How the friend's server is."""
        ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """What drawing a line for a turn came to. `text` None: nothing, because of `problem`."""

    turn: Turn
    text: str | None
    attempts: list[list[dict[str, Any]]]
    seconds: float
    problem: str | None = None
    judged_after: list[int] = field(default_factory=list)
    """For each attempt, the last line when its candidates were judged: what people do meanwhile
    changes what may be said."""

    def why(self, sampling: wire.Sampling, model: Mapping[str, Any]) -> dict[str, Any]:
        """The whole reason of the line or the silence, for the transcript."""
        reason: dict[str, Any] = {
            "turn": self.turn.why(),
            "sampling": sampling.model_dump(exclude_none=True),
            "model": dict(model),
            "attempts": self.attempts,
            "judged_after": self.judged_after,
            "timings": {"generate_seconds": round(self.seconds, 3)},
        }
        return reason | ({"reason": self.problem} if self.problem else {})


class Drawing:
    """Draws lines for turns of one conversation."""

    def __init__(
        self,
        conversation: Conversation,
        friends: Friends,
        sampling: wire.Sampling,
        before_judging: BeforeJudging,
    ) -> None:
        self._conversation = conversation
        self._before_judging = before_judging
        self._friends = friends
        self.sampling = sampling

    async def draw(self, turn: Turn) -> Drawn:
        """Never raises for what a server does: that is a silence with a reason."""
        began = time.monotonic()
        attempts: list[list[dict[str, Any]]] = []
        judged_after: list[int] = []
        shown = turn

        def drawn(turn: Turn, text: str | None, problem: str | None = None) -> Drawn:
            seconds = time.monotonic() - began
            return Drawn(turn, text, attempts, seconds, problem, judged_after)

        for attempt in range(ATTEMPTS):
            if attempt == ATTEMPTS - 1 and turn.source in ("line", "free"):
                shown = turn.afresh()
            try:
                found = await self._candidates(shown, turn.seed + attempt * wire.MAX_CANDIDATES)
            except ModelServerError as error:
                return drawn(turn, None, str(error))
            judged_after.append(await self._before_judging(attempt))
            judged = [(c, self._objection(c, shown)) for c in found]
            attempts.append([{**asdict(c), "verdict": o or c.verdict} for c, o in judged])
            for candidate, objection in judged:
                if objection is None:
                    return drawn(shown, candidate.text)
        return drawn(turn, None, "no candidate was fit to be said")

    async def _candidates(self, turn: Turn, seed: int) -> list[Candidate]:
        client = await self._friends.client_of(turn.speaker)
        return await client.candidates(
            turn.lines, speaker=turn.speaker, phrase=turn.phrase,
            begin_with_phrase=turn.begin_with_phrase,
            sampling=self.sampling.model_copy(update={"seed": seed % wire.SEED_LIMIT}),
        )  # fmt: skip

    def _objection(self, candidate: Candidate, turn: Turn) -> str | None:
        if not candidate.is_fit:
            return candidate.verdict
        return self._conversation.objection(candidate.text, turn)
