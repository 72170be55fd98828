"""What a checkpoint folder holds: model sizes, tokenizer, dialogue form and manifest.

One of the three doors between the packages, so it imports nothing heavy. It knows the
files that gpt-2-simple reads and writes, and the prompt forms that training and serving
must agree on to the letter. It knows nothing of HTTP, engines or training.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

HPARAMS_FILE = "hparams.json"
ENCODER_FILE = "encoder.json"
MERGES_FILE = "vocab.bpe"
MANIFEST_FILE = "botconvo.json"
MANIFEST_SCHEMA = 1
"""Counts up when an older BotConvo could not read a manifest rightly. Keys that are new have
defaults, so that older manifests need no migration; keys that are unknown are kept."""

START_OF_TEXT = "<|startoftext|>"
END_OF_TEXT = "<|endoftext|>"

Style = Literal["monologue", "dialogue"]


class CheckpointError(Exception):
    """A checkpoint folder lacks a file or holds one that cannot be used."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The five numbers of gpt-2-simple's `hparams.json`."""

    n_vocab: int
    n_ctx: int
    n_embd: int
    n_head: int
    n_layer: int

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises CheckpointError if the file is missing or incomplete."""
        data = _read_json(folder / HPARAMS_FILE)
        try:
            return cls(**{name: int(data[name]) for name in cls.__dataclass_fields__})
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{folder / HPARAMS_FILE}: no usable value for {error}"
            ) from error

    def write(self, folder: Path) -> None:
        (folder / HPARAMS_FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @property
    def parameters(self) -> int:
        """Number of weights, with the output layer tied to the token embedding."""
        per_layer = 12 * self.n_embd**2 + 13 * self.n_embd
        return (self.n_vocab + self.n_ctx + 2) * self.n_embd + self.n_layer * per_layer


class Codec:
    """GPT-2's byte-level BPE, exact against gpt-2-simple's own encoder.

    Text never turns into the end-of-text token: `<|endoftext|>` in a text is encoded as
    ordinary pieces, as gpt-2-simple does. Training and prompts add `end_of_text` by id.
    """

    def __init__(self, vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> None:
        self._tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges))
        self._tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
        self._tokenizer.decoder = ByteLevelDecoder()
        self._end_of_text = vocabulary.get(END_OF_TEXT, len(vocabulary) - 1)
        # Of the tokens that come up: all of them would be megabytes for every server.
        self._bytes: dict[int, bytes] = {}

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises CheckpointError if `encoder.json` or `vocab.bpe` is missing or broken."""
        vocabulary = _read_json(folder / ENCODER_FILE)
        try:
            lines = (folder / MERGES_FILE).read_text(encoding="utf-8").split("\n")[1:-1]
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{folder / MERGES_FILE} cannot be read: {error}") from error
        merges: list[tuple[str, str]] = []
        for line in lines:
            left, _, right = line.partition(" ")
            if not right or left + right not in vocabulary:
                raise CheckpointError(
                    f"{folder / MERGES_FILE}: the merge {line!r} is not in {ENCODER_FILE}"
                )
            merges.append((left, right))
        return cls(vocabulary, merges)

    @property
    def end_of_text(self) -> int:
        """Id of the true end-of-text token (the last of the vocabulary by GPT-2's habit)."""
        return self._end_of_text

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def tokens(self) -> list[str]:
        """All entries of the vocabulary in the order of their ids, in GPT-2's spelling."""
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        return sorted(vocabulary, key=vocabulary.__getitem__)

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def token_bytes(self, token: int) -> bytes:
        """The bytes that one token stands for, possibly a part of a character."""
        known = self._bytes.get(token)
        if known is None:
            text = self._tokenizer.id_to_token(token)
            if text is None:
                raise KeyError(token)
            known = text.encode() if text == END_OF_TEXT else bytes(BYTE_OF[c] for c in text)
            self._bytes[token] = known
        return known

    def decode(self, tokens: Iterable[int]) -> str:
        """Text of the tokens; what is no valid UTF-8 becomes U+FFFD."""
        return b"".join(map(self.token_bytes, tokens)).decode("utf-8", errors="replace")


