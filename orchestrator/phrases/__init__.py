"""Text -> phrases worth taking up, each with its weight. Knows what is empty talk in a chat;
nothing about pipelines, nor about what was lately said."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from finetune import markup
from orchestrator.phrases.chunks import Chunk, ChunkReader, Word, load_chunks
from orchestrator.phrases.empty_words import EMPTY_WORDS, FIRST_WORDS, SLANG
from orchestrator.phrases.rarity import Rarity, rarity_for

LONGEST_PHRASE_WORDS = 5
LONGEST_PHRASE_CHARS = 60
FEWEST_LETTERS = 2
"""Of a word that says something: neither "x" nor "3d6" does."""
LONGEST_TEXT_CHARS = 2000
"""The longest message of Discord; of a longer text only so much is read."""

BREAK = re.compile(
    "|".join(
        pattern.pattern
        for pattern in (
            markup.LINK, markup.RAW_MENTION, markup.RAW_CHANNEL, markup.RAW_TIME,
            markup.RAW_EMOJI, markup.SHORT_EMOJI, markup.ISOLATED_MENTION,
        )
    )
    + r"|(?<![\w@])[@#][\w.]+|^\s*[!/][a-z]\w*"
    + r"|(?<!\S)(?:\S*@\S+|\S*://\S*|[\w-]+(?:\.[\w-]+)+/\S*|\S{41,})|[\r\n]",
    re.IGNORECASE,
)  # fmt: skip
"""Links, mentions, tags, emoji, bot commands, addresses and endless words, which spaCy's tokenizer
takes seconds for: no phrase reaches across one."""
SITE = re.compile(r"^(?:www\.)?[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|gg|tv|ly|be|me|co|uk|de|fr)$")
HYPHENS = frozenset({"-", "–"})
HALF_WORD = re.compile(r"\w+[-–]$")
JOINTS = frozenset({"-", "–", "'", "’", "&", "/", "+", ",", "."})
"""What may stand between the words of a phrase."""
OUTER_PARTS = frozenset(
    {"DET", "PRON", "ADP", "CCONJ", "SCONJ", "AUX", "PART", "ADV", "PUNCT", "INTJ", "SYM"}
)
"""Parts of speech that a phrase does not begin with."""
EMOJI_CATEGORIES = frozenset({"So", "Cs", "Co", "Cn"})


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase as it stands in a line. `weight` is above 0: the rarer its words, the heavier."""

    text: str
    weight: float = 1.0


class PhrasePicker(Protocol):
    """Finds phrases in one line of chat, in their order, each once."""

    def phrases(self, text: str) -> tuple[Phrase, ...]: ...


class ChunkPicker:
    """The cores of a line's chunks, weighed by how rare their words are."""

    def __init__(self, reader: ChunkReader, rarity: Rarity, names: Collection[str] = ()) -> None:
        self._reader = reader
        self._rarity = rarity
        parts = {part for name in names for part in _parts(name)}
        # Chat leaves out apostrophes: "dexs".
        self._names = frozenset(parts | {part + "s" for part in parts} | {"s"})

    def phrases(self, text: str) -> tuple[Phrase, ...]:
        found: dict[str, Phrase] = {}
        for part in spoken_parts(text):
            for chunk in whole_words(part, self._reader.chunks(part)):
                for core in cores(chunk):
                    phrase = "".join(word.text + word.space for word in core).strip()
                    if phrase.casefold() not in found and self._says_something(core, phrase):
                        weight = self._rarity.weight(w.text for w in core if _has_letter(w.text))
                        found[phrase.casefold()] = Phrase(phrase, weight)
        return tuple(found.values())

    def _says_something(self, core: Chunk, phrase: str) -> bool:
        """Whether a phrase has a word that is neither empty, a number, nor a friend's name."""
        return len(phrase) <= LONGEST_PHRASE_CHARS and any(
            not _is_empty(word)
            and sum(map(str.isalpha, word.text)) >= FEWEST_LETTERS
            and not self._names.issuperset(_parts(word.text))
            for word in core
        )


