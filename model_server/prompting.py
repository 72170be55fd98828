"""From a request to the token ids that make a checkpoint speak. Pure.

The caller says what was said and what the answer should be about; only the manifest knows
which style of prompt the checkpoint was trained for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from model_server.checkpoint_format import Codec, Line, Manifest, dialogue_prompt, one_line

PROMPT_SHARE = 0.75
"""The part of the window that a prompt may fill; the rest is the answer's."""
PHRASE_BIAS = 4.0
"""Added to the logits of a phrase's words: enough that they come up where they fit, and not
enough that they come up everywhere (`scripts/bench steering`)."""
SHORTEST_BEGINNING = 3
"""In characters, of the token that a word begins with."""
LEAST_PART = 0.4
"""The same, of the word's length."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a friend is asked to answer.

    `phrase` is what the answer should take up; with `begin_with_phrase` a dialogue friend
    starts with it, as a monologue friend always does. `speaker` says who answers, for
    checkpoints that can speak as several; None is the manifest's own speaker.
    """

    lines: Sequence[Line] = ()
    phrase: str = ""
    begin_with_phrase: bool = False
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids to continue, and the text at their end that belongs to the answer. What goes on
    from a `is_raw` prompt is taken as it comes, with the space in front."""

    ids: tuple[int, ...]
    opening: str = ""
    is_raw: bool = False
    favoured: tuple[tuple[int, float], ...] = ()
    """Tokens that make it likelier that the answer takes the phrase up, each with what is added to
    its logit."""
    phrase: str = ""
    """What the answer should take up, which may stand nowhere in the prompt."""


def compose(codec: Codec, manifest: Manifest, window: int, turn: Turn) -> Prompt:
    """The prompt for one turn, at most `PROMPT_SHARE` of the window long."""
    room = int(window * PROMPT_SHARE)
    phrase = one_line(turn.phrase)
    if manifest.style == "dialogue":
        speaker = turn.speaker or manifest.speaker or manifest.friend or "me"
        opening = phrase if turn.begin_with_phrase else ""
        ids = dialogue_prompt(codec, turn.lines, speaker, room, opening)
        favoured = () if opening else _first_tokens(codec, phrase)
        return Prompt(tuple(ids[-room:]), opening, favoured=favoured, phrase=phrase)
    start = [codec.end_of_text] if manifest.end_of_text == "token" else []
    start += codec.encode(manifest.prompt_prefix)
    words = codec.encode(phrase)[: max(0, room - len(start))]
    return Prompt((*start, *words) or (codec.end_of_text,), codec.decode(words))


def _first_tokens(codec: Codec, phrase: str) -> tuple[tuple[int, float], ...]:
    """The tokens that the phrase's words begin with inside a line. Of words that begin with a
    token so short that it begins many others, none."""
    tokens: dict[int, float] = {}
    for word in re.findall(r"\w+", phrase):
        for written in (word, word.lower(), word.capitalize()):
            first = codec.encode(f" {written}")[0]
            length = len(codec.token_bytes(first).decode(errors="replace").strip())
            if length >= max(SHORTEST_BEGINNING, LEAST_PART * len(word)):
                tokens[first] = PHRASE_BIAS
    return tuple(tokens.items())


def compose_raw(
    codec: Codec, manifest: Manifest, window: int, prompt: str | Sequence[int]
) -> Prompt:
    """A prompt as it stands, text or token ids, behind what every training text begins with; its
    end, if it is longer than the window allows. Raises ValueError for ids beyond the vocabulary."""
    start = [codec.end_of_text] if manifest.end_of_text == "token" else []
    if isinstance(prompt, str):
        start += codec.encode(manifest.prompt_prefix)
        ids = codec.encode(prompt)
    else:
        ids = list(prompt)
        if any(token >= len(codec) for token in ids):
            raise ValueError(f"token ids are below {len(codec)}")
    room = int(window * PROMPT_SHARE) - len(start)
    return Prompt((*start, *ids[-room:]) or (codec.end_of_text,), is_raw=True)
