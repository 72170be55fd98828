"""Text for a base model: plain text and dialogue JSON lines, told apart by content.

Dialogue is written in the very form that fine-tuning uses (`name: text` lines, sessions
ended by the end-of-text token), with first names instead of A and B, and part of it made
casual, anew in each pass: lower case, no final full stops, long turns in several messages.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finetune.arrays import Batch
from finetune.errors import FinetuneError
from model_server.checkpoint_format import Codec, Line, dialogue_line, dialogue_prefix, one_line

HELD_OUT_ONE_IN = 50
"""A dialogue whose SHA-256 is 0 modulo this is never trained on."""
LOWER_CASE_SHARE = 0.6
NO_FULL_STOP_SHARE = 0.6
SPLIT_SHARE = 0.5
SPLIT_ABOVE_WORDS = 16
PLAIN_TEXT_PARAGRAPHS = 20
ENCODE_AT_ONCE = 512

FIRST_NAMES = """
Ada Adam Alex Alice Amir Amy Ana Andy Anna Ari Ava Beth Bill Bob Cal Cara Carl Cass Chloe Chris
Clara Cleo Cole Dan Dana Dave Dawn Dean Dee Dex Dora Drew Eli Ella Emma Eric Erin Eva Finn Fay
Gabe Gia Gil Grace Greg Gus Hal Hana Hank Hope Hugo Ian Ida Ines Iris Isla Ivan Ivy Jack Jade
James Jane Jay Jean Jen Jess Joan Joe Joel John Jon Josh Juan Julia Juno Kai Kara Kate Ken Kim
Kurt Kyle Lana Lara Lars Lea Lee Leo Lia Liam Lily Lina Lisa Liz Lola Lou Luca Lucy Luis Luke
Luna Mae Maia Marc Maria Mark Marlow Mary Matt Maya Meg Mia Mike Mila Milo Mina Moe Mona Nadia
Nell Nick Nina Noah Noel Nora Olga Omar Oscar Otto Owen Pam Pat Paul Penny Pete Phil Priya Quinn
Rae Raj Remy Rhea Rick Rita Rob Rosa Rose Ross Roy Ruby Russ Ruth Ryan Sal Sam Sara Saul Sean
Seth Sid Sofia Stan Sue Tara Ted Tess Theo Tim Tina Toby Tom Tony Uma Val Vera Vic Wade Walt
Wendy Will Xena Yara Yuri Zack Zara Zoe
"""
NAMES = tuple(FIRST_NAMES.split())


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Turns of one conversation; plain text is a dialogue whose lines have no speaker."""

    source: str
    lines: tuple[Line, ...]
    digest: int

    @property
    def held_out(self) -> bool:
        return self.digest % HELD_OUT_ONE_IN == 0


@dataclass(frozen=True, slots=True)
class Source:
    """One file of text and how many times it counts in a pass (a fraction is allowed)."""

    path: Path
    weight: float = 1.0

    @classmethod
    def parse(cls, argument: str) -> Source:
        """`PATH` or `PATH=WEIGHT`. Raises FinetuneError if there is no such file."""
        path, separator, weight = argument.rpartition("=")
        if not separator or Path(argument).exists():
            path, weight = argument, "1"
        try:
            source = cls(Path(path), float(weight))
        except ValueError:
            source = cls(Path(argument))
        if not source.path.is_file():
            raise FinetuneError(f"{path}: there is no such text file; give PATH or PATH=WEIGHT.")
        if not 0 < source.weight < math.inf:
            raise FinetuneError(f"{argument}: a weight is a number above 0, such as {path}=0.5")
        return source


def read_source(path: Path) -> Iterator[Dialogue]:
    """All dialogues of a file (gzipped or not), each line or block of paragraphs once.

    Raises FinetuneError with the line number for a line that is no dialogue.
    """
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = raw.split(b"\n")
    if raw.lstrip()[:1] != b"{":
        yield from _plain_text(path, raw.decode("utf-8", errors="replace"))
        return
    for number, row in enumerate(rows, 1):
        if not row.strip():
            continue
        try:
            data = json.loads(row)
            lines = tuple(Line(str(t["speaker"]), one_line(t["text"])) for t in data["turns"])
            name = str(data.get("source", path.name))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FinetuneError(
                f"{path}, line {number}: no dialogue; each line must be a JSON object with "
                f"'turns' of 'speaker' and 'text' ({error})."
            ) from error
        yield Dialogue(name, lines, _digest(row))


def _plain_text(path: Path, text: str) -> Iterator[Dialogue]:
    paragraphs = [one_line(p) for p in re.split(r"\n\s*\n|\n", text) if p.strip()]
    for start in range(0, len(paragraphs), PLAIN_TEXT_PARAGRAPHS):
        part = paragraphs[start : start + PLAIN_TEXT_PARAGRAPHS]
        lines = tuple(Line("", paragraph) for paragraph in part)
        yield Dialogue(path.name, lines, _digest("\n".join(part).encode()))


def _digest(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest())


def casual(dialogue: Dialogue, rng: random.Random) -> tuple[Line, ...]:
    """The dialogue with first names, and by chance lower-cased, without final full stops,
    and with long turns split at ends of sentences."""
    names = _names_for(dialogue, rng)
    lower = rng.random() < LOWER_CASE_SHARE
    bare = rng.random() < NO_FULL_STOP_SHARE
    split = rng.random() < SPLIT_SHARE
    result: list[Line] = []
    for line in dialogue.lines:
        parts = _sentences(line.text) if split else [line.text]
        for text in parts:
            text = text.lower() if lower else text
            text = text.removesuffix(".") if bare and not text.endswith("..") else text
            result.append(Line(names[line.speaker], text))
    return tuple(result)


