"""Who speaks next, and from which prompt. Pure: knows no Discord, HTTP, clock or await.

A turn comes from the first of these that there is: a person's line, in the order in which
people spoke; what somebody wished for; a topic that was set; the last lines; nothing.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from orchestrator.addressing import Names
from orchestrator.limits import Limits, Rest
from orchestrator.phrases import Phrase
from orchestrator.repeats import RecentLines
from orchestrator.settings import ConversationSettings, LimitSettings
from orchestrator.themes import Themes, with_chances
from orchestrator.turn_taking import Choice, Member, TurnTaking, Weight

SEED_LIMIT = 2**31
PHRASE_LINES = 3
"""A phrase is taken from one of the last so many lines."""
TRIES = 2
"""How often a person's line or a wish is tried again if it comes to nothing."""
TOPIC_LINES = 6
"""For how many lines a topic is set if nobody says."""

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


@dataclass(slots=True)
class _Waiting:
    """A person's line, and those who are still to answer it; () is anybody."""

    line: SpokenLine
    addressed: tuple[str, ...]


@dataclass(slots=True)
class _Wish:
    """What somebody wants the next line to be about, and by whom; None is anybody."""

    topic: str
    friend: str | None
    failures: int = 0


@dataclass(slots=True)
class _Topic:
    """What people want the conversation to be about, less and less."""

    text: str
    lines: int
    left: int


