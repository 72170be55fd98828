"""Text -> phrases worth taking up. The only file of the package that imports spaCy."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from finetune.markup import plain_words
from orchestrator.errors import SettingsError

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Span

log = logging.getLogger(__name__)

LONGEST_PHRASE_WORDS = 5

CHAT_WORDS = """
im ive id ill dont doesnt didnt cant couldnt wont wouldnt isnt arent wasnt its thats whats hes
shes theyre youre theres lets gonna wanna gotta kinda bro guy lol ngl rn yeah yes nope okay wait
help like got get know think thing things really going want said say come went tell told look
let hear good great sure maybe right nooo noooo please pls
"""
CHAT_STOP_WORDS = frozenset(CHAT_WORDS.split())


class PhrasePicker(Protocol):
    """Finds phrases in one line of chat, in their order, each once."""

    def phrases(self, text: str) -> tuple[str, ...]: ...


class NounChunkPicker:
    """spaCy's noun chunks, without leading articles and possessives."""

    def __init__(self, nlp: Language) -> None:
        self._nlp = nlp

    def phrases(self, text: str) -> tuple[str, ...]:
        doc = self._nlp(plain_words(text))
        found = (_core(chunk) for chunk in doc.noun_chunks)
        return tuple(dict.fromkeys(phrase for phrase in found if phrase))


def _core(chunk: Span) -> str:
    words = list(chunk)
    while words and (words[0].is_stop or not words[0].text.strip("'’-")):
        words.pop(0)
    if not any(word.is_alpha or word.like_num for word in words):
        return ""
    return "".join(word.text_with_ws for word in words).strip()


class PlainWordsPicker:
    """Runs of words that are no stop words, for languages and machines without a parser."""

    def __init__(self, nlp: Language) -> None:
        self._nlp = nlp

    def phrases(self, text: str) -> tuple[str, ...]:
        runs: list[list[str]] = [[]]
        for word in self._nlp(plain_words(text)):
            if word.is_alpha and not self._is_stop(word.text) and len(word.text) > 2:
                runs[-1].append(word.text)
            elif runs[-1]:
                runs.append([])
        found = (" ".join(run[-LONGEST_PHRASE_WORDS:]) for run in runs if run)
        return tuple(dict.fromkeys(found))

    def _is_stop(self, word: str) -> bool:
        # Chat leaves out apostrophes: "dont" is as empty as "don't".
        stops = self._nlp.Defaults.stop_words
        return word.casefold() in stops or word.casefold() in CHAT_STOP_WORDS


def load_picker(pipeline: str, language: str) -> PhrasePicker:
    """The picker for a settings' pipeline; says once in the log which one it is.

    Raises SettingsError if the pipeline is named and not installed.
    """
    import spacy

    if pipeline:
        try:
            nlp = spacy.load(pipeline)
        except (OSError, ImportError, ValueError) as error:
            raise SettingsError(
                f"phrases.pipeline: spaCy has no pipeline {pipeline!r}; install it, or leave "
                "the key empty for the plain-words picker."
            ) from error
        log.info("phrases are noun chunks of the pipeline %s", pipeline)
        return NounChunkPicker(nlp)
    try:
        nlp = spacy.blank(language)
    except ImportError as error:
        raise SettingsError(
            f"language: spaCy knows no language {language!r}; take another, such as 'en'."
        ) from error
    log.info("no noun-chunk pipeline is set; phrases are runs of words that are no stop words")
    return PlainWordsPicker(nlp)
