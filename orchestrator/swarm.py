"""The loop that joins conversation, model servers, platforms and transcript."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from finetune.markup import plain_words
from model_server import wire
from orchestrator.clock import Clock
from orchestrator.control import Control, Refused
from orchestrator.conversation import Conversation, SpokenLine, Turn
from orchestrator.errors import ModelServerError
from orchestrator.model_client import Candidate, ModelClient
from orchestrator.phrases import PhrasePicker
from orchestrator.platforms import Command, Event, PersonLine, Platform
from orchestrator.transcript import Transcript

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Draws after which a friend without a fit line stays silent this time."""
TYPING_CHARS_PER_SECOND = 25.0
PAUSE_SPREAD = 0.4
"""Standard deviation of the logarithm of a pause: people are irregular."""
AFTER_SILENCE_SECONDS = 1.0
ALONE_FACTOR = 5.0
"""A friend who is alone with people leaves them this much more time to say something."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """How long to wait between lines; `fast` does not wait at all."""

    pause_seconds: float
    fast: bool = False

    def before(self, text: str, rng: random.Random) -> float:
        """Seconds from a line to the next one, `text`: a think, then typing it."""
        if self.fast:
            return 0.0
        think = self.pause_seconds * rng.lognormvariate(0.0, PAUSE_SPREAD)
        return think + len(text) / TYPING_CHARS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Speaking:
    """What drawing a line for a turn came to."""

    text: str | None
    attempts: list[list[dict[str, Any]]]
    problem: str | None = None


ClientOf = Callable[[str], Awaitable[ModelClient]]
"""The client of a friend's server, once that server is up."""


