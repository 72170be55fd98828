"""Repeats a conversation from its settings and seed, and says where it differs.

What people did is put in where it happened; turns are chosen and lines drawn anew, and compared
with those of the transcript. Then the transcript's line counts, so that one difference does not
make all that follows another conversation.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from orchestrator.control import Changed, Control, Refused
from orchestrator.drawing import BeforeJudging, Drawn
from orchestrator.phrases import PhrasePicker
from orchestrator.resuming import (
    DELETED,
    EDITED,
    RESUMED_LINES,
    STILL_WAITING,
    as_before,
    begin,
    spoken,
)
from orchestrator.settings import Settings
from orchestrator.talk.conversation import Conversation
from orchestrator.talk.limits import Rest
from orchestrator.talk.turn import SpokenLine, Turn
from orchestrator.talk.turn_taking import Member
from orchestrator.transcript import Transcript
from orchestrator.transcript.records import Run, TranscriptLine

CHOICES = ("speaker", "source", "phrase", "seed")
LIMITED = "limited"
"""Key of a run's settings: whether the limits held."""

Draw = Callable[[Conversation, Settings, Turn, BeforeJudging], Awaitable[Drawn]]


@dataclass(slots=True)
class Report:
    """What a replay came to: turns compared, and one sentence for each difference."""

    turns: int = 0
    lines: int = 0
    differences: list[str] = field(default_factory=list)


def conversation_chance(seed: int) -> random.Random:
    """What all choices of a run with this seed are drawn from."""
    return random.Random(f"{seed} conversation")


def settings_of_run(settings: Settings, *, limited: bool) -> dict[str, Any]:
    """What the transcript keeps of a run's settings, so that it can be replayed."""
    return settings.model_dump(mode="json") | {LIMITED: limited}


class Replay:
    """One run of a show, again. Without `draw`, only choices are compared and no words."""

    def __init__(
        self,
        transcript: Transcript,
        run: Run,
        members: Mapping[str, Member],
        picker: PhrasePicker,
        draw: Draw | None,
    ) -> None:
        kept = dict(run.settings)
        is_limited = kept.pop(LIMITED, True)
        self._settings = Settings.model_validate(kept)
        self._transcript = transcript
        self._picker = picker
        self._draw = draw
        self._talk = Conversation(
            list(members.values()), self._settings.conversation, self._settings.limits,
            conversation_chance(run.seed or 0), is_limited=is_limited,
        )  # fmt: skip
        self._stand_in = _StandIn(self._talk, transcript, picker, run.started_at)
        self._control = Control(self._talk, self._stand_in)
        rows = list(transcript.lines(conversation=run.conversation))
        gone_since = {row.why.get("line") for row in rows if row.run >= run.id and _takes_back(row)}
        told = [
            replace(
                self._as_of(row, run.started_at), unsaid=row.unsaid and row.id not in gone_since
            )
            for row in rows
        ]
        self._rows = deque(row for row in told if row.run == run.id)
        self._take_up([row for row in told if row.run < run.id], run.started_at)
        self.report = Report()

    def _take_up(self, earlier: list[TranscriptLine], at: datetime) -> None:
        """What the run began with: the end of the runs before it."""
        said = [r for r in earlier if r.kind in ("friend", "person") and not r.unsaid]
        answered = {row.reply_to for row in earlier if row.kind in ("friend", "silence")}
        waiting = [
            row for row in said
            if row.kind == "person" and row.id not in answered and row.said_at >= at - STILL_WAITING
        ]  # fmt: skip
        taken_back = [row.text for row in earlier if row.kind == "friend" and row.unsaid]
        last = said[-max(self._settings.conversation.history_lines, RESUMED_LINES) :]
        begin(self._talk, last, waiting, taken_back[-RESUMED_LINES:], self._picker)
        self._stand_in.lines += [row for row in said if row.kind == "friend"]
        as_before(self._control, [row for row in earlier if row.kind == "command"])

    async def run(self) -> Report:
        """Goes through all that happened, in order."""
        for row in [row for row in self._rows if "turn" in row.why]:
            await self._happen_up_to(min(row.why.get("decided_after", row.id - 1), row.id - 1))
            chosen = self._chosen(row)
            drawn = await self._drawn(row, chosen)
            await self._happen_up_to(row.id - 1)
            self._rows.popleft()
            self._compare(row, chosen, drawn)
        await self._happen_up_to(self._rows[-1].id if self._rows else 0)
        return self.report

    async def _happen_up_to(self, line_id: int) -> None:
        while self._rows and self._rows[0].id <= line_id:
            await self._happened(self._rows.popleft())

    def _chosen(self, row: TranscriptLine) -> Turn | None:
        """The turn as it is chosen now, where that of the row was."""
        at = datetime.fromisoformat(row.why["turn"].get("at", row.said_at.isoformat()))
        turn = self._talk.next_turn(at, row.why.get("able"))
        return None if isinstance(turn, Rest) else turn

    async def _drawn(self, row: TranscriptLine, turn: Turn | None) -> Drawn | None:
        """The words for a turn that led to a line. They are judged with what was said up to
        then, as what people do meanwhile changes what may be said."""
        if self._draw is None or turn is None or row.kind != "friend":
            return None
        judged_after: Sequence[int] = row.why.get("judged_after", ())

        async def before_judging(attempt: int) -> int:
            if attempt < len(judged_after):
                await self._happen_up_to(min(judged_after[attempt], row.id - 1))
            return row.id

        return await self._draw(self._talk, self._settings, turn, before_judging)

    async def _happened(self, row: TranscriptLine) -> None:
        """What was no turn: people's lines and commands, and lines that nobody saw."""
        if row.kind == "person" and row.why.get("reason"):  # too late to be answered
            self._talk.resume([self._spoken(row)])
        elif row.kind == "person":
            self._talk.heard(self._spoken(row), row.why.get("addressed", ()))
        elif row.why.get("name") == EDITED and row.why.get("done"):
            self._stand_in.reword(row.why["line"])
        elif row.why.get("name") == DELETED and row.why.get("done"):
            self._stand_in.remove(row.why["line"])
        elif row.kind == "command":
            self._talk.person_is_here()
            if row.why.get("done", True):
                # The line that was the last when the command was given need not be the last now.
                line = row.why.get("line")
                argument = row.why["argument"] if line is None else str(line)
                with suppress(Refused):
                    await self._control.carry_out(row.why["name"], argument)
        elif "unseen" in row.why:
            self._talk.unseen(row.why["unseen"])
            self._stand_in.lines.pop()

    def _compare(self, row: TranscriptLine, turn: Turn | None, drawn: Drawn | None) -> None:
        self.report.turns += 1
        then: Mapping[str, Any] = row.why["turn"]
        if turn is None:
            self._differs(row, f"then {then['speaker']} spoke, now nobody would")
        else:
            now = turn.why()
            # A last attempt without the last lines is another kind of the same turn.
            is_other_kind = then["source"] == "fresh" != now["source"]
            for key in ("speaker", "seed") if is_other_kind else CHOICES:
                if then[key] != now[key]:
                    self._differs(row, f"{key} was {then[key]!r} and is {now[key]!r}")
            turn = turn.afresh() if is_other_kind else turn
        if drawn is not None:
            self._compare_words(row, drawn)
        self._go_on(row, turn)

    def _compare_words(self, row: TranscriptLine, drawn: Drawn) -> None:
        self.report.lines += 1
        if drawn.text != row.text:
            again = drawn.text if drawn.text is not None else f"nothing: {drawn.problem}"
            self._differs(row, f"{row.speaker} said {row.text!r} and says {again!r}")

    def _go_on(self, row: TranscriptLine, turn: Turn | None) -> None:
        if row.kind == "friend":
            self._talk.heard(self._spoken(row), turn=turn)
            self._stand_in.lines.append(row)
        elif turn is not None:
            self._talk.unanswered(turn)

    def _differs(self, row: TranscriptLine, text: str) -> None:
        self.report.differences.append(f"line {row.id}: {text}")

    def _as_of(self, row: TranscriptLine, at: datetime) -> TranscriptLine:
        """The row as it was then, or as it was said later: before anybody changed it."""
        for edit in self._transcript.edits(row.id):
            if edit.at >= at:
                return replace(row, text=edit.old_text, why=edit.old_why)
        return row

    def _spoken(self, row: TranscriptLine) -> SpokenLine:
        return spoken(row, self._picker)


