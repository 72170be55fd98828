"""A Hugging Face folder's byte-level BPE as gpt-2-simple's `encoder.json` and `vocab.bpe`.

Token ids stay what they are. gpt-2-simple's form asks for more than Hugging Face's: an
entry for every row of the embedding, and an end-of-text token of one name. Knows nothing of
weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from finetune.bases.base_models import write_tokenizer
from finetune.errors import BadBaseModel
from model_server.checkpoint_format import BYTE_OF, END_OF_TEXT, Codec

VOCABULARY_FILE = "vocab.json"
HF_MERGES_FILE = "merges.txt"
TOKENIZER_FILE = "tokenizer.json"
STATEMENTS = ("special_tokens_map.json", "tokenizer_config.json")
OTHER_TOKENIZERS = {
    "spiece.model": "SentencePiece", "sentencepiece.model": "SentencePiece",
    "spm.model": "SentencePiece", "tokenizer.model": "SentencePiece", "vocab.txt": "WordPiece",
}  # fmt: skip

CHARACTER_OF = {byte: character for character, byte in BYTE_OF.items()}
NEVER_IN_UTF8 = {0xC0, 0xC1, *range(0xF5, 0x100)}
MOST_ROWS_WITHOUT_TOKEN = 1024
"""Rows are padded to a multiple of 64 or 128 for speed; far more are another model's."""

PROBE = (
    "It's 12345 o'clock, DON'T  wait…\n\nÄpfel, naïve café, zażółć, grüße, привет, Καλημέρα, "
    "日本語 🙂👍\t x=3.14 \n the end "
)
"""Text with everything in which tokenizers differ: contractions, digits, spaces, accents."""

Merges = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What to write: entries in the order of their ids, merges, and what the user should know."""

    entries: list[str]
    merges: Merges
    notes: tuple[str, ...]

    def write(self, folder: Path) -> None:
        write_tokenizer(self.vocabulary, self.merges, folder)

    @property
    def vocabulary(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.entries)}


def read_tokens(folder: Path, rows: int, end_of_text_id: object) -> Tokens:
    """The folder's tokenizer for an embedding of `rows` rows.

    `end_of_text_id` is `eos_token_id` of config.json, which is often left at another model's
    value. Raises BadBaseModel if gpt-2-simple's encoder would not give the same tokens.
    """
    vocabulary, merges = _read_bpe(folder)
    _check_bytes(folder, vocabulary, merges)
    made = {left + right for left, right in merges} | set(BYTE_OF)
    by_id = {number: token for token, number in vocabulary.items()}
    if len(by_id) != len(vocabulary):
        raise BadBaseModel(f"{folder}: two entries of the vocabulary have the same id.")
    beyond = [token for token, number in vocabulary.items() if number >= rows and token in made]
    if beyond:
        raise BadBaseModel(
            f"{folder}: the tokenizer has {max(by_id) + 1} entries and the weights have {rows}; "
            "they are not of the same model."
        )
    for token, number in _added_tokens(folder).items():
        by_id.setdefault(number, token)
    by_id = {number: token for number, token in by_id.items() if number < rows}
    end = _end_of_text(folder, by_id, made, end_of_text_id)
    notes = []
    if by_id[end] != END_OF_TEXT:
        notes.append(f"its end-of-text token {by_id[end]} is now called {END_OF_TEXT}")
    count = max(by_id) + 1
    if rows - count > MOST_ROWS_WITHOUT_TOKEN:
        raise BadBaseModel(
            f"{folder}: the weights have {rows} tokens and the tokenizer only {count}; they are "
            "not of the same model."
        )
    if count < rows:
        notes.append(f"{rows - count} rows of padding without a token were left out")
    tokens = Tokens(_entries(by_id, count, end, made), merges, tuple(notes))
    return Tokens(tokens.entries, merges, (*notes, *_differences(folder, tokens)))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadBaseModel(f"{path} cannot be read: {error}") from error


def _read_bpe(folder: Path) -> tuple[dict[str, int], Merges]:
    if (folder / VOCABULARY_FILE).is_file() and (folder / HF_MERGES_FILE).is_file():
        vocabulary = _read_json(folder / VOCABULARY_FILE)
        lines: Iterable[Any] = (folder / HF_MERGES_FILE).read_text(encoding="utf-8").splitlines()
        # "#" and a letter can be a merge; the header is the first line only.
        lines = [
            line for place, line in enumerate(lines) if line and (place or line[:8] != "#version")
        ]
    elif (folder / TOKENIZER_FILE).is_file():
        model = _read_json(folder / TOKENIZER_FILE).get("model") or {}
        if model.get("type", "BPE") != "BPE" or "merges" not in model:
            raise BadBaseModel(
                f"{folder / TOKENIZER_FILE} is a {model.get('type')} tokenizer, and GPT-2's is a "
                "byte-level BPE; take a model with vocab.json and merges.txt."
            )
        vocabulary, lines = model["vocab"], model["merges"]
    else:
        raise BadBaseModel(_no_tokenizer(folder))
    pairs = [tuple(line.split(" ")) if isinstance(line, str) else tuple(line) for line in lines]
    odd = next((pair for pair in pairs if len(pair) != 2 or "".join(pair) not in vocabulary), None)
    if odd:
        raise BadBaseModel(f"{folder}: the merge {' '.join(odd)!r} is not in the vocabulary.")
    return {str(token): int(number) for token, number in vocabulary.items()}, pairs  # type: ignore[return-value]  # of two, as just seen


def _no_tokenizer(folder: Path) -> str:
    wanted = f"{VOCABULARY_FILE} and {HF_MERGES_FILE}, or {TOKENIZER_FILE}"
    for name, kind in OTHER_TOKENIZERS.items():
        if (folder / name).is_file():
            return (
                f"{folder} has a {kind} tokenizer ({name}), which gpt-2-simple cannot compute; "
                f"take a GPT-2 with {wanted}."
            )
    return f"{folder} has no tokenizer; download also the model's {wanted}."


def _check_bytes(folder: Path, vocabulary: dict[str, int], merges: Merges) -> None:
    """A byte without a token would be lost from every text without a word."""
    missing = [b for b, c in CHARACTER_OF.items() if c not in vocabulary and b not in NEVER_IN_UTF8]
    foreign = {c for pair in merges for piece in pair for c in piece} - set(BYTE_OF)
    if missing or foreign:
        raise BadBaseModel(
            f"{folder}: the tokenizer is no byte-level BPE as GPT-2's "
            f"({len(missing)} bytes have no token, {len(foreign)} characters are none of bytes)."
        )


def _added_tokens(folder: Path) -> dict[str, int]:
    """Tokens that were added to a vocabulary after it was learnt, from the three places where
    versions of transformers have written them."""
    found: dict[str, int] = {}
    if (path := folder / "added_tokens.json").is_file():
        found |= {str(token): int(number) for token, number in _read_json(path).items()}
    if (path := folder / TOKENIZER_FILE).is_file():
        found |= {
            str(entry["content"]): int(entry["id"])
            for entry in _read_json(path).get("added_tokens") or []
        }
    if (path := folder / "tokenizer_config.json").is_file():
        decoder = _read_json(path).get("added_tokens_decoder") or {}
        found |= {str(entry["content"]): int(number) for number, entry in decoder.items()}
    return found


def _end_of_text(
    folder: Path, by_id: dict[int, str], made: set[str], end_of_text_id: object
) -> int:
    """Id of the token that parts texts: what the tokenizer's own files name, else the token of
    GPT-2's name, else what config.json names if it is no piece of text."""
    ids = {token: number for number, token in by_id.items()}
    for statement in STATEMENTS:
        if (path := folder / statement).is_file():
            said = _read_json(path).get("eos_token")
            token = said.get("content") if isinstance(said, dict) else said
            if token in ids and token not in made:
                return ids[token]
    if END_OF_TEXT in ids:
        return ids[END_OF_TEXT]
    if isinstance(end_of_text_id, int) and by_id.get(end_of_text_id, "") not in {"", *made}:
        return end_of_text_id
    raise BadBaseModel(
        f"{folder}: no token ends a text ({END_OF_TEXT} or another eos_token), and without it "
        "friends would not know where a conversation begins; take another model."
    )