def _byte_of_character() -> dict[str, int]:
    """GPT-2 writes each byte as a printable character; this turns that round.

    Source: `bytes_to_unicode` in OpenAI's gpt-2 `encoder.py`.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    characters = {chr(byte): byte for byte in printable}
    others = (byte for byte in range(256) if byte not in set(printable))
    return characters | {chr(256 + place): byte for place, byte in enumerate(others)}


BYTE_OF = _byte_of_character()


# --- the dialogue form -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a conversation: who said it and what, on a single line."""

    speaker: str
    text: str


def dialogue_prefix(speaker: str) -> str:
    """What stands before a message in dialogue text. The message follows after one space,
    which belongs to its first word's token, so a prompt ends exactly here."""
    return f"{one_line(speaker).replace(':', '')}:"


def dialogue_line(line: Line) -> str:
    """One line of dialogue text: `name: text` and a newline, which ends the message."""
    return f"{dialogue_prefix(line.speaker)} {one_line(line.text)}\n"


LINES_FILE = "training-lines.digests"
DIGEST_BYTES = 8
FEWEST_WORDS_OF_A_QUOTE = 4
"""Shorter lines are everybody's: "lol ok"."""


def line_digest(text: str) -> bytes:
    """By what a line is known again, whatever its case and marks; b"" for a line too short to be
    a quote."""
    words = re.findall(r"\w+", text.casefold())
    if len(words) < FEWEST_WORDS_OF_A_QUOTE:
        return b""
    return hashlib.blake2b(" ".join(words).encode(), digest_size=DIGEST_BYTES).digest()


WORDS_FILE = "training-words.digests"
FEWEST_LETTERS_OF_A_WORD = 4
"""Shorter ones are hardly ever made up."""
STRETCH = re.compile(r"(.{1,3}?)\1{2,}")
"""As in "nooo" and "hahaha"."""


def long_words(text: str) -> list[str]:
    """The text's words of four letters or more ("nooo" has two), in order and folded; an apostrophe
    parts two of them. Only of scripts with upper case: others part words in other ways, or not."""
    return [
        word
        for word in re.findall(r"\w+", unicodedata.normalize("NFC", text).casefold())
        if len(STRETCH.sub(r"\1", word)) >= FEWEST_LETTERS_OF_A_WORD
        and all(letter.lower() != letter.upper() for letter in word)
    ]


def unstretched(word: str) -> set[str]:
    """The word, and what it may be a stretched form of: "huuuge" is "huge", "gooood" is "good"."""
    return {word, STRETCH.sub(r"\1", word), STRETCH.sub(r"\1\1", word)}


def word_digest(word: str) -> bytes:
    """By what one of `long_words` is known again."""
    return hashlib.blake2b(word.encode(), digest_size=DIGEST_BYTES).digest()


def write_line_digests(lines: Iterable[str], folder: Path) -> None:
    """Writes the digests of a checkpoint's training lines beside it, sorted, 8 bytes each."""
    _write_digests(map(line_digest, lines), folder / LINES_FILE)


def read_line_digests(folder: Path) -> frozenset[bytes]:
    """The digests beside a checkpoint; none if it has no such file. Raises CheckpointError."""
    return _read_digests(folder / LINES_FILE)


def write_word_digests(lines: Iterable[str], folder: Path) -> None:
    """Writes the digests of the words that a checkpoint was trained on in the same form. They tell
    whoever guesses a word whether it was used, as the weights do, and nothing of where."""
    words = {form for line in lines for word in long_words(line) for form in unstretched(word)}
    _write_digests(map(word_digest, words), folder / WORDS_FILE)


def read_word_digests(folder: Path) -> frozenset[bytes]:
    """The digests beside a checkpoint; none if it has no such file. Raises CheckpointError."""
    return _read_digests(folder / WORDS_FILE)


def _write_digests(digests: Iterable[bytes], path: Path) -> None:
    write_whole(path, b"".join(sorted({digest for digest in digests if digest})))


