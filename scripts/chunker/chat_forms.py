"""Sentences of the treebank as they would be typed in a chat.

Pure: sentence and chance in, sentence out; every word keeps its tags.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from chat_words import (
    CLOSINGS,
    NAMES,
    OPENINGS,
    SPELLINGS,
    THINGS,
    VERBS_OF_PRAISE,
    VERDICTS,
)
from treebank import Sentence, Word, mended

SUBJECTS = frozenset({"i", "it", "we", "you", "they"})
END_MARKS = frozenset({".", "!", "?", "...", "…", ";"})

Change = Callable[[list[Word], random.Random], list[Word]]


def as_chat(sentence: Sentence, rng: random.Random) -> Sentence:
    """The sentence with a random choice of the changes below."""
    words = list(sentence)
    for change, chance in CHANGES:
        if words and rng.random() < chance:
            words = change(words, rng)
    return mended([w for w in words if w.text]) or sentence


def _with_text(word: Word, text: str) -> Word:
    return Word(text, word.space, word.pos, word.np)


def lower_case(words: list[Word], rng: random.Random) -> list[Word]:
    del rng
    return [_with_text(word, word.text.lower()) for word in words]


def shouted(words: list[Word], rng: random.Random) -> list[Word]:
    del rng
    return [_with_text(word, word.text.upper()) for word in words]


def shouted_word(words: list[Word], rng: random.Random) -> list[Word]:
    place = rng.randrange(max(len(words), 1))
    return [_with_text(w, w.text.upper()) if i == place else w for i, w in enumerate(words)]


def without_end_mark(words: list[Word], rng: random.Random) -> list[Word]:
    del rng
    while len(words) > 1 and words[-1].text in END_MARKS:
        words = words[:-1]
    return words


def without_punctuation(words: list[Word], rng: random.Random) -> list[Word]:
    """What was glued on both sides stays, as in "well-known"."""
    del rng
    kept: list[Word] = []
    for i, word in enumerate(words):
        inner = 0 < i < len(words) - 1 and not words[i - 1].space and not word.space
        if word.pos == "PUNCT" and not (inner and word.text in "-–/"):
            if kept:
                kept[-1] = Word(kept[-1].text, True, kept[-1].pos, kept[-1].np)
        else:
            kept.append(word)
    return kept


def without_apostrophes(words: list[Word], rng: random.Random) -> list[Word]:
    """ "dont", "its", "im": "n't" becomes "nt", which spaCy's tokenizer parts as well."""
    del rng
    return [
        _with_text(w, w.text.replace("'", "").replace("’", "")) if len(w.text) > 1 else w
        for w in words
    ]  # fmt: skip


def chat_spellings(words: list[Word], rng: random.Random) -> list[Word]:
    share = rng.choice((0.3, 0.6, 1.0))
    changed = []
    for i, word in enumerate(words):
        forms = SPELLINGS.get(word.text.lower())
        # "4" and "2" stand for a preposition only.
        if forms and rng.random() < share and _free(words, i):
            form = rng.choice(forms)
            if not (form.isdigit() and word.pos not in {"ADP", "PART", "ADV"}):
                word = _with_text(word, form)
        changed.append(word)
    return changed


def _free(words: Sequence[Word], i: int) -> bool:
    """Whether a word has space on both sides, so that another spelling stays one token."""
    return words[i].space and (i == 0 or words[i - 1].space)


def typos(words: list[Word], rng: random.Random) -> list[Word]:
    changed = []
    for i, word in enumerate(words):
        text = word.text
        if len(text) > 3 and text.isalpha() and _free(words, i) and rng.random() < 0.12:
            place = rng.randrange(1, len(text) - 1)
            text = rng.choice(
                (
                    text[:place] + text[place + 1] + text[place] + text[place + 2 :],
                    text[:place] + text[place + 1 :],
                    text[:place] + text[place] + text[place:],
                    text + text[-1] * rng.randint(1, 4),
                )
            )
        changed.append(_with_text(word, text))
    return changed


def without_subject(words: list[Word], rng: random.Random) -> list[Word]:
    """ "Went home" for "I went home"."""
    del rng
    first = 0
    while first < len(words) and words[first].pos in {"PUNCT", "INTJ", "CCONJ"}:
        first += 1
    if len(words) < first + 3 or not words[first].space:
        return words
    if words[first].text.lower() not in SUBJECTS or words[first + 1].pos not in {"VERB", "AUX"}:
        return words
    return words[:first] + words[first + 1 :]


def without_articles(words: list[Word], rng: random.Random) -> list[Word]:
    return [
        word
        for i, word in enumerate(words)
        if not (word.text.lower() in {"the", "a", "an"} and _free(words, i) and rng.random() < 0.5)
    ]


def opened(words: list[Word], rng: random.Random) -> list[Word]:
    added = [Word(text, True, pos, np) for text, pos, np in rng.choice(OPENINGS)]
    return added + words


def closed(words: list[Word], rng: random.Random) -> list[Word]:
    words = without_end_mark(words, rng)
    last = words[-1]
    added = [Word(text, True, pos, np) for text, pos, np in rng.choice(CLOSINGS)]
    added[-1] = Word(added[-1].text, last.space, added[-1].pos, added[-1].np)
    return [*words[:-1], Word(last.text, True, last.pos, last.np), *added]


def addressed(words: list[Word], rng: random.Random) -> list[Word]:
    """Somebody called by name first: a phrase of its own."""
    name = rng.choice(NAMES)
    return [Word(name if rng.random() < 0.7 else "@" + name, True, "PROPN", "B"), *words]


def other_nouns(words: list[Word], rng: random.Random) -> list[Word]:
    """Words of today's chats in place of the treebank's, of the same kind."""
    changed = []
    for i, word in enumerate(words):
        text = word.text
        if _free(words, i) and rng.random() < 0.35:
            if word.pos == "PROPN":
                text = rng.choice(NAMES)
            elif word.pos == "NOUN" and text.isalpha() and text.islower() and len(text) > 3:
                text = rng.choice(THINGS)
        changed.append(_with_text(word, text))
    return changed


def other_verdicts(words: list[Word], rng: random.Random) -> list[Word]:
    """ "The game is great" as "the game is mid" or "the game slaps"."""
    for i in range(1, len(words) - 1):
        verb, verdict = words[i], words[i + 1]
        forms = VERBS_OF_PRAISE.get(verb.text.lower())
        ends = i + 2 == len(words) or words[i + 2].pos in {"PUNCT", "CCONJ", "SYM", "INTJ"}
        if not (forms and verb.space and ends and verdict.pos == "ADJ" and verdict.np == "O"):
            continue
        if rng.random() < 0.5:
            new = [verb, _with_text(verdict, rng.choice(VERDICTS))]
        else:
            new = [Word(rng.choice(forms), verdict.space, "VERB", "O")]
        return [*words[:i], *new, *words[i + 2 :]]
    return words


CHANGES: tuple[tuple[Change, float], ...] = (
    (other_verdicts, 0.8),
    (other_nouns, 0.2),
    (without_subject, 0.3),
    (without_articles, 0.06),
    (chat_spellings, 0.35),
    (opened, 0.12),
    (closed, 0.15),
    (addressed, 0.04),
    (typos, 0.12),
    (without_end_mark, 0.6),
    (without_punctuation, 0.5),
    (without_apostrophes, 0.35),
    (lower_case, 0.85),
    (shouted_word, 0.1),
    (shouted, 0.02),
)
"""In this order, each with its chance."""
