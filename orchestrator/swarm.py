"""The loop that joins conversation, model servers, platforms and transcript."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from model_server import wire
from orchestrator.audience import Audience
from orchestrator.clock import Clock
from orchestrator.control import Changed, Control, Refused
from orchestrator.drawing import Drawing, Drawn, Friends
from orchestrator.errors import StageLost
from orchestrator.phrases import PhrasePicker
from orchestrator.platforms import Platform
from orchestrator.stages import Stages
from orchestrator.talk.conversation import Conversation
from orchestrator.talk.limits import Rest
from orchestrator.talk.pacing import Pacing
from orchestrator.talk.turn import SpokenLine, Turn
from orchestrator.transcript import Transcript, TranscriptLine
from orchestrator.transcript.explain import explain
from orchestrator.writer import Writer

log = logging.getLogger(__name__)

AFTER_SILENCE_SECONDS = 1.0
"""After a turn that came to nothing; doubled with each in a row, or a broken server would be
asked many times a second."""
LONGEST_SILENCE_SECONDS = 60.0
LONGEST_REST_SECONDS = 60.0
"""After so long a rest the time is looked at again: it jumps when a laptop wakes up."""
PERSON_FIRST = "a person went first"
TAKEN_BACK = "the line that it would answer was taken back"
UNSEEN = "no stage could show the line"


class Swarm:
    """One show: friends speak in turn on all stages until stopped."""

    def __init__(
        self,
        conversation: Conversation,
        friends: Friends,
        platforms: Sequence[Platform],
        transcript: Transcript,
        picker: PhrasePicker,
        clock: Clock,
        pacing: Pacing,
        sampling: wire.Sampling,
        rng: random.Random,
        *,
        models: Mapping[str, Mapping[str, Any]] | None = None,
        writer: Writer | None = None,
    ) -> None:
        self._conversation = conversation
        self._friends = friends
        self._transcript = transcript
        self._picker = picker
        self._clock = clock
        self._pacing = pacing
        self._rng = rng
        self._models = models or {}
        self._drawing = Drawing(conversation, friends, sampling, self._last_line_id)
        self._writer = writer or Writer()
        self.stages = Stages(platforms, transcript, self._writer)
        self._writer.tell = self.stages.alarm
        self._said = 0
        self._silences = 0
        self._doing_now = ""
        self.changed: Callable[[], None] = lambda: None
        self._woken = asyncio.Event()
        self.control = Control(conversation, self, changed=self.wake)
        self._audience = Audience(
            conversation, self.stages, transcript, self._writer, picker, clock, self.control,
            self._woken,
        )  # fmt: skip

    async def run(self, lines: int | None = None) -> None:
        """Speaks until cancelled, until so many lines have been said, or until every stage is
        gone for good; then it raises StageLost with what each says."""
        listening = [*self._audience.listen(), asyncio.create_task(self._watch_friends())]
        talking = asyncio.create_task(self._talk(lines))
        deserted = asyncio.create_task(self.stages.all_lost.wait())
        try:
            await asyncio.wait((talking, deserted), return_when=asyncio.FIRST_COMPLETED)
            if not talking.done():
                raise StageLost("\n".join(self.stages.lost.values()))
            await talking
        finally:
            for task in (talking, deserted, *listening):
                task.cancel()
            await asyncio.gather(talking, deserted, *listening, return_exceptions=True)
            await self.stages.close()

    async def _talk(self, lines: int | None) -> None:
        while lines is None or self._said < lines:
            await self.control.running.wait()
            await self.stages.when_ready()
            await self._take_turn()

    def wake(self) -> None:
        """Something happened that a waiting show should look at."""
        self._woken.set()
        self.changed()

    @property
    def _doing(self) -> str:
        return self._doing_now

    @_doing.setter
    def _doing(self, text: str) -> None:
        self._doing_now = text
        self.changed()

    async def _watch_friends(self) -> None:
        while True:
            await self._friends.changed.wait()
            self.wake()

    # --- speaking -------------------------------------------------------------------------

    async def _take_turn(self) -> None:
        self._woken.clear()
        now = self._clock.now()
        able = sorted(self._friends.able())
        decision = {"able": able, "decided_after": self._transcript.last_id()}
        turn = self._conversation.next_turn(now, able)
        await self._record_let_go(now)
        if isinstance(turn, Rest):
            await self._rest(turn)
            return
        self._doing = f"{turn.speaker} thinks"
        if turn.is_asked_for:  # somebody waits, and may see it
            await self.stages.typing(turn.speaker)
        began = self._clock.now()
        drawn = await self._drawn(turn)
        if drawn.text is None:
            waits = drawn.problem != PERSON_FIRST
            await self._stay_silent(drawn, decision, str(drawn.problem), waits=waits)
            return
        objection = await self._wait_before(drawn, began)
        if objection is None:
            await self._say(drawn, decision)
        else:
            await self._stay_silent(drawn, decision, objection, waits=False)

    async def _drawn(self, turn: Turn) -> Drawn:
        """A line for the turn. Nothing as soon as a person wants something else: a server may
        take minutes."""
        if turn.is_asked_for:
            return await self._drawing.draw(turn)
        drawing = asyncio.create_task(self._drawing.draw(turn))
        try:
            while not drawing.done():
                if self._must_give_way(turn):
                    return Drawn(turn, None, [], 0.0, PERSON_FIRST)
                woken = asyncio.create_task(self._woken.wait())
                await asyncio.wait((drawing, woken), return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                self._woken.clear()
            return await drawing
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)

    async def _last_line_id(self, _attempt: int) -> int:
        return self._transcript.last_id()

    async def _wait_before(self, drawn: Drawn, began: datetime) -> str | None:
        """Lets the line wait as a person would. Returns why it must not be said any more."""
        assert drawn.text is not None
        last = self._conversation.last_line
        factor = self._conversation.pause_factor(is_read=self.stages.is_read) / self.control.pace
        wait = self._pacing.before(
            drawn.turn.speaker, last.text if last else "", drawn.text, factor, self._rng
        )
        if self._said or last is not None:  # nobody waits for the very first line
            spent = (self._clock.now() - began).total_seconds()
            await self._pause(drawn.turn, wait.think - spent)
        if not self._must_give_way(drawn.turn):
            await self.stages.typing(drawn.turn.speaker)
            self._doing = f"{drawn.turn.speaker} types"
            await self._pause(drawn.turn, wait.typing)
        await self.control.running.wait()
        if self._must_give_way(drawn.turn):
            return PERSON_FIRST
        if self._conversation.is_pointless(drawn.turn):
            return TAKEN_BACK
        if drawn.turn.speaker in self._conversation.muted:
            return "muted meanwhile"
        return None

    async def _pause(self, turn: Turn, seconds: float) -> None:
        """Waits, but no longer than until a person wants something else; less if they want a
        faster pace meanwhile."""
        pace = self.control.pace
        while seconds > 0 and not self._must_give_way(turn):
            seconds = await self._clock.pause(seconds, self._woken)
            self._woken.clear()
            seconds *= pace / self.control.pace
            pace = self.control.pace

    def _must_give_way(self, turn: Turn) -> bool:
        return self._conversation.has_waiting and not turn.is_asked_for

    async def _say(self, drawn: Drawn, decision: dict[str, Any]) -> None:
        assert drawn.text is not None
        turn, text, now = drawn.turn, drawn.text, self._clock.now()
        why = self._why_of(drawn) | decision
        line_id = await self._writer.write(
            lambda: self._transcript.add(turn.speaker, "friend", text, why, now, turn.answers)
        )
        line = SpokenLine(line_id, turn.speaker, "", now).reworded(text, self._picker)
        self._conversation.heard(line, turn=turn)
        self._doing = ""
        if await self.stages.say(line_id, turn.speaker, text):
            self._said += 1
            self._silences = 0
        else:
            await self._unsee(line_id)

    async def _unsee(self, line_id: int) -> None:
        """A line that nobody can have seen was not said: what led to it is tried again."""
        await self._writer.write(lambda: self._transcript.unsay(line_id))
        self._conversation.unseen(line_id)
        now, why = self._clock.now(), {"reason": UNSEEN, "unseen": line_id}
        await self._writer.write(lambda: self._transcript.add("", "silence", "", why, now))
        self._doing = f"Nobody speaks: {UNSEEN}."
        await self._pause_after_silence()

    def _why_of(self, drawn: Drawn) -> dict[str, Any]:
        return drawn.why(self._drawing.sampling, self._models.get(drawn.turn.speaker, {}))

    async def _stay_silent(
        self, drawn: Drawn, decision: dict[str, Any], reason: str, *, waits: bool = True
    ) -> None:
        turn, now = drawn.turn, self._clock.now()
        why = self._why_of(drawn) | decision | {"reason": reason}
        is_tried_again = self._conversation.unanswered(turn)
        # An answer that is tried again is not one yet.
        answers = None if is_tried_again else turn.answers
        await self._writer.write(
            lambda: self._transcript.add(turn.speaker, "silence", "", why, now, answers)
        )
        log.info("%s stays silent: %s", turn.speaker, reason)
        self._doing = f"{turn.speaker} stayed silent: {reason}"
        if turn.source == "person" and not is_tried_again and reason != TAKEN_BACK:
            await self.stages.notice(f"Nobody had an answer: {reason}.")
        if waits:
            await self._pause_after_silence()

    async def _pause_after_silence(self) -> None:
        seconds = min(AFTER_SILENCE_SECONDS * 2**self._silences, LONGEST_SILENCE_SECONDS)
        self._silences = min(self._silences + 1, 10)
        await self._clock.pause(seconds, self._woken)

    async def _record_let_go(self, now: datetime) -> None:
        for line_id, reason in self._conversation.let_go:
            why = {"reason": reason}
            await self._writer.write(
                partial(self._transcript.add, "", "silence", "", why, now, line_id)
            )
        self._conversation.let_go.clear()

    async def _rest(self, rest: Rest) -> None:
        """Nobody speaks: says why, once, and waits until then or until something happens."""
        text = f"Nobody speaks: {rest.reason}."
        if self._doing != text:
            self._doing = text
            now = self._clock.now()
            await self._writer.write(
                lambda: self._transcript.add("", "notice", text, {"reason": rest.reason}, now)
            )
            if rest.is_told:
                await self.stages.notice(text)
        if rest.until is None:
            await self._woken.wait()
        else:
            seconds = (rest.until - self._clock.now()).total_seconds()
            seconds = min(max(seconds, 0.0), LONGEST_REST_SECONDS)
            await self._clock.pause(seconds, self._woken)

    # --- what Control reaches for -----------------------------------------------------------

    def why(self, line_id: int | None) -> str:
        return explain(self._transcript, self._line(line_id, "explained"))

    async def take_back(self, line_id: int | None) -> Changed:
        line = self._friends_line(line_id, "taken back")
        await self._writer.write(lambda: self._transcript.unsay(line.id))
        self._conversation.unsay(line.id)
        self.stages.take_back(line.id)
        return Changed(line.id, line.speaker)

    async def say_anew(self, line_id: int | None) -> Changed:
        line = self._friends_line(line_id, "said anew")
        turn = self._conversation.repeated(line.id, line.speaker, self._clock.now())
        if turn is None:
            raise Refused("That line is too far back to be said anew; take it back with /oops.")
        drawn = await self._drawing.draw(turn)
        if drawn.text is None:
            raise Refused(f"{line.speaker} finds nothing better ({drawn.problem}).")
        self._friends_line(line.id, "said anew")  # it may have been taken back meanwhile
        text, now = drawn.text, self._clock.now()
        why = self._why_of(drawn)
        await self._writer.write(lambda: self._transcript.replace_text(line.id, text, why, now))
        self._conversation.reworded(line.id, text, self._picker)
        self.stages.reword(line.id, line.speaker, text)
        return Changed(line.id, line.speaker)

    def state(self, friend: str) -> str:
        state = self._friends.state(friend)
        return "" if state.kind == "ready" else state.kind

    def doing(self) -> str:
        return self._doing if self.control.running.is_set() else ""  # whoever typed stands still

    def _friends_line(self, line_id: int | None, wanted: str) -> TranscriptLine:
        line = self._line(line_id, wanted)
        if line.kind != "friend":
            raise Refused(f"Line {line.id} is no friend's, so it cannot be {wanted}.")
        return line

    def _line(self, line_id: int | None, wanted: str) -> TranscriptLine:
        """The line with this id, or the last one of a friend. Raises Refused."""
        if line_id is not None:
            line = self._transcript.line(line_id)
            if line is None or line.unsaid or line.conversation != self._transcript.conversation:
                raise Refused(f"There is no line {line_id}.")
            return line
        for line in reversed(self._transcript.last(50)):
            if line.kind == "friend":
                return line
        raise Refused(f"There is no line yet that could be {wanted}.")
