"""What can be counted in lines: words, different runs of them, and how much of them stands in the
training text. Pure.

Runs are looked for in words without case and marks, not in a model's tokens, so that models with
different tokenizers and real lines compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rapidfuzz import fuzz, process

from finetune.evaluation.figures import Estimate, proportion
from model_server.checkpoint_format import line_digest

TOO_NEAR_PERCENT = 85.0
"""Similarity of the letters (indel ratio, 0 to 100) from which on two lines count as the same,
as in the show."""
SHORTEST_NAME = 3
MASK = "@"
"""Stands for a friend's name: no letter, and rare in a chat's plain words."""
EXAMPLES = 5


# --- words ------------------------------------------------------------------------------


def words_of(text: str) -> list[str]:
    """Words without case and marks, as a copied line is known by."""
    return re.findall(r"\w+", text.casefold())


def letters(text: str) -> str:
    return " ".join(words_of(text))


def name_mask(names: Iterable[str]) -> re.Pattern[str]:
    """Finds the names of people, whole and each of their words, in any case."""
    parts = {part for name in names for part in (name, *re.findall(r"\w+", name))}
    long = sorted((p for p in parts if len(p) >= SHORTEST_NAME), key=len, reverse=True)
    return re.compile(
        rf"(?<!\w)(?:{'|'.join(map(re.escape, long)) or '(?!)'})(?!\w)", re.IGNORECASE
    )


def without_names(text: str, names: re.Pattern[str]) -> str:
    return names.sub(MASK, text)


# --- how many different ones ------------------------------------------------------------


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


# --- how much is copied -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Copying:
    """`copied`: of the `long_lines` (four words or more) those that stand whole in the training
    text, and their `share`. Runs: the longest one of each line, in words, that stands there;
    `longest` is the words of the longest of all."""

    lines: int
    long_lines: int
    copied: int
    share: Estimate
    mean_run: float
    longest: str
    examples: tuple[str, ...] = ()


def copying(lines: Sequence[str], training: Iterable[str]) -> Copying | None:
    """Reads `training` once, a line at a time. None if there are no lines."""
    if not lines:
        return None
    runs = _Runs([words_of(line) for line in lines])
    digests: set[bytes] = set()
    for text in training:
        digests.add(line_digest(text))
        runs.mark(words_of(text))
    longest = [runs.longest(place) for place in range(len(lines))]
    best = max(longest, key=len)
    long_lines = [line for line in lines if line_digest(line)]
    copied = [line for line in long_lines if line_digest(line) in digests]
    return Copying(
        lines=len(lines),
        long_lines=len(long_lines),
        copied=len(copied),
        share=proportion(len(copied), len(long_lines)),
        mean_run=sum(map(len, longest)) / len(lines),
        longest=" ".join(best),
        examples=tuple(dict.fromkeys(copied))[:EXAMPLES],
    )


@dataclass(slots=True)
class _Node:
    """A run of words: those on the way here from the root of a trie."""

    following: dict[str, _Node] = field(default_factory=dict)
    seen: bool = False


class _Runs:
    """All runs of words of the lines, as a trie. The lines are few and short, so the trie is
    small however long the training text is, which is walked along it once."""

    def __init__(self, lines: Sequence[list[str]]) -> None:
        self._lines = lines
        self._root = _Node()
        for words in lines:
            for start in range(len(words)):
                node = self._root
                for word in words[start:]:
                    node = node.following.setdefault(word, _Node())

    def mark(self, words: Sequence[str]) -> None:
        """Notes every run of the lines that stands in `words`."""
        for start in range(len(words)):
            node = self._root
            for word in words[start:]:
                following = node.following.get(word)
                if following is None:
                    break
                node = following
                node.seen = True

    def longest(self, place: int) -> list[str]:
        """The longest run of a line that was noted."""
        words = self._lines[place]
        runs = (words[start : start + self._depth(words[start:])] for start in range(len(words)))
        return max(runs, key=len, default=[])

    def _depth(self, words: Sequence[str]) -> int:
        node, depth = self._root, 0
        for word in words:
            node = node.following[word]
            if not node.seen:
                break
            depth += 1
        return depth
