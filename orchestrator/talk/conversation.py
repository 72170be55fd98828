"""Who speaks next, and from which prompt. Pure: knows no Discord, HTTP, clock or await.

A turn comes from the first of these that there is: a person's line, in the order in which
people spoke; what somebody wished for; a topic that was set; the last lines; nothing.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import accumulate

from orchestrator.phrases import Phrase, PhrasePicker
from orchestrator.settings import ConversationSettings, LimitSettings
from orchestrator.talk.addressing import Names
from orchestrator.talk.crowd import Crowd
from orchestrator.talk.limits import Limits, Rest
from orchestrator.talk.repeats import RecentLines
from orchestrator.talk.themes import Themes, with_chances
from orchestrator.talk.turn import Source, SpokenLine, Turn
from orchestrator.talk.turn_taking import Choice, Member, TurnTaking
from orchestrator.talk.waiting import TOPIC_LINES, Request, Requests

SEED_LIMIT = 2**31
MOST_WAITING = 50
"""People's lines that may wait for an answer: at some twenty answers in a minute nobody remembers
what the fiftieth was about."""
PASSED_BY_CHANCE = "the line addressed nobody, and the dice let it pass"
AMONG_THEMSELVES = "people are talking among themselves"
TOO_MANY = f"{MOST_WAITING} other lines were waiting for an answer"
PHRASE_LINES = 3
"""A phrase is taken from one of the last so many lines."""
SHOWN_CHARS = 16_000
"""A turn shows no more of the last lines than this: model servers refuse longer prompts, and no
model has room for them."""


class Conversation:
    """The state of one conversation. All chance comes from `rng`.

    Unless it `is_limited`, friends talk on whatever happens; of the limits only those hold that say
    what would be a repetition.
    """

    def __init__(
        self,
        members: Sequence[Member],
        settings: ConversationSettings,
        limits: LimitSettings,
        rng: random.Random,
        *,
        is_limited: bool = True,
    ) -> None:
        self.members = {member.name: member for member in members}
        self.names = Names({member.name: member.aliases for member in members})
        self.muted: set[str] = set()
        self._settings = settings
        self._rng = rng
        self._turn_taking = TurnTaking(members, settings.chaos, rng)
        self._limits = Limits(limits, alone=len(members) == 1) if is_limited else None
        self._history: deque[SpokenLine] = deque(maxlen=settings.history_lines)
        self._recent = RecentLines(limits.repeat_within_lines)
        self._themes = Themes(limits.phrase_rounds)
        self._requests = Requests()
        self._stuck: set[str] = set()
        self._crowd = Crowd(limits.people_per_minute) if is_limited else None
        self.let_go: list[tuple[int, str]] = []
        """People's lines that nobody is to answer, and why; whoever reads it empties it."""

    # --- what happened ----------------------------------------------------------------------

    @property
    def last_line(self) -> SpokenLine | None:
        return self._history[-1] if self._history else None

    @property
    def has_waiting(self) -> bool:
        """Whether a person waits for an answer, or for what was wished."""
        return bool(self._requests)

    @property
    def people_waiting(self) -> int:
        """How many lines of people wait for an answer."""
        return len(self._requests.lines)

    def heard(
        self, line: SpokenLine, addressed: Sequence[str] = (), turn: Turn | None = None
    ) -> None:
        """A line was said: a person's, which waits for an answer by those whom it addresses (as
        the platform knows, else as the text says) or by anybody; or a friend's, by `turn`."""
        self._remember(line, turn.phrase if turn else "")
        if line.by_person:
            self._wait_for_answer(line, addressed)
            self.person_is_here()
            return
        self._requests.settled()
        self._stuck.clear()
        if self._limits:
            self._limits.said(line.said_at, asked_for=turn is not None and turn.is_asked_for)

    def person_is_here(self) -> None:
        """A person has done something: friends who had talked for long enough may go on."""
        if self._limits:
            self._limits.person_spoke()

    def _wait_for_answer(self, line: SpokenLine, addressed: Sequence[str]) -> None:
        to = tuple(dict.fromkeys(addressed)) or tuple(self.names.addressed_in(line.text))
        if self._crowd and not to:
            self._crowd.heard(line.speaker, line.said_at)
            if self._crowd.busy_until(line.said_at):
                passed = self._requests.let_pass()
                self.let_go += [(line_id, AMONG_THEMSELVES) for line_id in (*passed, line.id)]
                return
        if len(self._requests.lines) >= MOST_WAITING:
            self.let_go.append((line.id, TOO_MANY))
            return
        self._requests.lines.append(Request(to, line))

    def _remember(self, line: SpokenLine, phrase: str = "") -> None:
        self._history.append(line)
        self._turn_taking.heard(line.speaker)
        if not line.by_person:
            self._recent.add(line.id, line.text)
            self._themes.add(line.text, phrase)

    def resume(
        self, lines: Sequence[SpokenLine], waiting: Mapping[int, Sequence[str]] | None = None
    ) -> None:
        """Takes up an earlier conversation. `waiting`: ids of people's lines among `lines` that
        nobody has answered yet, and whom the platform knew to be addressed by each."""
        for line in lines:
            self._remember(line)
            if waiting and line.id in waiting:
                self._wait_for_answer(line, waiting[line.id])

    def never_again(self, texts: Sequence[str]) -> None:
        """Lines that were taken back in an earlier run."""
        self._recent.never_again(texts)

    def unsay(self, line_id: int) -> None:
        """A line was taken back: nobody sees it, answers it or says it again."""
        for line in [line for line in self._history if line.id == line_id]:
            self._history.remove(line)
            if not line.by_person:
                self._recent.take_back(line.id, line.text)
        self._requests.forget(line_id)

    def is_pointless(self, turn: Turn) -> bool:
        """Whether the turn, the last one, answers a person who has taken their line back."""
        return turn.source == "person" and not self._requests.is_any_taken

    def unseen(self, line_id: int) -> None:
        """A friend's line reached nobody: it counts as never said, and whom it answered waits on.
        Only for the last line of a friend."""
        for line in [line for line in self._history if line.id == line_id]:
            self._history.remove(line)
        self._recent.forget(line_id)
        self._requests.reopened()

    def reworded(self, line_id: int, text: str, picker: PhrasePicker) -> None:
        """A line reads otherwise now: a person edited it, or a friend said it anew."""
        for place, line in enumerate(self._history):
            if line.id == line_id:
                if not line.by_person:
                    self._recent.take_back(line.id, line.text)
                    self._recent.add(line.id, text)
                self._history[place] = line.reworded(text, picker)
        self._requests.reworded(line_id, text, picker)

    # --- what people want -------------------------------------------------------------------

    def wish(self, topic: str, friend: str | None = None) -> None:
        """One of the next lines is about this, spoken by this friend or by anybody."""
        self._requests.wishes.append(Request((friend,) if friend else (), about=topic))

    def set_topic(self, topic: str, lines: int = TOPIC_LINES) -> None:
        """The next line is about this for certain, those after it less and less often, and none
        after so many lines; "" ends it."""
        self._requests.set_topic(topic, lines)

    @property
    def topic(self) -> str:
        """What people have set, while it lasts."""
        return self._requests.topic

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
        while self._requests.lines:
            if turn := self._answer_to_person(speakers, now):
                return turn
        if self._requests.wishes:
            return self._granted(speakers, now)
        if self._crowd and (until := self._crowd.busy_until(now)):
            reason = f"{AMONG_THEMSELVES}; whoever names a friend is answered"
            return Rest(reason, until, is_told=False)
        if self._limits and (rest := self._limits.rest(now)):
            return rest
        talkative = [name for name in speakers if self.members[name].talkativeness]
        if not talkative:
            return Rest("those who are here speak only when asked")
        # Whoever has just come to nothing lets others go on, or one broken server stops them all.
        others = [name for name in talkative if name not in self._stuck]
        return self._own_turn(others or talkative, now)

    def pause_factor(self, *, is_read: bool) -> float:
        """By how much pauses are longer than usual."""
        return self._limits.pause_factor(is_read=is_read) if self._limits else 1.0

    def unanswered(self, turn: Turn) -> bool:
        """A turn came to nothing. If it was asked for it is tried again, by the same friend, then
        by others, then no longer. Returns whether it is."""
        self._stuck.add(turn.speaker)
        return self._requests.failed(turn.speaker)

    def _answer_to_person(self, able: list[str], now: datetime) -> Turn | None:
        """None if the dice let the first line pass."""
        chance = self._settings.human_prompt_chance
        request = self._requests.take_line(able)
        line = request.line
        assert line is not None
        is_open = not request.addressed and not request.failed
        if is_open and chance < 1 and self._rng.random() >= chance:
            self._requests.settled()
            self.let_go.append((line.id, PASSED_BY_CHANCE))
            return None
        choice = self._answerer(request, able, now, f"{line.speaker} addressed")
        if not request.addressed:
            because = f"{line.speaker} spoke, and nobody was addressed"
            choice = replace(choice, because=f"{because}; {choice.because}")
        phrases = self._options([line])
        return self._turn(choice, "person", now, phrases, answers=line)

    def _granted(self, able: list[str], now: datetime) -> Turn:
        wish = self._requests.take_wish()
        choice = self._answerer(wish, able, now, "somebody asked")
        return self._turn(choice, "wish", now, about=wish.about, begin=True)

    def _answerer(self, request: Request, able: list[str], now: datetime, asked: str) -> Choice:
        """The friend who was asked; or, if they cannot, somebody else."""
        if not request.addressed:
            return self._chosen(request.best_of(able), now)
        name = request.addressed[0]
        if name in able:
            return Choice(name, f"{asked} {name}")
        choice = self._chosen(request.best_of(able), now)
        return replace(choice, because=f"{asked} {name}, who cannot answer; {choice.because}")

    def _own_turn(self, able: list[str], now: datetime) -> Turn:
        choice = self._chosen(able, now)
        chances = self._settings
        if self.topic and (turn := self._about_the_topic(choice, now)):
            return turn
        # Whoever finds nothing to say to what was said last is not helped by hearing it again.
        are_stuck = self._stuck.issuperset(able)
        if not self._history or self._rng.random() < chances.fresh_prompt_chance or are_stuck:
            return self._turn(choice, "fresh", now)
        answers = self._history[-1]
        if self._rng.random() < chances.bot_prompt_chance:
            recent = list(self._history)[-PHRASE_LINES:]
            if phrases := self._options(recent, but_not_by=choice.name):
                begin = self._rng.random() < chances.begin_with_phrase_chance
                return self._turn(choice, "line", now, phrases, begin=begin, answers=answers)
        return self._turn(choice, "free", now, answers=answers)

    def _about_the_topic(self, choice: Choice, now: datetime) -> Turn | None:
        topic, topic_chance = self._requests.use_topic()
        if self._rng.random() >= topic_chance:
            return None
        begin = topic_chance == 1 or self._rng.random() < self._settings.begin_with_phrase_chance
        return self._turn(choice, "topic", now, about=topic, begin=begin)

    def _turn(
        self,
        choice: Choice,
        source: Source,
        now: datetime,
        phrases: Sequence[tuple[Phrase, int]] = (),
        *,
        about: str = "",
        begin: bool = False,
        answers: SpokenLine | None = None,
    ) -> Turn:
        phrase, phrase_from = _drawn(phrases, self._rng) if phrases else (about, None)
        return Turn(
            speaker=choice.name,
            lines=() if source == "fresh" else self._with_last(answers),
            phrase=phrase,
            begin_with_phrase=begin and bool(phrase),
            source=source,
            seed=self._rng.randrange(SEED_LIMIT),
            answers=answers.id if answers else None,
            chosen_because=choice.because,
            at=now,
            weights=choice.weights,
            phrases=with_chances(phrases),
            phrase_from=phrase_from,
            heard_up_to=max((line.id for line in self._history), default=0),
        )

    def _with_last(self, answered: SpokenLine | None) -> tuple[SpokenLine, ...]:
        """The history, with the line that is answered at its end: others may have spoken since
        a person did, so many even that the line is no longer in the history."""
        lines = [line for line in self._history if answered is None or line.id != answered.id]
        return _that_fit([*lines, answered] if answered else lines)

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
        # Its own chance, or all later turns would depend on when somebody asked for it.
        rng = random.Random(f"{line_id} anew, not {lines[place].text}")
        options = self._options(lines[max(0, place - PHRASE_LINES) : place], but_not_by=speaker)
        phrase, phrase_from = _drawn(options, rng) if options else ("", None)
        return Turn(
            speaker, _that_fit(lines[:place]), phrase, False, "wish", rng.randrange(SEED_LIMIT),
            lines[place - 1].id if place else None, "somebody wanted the line said anew", now,
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


def _drawn(phrases: Sequence[tuple[Phrase, int]], rng: random.Random) -> tuple[str, int]:
    """One of the phrases, by weight, and the id of the line that it stands in."""
    chosen, line_id = rng.choices(phrases, [phrase.weight for phrase, _ in phrases])[0]
    return chosen.text, line_id


def _that_fit(lines: Sequence[SpokenLine]) -> tuple[SpokenLine, ...]:
    """The last of these lines, as many as may be shown."""
    chars = accumulate(len(line.text) for line in reversed(lines))
    count = sum(total <= SHOWN_CHARS for total in chars)
    return tuple(lines[len(lines) - count :])