@dataclass(slots=True)
class _StandIn:
    """Carries out commands as the show did then: what was said anew is in the transcript."""

    talk: Conversation
    transcript: Transcript
    picker: PhrasePicker
    since: datetime
    lines: list[TranscriptLine] = field(default_factory=list)
    """Friends' lines so far that were not taken back."""
    changed: Counter[int] = field(default_factory=Counter)
    """How often each line was given another wording so far."""

    def why(self, line_id: int | None) -> str:
        return ""

    async def take_back(self, line_id: int | None) -> Changed:
        line = self._line(line_id)
        self.remove(line.id)
        return Changed(line.id, line.speaker)

    def remove(self, line_id: int) -> None:
        """Nobody sees the line any more, whoever said it."""
        self.lines = [line for line in self.lines if line.id != line_id]
        self.talk.unsay(line_id)

    async def say_anew(self, line_id: int | None) -> Changed:
        line = self._line(line_id)
        if not self.reword(line.id):
            raise Refused("It was not changed.")
        return Changed(line.id, line.speaker)

    def reword(self, line_id: int) -> bool:
        """Gives a line the wording that it was given next then; returns whether it was."""
        edits = [edit for edit in self.transcript.edits(line_id) if edit.at >= self.since]
        if not (later := edits[self.changed[line_id] :]):
            return False
        self.changed[line_id] += 1
        self.talk.reworded(line_id, later[0].new_text, self.picker)
        return True

    def _line(self, line_id: int | None) -> TranscriptLine:
        for line in reversed(self.lines):
            if line_id in (None, line.id):
                return line
        raise Refused("There is no such line.")

    def state(self, friend: str) -> str:
        return ""

    def doing(self) -> str:
        return ""


def _takes_back(row: TranscriptLine) -> bool:
    return row.kind == "command" and row.why.get("name") in ("oops", DELETED)


def changed_settings(then: Mapping[str, Any], now: Settings) -> Iterator[str]:
    """One sentence for each setting of a run that is another one today."""
    today = now.model_dump(mode="json")
    for section in ("conversation", "limits", "generation", "phrases"):
        before: Mapping[str, Any] = then.get(section, {})
        for key, value in before.items():
            if value != today[section].get(key):
                yield f"{section}.{key} was {value!r} and is {today[section].get(key)!r} today"


def missing_friends(rows: Sequence[TranscriptLine], members: Mapping[str, Member]) -> list[str]:
    """Friends who spoke then and are not there now."""
    return sorted({row.speaker for row in rows if row.kind == "friend"} - set(members))
