"""How much of what is said stands in the training text. Pure.

Runs are counted in words without case and marks, not in a model's tokens, so that models with
different tokenizers and real lines compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from finetune.evaluation.intervals import Estimate, proportion
from finetune.evaluation.words import words_of
from model_server.checkpoint_format import line_digest


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


EXAMPLES = 5


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
