"""Who speaks next, and from which prompt. Pure: knows no Discord, HTTP, clock or await."""

from __future__ import annotations

import random
import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from typing import Any, Literal

from orchestrator.settings import ConversationSettings

RECENT_LINES = 40
"""A line too near to one of these is not said again."""
TOO_NEAR = 0.85
"""Share of equal letters from which on two lines count as the same."""
MENTION_WEIGHT = 4.0
"""How much likelier a friend speaks whom a bot has just named. A person's naming decides;
a bot's only weighs, or two bots that name each other would never let anybody else in."""
SEED_LIMIT = 2**31

Source = Literal["person", "topic", "line", "fresh", "free"]


@dataclass(frozen=True, slots=True)
class Member:
    """A friend as far as turn-taking is concerned. `follows` says whose lines this friend
    answered how often in the export."""

    name: str
    aliases: tuple[str, ...] = ()
    talkativeness: float = 0.5
    follows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """One line of the conversation. `phrases` are those found in it, `id` is the
    transcript's."""

    id: int
    speaker: str
    text: str
    by_person: bool = False
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """Who is to speak, shown what, about what, and why so.

    `lines` are the last lines, oldest first; `seed` draws the candidates; `answers` is the
    id of the line that is answered, if it is a particular one.
    """

    speaker: str
    lines: tuple[SpokenLine, ...]
    phrase: str
    begin_with_phrase: bool
    source: Source
    seed: int
    answers: int | None
    chosen_because: str

    def why(self) -> dict[str, Any]:
        """The reason as plain data, for the transcript."""
        data = asdict(self)
        data["lines"] = [line.id for line in self.lines]
        return data


