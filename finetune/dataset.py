"""From the corpus to training text for one friend. Pure but for the CSV that it writes.

Monologue: the friend's own messages, one by one, as gpt-2-simple reads them from a
single-column CSV. Dialogue: whole sessions as `name: text` lines, of which only the friend's
own words are learnt.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from finetune.arrays import Batch, IntArray
from finetune.cleaning import CleaningReport, CleanLine, clean
from finetune.corpus import Corpus
from finetune.errors import NoSuchFriend, TooLittleText
from model_server.checkpoint_format import (
    START_OF_TEXT,
    Codec,
    Line,
    Style,
    dialogue_line,
    dialogue_prefix,
)

SESSION_GAP = timedelta(hours=1)
"""A silence longer than this begins a new session."""
MINIMUM_MESSAGES = 100
"""Below this a model learns nothing but to repeat: too few even for one validation window."""
VALIDATION_SHARE = 0.1
"""The newest part of the friend's messages, by time, is held out."""
CSV_HEADER = "text"

Session = tuple[CleanLine, ...]


@dataclass(frozen=True, slots=True)
class Friend:
    """A person of the corpus with the usable lines that they wrote."""

    name: str
    lines: int


@dataclass(frozen=True, slots=True)
class CleanCorpus:
    """All lines that survive cleaning, in sessions, and what became of the rest."""

    sessions: tuple[Session, ...]
    report: CleaningReport

    @classmethod
    def read(cls, corpus: Corpus) -> CleanCorpus:
        report = CleaningReport()
        lines = clean(corpus.messages(), corpus.names_by_account_key(), report)
        return cls(tuple(sessions(lines)), report)

    def friends(self) -> list[Friend]:
        """Everybody who wrote, the one with most lines first."""
        counts = Counter(line.person for session in self.sessions for line in session)
        return [Friend(name, count) for name, count in counts.most_common()]

    def friend(self, name: str) -> Friend:
        """The person of this name, written in any case. Raises NoSuchFriend."""
        friends = self.friends()
        for friend in friends:
            if friend.name.casefold() == name.casefold():
                return friend
        known = ", ".join(friend.name for friend in friends[:12]) or "nobody yet"
        raise NoSuchFriend(f"Nobody called {name!r} wrote in this corpus; it knows {known}.")

    def lines_of(self, person: str) -> list[CleanLine]:
        found = (line for s in self.sessions for line in s if line.person == person)
        return sorted(found, key=lambda line: line.sent_at)

    def cut_date(self, person: str) -> datetime:
        """When the held-out part of this person's lines begins. Raises TooLittleText."""
        lines = self.lines_of(person)
        if len(lines) < MINIMUM_MESSAGES:
            raise TooLittleText(
                f"{person} wrote {len(lines)} usable messages and training needs "
                f"{MINIMUM_MESSAGES}; import more chats, or take a friend who writes more."
            )
        return lines[-max(1, int(len(lines) * VALIDATION_SHARE))].sent_at

    def split(self, cut: datetime) -> tuple[tuple[Session, ...], tuple[Session, ...]]:
        """Sessions that began before `cut` and those that began later."""
        before = tuple(s for s in self.sessions if s[0].sent_at < cut)
        return before, tuple(s for s in self.sessions if s[0].sent_at >= cut)


def sessions(lines: Iterable[CleanLine]) -> Iterator[Session]:
    """Lines in chat and time order, cut where the chat changes or falls silent."""
    current: list[CleanLine] = []
    for line in lines:
        if current and (
            line.chat != current[-1].chat or line.sent_at - current[-1].sent_at > SESSION_GAP
        ):
            yield tuple(current)
            current = []
        current.append(line)
    if current:
        yield tuple(current)


def write_csv(lines: Iterable[CleanLine], path: Path) -> int:
    """Writes the single-column CSV that `gpt_2_simple.finetune` reads: a header row, then a
    message a row. Returns how many rows were written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([CSV_HEADER])
        for line in lines:
            writer.writerow([line.text])
            count += 1
    return count


# --- windows ------------------------------------------------------------------------------

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
            yield [*ids, self.end_of_text][: window + 1], [*weights, 0.0][: window + 1]

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

    def batches_per_pass(self, rows: int, window: int) -> int:
        return sum(1 for _ in pack(self.pieces(window, None), rows, window, self.end_of_text))


def dialogue_examples(found: Sequence[Session], codec: Codec, friend: str | None) -> Examples:
    """Sessions as `name: text` lines; what `friend` says counts (everybody if None)."""

    def message(line: CleanLine) -> Piece:
        prefix = codec.encode(dialogue_prefix(line.person))
        ids = codec.encode(dialogue_line(Line(line.person, line.text)))
        counts = 1.0 if friend in (None, line.person) else 0.0
        return ids, [0.0] * len(prefix) + [counts] * (len(ids) - len(prefix))

    wanted = [s for s in found if friend is None or any(line.person == friend for line in s)]
    return Examples(tuple(tuple(map(message, s)) for s in wanted), codec.end_of_text)


def monologue_examples(found: Sequence[Session], codec: Codec, friend: str) -> Examples:
    """Each of the friend's messages by itself, after gpt-2-simple's start marker."""
    start = codec.encode(START_OF_TEXT)

    def message(line: CleanLine) -> Piece:
        ids = [*start, *codec.encode(line.text), codec.end_of_text]
        return ids, [0.0] * len(start) + [1.0] * (len(ids) - len(start))

    texts = [line for session in found for line in session if line.person == friend]
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
