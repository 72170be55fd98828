"""Noun phrases found beside those of the treebank: exact offsets of characters, or a miss."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from treebank import Sentence, phrases_of, text_of

Spans = set[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over all sentences, and their three ratios, from 0 to 1."""

    right: int
    found: int
    wanted: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        both = self.found + self.wanted
        return 2 * self.right / both if both else 0.0


def score(find: Callable[[str], Spans], sentences: Iterable[Sentence]) -> Score:
    """`find` gives the phrases of a text as (first character, character after the last)."""
    right = found = wanted = 0
    for sentence in sentences:
        gold, mine = phrases_of(sentence), find(text_of(sentence))
        right += len(gold & mine)
        found += len(mine)
        wanted += len(gold)
    return Score(right, found, wanted)
