"""From candidates to the bodies of answers, whole or in a stream. Pure."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model_server import wire
from model_server.candidates import Candidate
from model_server.checkpoint_format import Codec
from model_server.engines import Continuation


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all parts of one answer have in common."""

    id: str
    created: int
    model: str

    @classmethod
    def new(cls, prefix: str, model: str) -> Envelope:
        return cls(f"{prefix}-{uuid.uuid4().hex}", int(time.time()), model)

    def part(self, kind: str, choices: list[dict[str, Any]], usage: Any = None) -> dict[str, Any]:
        """A chunk of a stream."""
        chunk = {
            "id": self.id, "object": kind, "created": self.created, "model": self.model,
            "choices": choices,
        }  # fmt: skip
        return chunk if usage is None else {**chunk, "usage": usage}


def usage_of(prompt_tokens: int, continuations: Sequence[Continuation]) -> wire.Usage:
    drawn = sum(len(continuation.ids) for continuation in continuations)
    return wire.Usage(
        prompt_tokens=prompt_tokens, completion_tokens=drawn, total_tokens=prompt_tokens + drawn
    )


def verdict_of(candidate: Candidate) -> wire.Verdict:
    return wire.Verdict(
        verdict=candidate.verdict, score=candidate.score, made_up_words=candidate.made_up_words
    )


def chat_choice(index: int, candidate: Candidate, codec: Codec, logprobs: bool) -> wire.Choice:
    found = candidate.continuation
    return wire.Choice(
        index=index,
        message=wire.Message(role="assistant", content=candidate.text),
        finish_reason=candidate.finish_reason,
        logprobs=chat_logprobs(found, codec) if logprobs else None,
        botconvo=verdict_of(candidate),
    )


def text_choice(
    index: int, candidate: Candidate, codec: Codec, echoed: str, logprobs: bool
) -> wire.TextChoice:
    found = candidate.continuation
    return wire.TextChoice(
        index=index,
        text=echoed + candidate.text,
        finish_reason=candidate.finish_reason,
        logprobs=completion_logprobs(found, codec, len(echoed)) if logprobs else None,
        botconvo=verdict_of(candidate),
    )


def chat_logprobs(found: Continuation, codec: Codec) -> wire.ChatLogprobs:
    """Every drawn token with its log-probability, also those of the marker that was cut off."""
    content = [
        token_logprob(token, value, top, codec)
        for token, value, top in zip(found.ids, found.logprobs, found.top, strict=True)
    ]
    return wire.ChatLogprobs(content=content)


def token_logprob(
    token: int, value: float, top: dict[int, float], codec: Codec
) -> wire.TokenLogprob:
    likely = [
        wire.TopLogprob(token=codec.decode([t]), logprob=v, bytes=list(codec.token_bytes(t)))
        for t, v in top.items()
    ]
    data = list(codec.token_bytes(token))
    return wire.TokenLogprob(
        token=codec.decode([token]), logprob=value, bytes=data, top_logprobs=likely
    )


def completion_logprobs(found: Continuation, codec: Codec, offset: int) -> wire.CompletionLogprobs:
    """The older shape; `offset` is where the first token's text begins."""
    tokens = [codec.decode([token]) for token in found.ids]
    offsets = [offset + sum(map(len, tokens[:place])) for place in range(len(tokens))]
    return wire.CompletionLogprobs(
        tokens=tokens,
        token_logprobs=found.logprobs,
        top_logprobs=[{codec.decode([t]): v for t, v in top.items()} for top in found.top],
        text_offset=offsets,
    )
