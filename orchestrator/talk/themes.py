"""Which phrases the conversation may be about: how often each has gone round. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from orchestrator.phrases import Phrase
from orchestrator.talk.repeats import letters

ROUND_LINES = 16
"""Lines over which the rounds of a phrase are counted."""
FRESHNESS = 0.35
"""A phrase of the line before the last one weighs this much less, and so on."""
USED_AGAIN = 0.2
"""A phrase that a prompt has lately been about weighs this much less each time."""

Lines = Sequence[tuple[int, bool, Sequence[Phrase]]]
"""Of each line, newest first: id, whether a person said it, the phrases in it."""


class Themes:
    """Remembers the last lines of friends and what their prompts were about. A phrase that stands
    in `most` of them is worn."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: deque[str] = deque(maxlen=ROUND_LINES)
        self._used: deque[str] = deque(maxlen=ROUND_LINES)

    def add(self, text: str, phrase: str = "") -> None:
        """A friend said a line, about `phrase` if its prompt had one."""
        self._lines.append(f" {letters(text)} ")
        self._used.append(letters(phrase))

    def rounds(self, phrase: str) -> int:
        """How many of the last lines have the phrase, in whole words."""
        key = letters(phrase)
        return sum(f" {key} " in line for line in self._lines) if key else 0

    def options(self, lines: Lines) -> list[tuple[Phrase, int]]:
        """Phrases that the next line could be about, each once, with the id of the line that it
        stands in: the rarer, the fresher and the less used, the heavier. Worn ones are out unless
        a person brings them up."""
        used = Counter(self._used)
        found: dict[str, tuple[Phrase, int]] = {}
        for age, (line_id, by_person, phrases) in enumerate(lines):
            for phrase in phrases:
                if not by_person and self.rounds(phrase.text) >= self._most:
                    continue
                factor = FRESHNESS**age * USED_AGAIN ** used[letters(phrase.text)]
                weighed = replace(phrase, weight=phrase.weight * factor)
                found.setdefault(phrase.text.casefold(), (weighed, line_id))
        return list(found.values())

    def objection(self, text: str, phrases: Iterable[str]) -> str | None:
        """Why the text must not be said if one of the phrases is worn and stands in it."""
        said = f" {letters(text)} "
        for phrase in phrases:
            if f" {letters(phrase)} " in said and self.rounds(phrase) >= self._most:
                return f"{phrase!r} has gone round in {self.rounds(phrase)} lines"
        return None


def with_chances(options: Sequence[tuple[Phrase, int]]) -> tuple[Phrase, ...]:
    """The phrases with weights that add up to 1."""
    total = sum(phrase.weight for phrase, _ in options)
    return tuple(replace(p, weight=round(p.weight / total, 3)) for p, _ in options)