class Conversation:
    """The state of one conversation. All chance comes from `rng`."""

    def __init__(
        self, members: Sequence[Member], settings: ConversationSettings, rng: random.Random
    ) -> None:
        self.members = {member.name: member for member in members}
        self.muted: set[str] = set()
        self._settings = settings
        self._rng = rng
        self._history: deque[SpokenLine] = deque(maxlen=settings.history_lines)
        self._recent: deque[str] = deque(maxlen=RECENT_LINES)
        self._waiting: deque[tuple[SpokenLine, tuple[str, ...]]] = deque()
        self._topics: deque[tuple[str, str | None]] = deque()
        self._failures: Counter[int] = Counter()

    @property
    def last_line(self) -> SpokenLine | None:
        return self._history[-1] if self._history else None

    @property
    def has_waiting(self) -> bool:
        """Whether a person or a wished topic waits for an answer."""
        return bool(self._waiting or self._topics)

    def heard(self, line: SpokenLine, addressed: Sequence[str] = ()) -> None:
        """A line was said. A person's line waits for an answer by those whom it addresses
        (or names), or by anybody."""
        self._history.append(line)
        self._recent.append(_letters(line.text))
        if line.by_person:
            to = tuple(addressed) or tuple(self.named_in(line.text))
            self._waiting.append((line, to))

    def resume(self, lines: Sequence[SpokenLine]) -> None:
        """Takes up an earlier conversation; nobody waits for answers to it."""
        for line in lines:
            self._history.append(line)
            self._recent.append(_letters(line.text))

    def unanswered(self, turn: Turn) -> None:
        """A turn came to nothing. A person's line waits again: once more for the same friend,
        then for anybody, then no longer."""
        line = next((line for line in turn.lines if line.id == turn.answers), None)
        if turn.source != "person" or line is None:
            return
        self._failures[line.id] += 1
        if self._failures[line.id] <= 2:
            to = (turn.speaker,) if self._failures[line.id] == 1 else ()
            self._waiting.appendleft((line, to))

    def unsay(self, line_id: int) -> None:
        """The line is gone from the conversation, as if it had not been said."""
        kept = [line for line in self._history if line.id != line_id]
        self._history.clear()
        self._history.extend(kept)

    def wish(self, topic: str, friend: str | None = None) -> None:
        """The next turn is about this, spoken by this friend or by anybody."""
        self._topics.append((topic, friend))

    def named_in(self, text: str) -> list[str]:
        """Members whose name or alias stands in the text, in the order of the text."""
        places = []
        for member in self.members.values():
            names = "|".join(re.escape(name) for name in (member.name, *member.aliases))
            if found := re.search(rf"(?<!\w)(?:{names})(?!\w)", text, re.IGNORECASE):
                places.append((found.start(), member.name))
        return [name for _, name in sorted(places)]

    def next_turn(self) -> Turn | None:
        """The next turn, or None if everybody is muted."""
        able = [name for name in self.members if name not in self.muted]
        if not able:
            return None
        if self._waiting:
            return self._answer_to_person(able)
        if self._topics:
            topic, friend = self._topics.popleft()
            speaker, because = self._speaker(able) if friend is None else (friend, "was asked")
            return self._turn(speaker, because, "topic", topic, begin=True)
        speaker, because = self._speaker(able)
        if not self._history:
            return self._turn(speaker, because, "fresh", "")
        return self._own_turn(speaker, because)

    def _answer_to_person(self, able: list[str]) -> Turn:
        line, addressed = self._waiting.popleft()
        named = [name for name in addressed if name in able]
        if len(named) > 1:
            # Each of them answers, the first one now.
            self._waiting.appendleft((line, tuple(named[1:])))
        if named:
            speaker, because = named[0], f"{line.speaker} addressed {named[0]}"
        else:
            speaker, _ = self._speaker(able)
            because = f"{line.speaker} spoke, and nobody was addressed"
        topic = tuple(p for p in line.phrases if not self.named_in(p))
        phrase = self._rng.choice(topic) if topic else ""
        return self._turn(speaker, because, "person", phrase, answers=line.id)

    def _own_turn(self, speaker: str, because: str) -> Turn:
        last = self._history[-1]
        if self._rng.random() < self._settings.fresh_prompt_chance:
            return self._turn(speaker, because, "fresh", "")
        if last.phrases and self._rng.random() < self._settings.bot_prompt_chance:
            begin = self._rng.random() < self._settings.begin_with_phrase_chance
            phrase = self._rng.choice(last.phrases)
            return self._turn(speaker, because, "line", phrase, begin=begin, answers=last.id)
        return self._turn(speaker, because, "free", "", answers=last.id)

    def _turn(
        self,
        speaker: str,
        because: str,
        source: Source,
        phrase: str,
        *,
        begin: bool = False,
        answers: int | None = None,
    ) -> Turn:
        lines = () if source == "fresh" else self._with_last(answers)
        seed = self._rng.randrange(SEED_LIMIT)
        return Turn(speaker, lines, phrase, begin and bool(phrase), source, seed, answers, because)

    def _with_last(self, answered: int | None) -> tuple[SpokenLine, ...]:
        """The history, with the line that is answered at its end: others may have spoken since
        a person did."""
        return tuple(sorted(self._history, key=lambda line: line.id == answered))

    def _speaker(self, able: list[str]) -> tuple[str, str]:
        """Anybody but the last speaker, weighted by talkativeness, by who follows whom in
        the export, and by being named in the last line."""
        last = self.last_line
        others = [name for name in able if last is None or name != last.speaker] or able
        if last is None:
            return self._rng.choice(others), "the conversation begins"
        named = () if last.by_person else self.named_in(last.text)
        weights = [self._weight(self.members[name], last.speaker, name in named) for name in others]
        if not any(weights):
            weights = [1.0] * len(others)
        speaker = self._rng.choices(others, weights)[0]
        share = weights[others.index(speaker)] / sum(weights)
        because = f"{last.speaker} named them" if speaker in named else f"drawn at {share:.0%}"
        return speaker, because

    def _weight(self, member: Member, after: str, named: bool) -> float:
        follows = sum(member.follows.values())
        # With Laplace's rule a pair that never met in the export still may.
        habit = (member.follows.get(after, 0) + 1) / (follows + len(self.members))
        chaos = self._settings.chaos
        weight = (chaos + (1 - chaos) * habit * len(self.members)) * member.talkativeness
        return weight * (MENTION_WEIGHT if named else 1.0)

    def is_too_near(self, text: str) -> str | None:
        """The recent line that this text repeats, or None."""
        letters = _letters(text)
        for recent in reversed(self._recent):
            if letters == recent:
                return recent
            matcher = SequenceMatcher(None, letters, recent, autojunk=False)
            if matcher.real_quick_ratio() > TOO_NEAR and matcher.ratio() > TOO_NEAR:
                return recent
        return None


def _letters(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
