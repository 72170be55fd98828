"""Words that a chat program writes in place of, or besides, what a person wrote.

WhatsApp exports carry them as ordinary text, in the language of the phone, so they can only be
told by their wording; the wordings are in `placeholder_words` and `notice_words`. Knows nothing
of files; pure.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache, lru_cache

from finetune.reading.notice_words import MARKED_NOTICES, NOTICES
from finetune.reading.placeholder_words import ATTACHED, DELETED, EDITED, MEDIA, MEDIA_STEMS, Table

MARKS = "\u200e\u200f\u061c\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Invisible characters that set the direction of text; WhatsApp puts U+200E before its words."""
LONGEST = 600
"""No notice is longer; a long message is not looked at more closely."""

_SAME: dict[int, str | None] = {**dict.fromkeys(map(ord, MARKS)), ord("’"): "'", ord("‘"): "'"}


@lru_cache(maxsize=16)  # the functions below are asked about the same text one after the other
def _plain(text: str) -> str:
    """The text in the form in which wordings are compared."""
    words = text.translate(_SAME).casefold().split()
    plain = " ".join(words).rstrip(".。।۔ ")
    return re.sub(r"[.。।۔ ]+>$", ">", plain) if plain.endswith(">") else plain


class _Wordings:
    """Wordings with `*`, found by one of their words, so that most texts cost no comparison."""

    def __init__(self, wordings: Iterable[str]) -> None:
        self._whole: set[str] = set()
        self._by_word: dict[str, list[str]] = defaultdict(list)
        self._others: list[str] = []
        for wording in map(_plain, wordings):
            if "*" not in wording:
                self._whole.add(wording)
                continue
            words = [word for word in wording.split() if "*" not in word]
            into = self._by_word[max(words, key=len)] if words else self._others
            into.append(wording)

    def match(self, plain: str) -> bool:
        if plain in self._whole:
            return True
        words = self._by_word.keys() & plain.split()
        likely = [wording for word in words for wording in self._by_word[word]]
        return any(_pattern(wording).fullmatch(plain) for wording in likely + self._others)


@cache  # most are never needed
def _pattern(wording: str) -> re.Pattern[str]:
    return re.compile(re.escape(wording).replace(r"\*", ".*"), re.DOTALL)


def _all(table: Table) -> list[str]:
    return [wording for wordings in table.values() for wording in wordings]


_MEDIA = _Wordings(_all(MEDIA))
_DELETED = _Wordings(_all(DELETED))
_EDITED = _Wordings(_all(EDITED))
_NOTICES = _Wordings(_all(NOTICES))
_MARKED_NOTICES = _Wordings(_all(MARKED_NOTICES))

_IN_BRACKETS = re.compile(r"<[^<>]{3,60}>")
_ANY_MARKS = f"[{MARKS}]*"
_ATTACHED_WORDS = "|".join(re.escape(w) for w in sorted(set(ATTACHED), key=len, reverse=True))
_FILE = r"[^\n<>]{1,255}?\.[A-Za-z0-9]{1,8}"
_ATTACHMENT = re.compile(
    rf"""{_ANY_MARKS} (?:
        < {_ANY_MARKS} \s? {_ANY_MARKS} (?:{_ATTACHED_WORDS}) \s? : \s? [^<>\n]{{1,255}} >
      | ^ {_FILE} \s {_ANY_MARKS} [<(] {_ANY_MARKS} (?:{_ATTACHED_WORDS}) [>)]
    ) {_ANY_MARKS}""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_POLL = re.compile(
    rf"""{_ANY_MARKS} [^\W\d_]+ \s? : {_ANY_MARKS} \s* \n [^\n]+
    (?: \n \s* {_ANY_MARKS} [^\W\d_]+ \s? : [^\n]+ \( {_ANY_MARKS} \d+ \s [^\n()]+ \) )+ \s*""",
    re.VERBOSE,
)
"""`POLL:`, the question, and `OPTION: Yes (2 votes)` line by line, in any language."""
_PLACE = re.compile(
    rf"{_ANY_MARKS}[^\n:]{{1,30}}: https://maps\.google\.com/\?q=-?[\d.]+,-?[\d.]+\s*"
)
_EDIT_MARK = re.compile(rf"{_ANY_MARKS}<{_ANY_MARKS}([^<>\n]{{3,60}})>{_ANY_MARKS}\s*\Z")


def is_system_notice(text: str) -> bool:
    """Whether the whole message is a notice of the program: "Messages and calls are end-to-end
    encrypted...", "Missed voice call". Wordings that a person may write, too ("Ann left"), count
    only with the direction mark in front that the program writes."""
    if len(text) > LONGEST:
        return False
    plain = _plain(text)
    if _DELETED.match(plain):
        return False
    return _NOTICES.match(plain) or (
        text[:1] in ("\u200e", "\u200f") and _MARKED_NOTICES.match(plain)
    )


def is_media_placeholder(text: str) -> bool:
    """Whether the whole message stands for a picture, a sound, a file, a place or a poll."""
    if _POLL.fullmatch(text) or _PLACE.fullmatch(text):
        return True
    if len(text) > LONGEST:
        return False
    plain = _plain(text)
    if _MEDIA.match(plain):
        return True
    if _IN_BRACKETS.fullmatch(plain) and any(stem in plain for stem in MEDIA_STEMS):
        return True
    return without_attachment_names(text) == "" != plain


def is_deleted_notice(text: str) -> bool:
    """Whether the whole message stands for one that was taken back."""
    return len(text) <= LONGEST and _DELETED.match(_plain(text))


def without_edit_mark(text: str) -> str:
    """The text without the "<This message was edited>" that the program puts at its end."""
    if text.rstrip().rstrip(MARKS)[-1:] != ">":
        return text
    mark = _EDIT_MARK.search(text)
    if mark is None or not _EDITED.match(_plain(mark[1])):
        return text
    # Some phones write U+200E before the blank, others after it.
    return text[: mark.start()].rstrip().rstrip("\u200e").rstrip()


def without_attachment_names(text: str) -> str:
    """The caption of a file that the export holds: the text without "<attached: NAME>", "NAME
    (file attached)" and the like. Text without them comes back as it is."""
    if "<" not in text and "(" not in text:
        return text
    rest, count = _ATTACHMENT.subn("", text)
    return rest.strip().strip(MARKS).strip() if count else text