class Swarm:
    """One show: friends speak in turn on all stages until stopped."""

    def __init__(
        self,
        conversation: Conversation,
        client_of: ClientOf,
        stages: Sequence[Platform],
        transcript: Transcript,
        picker: PhrasePicker,
        clock: Clock,
        pacing: Pacing,
        sampling: wire.Sampling,
        rng: random.Random,
    ) -> None:
        self._conversation = conversation
        self._client_of = client_of
        self._stages = {stage.name: stage for stage in stages}
        self._transcript = transcript
        self._picker = picker
        self._clock = clock
        self._pacing = pacing
        self._sampling = sampling
        self._rng = rng
        self._said = 0
        self._person_spoke = asyncio.Event()
        self.control = Control(conversation, self._why_last, self._take_back_last)
        self._handlers: Mapping[type, Callable[[Platform, Any], Awaitable[None]]] = {
            PersonLine: self._on_person_line,
            Command: self._on_command,
        }

    async def run(self, lines: int | None = None) -> None:
        """Speaks until cancelled, or until so many lines have been said."""
        listening = [asyncio.create_task(self._listen(stage)) for stage in self._stages.values()]
        try:
            while lines is None or self._said < lines:
                await self.control.running.wait()
                await self._take_turn()
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
            for stage in self._stages.values():
                await stage.close()

    # --- listening ------------------------------------------------------------------------

    async def _listen(self, stage: Platform) -> None:
        async for event in stage.events():
            try:
                await self._on_event(stage, event)
            except Exception:
                # One event that goes wrong must not make the show deaf.
                log.exception("%s: %s", stage.name, event)

    async def _on_event(self, stage: Platform, event: Event) -> None:
        handler = self._handlers.get(type(event))
        if handler is None:
            log.info("%s: %s", stage.name, event)
            return
        await handler(stage, event)

    async def _on_person_line(self, stage: Platform, event: PersonLine) -> None:
        text = plain_words(event.text)
        if not text:
            return
        reply_to = self._transcript.line_of(stage.name, event.reply_to) if event.reply_to else None
        line_id = self._transcript.add(
            event.author, "person", text, {"stage": stage.name}, self._clock.now(), reply_to
        )
        self._transcript.posted(line_id, stage.name, event.message_id)
        phrases = self._picker.phrases(text)
        line = SpokenLine(line_id, event.author, text, by_person=True, phrases=phrases)
        self._conversation.heard(line, event.addressed)
        self._person_spoke.set()

    async def _on_command(self, stage: Platform, event: Command) -> None:
        try:
            await stage.notice(await self.control.carry_out(event.name, event.argument))
        except Refused as error:
            await stage.notice(str(error))
        self._person_spoke.set()

    # --- speaking -------------------------------------------------------------------------

    async def _take_turn(self) -> None:
        self._person_spoke.clear()
        turn = self._conversation.next_turn()
        if turn is None:
            await self._clock.pause(AFTER_SILENCE_SECONDS, self._person_spoke)
            return
        if turn.source in ("line", "free") and len(self._conversation.members) == 1:
            await self._clock.pause(
                self._pacing.before("", self._rng) * ALONE_FACTOR, self._person_spoke
            )
            if self._conversation.has_waiting:
                return
        speaking = await self._draw(turn)
        if speaking.text is None:
            await self._stay_silent(turn, speaking)
            return
        await self._typing(turn.speaker)
        if self._said:  # whoever has just started the show need not wait for its first line
            seconds = self._pacing.before(speaking.text, self._rng) / self.control.pace
            await self._clock.pause(seconds, self._person_spoke)
        await self.control.running.wait()
        if self._conversation.has_waiting and turn.source not in ("person", "topic"):
            log.info("%s's line is dropped, since a person goes first", turn.speaker)
            return
        await self._say(turn, speaking)

    async def _draw(self, turn: Turn) -> Speaking:
        """Asks the speaker's server, and takes its first fit line that is not too near to a
        recent one."""
        attempts: list[list[dict[str, Any]]] = []
        for attempt in range(ATTEMPTS):
            try:
                found = await self._candidates(turn, turn.seed + attempt * wire.MAX_CANDIDATES)
            except ModelServerError as error:
                return Speaking(None, attempts, str(error))
            judged = [(c, self._objection(c)) for c in found]
            attempts.append([{**asdict(c), "verdict": o or c.verdict} for c, o in judged])
            for candidate, objection in judged:
                if objection is None:
                    return Speaking(candidate.text, attempts)
        return Speaking(None, attempts, "no candidate was fit to be said")

    async def _candidates(self, turn: Turn, seed: int) -> list[Candidate]:
        client = await self._client_of(turn.speaker)
        sampling = self._sampling.model_copy(update={"seed": seed % wire.SEED_LIMIT})
        return await client.candidates(
            turn.lines, speaker=turn.speaker, phrase=turn.phrase,
            begin_with_phrase=turn.begin_with_phrase, sampling=sampling,
        )  # fmt: skip

    def _objection(self, candidate: Candidate) -> str | None:
        if not candidate.is_fit:
            return candidate.verdict
        recent = self._conversation.is_too_near(candidate.text)
        return f"too near to {recent!r}" if recent is not None else None

    async def _typing(self, friend: str) -> None:
        for stage in self._stages.values():
            if "typing" in stage.capabilities:
                await stage.typing(friend)

    async def _say(self, turn: Turn, speaking: Speaking) -> None:
        assert speaking.text is not None
        why = {"turn": turn.why(), "attempts": speaking.attempts}
        line_id = self._transcript.add(
            turn.speaker, "friend", speaking.text, why, self._clock.now(), turn.answers
        )
        phrases = self._picker.phrases(speaking.text)
        self._conversation.heard(SpokenLine(line_id, turn.speaker, speaking.text, phrases=phrases))
        for stage in self._stages.values():
            message_id = await stage.say(line_id, turn.speaker, speaking.text)
            self._transcript.posted(line_id, stage.name, message_id)
        self._said += 1

    async def _stay_silent(self, turn: Turn, speaking: Speaking) -> None:
        why = {"turn": turn.why(), "attempts": speaking.attempts, "reason": speaking.problem}
        self._transcript.add(turn.speaker, "silence", "", why, self._clock.now(), turn.answers)
        log.info("%s stays silent: %s", turn.speaker, speaking.problem)
        self._conversation.unanswered(turn)
        await self._clock.pause(AFTER_SILENCE_SECONDS, self._person_spoke)

    # --- what Control reaches for -----------------------------------------------------------

    def _why_last(self) -> str:
        for line in reversed(self._transcript.last(20)):
            if line.kind == "friend":
                turn = line.why["turn"]
                about = f", about {turn['phrase']!r}" if turn["phrase"] else ""
                return (
                    f"{line.speaker} said {line.text!r}: {turn['chosen_because']}; "
                    f"{turn['source']} prompt{about}."
                )
        return "Nobody has said anything yet."

    async def _take_back_last(self) -> tuple[str, str]:
        for line in reversed(self._transcript.last(20)):
            if line.kind == "friend":
                self._transcript.unsay(line.id)
                self._conversation.unsay(line.id)
                for stage in self._stages.values():
                    message_id = self._transcript.message_of(stage.name, line.id)
                    if message_id and "delete" in stage.capabilities:
                        await stage.delete(message_id)
                return line.speaker, str(line.why["turn"]["phrase"])
        raise Refused("There is no line to take back.")
