"""One person's talk with one friend: what was said, and what the friend is asked next. Pure, as the
conversation of a show is; knows neither servers nor screens."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from model_server import wire
from model_server.checkpoint_format import Manifest
from orchestrator.drawing import Drawn
from orchestrator.phrases import PhrasePicker
from orchestrator.settings import Settings
from orchestrator.talk.conversation import SEED_LIMIT, Conversation
from orchestrator.talk.turn import SpokenLine, Turn
from orchestrator.talk.turn_taking import Member
from orchestrator.transcript.explain_turn import of_turn, quoted
from orchestrator.transcript.reason import Reason
from orchestrator.transcript.records import LineKind, TranscriptLine

Now = Callable[[], datetime]

REMEMBERED_LINES = 500
"""That /why can tell of. A talk may go on for weeks, and no model is shown as many."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A friend's line with its whole reason."""

    line: SpokenLine
    drawn: Drawn


class Talk:
    """What was said between a person and a friend since they met, or since it was forgotten."""

    def __init__(
        self,
        friend: str,
        manifest: Manifest,
        settings: Settings,
        picker: PhrasePicker,
        sampling: wire.Sampling,
        seed: int,
        now: Now,
    ) -> None:
        self.friend = friend
        self.manifest = manifest
        self.last: Answered | None = None
        self._settings = settings
        self._picker = picker
        self._sampling = sampling
        self._seed = seed
        self._now = now
        self._lines = 0
        self._said: dict[int, SpokenLine] = {}
        self._asked_again = 0
        self._members = [Member(friend)]
        self.conversation = self._new_conversation()

    def _new_conversation(self) -> Conversation:
        settings = self._settings
        rng = random.Random(f"{self._seed} {self.friend} {self._lines}")
        return Conversation(self._members, settings.conversation, settings.limits, rng)

    def heard(self, person: str, text: str) -> Turn:
        """The turn of the friend that answers this line."""
        line = self._line(person, text, by_person=True)
        self.conversation.heard(line, [self.friend])
        turn = self.conversation.next_turn(self._now(), [self.friend])
        assert isinstance(turn, Turn)  # whoever speaks to a friend is answered
        return turn

    def answered(self, drawn: Drawn) -> str | None:
        """The friend's line, which is part of the talk from now on; None if nothing came of it."""
        if drawn.text is None:
            return None
        line = self._line(self.friend, drawn.text)
        self.conversation.heard(line, turn=drawn.turn)
        self.last = Answered(line, drawn)
        return drawn.text

    def line(self, line_id: int) -> TranscriptLine | None:
        """A line of the talk, as a transcript would have it."""
        found = self._said.get(line_id)
        if found is None:
            return None
        kind: LineKind = "person" if found.by_person else "friend"
        why = {}
        if self.last is not None and self.last.line.id == line_id:
            why = self.last.drawn.why(self._sampling, {"name": self.friend})
        return TranscriptLine(
            line_id, 0, 0, found.said_at, found.speaker, kind, found.text, None, why, False
        )

    def why(self) -> str | None:
        """Why the friend's last line was said, in words; None if there is none."""
        line = self.line(self.last.line.id) if self.last is not None else None
        if line is None:
            return None
        said = f"{line.speaker} said {quoted(line.text)}."
        return "\n".join([said, *of_turn(self, line, Reason.of(line.why))])

    def once_more(self) -> Turn | None:
        """A turn for other words in place of the friend's last line; None if there is none."""
        if self.last is None:
            return None
        line = self.last.line
        turn = self.conversation.repeated(line.id, self.friend, self._now())
        if turn is None:
            return None
        # As often as it is asked for, and each time other words.
        self._asked_again += 1
        seed = random.Random(f"{turn.seed} {self._asked_again}").randrange(SEED_LIMIT)
        return Turn(
            turn.speaker, turn.lines, self.last.drawn.turn.phrase, False, "person", seed,
            turn.answers, turn.chosen_because, turn.at,
        )  # fmt: skip

    def reworded(self, drawn: Drawn) -> str | None:
        """The friend's last line in other words; the old ones are not said again."""
        if drawn.text is None or self.last is None:
            return None
        self.conversation.reworded(self.last.line.id, drawn.text, self._picker)
        line = self.last.line.reworded(drawn.text, self._picker)
        self._said[line.id] = line
        self.last = Answered(line, drawn)
        return drawn.text

    def forget(self) -> None:
        """As if nothing had been said."""
        self.conversation = self._new_conversation()
        self.last = None
        self._said.clear()

    def _line(self, speaker: str, text: str, *, by_person: bool = False) -> SpokenLine:
        self._lines += 1
        line = SpokenLine(self._lines, speaker, "", self._now(), by_person=by_person)
        self._said[line.id] = line = line.reworded(text, self._picker)
        if len(self._said) > REMEMBERED_LINES:
            del self._said[next(iter(self._said))]
        return line
