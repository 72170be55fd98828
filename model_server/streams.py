"""The parts of an answer that comes in a stream, as server-sent events. Pure.

https://html.spec.whatwg.org/multipage/server-sent-events.html; the shapes are OpenAI's.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from model_server import wire
from model_server.answers import Envelope, token_logprob, verdict_of
from model_server.candidates import Candidate
from model_server.checkpoint_format import Codec
from model_server.errors import FAILURE

Choice = dict[str, Any]
Token = tuple[int, float]
"""Id and log-probability in nats."""


def event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


DONE = b"data: [DONE]\n\n"
FAILED = event(wire.error_body(FAILURE, "server_error"))
"""Where a whole answer would have had the status 500."""


class Chunks(Protocol):
    """How one kind of completion is told in parts."""

    kind: str

    def first(self, index: int) -> Choice: ...

    def piece(self, index: int, text: str, tokens: list[Token]) -> Choice: ...

    def last(self, index: int, candidate: Candidate) -> Choice: ...


class ChatChunks:
    """Of `POST /v1/chat/completions`."""

    kind = "chat.completion.chunk"

    def __init__(self, codec: Codec, opening: str, *, logprobs: bool) -> None:
        self._codec = codec
        self._opening = opening
        self._logprobs = logprobs

    def first(self, index: int) -> Choice:
        delta = {"role": "assistant", "content": self._opening}
        return {"index": index, "delta": delta, "finish_reason": None}

    def piece(self, index: int, text: str, tokens: list[Token]) -> Choice:
        choice = {"index": index, "delta": {"content": text}, "finish_reason": None}
        if not self._logprobs:
            return choice
        content = [token_logprob(t, v, {}, self._codec).model_dump() for t, v in tokens]
        return {**choice, "logprobs": {"content": content}}

    def last(self, index: int, candidate: Candidate) -> Choice:
        return {
            "index": index, "delta": {}, "finish_reason": candidate.finish_reason,
            "botconvo": verdict_of(candidate).model_dump(),
        }  # fmt: skip


class TextChunks:
    """Of `POST /v1/completions`."""

    kind = "text_completion"

    def __init__(self, codec: Codec, echoed: str, *, logprobs: bool) -> None:
        self._codec = codec
        self._echoed = echoed
        self._logprobs = logprobs

    def first(self, index: int) -> Choice:
        return {"index": index, "text": self._echoed, "finish_reason": None, "logprobs": None}

    def piece(self, index: int, text: str, tokens: list[Token]) -> Choice:
        logprobs = None
        if self._logprobs:
            logprobs = {
                "tokens": [self._codec.decode([token]) for token, _ in tokens],
                "token_logprobs": [value for _, value in tokens],
            }
        return {"index": index, "text": text, "finish_reason": None, "logprobs": logprobs}

    def last(self, index: int, candidate: Candidate) -> Choice:
        return {
            "index": index, "text": "", "finish_reason": candidate.finish_reason,
            "logprobs": None, "botconvo": verdict_of(candidate).model_dump(),
        }  # fmt: skip


class Telling:
    """Puts an envelope around choices."""

    def __init__(self, envelope: Envelope, chunks: Chunks) -> None:
        self._envelope = envelope
        self._chunks = chunks

    def first(self, index: int) -> bytes:
        return self._event(self._chunks.first(index))

    def piece(self, index: int, text: str, tokens: list[Token]) -> bytes:
        return self._event(self._chunks.piece(index, text, tokens))

    def last(self, index: int, candidate: Candidate) -> bytes:
        return self._event(self._chunks.last(index, candidate))

    def usage(self, usage: dict[str, int]) -> bytes:
        return event({**self._envelope.part(self._chunks.kind, []), "usage": usage})

    def _event(self, choice: Choice) -> bytes:
        return event(self._envelope.part(self._chunks.kind, [choice]))
