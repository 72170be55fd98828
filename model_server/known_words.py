"""Which words of a line are made up: what a small model writes where it joins pieces of words.

Knows the words by their digests, the tokenizer and what was said; refuses to know grammar or a
dictionary, so it takes rare words that are new here for made up, too. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from model_server.checkpoint_format import (
    Codec,
    long_words,
    unstretched,
    word_digest,
)


class KnownWords:
    """The words of the training text (`digests`), those that the tokenizer has a token for, and
    those of the texts that were `heard`; stretched or in the plural, too."""

    def __init__(self, codec: Codec, digests: Collection[bytes], heard: Iterable[str]) -> None:
        self._codec = codec
        self._digests = digests
        self._heard = {f for text in heard for word in long_words(text) for f in unstretched(word)}

    def made_up(self, text: str) -> list[str]:
        """The words of four letters or more that are not among them, folded, in order."""
        return [word for word in long_words(text) if not self._is_known(word)]

    def _is_known(self, word: str) -> bool:
        forms = unstretched(word) | unstretched(word.removesuffix("s"))
        return any(map(self._stands_somewhere, forms))

    def _stands_somewhere(self, word: str) -> bool:
        if word in self._heard or word_digest(word) in self._digests:
            return True
        # With its space: without, many a piece of longer words is a token.
        spellings = (word, word.capitalize(), word.upper())
        return any(len(self._codec.encode(f" {spelling}")) == 1 for spelling in spellings)
