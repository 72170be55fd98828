"""An engine without a model: says the end of the prompt again. For tests and for trying
the chain where neither llama.cpp nor TensorFlow can be had."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from model_server.checkpoint_format import Codec, Sizes
from model_server.engines import (
    Cancelled,
    Continuation,
    Emit,
    EngineName,
    Parameters,
    never_cancelled,
    no_emit,
)
from model_server.sampling import repeating

ECHOED_TOKENS = 8


class EchoEngine:
    """Repeats the prompt's last words once, starting at a place drawn from the seed."""

    name: EngineName = "echo"

    def __init__(self, codec: Codec, window: int, slots: int) -> None:
        self._codec = codec
        self.window = window
        self.slots = slots

    def generate(
        self,
        prompt: Sequence[int],
        parameters: Parameters,
        emit: Emit = no_emit,
        cancelled: Cancelled = never_cancelled,
    ) -> list[Continuation]:
        rng = random.Random(parameters.seed)
        return [self._one(i, prompt, parameters, rng, emit, cancelled) for i in range(parameters.n)]

    def _one(
        self,
        index: int,
        prompt: Sequence[int],
        parameters: Parameters,
        rng: random.Random,
        emit: Emit,
        cancelled: Cancelled,
    ) -> Continuation:
        start = rng.randrange(ECHOED_TOKENS) if parameters.temperature > 0 else 0
        # Words only: marks such as a colon or a newline mean something to whoever judges.
        said = [token for token in prompt if self._codec.token_bytes(token).strip().isalpha()]
        tail = said[-ECHOED_TOKENS:] or [0]
        text = b""
        room = min(parameters.max_tokens, self.window - len(prompt))
        result = Continuation(stopped="length" if room < len(tail) else "stop")
        for step in range(min(room, len(tail))):
            if cancelled():
                result.stopped = "cancelled"
                break
            token = tail[(start + step) % len(tail)]
            size = parameters.no_repeat_ngram
            if size and token in repeating([*prompt, *result.ids], size):
                continue
            result.ids.append(token)
            result.logprobs.append(0.0)
            result.top.append({token: 0.0} if parameters.top_logprobs else {})
            emit(index, token, 0.0)
            text += self._codec.token_bytes(token)
            if any(stop.encode() in text for stop in parameters.stop):
                result.stopped = "stop"
                break
        return result

    def close(self) -> None:
        """Nothing to give back."""


def load(folder: Path, *, slots: int, threads: int) -> EchoEngine:
    """Needs only the folder's sizes and tokenizer; `threads` is of no use here."""
    return EchoEngine(Codec.read(folder), Sizes.read(folder).n_ctx, slots)
