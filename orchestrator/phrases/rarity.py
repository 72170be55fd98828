"""How rare words are: the weight of a phrase. Knows the packaged table of English words and,
for other languages, only that long words are rare; nothing about spaCy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

TABLE = Path(__file__).parent.parent / "chunker" / "words.tsv"
TABLE_LANGUAGE = "en"
COMMONEST = 7.0
"""The Zipf value (log10 of the occurrences in a billion words) from which a word says nothing;
van Heuven and others, https://doi.org/10.1080/17470218.2013.850521."""
LIGHTEST = 0.05
SHARE_OF_OTHERS = 0.2
"""What the other words of a phrase add to its rarest."""


class Rarity(Protocol):
    def weight(self, words: Iterable[str]) -> float:
        """Above 0: about 1 for a phrase of middling words, 2 for one with a rare word."""
        ...


class TableRarity:
    """By a table of Zipf values, keyed by words in lower case."""

    def __init__(self, zipf_values: Mapping[str, float]) -> None:
        self._zipf_values = zipf_values
        self._of_unknown = min(zipf_values.values(), default=COMMONEST - 2)

    @classmethod
    def read(cls, path: Path = TABLE) -> TableRarity:
        """A table of lines "word, tab, Zipf value"; lines that begin with # are remarks."""
        values: dict[str, float] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            word, tab, value = line.partition("\t")
            if tab and not word.startswith("#"):
                values[word] = float(value)
        return cls(values)

    def weight(self, words: Iterable[str]) -> float:
        return _weight(self._zipf_values.get(w.casefold(), self._of_unknown) for w in words)


class LengthRarity:
    """By length: frequent words are short in every language (Zipf's law of abbreviation)."""

    LETTERS_OF_A_TENTH = 4
    """So many more letters make a word ten times as rare, roughly."""

    def weight(self, words: Iterable[str]) -> float:
        return _weight(COMMONEST - len(word) / self.LETTERS_OF_A_TENTH for word in words)


def _weight(zipf_values: Iterable[float]) -> float:
    """Grows with the square: a word of a tenth of the frequency counts much more."""
    found = sorted(((COMMONEST - min(z, COMMONEST)) ** 2 / 5 for z in zipf_values), reverse=True)
    if not found:
        return LIGHTEST
    return max(LIGHTEST, found[0] + SHARE_OF_OTHERS * math.fsum(found[1:]))


def rarity_for(language: str) -> Rarity:
    return TableRarity.read() if language == TABLE_LANGUAGE else LengthRarity()
