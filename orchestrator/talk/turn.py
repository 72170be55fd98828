"""Lines of a conversation and turns that lead to them, as plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from orchestrator.phrases import Phrase, PhrasePicker
from orchestrator.talk.turn_taking import Weight

HEARD_CHARS = 2000
"""Of a line, no more than this is taken in; the transcript has all of it. It is the longest
message of a chat, and more than a model of 1024 tokens has room for beside other lines."""

Source = Literal["person", "wish", "topic", "line", "free", "fresh"]
ASKED_FOR: frozenset[Source] = frozenset({"person", "wish"})


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """One line of the conversation. `phrases` are those found in it, `id` is the
    transcript's."""

    id: int
    speaker: str
    text: str
    said_at: datetime
    by_person: bool = False
    phrases: tuple[Phrase, ...] = ()

    def reworded(self, text: str, picker: PhrasePicker) -> SpokenLine:
        """The line with another text, as far as it is taken in."""
        heard = text[:HEARD_CHARS]
        return replace(self, text=heard, phrases=picker.phrases(heard))


@dataclass(frozen=True, slots=True)
class Turn:
    """Who is to speak, shown what, about what, and why so.

    `lines` are the last lines, oldest first; `seed` draws the candidates; `answers` is the
    id of the line that is answered, if it is a particular one; `phrase_from` the line that the
    phrase stands in; `phrases` what there was to choose from, with chances; `heard_up_to` the
    last line that was known when the turn was chosen.
    """

    speaker: str
    lines: tuple[SpokenLine, ...]
    phrase: str
    begin_with_phrase: bool
    source: Source
    seed: int
    answers: int | None
    chosen_because: str
    at: datetime
    weights: Mapping[str, Weight] = field(default_factory=dict)
    phrases: tuple[Phrase, ...] = ()
    phrase_from: int | None = None
    heard_up_to: int = 0

    @property
    def is_asked_for(self) -> bool:
        """Whether a person waits for it."""
        return self.source in ASKED_FOR

    def why(self) -> dict[str, Any]:
        """The reason as plain data, for the transcript."""
        data = asdict(self)
        data["lines"] = [line.id for line in self.lines]
        data["at"] = self.at.isoformat()
        data["phrases"] = [{"phrase": p.text, "weight": p.weight} for p in self.phrases]
        return data

    def afresh(self) -> Turn:
        """The same turn without the last lines: for when all they lead to has been said."""
        return replace(self, lines=(), phrase="", begin_with_phrase=False, source="fresh")
