"""Training examples: sessions as token ids with weights, cut and packed into windows. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.arrays import Batch, IntArray
from finetune.cleaning import CleanLine
from finetune.dataset import Session
from model_server.checkpoint_format import (
    START_OF_TEXT,
    Codec,
    Line,
    Style,
    dialogue_line,
    dialogue_prefix,
)

Piece = tuple[list[int], list[float]]
"""Token ids, and how much the prediction of each of them counts."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Tokenised sessions: per session a list of messages, each with ids and weights."""

    sessions: tuple[tuple[Piece, ...], ...]
    end_of_text: int

    def pieces(self, window: int, rng: random.Random | None) -> Iterator[Piece]:
        """Sessions cut at message borders so that each piece fits a window.

        Every piece begins with the end-of-text token, as every prompt does. With `rng` the
        first cut falls at random, so that each pass sees other beginnings.
        """
        for session in self.sessions:
            room = window if rng is None else rng.randint(window // 2, window)
            ids, weights = [self.end_of_text], [0.0]
            for message_ids, message_weights in session:
                if len(ids) + len(message_ids) > room and len(ids) > 1:
                    yield ids, weights
                    ids, weights, room = [self.end_of_text], [0.0], window
                ids = ids + message_ids[: window - 1]
                weights = weights + message_weights[: window - 1]
            if ids[-1] != self.end_of_text:  # which ends every message of a monologue already
                ids, weights = [*ids, self.end_of_text], [*weights, 0.0]
            yield ids[: window + 1], weights[: window + 1]

    def batches(self, rows: int, window: int, seed: int, used: int) -> Iterator[Batch]:
        """Endless batches, reshuffled in each pass, without the first `used`."""
        epoch = 0
        while True:
            rng = random.Random(f"{seed} {epoch}")
            pieces = list(self.pieces(window, rng))
            rng.shuffle(pieces)
            for batch in pack(pieces, rows, window, self.end_of_text):
                if used:
                    used -= 1
                else:
                    yield batch
            epoch += 1

    def longer_than(self, window: int) -> int:
        """Messages of which only the beginning fits a window and is learnt."""
        return sum(len(ids) > window - 1 for session in self.sessions for ids, _ in session)

    def batches_per_pass(self, rows: int, window: int) -> int:
        return sum(1 for _ in pack(self.pieces(window, None), rows, window, self.end_of_text))


def dialogue_examples(found: Sequence[Session], codec: Codec, friend: str | None) -> Examples:
    """Sessions as `name: text` lines; what `friend` says counts (everybody if None)."""

    def message(line: CleanLine) -> Piece:
        prefix = codec.encode(dialogue_prefix(line.person))
        ids = codec.encode(dialogue_line(Line(line.person, line.text)))
        counts = 1.0 if friend in (None, line.person) and not line.repeated else 0.0
        return ids, [0.0] * len(prefix) + [counts] * (len(ids) - len(prefix))

    wanted = [s for s in found if friend is None or any(line.person == friend for line in s)]
    return Examples(tuple(tuple(map(message, s)) for s in wanted), codec.end_of_text)


def monologue_examples(found: Sequence[Session], codec: Codec, friend: str) -> Examples:
    """Each of the friend's messages by itself, after gpt-2-simple's start marker."""
    start = codec.encode(START_OF_TEXT)

    def message(line: CleanLine) -> Piece:
        ids = [*start, *codec.encode(line.text), codec.end_of_text]
        return ids, [0.0] * len(start) + [1.0] * (len(ids) - len(start))

    texts = [
        line for session in found for line in session if line.person == friend and not line.repeated
    ]
    return Examples(tuple((message(line),) for line in texts), codec.end_of_text)


def examples(found: Sequence[Session], codec: Codec, friend: str, style: Style) -> Examples:
    make = dialogue_examples if style == "dialogue" else monologue_examples
    return make(found, codec, friend)


def pack(pieces: Iterable[Piece], rows: int, window: int, padding: int) -> Iterator[Batch]:
    """Pieces laid end to end in rows of `window + 1` tokens, none cut; the rest is padding
    that counts nothing. Token ids [rows, window + 1], weights [rows, window]."""
    row: Piece = ([], [])
    full: list[Piece] = []
    for ids, weights in pieces:
        if len(row[0]) + len(ids) > window + 1:
            full.append(row)
            row = ([], [])
        row[0].extend(ids)
        row[1].extend(weights)
        if len(full) == rows:
            yield _batch(full, rows, window, padding)
            full = []
    full.append(row)
    while full:
        yield _batch(full[:rows], rows, window, padding)
        full = full[rows:]


def _batch(filled: Sequence[Piece], rows: int, window: int, padding: int) -> Batch:
    tokens: IntArray = np.full((rows, window + 1), padding, np.int32)
    counts = np.zeros((rows, window + 1), np.float32)
    for row, (ids, weights) in enumerate(filled):
        tokens[row, : len(ids)] = ids
        counts[row, : len(weights)] = weights
    return tokens, counts[:, 1:]