def _entries(by_id: dict[int, str], count: int, end: int, made: set[str]) -> list[str]:
    """An entry for each id: every one another, and spelt in GPT-2's characters for bytes."""
    result: list[str] = []
    taken = {END_OF_TEXT, *made}
    for number in range(count):
        token = by_id.get(number, "")
        if token not in made:
            token = _spelt(token)
            if number == end:
                token = END_OF_TEXT
            elif not token or token in taken:
                token = f"<|unused{number}|>"
        taken.add(token)
        result.append(token)
    return result


def _spelt(token: str) -> str:
    if all(character in BYTE_OF for character in token):
        return token
    return "".join(CHARACTER_OF[byte] for byte in token.encode())


def _differences(folder: Path, tokens: Tokens) -> tuple[str, ...]:
    """Compares with the folder's own `tokenizer.json` if there is one: it may take words apart
    another way than GPT-2. Raises BadBaseModel at the first difference."""
    path = folder / TOKENIZER_FILE
    if not path.is_file():
        return ()
    try:
        theirs = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises no narrower class
        raise BadBaseModel(f"{path} cannot be read: {error}") from error
    theirs.no_truncation()
    theirs.no_padding()
    ours = Codec(tokens.vocabulary, tokens.merges)
    expected: list[int] = theirs.encode(PROBE, add_special_tokens=False).ids
    if expected == ours.encode(PROBE):
        return ()
    if expected == ours.encode(" " + PROBE):
        return ("its tokenizer begins every text with a space, and BotConvo does not",)
    raise BadBaseModel(
        f"{path} makes other tokens of a text than GPT-2's way of splitting does, so the model "
        "would read nonsense; take another GPT-2."
    )
