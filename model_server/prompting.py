"""From a request to the token ids that make a checkpoint speak. Pure.

The caller says what was said and what the answer should be about; only the manifest knows
which style of prompt the checkpoint was trained for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model_server.checkpoint_format import Codec, Line, Manifest, dialogue_prompt, one_line

PROMPT_SHARE = 0.75
"""The part of the window that a prompt may fill; the rest is the answer's."""


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


def compose(codec: Codec, manifest: Manifest, window: int, turn: Turn) -> Prompt:
    """The prompt for one turn, at most `PROMPT_SHARE` of the window long."""
    room = int(window * PROMPT_SHARE)
    phrase = one_line(turn.phrase)
    if manifest.style == "dialogue":
        speaker = turn.speaker or manifest.speaker or manifest.friend or "me"
        opening = phrase if turn.begin_with_phrase else ""
        ids = dialogue_prompt(codec, turn.lines, speaker, room, opening)
        return Prompt(tuple(ids[-room:]), opening)
    start = [codec.end_of_text] if manifest.end_of_text == "token" else []
    start += codec.encode(manifest.prompt_prefix)
    words = codec.encode(phrase)[: max(0, room - len(start))]
    return Prompt((*start, *words) or (codec.end_of_text,), codec.decode(words))


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