def spoken_parts(text: str) -> Iterator[str]:
    """The stretches of plain words between links, mentions, emoji and line ends."""
    plain = markup.without_style_marks(text[:LONGEST_TEXT_CHARS])
    for part in BREAK.sub("\n", _emoji_as_line_ends(plain)).split("\n"):
        if stretch := markup.one_line(part):
            yield stretch


def _emoji_as_line_ends(text: str) -> str:
    if text.isascii():
        return text
    return "".join("\n" if unicodedata.category(c) in EMOJI_CATEGORIES else c for c in text)


def whole_words(text: str, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The chunks of a text; those parted by a hyphen ("flip" and "flop") as one, and those that
    begin after one with the first half of their word."""
    pending: Chunk = ()
    for chunk in chunks:
        start = chunk[0].start
        half = HALF_WORD.search(text, 0, start) if text[start - 1 : start] in HYPHENS else None
        end = pending[-1].start + len(pending[-1].text) if pending else -1
        if half and end >= start - 1:
            hyphen = Word(text[start - 1], start - 1, "", "PUNCT", False)
            pending = (*pending, *((hyphen,) if end < start else ()), *chunk)
            continue
        if pending:
            yield pending
        pending = chunk
        if half:
            pending = (Word(half[0], half.start(), "", chunk[0].part, False), *chunk)
    if pending:
        yield pending


def cores(chunk: Chunk) -> Iterator[Chunk]:
    """What is left of a chunk without slang, articles, possessives and marks around it; more
    than one core if slang or an address stands within."""
    piece: list[Word] = []
    for word in (*chunk, None):
        if word is not None and not _breaks(word):
            piece.append(word)
        elif piece:
            if core := _shortened(_trimmed(piece)):
                yield core
            piece = []


def _breaks(word: Word) -> bool:
    text = word.text.casefold()
    if not _has_alnum(text):
        return text not in JOINTS
    if text in SLANG or word.part == "INTJ" or ("." in text and SITE.match(text)):
        return True
    # Without parts of speech a run is parted at verbs and the like that we know by heart.
    return not word.part and (text in EMPTY_WORDS or text in FIRST_WORDS)


def _trimmed(piece: list[Word]) -> Chunk:
    start, end = 0, len(piece)
    while start < end and _is_outer(piece[start]):
        start += 1
    while end > start and not _has_alnum(piece[end - 1].text):
        end -= 1
    if end > start and piece[end - 1].text.casefold() in {"'s", "’s"}:
        end -= 1
    return tuple(piece[start:end])


def _is_outer(word: Word) -> bool:
    if not _has_alnum(word.text) or word.text[0] in "'’":
        return True
    if word.text.casefold() in FIRST_WORDS or word.part in OUTER_PARTS:
        return True
    return not word.part and word.is_stop


def _shortened(core: Chunk) -> Chunk:
    """The last words of a core that is too long: there its noun stands."""
    while len(_text(core).split()) > LONGEST_PHRASE_WORDS:
        core = _trimmed(list(core[1:]))
    return core


def _text(words: Iterable[Word]) -> str:
    return "".join(word.text + word.space for word in words)


def _is_empty(word: Word) -> bool:
    text = word.text.casefold()
    return word.is_stop or word.part == "PRON" or text in EMPTY_WORDS


def _parts(name: str) -> list[str]:
    return re.findall(r"\w+", name.casefold())


def _has_alnum(text: str) -> bool:
    return text.isalnum() or any(char.isalnum() for char in text)


def _has_letter(text: str) -> bool:
    return text.isalpha() or any(char.isalpha() for char in text)


def load_picker(pipeline: str, language: str, names: Collection[str] = ()) -> PhrasePicker:
    """The picker for a settings' pipeline.

    `pipeline` is empty for the packaged one, or names an installed spaCy pipeline or the
    folder of one; `language` is that of the chat, two or three letters; `names` are those of
    the friends, which are never a phrase by themselves. Raises SettingsError if the pipeline
    is not installed or the language unknown.
    """
    reader = load_chunks(pipeline, language)
    return ChunkPicker(reader, rarity_for(reader.language), names)