def _read_digests(path: Path) -> frozenset[bytes]:
    if not path.is_file():
        return frozenset()
    data = path.read_bytes()
    if len(data) % DIGEST_BYTES:
        raise CheckpointError(f"{path} is damaged; train the friend once more, or remove it.")
    places = range(0, len(data), DIGEST_BYTES)
    return frozenset(data[place : place + DIGEST_BYTES] for place in places)


def one_line(text: str) -> str:
    """The text with every run of white space, newlines included, as one space."""
    return " ".join(text.split())


def dialogue_prompt(
    codec: Codec, lines: Sequence[Line], speaker: str, room: int, begin_with: str = ""
) -> list[int]:
    """Token ids that make a dialogue model speak as `speaker`.

    The end-of-text token, then as many of the last lines as fit into `room` tokens, then
    `speaker:`, then the first words of the answer if `begin_with` gives any. Lines are
    dropped whole, oldest first.
    """
    opening = f" {one_line(begin_with)}" if begin_with.strip() else ""
    tail = codec.encode(dialogue_prefix(speaker) + opening)
    kept: list[list[int]] = []
    left = room - 1 - len(tail)
    for line in reversed(lines):
        ids = codec.encode(dialogue_line(line))
        if len(ids) > left:
            break
        left -= len(ids)
        kept.append(ids)
    return [codec.end_of_text, *(token for ids in reversed(kept) for token in ids), *tail]


# --- the manifest ------------------------------------------------------------------------


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class BaseModelRecord(_Part):
    """The model that fine-tuning began from."""

    name: str
    hash: str | None = None


class TrainingRecord(_Part):
    """What a friend was trained on. Times are ISO 8601 with offset."""

    messages: int = 0
    tokens: int = 0
    chats: int = 0
    since: str | None = None
    until: str | None = None
    cut_date: str | None = None
    """When the held-out lines begin: first those to validate on, from `test_from` those to test
    on."""
    test_from: str | None = None
    selection: dict[str, Any] = {}
    """Chats and dates that were chosen, and cleaning rules that were off; empty: everything."""


class GgufRecord(_Part):
    """The converted file beside the checkpoint, and the training step that it holds."""

    file: str
    type: str
    hash: str
    from_step: int


class Manifest(_Part):
    """`botconvo.json`: what the server and the orchestrator must know of a checkpoint."""

    schema_version: int = Field(default=MANIFEST_SCHEMA, ge=1, alias="schema")
    friend: str | None = None
    speaker: str | None = None
    known_speakers: list[str] = []
    style: Style = "monologue"
    prompt_prefix: str = START_OF_TEXT
    stop: str = END_OF_TEXT
    end_of_text: Literal["token", "pieces"] = "pieces"
    window: int | None = None
    base: BaseModelRecord | None = None
    step: int = 0
    in_training: bool = False
    """Whether a run still goes on, so that these weights are not its last."""
    trained_on: TrainingRecord = TrainingRecord()
    gguf: GgufRecord | None = None
    sampling: dict[str, float] = {}
    statistics: dict[str, Any] = {}
    bits_per_byte: dict[str, float] = {}
    notices: list[str] = []

    model_config = ConfigDict(
        extra="allow", frozen=True, populate_by_name=True, serialize_by_alias=True
    )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The folder's manifest, or the defaults for a folder that gpt-2-simple wrote.

        Raises CheckpointError for a manifest that is there and cannot be used.
        """
        path = folder / MANIFEST_FILE
        if not path.exists():
            return cls()
        data = _read_json(path)
        schema = data.get("schema")
        if isinstance(schema, int) and schema > MANIFEST_SCHEMA:
            raise CheckpointError(
                f"{path} was written by a newer BotConvo (schema {schema}); update this one to use "
                "this checkpoint"
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise CheckpointError(f"{path}: {key}: {first['msg']}") from error

    def write(self, folder: Path) -> None:
        text = self.model_dump_json(indent=2, exclude_none=True) + "\n"
        write_whole(folder / MANIFEST_FILE, text.encode())


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that a crash leaves the old or the new one, never a part."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} is no checkpoint folder, as it has no {path.name}; name one that "
            "botconvo train or gpt-2-simple made."
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} holds no JSON object")
    return data