class Conversation:
    """The state of one conversation. All chance comes from `rng`.

    Without `limits`, friends talk on whatever happens.
    """

    def __init__(
        self,
        members: Sequence[Member],
        settings: ConversationSettings,
        limits: LimitSettings | None,
        rng: random.Random,
    ) -> None:
        self.members = {member.name: member for member in members}
        self.names = Names({member.name: member.aliases for member in members})
        self.muted: set[str] = set()
        bounds = limits or LimitSettings()
        self._settings = settings
        self._rng = rng
        self._turn_taking = TurnTaking(members, settings.chaos, rng)
        self._limits = Limits(bounds, alone=len(members) == 1) if limits else None
        self._history: deque[SpokenLine] = deque(maxlen=settings.history_lines)
        self._recent = RecentLines(bounds.repeat_within_lines)
        self._themes = Themes(bounds.phrase_rounds)
        self._waiting: deque[_Waiting] = deque()
        self._failures: Counter[int] = Counter()
        self._wishes: deque[_Wish] = deque()
        self._topic: _Topic | None = None
        self._answering: _Waiting | _Wish | None = None
        self.let_go: list[int] = []
        """People's lines that, as it happened, nobody was to answer; whoever reads it empties
        it."""

    # --- what happened ----------------------------------------------------------------------

    @property
    def last_line(self) -> SpokenLine | None:
        return self._history[-1] if self._history else None

    @property
    def has_waiting(self) -> bool:
        """Whether a person waits for an answer, or for what was wished."""
        return bool(self._waiting or self._wishes)

    @property
    def people_waiting(self) -> int:
        """How many lines of people wait for an answer."""
        return len(self._waiting)

    def heard(
        self, line: SpokenLine, addressed: Sequence[str] = (), turn: Turn | None = None
    ) -> None:
        """A line was said: a person's, which waits for an answer by those whom it addresses (as
        the platform knows, else as the text says) or by anybody; or a friend's, by `turn`."""
        self._remember(line, turn.phrase if turn else "")
        if line.by_person:
            to = tuple(addressed) or tuple(self.names.addressed_in(line.text))
            self._waiting.append(_Waiting(line, to))
        elif self._limits:
            self._limits.said(line.said_at, asked_for=turn is not None and turn.is_asked_for)
        if self._limits and line.by_person:
            self._limits.person_spoke()
        if not line.by_person:
            self._answering = None

    def _remember(self, line: SpokenLine, phrase: str = "") -> None:
        self._history.append(line)
        self._turn_taking.heard(line.speaker)
        if not line.by_person:
            self._recent.add(line.id, line.text)
            self._themes.add(line.text, phrase)

    def resume(self, lines: Sequence[SpokenLine], waiting: Collection[int] = ()) -> None:
        """Takes up an earlier conversation. `waiting` are ids of people's lines among `lines`
        that nobody has answered yet."""
        for line in lines:
            self._remember(line)
            if line.id in waiting:
                to = tuple(self.names.addressed_in(line.text))
                self._waiting.append(_Waiting(line, to))

    def never_again(self, texts: Sequence[str]) -> None:
        """Lines that were taken back in an earlier run."""
        self._recent.never_again(texts)

    def unsay(self, line_id: int) -> None:
        """A line was taken back: nobody sees it, answers it or says it again."""
        for line in [line for line in self._history if line.id == line_id]:
            self._history.remove(line)
            if not line.by_person:
                self._recent.take_back(line.id, line.text)
        self._waiting = deque(w for w in self._waiting if w.line.id != line_id)

    def reworded(self, line_id: int, text: str, phrases: tuple[Phrase, ...]) -> None:
        """A line reads otherwise now: a person edited it, or a friend said it anew."""
        for place, line in enumerate(self._history):
            if line.id == line_id:
                if not line.by_person:
                    self._recent.take_back(line.id, line.text)
                    self._recent.add(line.id, text)
                self._history[place] = replace(line, text=text, phrases=phrases)
        for waiting in self._waiting:
            if waiting.line.id == line_id:
                waiting.line = replace(waiting.line, text=text, phrases=phrases)

    # --- what people want -------------------------------------------------------------------

    def wish(self, topic: str, friend: str | None = None) -> None:
        """One of the next lines is about this, spoken by this friend or by anybody."""
        self._wishes.append(_Wish(topic, friend))

    def set_topic(self, topic: str, lines: int = TOPIC_LINES) -> None:
        """The next line is about this for certain, those after it less and less often, and none
        after so many lines; "" ends it."""
        self._topic = _Topic(topic, lines, lines) if topic else None

    @property
    def topic(self) -> str:
        """What people have set, while it lasts."""
        return self._topic.text if self._topic else ""

    # --- the next turn ----------------------------------------------------------------------

    def next_turn(self, now: datetime, able: Collection[str] | None = None) -> Turn | Rest:
        """The next turn, or why nobody speaks. `able` are the friends who can answer at present
        (None: all); whoever is addressed and cannot is stood in for."""
        speakers = [
            name for name in self.members
            if name not in self.muted and (able is None or name in able)
        ]  # fmt: skip
        if not speakers:
            return Rest("everybody is muted" if able is None or able else "no friend can answer")
        while self._waiting:
            if turn := self._answer_to_person(speakers, now):
                return turn
            self.let_go.append(self._waiting.popleft().line.id)
        if self._wishes:
            return self._granted(speakers, now)
        if self._limits and (rest := self._limits.rest(now)):
            return rest
        return self._own_turn(speakers, now)

    def pause_factor(self, *, is_read: bool) -> float:
        """By how much pauses are longer than usual."""
        return self._limits.pause_factor(is_read=is_read) if self._limits else 1.0

    def unanswered(self, turn: Turn) -> bool:
        """A turn that was asked for came to nothing: it is tried again, by the same friend, then
        by anybody, then no longer. Returns whether it is."""
        task, self._answering = self._answering, None
        if isinstance(task, _Waiting):
            self._failures[task.line.id] += 1
            if self._failures[task.line.id] > TRIES:
                return False
            again: tuple[str, ...] = (turn.speaker,) if self._failures[task.line.id] == 1 else ()
            if self._waiting and self._waiting[0].line.id == task.line.id:
                # Others were addressed too: after this one.
                again += self._waiting.popleft().addressed
            self._waiting.appendleft(_Waiting(task.line, again))
            return True
        if isinstance(task, _Wish) and task.failures < TRIES:
            friend = task.friend if task.failures == 0 else None
            self._wishes.appendleft(_Wish(task.topic, friend, task.failures + 1))
            return True
        return False

    def _answer_to_person(self, able: list[str], now: datetime) -> Turn | None:
        waiting = self._waiting[0]
        line = waiting.line
        named = [name for name in waiting.addressed if name in able]
        chance = self._settings.human_prompt_chance
        if not waiting.addressed and chance < 1 and self._rng.random() >= chance:
            return None
        self._waiting.popleft()
        if len(named) > 1:
            # Each of them answers, the first one now.
            self._waiting.appendleft(_Waiting(line, tuple(named[1:])))
        self._answering = _Waiting(line, tuple(named[:1]))
        if named:
            choice = Choice(named[0], f"{line.speaker} addressed {named[0]}")
        else:
            choice = self._chosen(able, now)
            because = f"{line.speaker} spoke, and nobody was addressed"
            if waiting.addressed:
                because = f"{line.speaker} addressed {waiting.addressed[0]}, who cannot answer"
            choice = replace(choice, because=f"{because}; {choice.because}")
        phrases = self._options([line])
        return self._turn(choice, "person", now, phrases, answers=line.id)

    def _granted(self, able: list[str], now: datetime) -> Turn:
        wish = self._wishes.popleft()
        self._answering = wish
        if wish.friend in able:
            assert wish.friend is not None
            choice = Choice(wish.friend, f"{wish.friend} was asked to")
        else:
            choice = self._chosen(able, now)
        return self._turn(choice, "wish", now, about=wish.topic, begin=True)

    def _own_turn(self, able: list[str], now: datetime) -> Turn:
        choice = self._chosen(able, now)
        chances = self._settings
        if self._topic and (turn := self._about_the_topic(choice, now)):
            return turn
        if not self._history or self._rng.random() < chances.fresh_prompt_chance:
            return self._turn(choice, "fresh", now)
        answers = self._history[-1].id
        if self._rng.random() < chances.bot_prompt_chance:
            recent = list(self._history)[-PHRASE_LINES:]
            if phrases := self._options(recent, but_not_by=choice.name):
                begin = self._rng.random() < chances.begin_with_phrase_chance
                return self._turn(choice, "line", now, phrases, begin=begin, answers=answers)
        return self._turn(choice, "free", now, answers=answers)

    def _about_the_topic(self, choice: Choice, now: datetime) -> Turn | None:
        topic = self._topic
        assert topic is not None
        is_first = topic.left == topic.lines
        is_taken_up = self._rng.random() < topic.left / topic.lines
        topic.left -= 1
        if topic.left <= 0:
            self._topic = None
        if not is_taken_up:
            return None
        begin = is_first or self._rng.random() < self._settings.begin_with_phrase_chance
        return self._turn(choice, "topic", now, about=topic.text, begin=begin)

    def _turn(
        self,
        choice: Choice,
        source: Source,
        now: datetime,
        phrases: Sequence[tuple[Phrase, int]] = (),
        *,
        about: str = "",
        begin: bool = False,
        answers: int | None = None,
    ) -> Turn:
        phrase, phrase_from = about, None
        if phrases:
            weights = [option.weight for option, _ in phrases]
            chosen, phrase_from = self._rng.choices(phrases, weights)[0]
            phrase = chosen.text
        return Turn(
            speaker=choice.name,
            lines=() if source == "fresh" else self._with_last(answers),
            phrase=phrase,
            begin_with_phrase=begin and bool(phrase),
            source=source,
            seed=self._rng.randrange(SEED_LIMIT),
            answers=answers,
            chosen_because=choice.because,
            at=now,
            weights=choice.weights,
            phrases=with_chances(phrases),
            phrase_from=phrase_from,
            heard_up_to=max((line.id for line in self._history), default=0),
        )

    def _with_last(self, answered: int | None) -> tuple[SpokenLine, ...]:
        """The history, with the line that is answered at its end: others may have spoken since
        a person did."""
        return tuple(sorted(self._history, key=lambda line: line.id == answered))

    def _chosen(self, able: list[str], now: datetime) -> Choice:
        last = self.last_line
        named = self.names.named_in(last.text) if last else ()
        by_person = last is not None and last.by_person
        return self._turn_taking.choose(able, named, now, by_person=by_person)

    def _options(
        self, lines: Sequence[SpokenLine], but_not_by: str = ""
    ) -> list[tuple[Phrase, int]]:
        return self._themes.options(
            [
                (line.id, line.by_person, self._without_names(line.phrases))
                for line in reversed(lines)
                if line.by_person or line.speaker != but_not_by
            ]
        )

    def _without_names(self, phrases: Sequence[Phrase]) -> list[Phrase]:
        return [phrase for phrase in phrases if not self.names.named_in(phrase.text)]

    def repeated(self, line_id: int, speaker: str, now: datetime) -> Turn | None:
        """A turn that could have led to this line, as one of the last, in other words; None if it
        is too far back."""
        lines = list(self._history)
        place = next((at for at, line in enumerate(lines) if line.id == line_id), None)
        if place is None:
            return None
        before = tuple(lines[:place])
        options = self._options(before[-PHRASE_LINES:], but_not_by=speaker)
        phrase, phrase_from = "", None
        if options:
            weights = [option.weight for option, _ in options]
            chosen, phrase_from = self._rng.choices(options, weights)[0]
            phrase = chosen.text
        return Turn(
            speaker, before, phrase, False, "wish", self._rng.randrange(SEED_LIMIT),
            before[-1].id if before else None, "somebody wanted the line said anew", now,
            phrases=with_chances(options), phrase_from=phrase_from,
        )  # fmt: skip

    # --- what must not be said --------------------------------------------------------------

    def objection(self, text: str, turn: Turn) -> str | None:
        """Why this must not be said now, or None: it repeats a line, was taken back, or goes on
        about what has gone round enough. What a person asked about never has."""
        if objection := self._recent.objection(text):
            return objection
        if turn.source in ("person", "wish", "topic"):
            return None
        lately = (phrase.text for line in self._history for phrase in line.phrases)
        return self._themes.objection(text, dict.fromkeys(lately))
