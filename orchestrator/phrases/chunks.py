"""Lines -> words and noun chunks. The only file of the package that imports spaCy.

Knows pipelines, the packaged one and installed ones; nothing about which chunks are worth
taking up in a conversation.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from orchestrator.errors import SettingsError

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Span, Token

log = logging.getLogger(__name__)

PACKAGED = Path(__file__).parent.parent / "chunker"
"""The pipeline that scripts/train_chunker made; its licence and sources lie beside it."""
PACKAGED_LANGUAGE = "en"
FEATURE = "NP"
"""The morphological feature in which it says where noun phrases begin and go on."""
CORES = frozenset({"NOUN", "PROPN", "PRON", "NUM", "X"})
NEEDLESS = ("ner", "lemmatizer", "textcat", "textcat_multilabel", "entity_linker")
"""Parts of installed pipelines that noun chunks do without."""
PROBE = "a"
"""Chunked once on loading, to see whether the pipeline can."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a chunk. `part` is its universal part of speech, empty if none was told."""

    text: str
    start: int
    """Its first character in the text."""
    space: str
    """White space after it."""
    part: str
    is_stop: bool


Chunk = tuple[Word, ...]


class ChunkReader(Protocol):
    """Finds the chunks of one line, in their order, without overlap."""

    @property
    def language(self) -> str: ...

    def chunks(self, text: str) -> Iterator[Chunk]: ...


class NounChunks:
    """The noun chunks of a pipeline, ours or another."""

    def __init__(self, nlp: Language) -> None:
        self.nlp = nlp

    @property
    def language(self) -> str:
        return str(self.nlp.lang)

    def chunks(self, text: str) -> Iterator[Chunk]:
        with self.nlp.memory_zone():  # else every new word is kept for as long as the show runs
            found = [tuple(map(_word, chunk)) for chunk in self.nlp(text).noun_chunks]
        yield from found


class PlainRuns:
    """Runs of words that are no stop words, for languages and pipelines without noun chunks."""

    def __init__(self, nlp: Language) -> None:
        self.nlp = nlp

    @property
    def language(self) -> str:
        return str(self.nlp.lang)

    def chunks(self, text: str) -> Iterator[Chunk]:
        with self.nlp.memory_zone():
            found = list(self._runs(text))
        yield from found

    def _runs(self, text: str) -> Iterator[Chunk]:
        run: list[Word] = []
        for token in self.nlp.tokenizer(text):
            if token.text.casefold() in self.nlp.Defaults.stop_words or token.is_punct:
                if run:
                    yield tuple(run)
                run = []
            else:
                run.append(Word(token.text, token.idx, token.whitespace_, "", is_stop=False))
        if run:
            yield tuple(run)


def _word(token: Token) -> Word:
    return Word(token.text, token.idx, token.whitespace_, token.pos_, token.is_stop)


def load_chunks(pipeline: str, language: str) -> ChunkReader:
    """The reader for a settings' pipeline; says once in the log which one it is.

    `pipeline` is an installed spaCy pipeline or the folder of one; empty for the packaged one,
    which is for English. Where there are no noun chunks, runs of plain words stand in.
    Raises SettingsError if a pipeline is named and not installed, or the language is unknown.
    """
    import spacy

    if pipeline:
        try:
            nlp = spacy.load(pipeline, exclude=NEEDLESS)
        except (OSError, ImportError, ValueError) as error:
            raise SettingsError(
                f"phrases.pipeline: spaCy has no pipeline {pipeline!r}; install it, or leave "
                "the key empty for the one that comes with BotConvo."
            ) from error
        return _with_chunks(nlp, f"the pipeline {pipeline}")
    if language == PACKAGED_LANGUAGE:
        nlp = spacy.load(PACKAGED)
        nlp.vocab.get_noun_chunks = noun_chunks
        return _with_chunks(nlp, "the packaged pipeline")
    try:
        nlp = spacy.blank(language)
    except ImportError as error:
        raise SettingsError(
            f"language: spaCy knows no language {language!r}; take another, such as 'en'."
        ) from error
    log.info("phrases are runs of plain words: no noun-chunk pipeline is set for %r", language)
    return PlainRuns(nlp)


def _with_chunks(nlp: Language, name: str) -> ChunkReader:
    try:
        list(nlp(PROBE).noun_chunks)
    # spaCy's errors for a language without noun chunks and for a pipeline without a parser.
    except (NotImplementedError, ValueError):
        log.warning("phrases are runs of plain words: %s finds no noun chunks", name)
        return PlainRuns(nlp)
    log.info("phrases are noun chunks of %s", name)
    return NounChunks(nlp)


def chunk_spans(tags: Sequence[str], parts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Noun phrases as (first word, word after the last), of tags B, I and O and the universal
    parts of speech. An I after an O begins a phrase; a phrase without any noun is none."""
    start = -1
    for i, tag in enumerate((*tags, "O")):
        if start >= 0 and tag != "I":
            if not CORES.isdisjoint(parts[start:i]):
                yield start, i
            start = -1
        if tag == "B" or (tag == "I" and start < 0):
            start = i


def noun_chunks(doc: Doc | Span) -> Iterator[tuple[int, int, int]]:
    """spaCy's hook for `doc.noun_chunks`, over the tags of the packaged pipeline: first word,
    word after the last, and the label that spaCy gives every noun chunk."""
    label = doc.vocab.strings.add("NP")
    words: Iterable[Token] = list(doc)
    tags = [(word.morph.get(FEATURE) or ["O"])[0] for word in words]
    for start, end in chunk_spans(tags, [word.pos_ for word in words]):
        yield start, end, label
