"""Repeats a conversation from its settings and seed, and says where it differs.

What people did is put in where it happened; turns are chosen and lines drawn anew, and compared
with those of the transcript. Then the transcript's line counts, so that one difference does not
make all that follows another conversation.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from orchestrator.control import Control, Refused
from orchestrator.conversation import Conversation, SpokenLine, Turn
from orchestrator.drawing import Drawn
from orchestrator.limits import Rest
from orchestrator.phrases import PhrasePicker
from orchestrator.settings import Settings
from orchestrator.transcript import Transcript
from orchestrator.transcript_records import Run, TranscriptLine
from orchestrator.turn_taking import Member

CHOICES = ("speaker", "source", "phrase", "seed")
LIMITED = "limited"
"""Key of a run's settings: whether the limits held."""
RESUMED_LINES = 50
"""So many lines of an earlier run are taken up."""
STILL_WAITING = timedelta(hours=1)
"""Who spoke before that no longer waits for an answer."""

Draw = Callable[[Conversation, Settings, Turn], Awaitable[Drawn]]


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
            list(members.values()), self._settings.conversation,
            self._settings.limits if is_limited else None, conversation_chance(run.seed or 0),
        )  # fmt: skip
        self._control = Control(self._talk, _Nobody(self._talk))
        told = list(transcript.lines(conversation=run.conversation))
        self._rows = [row for row in told if row.run == run.id]
        self._take_up([row for row in told if row.run < run.id], run.started_at)
        self.report = Report()

    def _take_up(self, earlier: list[TranscriptLine], at: datetime) -> None:
        """What the run began with: the end of the runs before it."""
        answered = {row.reply_to for row in earlier}
        said = [r for r in earlier if r.kind in ("friend", "person") and not r.unsaid]
        self._talk.resume(
            [self._spoken(row) for row in said[-RESUMED_LINES:]],
            {
                row.id for row in said
                if row.kind == "person" and row.id not in answered
                and row.said_at >= at - STILL_WAITING
            },
        )  # fmt: skip
        self._talk.never_again([row.text for row in earlier if row.unsaid])

    async def run(self) -> Report:
        """Goes through all that happened, in order."""
        turns = (row for row in self._rows if "turn" in row.why)
        upcoming = next(turns, None)
        chosen: Turn | None = None
        for row in self._rows:
            if upcoming and chosen is None and row.id > upcoming.why.get("decided_after", 0):
                chosen = self._chosen(upcoming)
            if upcoming is not None and row.id == upcoming.id:
                await self._compare(row, chosen)
                upcoming, chosen = next(turns, None), None
            else:
                await self._happened(row)
        return self.report

    def _chosen(self, row: TranscriptLine) -> Turn | None:
        """The turn as it is chosen now, where that of the row was."""
        at = datetime.fromisoformat(row.why["turn"].get("at", row.said_at.isoformat()))
        turn = self._talk.next_turn(at, row.why.get("able"))
        return None if isinstance(turn, Rest) else turn

    async def _happened(self, row: TranscriptLine) -> None:
        """What was no turn: people's lines and commands."""
        if row.kind == "person":
            self._talk.heard(self._spoken(row), row.why.get("addressed", ()))
        elif row.kind == "command":
            try:
                await self._control.carry_out(row.why["name"], row.why["argument"])
            except Refused:
                return

    async def _compare(self, row: TranscriptLine, turn: Turn | None) -> None:
        self.report.turns += 1
        then: Mapping[str, Any] = row.why["turn"]
        if turn is None:
            self._differs(row, f"then {then['speaker']} spoke, now nobody would")
            return
        now = turn.why()
        # A last attempt without the last lines is another kind of the same turn.
        compared = CHOICES if then["source"] != "fresh" else ("speaker", "seed")
        for key in compared:
            if then[key] != now[key]:
                self._differs(row, f"{key} was {then[key]!r} and is {now[key]!r}")
        if self._draw and row.kind == "friend":
            await self._compare_words(row, turn)
        self._go_on(row, turn)

    async def _compare_words(self, row: TranscriptLine, turn: Turn) -> None:
        assert self._draw is not None
        self.report.lines += 1
        drawn = await self._draw(self._talk, self._settings, turn)
        said = self._spoken(row).text
        if drawn.text != said:
            again = drawn.text if drawn.text is not None else f"nothing: {drawn.problem}"
            self._differs(row, f"{row.speaker} said {said!r} and says {again!r}")

    def _go_on(self, row: TranscriptLine, turn: Turn) -> None:
        if row.kind == "friend":
            self._talk.heard(self._spoken(row), turn=turn)
        else:
            self._talk.unanswered(turn)

    def _differs(self, row: TranscriptLine, text: str) -> None:
        self.report.differences.append(f"line {row.id}: {text}")

    def _spoken(self, row: TranscriptLine) -> SpokenLine:
        """The line as it was said at first, before anybody changed it."""
        edits = self._transcript.edits(row.id)
        text = edits[0].old_text if edits else row.text
        return SpokenLine(
            row.id, row.speaker, text, row.said_at, row.kind == "person",
            self._picker.phrases(text),
        )  # fmt: skip


@dataclass(slots=True)
class _Nobody:
    """Stands in for the show that carries out commands: in a replay nobody watches."""

    talk: Conversation

    def why(self, line_id: int | None) -> str:
        return ""

    async def take_back(self, line_id: int | None) -> str:
        return ""

    async def say_anew(self, line_id: int | None) -> tuple[str, str]:
        return "", ""

    def state(self, friend: str) -> str:
        return ""

    def doing(self) -> str:
        return ""


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
