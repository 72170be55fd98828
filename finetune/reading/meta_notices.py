"""Notices of Messenger and Instagram, told from what people write by their wording alone.

Neither the JSON nor the HTML pages mark them for certain, and they are in the language of the
account's owner; the wordings are in `meta_notice_words`. The whole text must fit, so that
somebody who writes about leaving a group stays a person.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

from finetune.reading.meta_notice_words import LANGUAGES, NO_NAMES

LONGEST_NOTICE = 300
"""Notices are one short sentence; nothing longer is looked at."""
SECOND_PERSON = re.compile(r"(Has|Hai|Avez|Não|Nie|\w+(ste|łeś|łaś)) ")
"""How a notice to the reader begins in a language that leaves the pronoun out."""

_GROUP = r"\((?:\\.|[^()\\]|\((?:\\.|[^()\\])*\))*\)"
_PLACES = re.compile(rf"(?:\\.|[^ ()\\]|{_GROUP})+")
"""What stands between two spaces of a wording."""
_PLAIN = r"(?:\\.|[^()|?*\[\]…\\])+"
_CHOICE = re.compile(
    rf"(?:\((?:[^()|]*\ [|)])+[?*])*"  # words that may stand before it
    rf"(?:(?P<word>{_PLAIN}?)|\((?P<words>{_PLAIN}(?:\|{_PLAIN})*)\))"
    rf"(?:\([ ][^()|]*\)\?)?(?:\.\??)?",  # words that may stand behind it
    re.VERBOSE,
)


def _words(text: str) -> list[str]:
    return text.casefold().replace(".", " ").split()


class _Wording:
    """A wording with the words that every notice of it has, so that few texts cost more."""

    def __init__(self, wording: str) -> None:
        self._wording = wording
        self._needed: list[set[str]] = []
        """One word of each."""
        folded = re.sub(r"\[(.)\1\]", r"\1", wording.casefold())  # [Ll]iked
        folded = folded.replace(" ?", "…")  # words beside it may be one
        for place in _PLACES.findall(folded):
            if found := _CHOICE.fullmatch(place):
                options = re.sub(r"\\(.)", r"\1", found["word"] or found["words"]).split("|")
                self._needed.append({max(_words(option), key=len) for option in options})

    @property
    def telling_words(self) -> set[str]:
        """Of the words one of which is needed those that are long, and thus rare."""
        return max(self._needed, key=lambda words: min(map(len, words)))

    def fits(self, text: str, words: set[str]) -> bool:
        if any(needed.isdisjoint(words) for needed in self._needed):
            return False
        return self._pattern.fullmatch(text) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        name = rf"(?!(?i:{NO_NAMES})\b(?! hebt\b)).{{1,60}}?"
        loose = self._wording.replace(".", r"\.")
        loose = re.sub("^…|(?<=^[(])…", lambda _: name, loose)
        return re.compile(loose.replace("…", ".*"))


def _by_telling_word(wordings: Iterable[_Wording]) -> dict[str, list[_Wording]]:
    found = defaultdict(list)
    for wording in wordings:
        for word in wording.telling_words:
            found[word].append(wording)
    return dict(found)


_WORDINGS = _by_telling_word(_Wording(wording) for language in LANGUAGES for wording in language)


def is_notice(text: str) -> bool:
    """Whether the whole text is the platform's, and nobody's own words."""
    if len(text) > LONGEST_NOTICE:
        return False
    words = set(_words(text))
    if _WORDINGS.keys().isdisjoint(words):
        return False
    text = " ".join(text.split())
    if SECOND_PERSON.match(text):
        text = f"… {text[0].lower()}{text[1:]}"
    return any(
        wording.fits(text, words)
        for word in words & _WORDINGS.keys()
        for wording in _WORDINGS[word]
    )
