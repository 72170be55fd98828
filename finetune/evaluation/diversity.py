"""Does a clone say many things, or the same few? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from finetune.evaluation.words import TOO_NEAR_PERCENT, letters, words_of


@dataclass(frozen=True, slots=True)
class Diversity:
    """Of so many lines. `distinct`: of all runs of 1, 2 and 3 words the share that is different
    (Li et al. 2016, "A Diversity-Promoting Objective Function"; it falls with the number of
    lines, so only equally many compare). `repeats`: share of lines that nearly repeat one
    before."""

    lines: int
    distinct: tuple[float, float, float]
    repeats: float
    mean_words: float
    mean_characters: float


def diversity(lines: Sequence[str]) -> Diversity | None:
    """None if there are no lines."""
    if not lines:
        return None
    words = [words_of(line) for line in lines]
    return Diversity(
        lines=len(lines),
        distinct=(_distinct(words, 1), _distinct(words, 2), _distinct(words, 3)),
        repeats=sum(repeats_earlier(lines)) / len(lines),
        mean_words=sum(map(len, words)) / len(lines),
        mean_characters=sum(map(len, lines)) / len(lines),
    )


def repeats_earlier(lines: Sequence[str]) -> list[bool]:
    """For each line whether one before it is nearly the same."""
    folded = [letters(line) for line in lines]
    return [
        process.extractOne(
            line, folded[:place], scorer=fuzz.ratio, score_cutoff=TOO_NEAR_PERCENT
        )
        is not None
        for place, line in enumerate(folded)
    ]  # fmt: skip


def _distinct(lines: Sequence[Sequence[str]], length: int) -> float:
    runs = [
        tuple(line[n : n + length]) for line in lines for n in range(len(line) - length + 1)
    ]  # fmt: skip
    return len(set(runs)) / len(runs) if runs else 0.0