def _sentences(text: str) -> list[str]:
    if len(text.split()) <= SPLIT_ABOVE_WORDS:
        return [text]
    return re.split(r"(?<=[.!?])\s+(?=\S{2})", text)


def _names_for(dialogue: Dialogue, rng: random.Random) -> dict[str, str]:
    speakers = list(dict.fromkeys(line.speaker for line in dialogue.lines))
    names = rng.sample(NAMES, min(len(speakers), len(NAMES)))
    chosen = dict(zip(speakers, [*names, *speakers[len(names) :]], strict=True))
    return {speaker: name if speaker else "" for speaker, name in chosen.items()}


def render(line: Line) -> str:
    return dialogue_line(line) if line.speaker else f"{line.text}\n"


class PretrainingText:
    """All training dialogues, in a new seeded order and dress in each pass."""

    def __init__(self, sources: list[Source], seed: int) -> None:
        self._seed = seed
        self._weighted = [(d, s.weight) for s in sources for d in read_source(s.path)]
        # A single sentence is no conversation: held out all the same, but not scored.
        self.held_out = [d for d, _ in self._weighted if d.held_out and len(d.lines) > 1]
        self._weighted = [(d, w) for d, w in self._weighted if not d.held_out]
        if not self._weighted:
            raise FinetuneError("The text files hold nothing to train on; give at least a page.")

    def digest(self) -> str:
        """Of all dialogues and their weights: another text gives another one."""
        digest = hashlib.sha256()
        for dialogue, weight in self._weighted:
            digest.update(f"{dialogue.digest} {weight}\n".encode())
        return digest.hexdigest()

    def texts(self, epoch: int) -> Iterator[str]:
        """Every dialogue of one pass as text, in the order of that pass."""
        rng = random.Random(f"{self._seed} {epoch}")
        chosen = [d for d, weight in self._weighted for _ in range(_times(weight, rng))]
        rng.shuffle(chosen)
        for dialogue in chosen:
            yield "".join(map(render, casual(dialogue, rng)))

    def batches(self, codec: Codec, rows: int, window: int, used: int) -> Iterator[Batch]:
        """Endless batches of shape [rows, window + 1], the first `used` left out."""
        weights = np.ones((rows, window), np.float32)
        size = rows * (window + 1)
        stream: list[int] = []
        for tokens in self._token_chunks(codec):
            stream.extend(tokens)
            while len(stream) >= size:
                if used:
                    used -= 1
                else:
                    yield np.array(stream[:size], np.int32).reshape(rows, window + 1), weights
                del stream[:size]

    def _token_chunks(self, codec: Codec) -> Iterator[list[int]]:
        epoch = 0
        while True:
            texts = self.texts(epoch)
            while chunk := [text for _, text in zip(range(ENCODE_AT_ONCE), texts, strict=False)]:
                yield [t for ids in codec.encode_batch(chunk) for t in (codec.end_of_text, *ids)]
            epoch += 1


def _times(weight: float, rng: random.Random) -> int:
    return int(weight) + (rng.random() < weight % 1)


@dataclass(frozen=True, slots=True)
class ScoredText:
    """Held-out dialogues of one source as windows, with the number of bytes they score."""

    source: str
    batches: list[Batch]
    text_bytes: int


def scored_texts(
    dialogues: list[Dialogue], codec: Codec, rows: int, window: int
) -> list[ScoredText]:
    """Windows over held-out dialogues in which only the messages count, not the names.

    Names are drawn by the dialogue's hash; the text is as written. Each message's bytes
    and its ending newline are counted, and every token is predicted exactly once.
    """
    by_source: dict[str, list[Dialogue]] = {}
    for dialogue in dialogues:
        by_source.setdefault(dialogue.source, []).append(dialogue)
    return [_scored(source, found, codec, rows, window) for source, found in by_source.items()]


def _scored(
    source: str, dialogues: list[Dialogue], codec: Codec, rows: int, window: int
) -> ScoredText:
    windows: list[tuple[list[int], list[float]]] = []
    text_bytes = 0
    for dialogue in dialogues:
        names = _names_for(dialogue, random.Random(dialogue.digest))
        ids, counts = [codec.end_of_text], [0.0]
        for line in dialogue.lines:
            named = Line(names[line.speaker], line.text)
            prefix = codec.encode(dialogue_prefix(named.speaker)) if named.speaker else []
            message = codec.encode(render(named))[len(prefix) :]
            ids += prefix + message
            counts += [0.0] * len(prefix) + [1.0] * len(message)
            text_bytes += len(named.text.encode()) + 1
        for start in range(0, len(ids) - 1, window):
            piece, weight = ids[start : start + window + 1], counts[start + 1 : start + window + 1]
            windows.append((piece, weight))
    return ScoredText(source, _padded(windows, rows, window, codec.end_of_text), text_bytes)


def _padded(
    windows: list[tuple[list[int], list[float]]], rows: int, window: int, padding: int
) -> list[Batch]:
    batches: list[Batch] = []
    for start in range(0, len(windows), rows):
        tokens = np.full((rows, window + 1), padding, np.int32)
        weights = np.zeros((rows, window), np.float32)
        for row, (ids, counts) in enumerate(windows[start : start + rows]):
            tokens[row, : len(ids)] = ids
            weights[row, : len(counts)] = counts
        batches.append((tokens, weights))
    return batches
