"""What one run learns from and is tested on, and whether that is enough. Knows no graph."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from finetune.cleaning import CleanLine
from finetune.dataset import EVERYBODY, MINIMUM_MESSAGES, CleanCorpus, Parts, Session
from finetune.errors import TooLittleText
from finetune.training.examples import Examples, dialogue_examples, examples
from model_server.checkpoint_format import START_OF_TEXT, Codec, Line, Style, dialogue_prompt

MINIMUM_POOLED = 50
"""Somebody who only has to be told from the rest of the group needs fewer messages."""
MINIMUM_SHARE_TO_LEARN = 0.5
"""Of those messages, so many must lie before the time from which on lines are held out."""
SHOWN_OTHERS = 3
PROMPT_LINES = 6


@dataclass(frozen=True, slots=True)
class Prompt:
    """A place of the held-out text where the friend speaks next. `asked` is what a reader is
    shown, `stop` the token that ends an answer."""

    speaker: str | None
    asked: str
    ids: list[int]
    stop: int


@dataclass(frozen=True, slots=True)
class Material:
    """What one run learns from and is tested on. `friend` None is everybody."""

    friend: str | None
    people: tuple[str, ...]
    style: Style
    parts: Parts
    training: Examples
    validation: Examples
    scored_bytes: int
    """Of the held-out lines; 0 if the friend wrote none since the parts were divided."""
    selection: dict[str, Any]

    @classmethod
    def of(
        cls, corpus: CleanCorpus, name: str, codec: Codec, style: Style, *, pooled: bool = False
    ) -> Self:
        """Raises NoSuchFriend, TooLittleText."""
        friend = None if name == EVERYBODY else corpus.friend(name).name
        if friend is not None:
            require_enough(corpus, friend, pooled=pooled)
        people = tuple(found.name for found in corpus.friends())
        parts = corpus.parts
        scored = [line for s in parts.validation for line in s if friend in (None, line.person)]
        make = _examples_of(friend, style)
        return cls(
            friend, people, style, parts, make(corpus.stitched(parts.training), codec),
            make(corpus.stitched(parts.validation), codec),
            sum(len(line.text.encode()) + 1 for line in scored), corpus.chosen(),
        )  # fmt: skip

    @property
    def lines(self) -> list[CleanLine]:
        """The lines whose words are learnt."""
        friend = self.friend
        return [line for s in self.parts.training for line in s if friend in (None, line.person)]

    def training_lines(self) -> list[str]:
        """What everybody wrote in the part that is learnt from."""
        return [line.text for session in self.parts.training for line in session]

    def digest(self) -> str:
        """Of all tokens and their weights: another corpus, friend, style or tokenizer gives
        another one."""
        digest = hashlib.sha256()
        for part in (self.training, self.validation):
            for session in part.sessions:
                for ids, weights in session:
                    digest.update(np.array(ids, np.int32).tobytes())
                    digest.update(np.array(weights, np.float32).tobytes())
                digest.update(b"/")
            digest.update(b"//")
        return digest.hexdigest()

    def prompt(self, codec: Codec, room: int) -> Prompt:
        """Always the same one for the same text: the first held-out line of the friend that
        answers somebody, with what was said before it."""
        if self.style == "monologue":
            ids = [codec.end_of_text, *codec.encode(START_OF_TEXT)]
            return Prompt(self.friend, "", ids, codec.end_of_text)
        before, speaker = self._answered()
        lines = [Line(line.person, line.text) for line in before[-PROMPT_LINES:]]
        asked = f"{before[-1].person}: {before[-1].text}" if before else ""
        ids = dialogue_prompt(codec, lines, speaker, room)
        return Prompt(speaker, asked, ids, codec.encode("\n")[0])

    def _answered(self) -> tuple[Session, str]:
        for session in (*self.parts.validation, *self.parts.training):
            for place, (line, answer) in enumerate(pairwise(session)):
                if answer.person != line.person and self.friend in (None, answer.person):
                    return session[: place + 1], answer.person
        return (), self.friend or self.people[0]


def _examples_of(
    friend: str | None, style: Style
) -> Callable[[Sequence[Session], Codec], Examples]:
    if friend is None:
        return lambda found, codec: dialogue_examples(found, codec, None)
    return lambda found, codec: examples(found, codec, friend, style)


def floor(*, pooled: bool) -> int:
    """The fewest messages of a friend that a run is begun with."""
    return MINIMUM_POOLED if pooled else MINIMUM_MESSAGES


def require_enough(corpus: CleanCorpus, name: str, *, pooled: bool) -> None:
    """Raises TooLittleText with the figures and what else could be done."""
    need = floor(pooled=pooled)
    count = sum(line.person == name for line in corpus.lines)
    to_learn = sum(line.person == name for s in corpus.parts.training for line in s)
    if count >= need and to_learn >= need * MINIMUM_SHARE_TO_LEARN:
        return
    held = f", {count - to_learn} of them among the newest, which are held out," if count else ""
    ways = ["import more chats"]
    if not pooled and count >= MINIMUM_POOLED:
        ways.insert(0, "let everybody's words help (--pool)")
    others = [f.name for f in corpus.friends() if f.lines >= need and f.name != name]
    if others:
        ways.append(f"take another friend ({', '.join(others[:SHOWN_OTHERS])})")
    raise TooLittleText(
        f"{name} wrote {count} usable messages{held} and training needs {need}; "
        f"{', or '.join(ways)}."
    )
