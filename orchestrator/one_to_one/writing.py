"""A turn becomes an answer, as good as can be had quickly.

The best of several candidates is funnier than one, and of a small model all of them are there
before anybody has seen the first word. Of a model that is slow, a single candidate is shown as it
is written: whoever waits sees at least that it goes on.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import asdict
from typing import Any

import aiohttp

from finetune.markup import without_private_data
from model_server import wire
from orchestrator.drawing import ATTEMPTS, Drawing, Drawn, Friends
from orchestrator.errors import ModelServerError
from orchestrator.one_to_one.talk import Talk
from orchestrator.servers.client import Candidate, ModelClient, chat_request
from orchestrator.servers.streaming import written
from orchestrator.talk.turn import Turn
from orchestrator.transcript.reason import FIT

PATIENCE_SECONDS = 1.0
"""So long whoever wrote a line waits gladly without a sign; then words are shown as they come."""
QUICK_AGAIN = 0.2
"""A single candidate in this part of the patience: several can be had in all of it again."""
NOT_BEFORE_THE_END = re.compile(r"\S*[\d@]\S*|\S+$")
"""Words that may be the beginning of a number or an address, and a word that is not complete."""

Tell = Callable[[str], None]
"""Shows what is written so far; "" takes it away."""


async def _nobody_else(_attempt: int) -> int:
    """Nobody speaks meanwhile."""
    return 0


class Writing:
    """Has friends write. `tell` is shown what is not final; without it, answers are waited for."""

    def __init__(
        self,
        friends: Friends,
        session: aiohttp.ClientSession,
        sampling: wire.Sampling,
        banned_words: Sequence[str],
        tell: Tell | None,
    ) -> None:
        self._friends = friends
        self._session = session
        self._sampling = sampling
        self._banned_words = banned_words
        self._tell = tell
        self._slow: set[str] = set()

    async def answer(self, talk: Talk, turn: Turn) -> Drawn:
        """Never raises for what a server does: that is an answer with a problem."""
        drawing = Drawing(talk.conversation, self._friends, self._sampling, _nobody_else)
        if self._tell is None:
            return await drawing.draw(turn)
        if turn.speaker not in self._slow:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await drawing.draw(turn)
            self._slow.add(turn.speaker)
        try:
            return await self._as_it_is_written(talk, turn, self._tell)
        finally:
            self._tell("")

    async def _as_it_is_written(self, talk: Talk, turn: Turn, tell: Tell) -> Drawn:
        began = time.monotonic()
        attempts: list[list[dict[str, Any]]] = []
        for attempt in range(ATTEMPTS):
            started = time.monotonic()
            try:
                candidate = await self._candidate(turn, turn.seed + attempt, tell)
            except ModelServerError as error:
                return Drawn(turn, None, attempts, time.monotonic() - began, str(error))
            if time.monotonic() - started < PATIENCE_SECONDS * QUICK_AGAIN:
                self._slow.discard(turn.speaker)
            objection = None if candidate.is_fit else candidate.verdict
            objection = objection or talk.conversation.objection(candidate.text, turn)
            attempts.append([{**asdict(candidate), "verdict": objection or FIT}])
            if objection is None:
                return Drawn(turn, candidate.text, attempts, time.monotonic() - began)
        seconds = time.monotonic() - began
        return Drawn(turn, None, attempts, seconds, "no candidate was fit to be said")

    async def _candidate(self, turn: Turn, seed: int, tell: Tell) -> Candidate:
        client = await self._friends.client_of(turn.speaker)
        text = ""
        async with aclosing(self._pieces(client, turn, seed)) as pieces:
            async for piece in pieces:
                if isinstance(piece, wire.Verdict):
                    return Candidate(text, **piece.model_dump())
                text += piece
                tell(showable(text, self._banned_words))
        raise AssertionError("a stream ends with a verdict, or raises")

    def _pieces(
        self, client: ModelClient, turn: Turn, seed: int
    ) -> AsyncGenerator[str | wire.Verdict, None]:
        sampling = self._sampling.model_copy(update={"seed": seed % wire.SEED_LIMIT, "n": 1})
        request = chat_request(
            turn.lines, speaker=turn.speaker, phrase=turn.phrase,
            begin_with_phrase=turn.begin_with_phrase, sampling=sampling,
        )  # fmt: skip
        return written(self._session, client.url, request)


def showable(text: str, banned_words: Sequence[str]) -> str:
    """The beginning of a line that may be seen before the server has judged the whole: nothing from
    a word on that may be private, nothing with a banned word, and no word that is not complete."""
    if held_back := NOT_BEFORE_THE_END.search(text):
        text = text[: held_back.start()]
    lowered = text.casefold()
    if any(word.casefold() in lowered for word in banned_words) or without_private_data(text)[1]:
        return ""
    return text
