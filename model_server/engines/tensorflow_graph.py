"""gpt-2-simple's own graph on TensorFlow: the reference that the fast engine must match.

The only file of the package that imports TensorFlow. The graph is built once, with
placeholders for the tokens and for the keys and values of what came before, so nothing
grows from call to call; drawing is done in numpy, so a seed holds and a stop is a stop.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

try:
    import gpt_2_simple.src.model as gpt2_model
    import tensorflow as tf
except ImportError as error:
    from model_server.errors import EngineUnavailable

    raise EngineUnavailable(
        "The tensorflow engine needs TensorFlow and gpt-2-simple; install them with: "
        "pip install 'botconvo[train]'"
    ) from error

import numpy as np

from model_server.checkpoint_format import Codec, Sizes
from model_server.engines import (
    PENALTY_LAST_TOKENS,
    Cancelled,
    Continuation,
    Emit,
    EngineName,
    Parameters,
    never_cancelled,
    no_emit,
)
from model_server.errors import EngineUnavailable
from model_server.sampling import draw, likeliest, logprob

tf1 = tf.compat.v1

NOTE_FILE = "checkpoint"
NAMED_WEIGHTS = re.compile(r'^model_checkpoint_path:\s*"(?:.*[/\\])?([^"/\\]+)"', re.MULTILINE)


class TensorflowEngine:
    """One restored checkpoint in a session of its own; one request at a time."""

    name: EngineName = "tensorflow"
    slots = 1

    def __init__(self, prefix: str, sizes: Sizes, codec: Codec, threads: int) -> None:
        self.window = sizes.n_ctx
        self._codec = codec
        self._lock = threading.Lock()
        hparams = gpt2_model.HParams(
            sizes.n_vocab, sizes.n_ctx, sizes.n_embd, sizes.n_head, sizes.n_layer
        )
        with tf.Graph().as_default():
            self._tokens = tf1.placeholder(tf.int32, [None, None])
            self._past = tf1.placeholder(tf.float32, gpt2_model.past_shape(hparams=hparams))
            self._first = gpt2_model.model(hparams=hparams, X=self._tokens)
            self._next = gpt2_model.model(
                hparams=hparams, X=self._tokens, past=self._past, reuse=True
            )
            saver = tf1.train.Saver(tf1.trainable_variables("model"))
            config = tf1.ConfigProto(intra_op_parallelism_threads=threads)
            config.gpu_options.allow_growth = True
            self._session = tf1.Session(config=config)
            saver.restore(self._session, prefix)

    def generate(
        self,
        prompt: Sequence[int],
        parameters: Parameters,
        emit: Emit = no_emit,
        cancelled: Cancelled = never_cancelled,
    ) -> list[Continuation]:
        seeds = np.random.SeedSequence(parameters.seed).spawn(parameters.n)
        with self._lock:
            first = self._run(self._first, {self._tokens: [list(prompt)]})
            return [
                self._one(i, prompt, first, parameters, np.random.default_rng(s), emit, cancelled)
                for i, s in enumerate(seeds)
            ]

    def _run(self, outputs: dict[str, Any], feed: dict[Any, Any]) -> tuple[Any, Any]:
        logits, present = self._session.run([outputs["logits"], outputs["present"]], feed)
        return logits[0, -1], present

    def _one(
        self,
        index: int,
        prompt: Sequence[int],
        first: tuple[Any, Any],
        parameters: Parameters,
        rng: np.random.Generator,
        emit: Emit,
        cancelled: Cancelled,
    ) -> Continuation:
        logits, past = first
        result = Continuation()
        text = b""
        history = list(prompt)
        room = min(parameters.max_tokens, self.window - len(prompt))
        while len(result.ids) < room:
            if cancelled():
                result.stopped = "cancelled"
                break
            token = draw(
                logits, history, rng, temperature=parameters.temperature, top_k=parameters.top_k,
                top_p=parameters.top_p, repetition_penalty=parameters.repetition_penalty,
                no_repeat_ngram=parameters.no_repeat_ngram, window=PENALTY_LAST_TOKENS,
                favoured=parameters.favoured,
            )  # fmt: skip
            if token == self._codec.end_of_text:
                result.stopped = "stop"
                break
            result.ids.append(token)
            result.logprobs.append(logprob(logits, token))
            result.top.append(likeliest(logits, parameters.top_logprobs))
            history.append(token)
            emit(index, token, result.logprobs[-1])
            text += self._codec.token_bytes(token)
            if any(stop.encode() in text for stop in parameters.stop):
                result.stopped = "stop"
                break
            if len(result.ids) < room:
                logits, present = self._run(self._next, {self._tokens: [[token]], self._past: past})
                past = np.concatenate([past, present], axis=-2)
        return result

    def close(self) -> None:
        self._session.close()


def load(folder: Path, *, slots: int, threads: int) -> TensorflowEngine:
    """Restores the weights that the folder's `checkpoint` file names. Raises EngineUnavailable if
    they are not there or cannot be read."""
    prefix = _weights_named_in(folder)
    try:
        return TensorflowEngine(str(prefix), Sizes.read(folder), Codec.read(folder), threads)
    except (tf.errors.OpError, ValueError) as error:
        raise EngineUnavailable(
            f"{prefix}.* are damaged or another model's; copy the folder once more, or serve it "
            "with --engine llama."
        ) from error


def _weights_named_in(folder: Path) -> Path:
    """Only the last part of the name counts: gpt-2-simple notes the whole path, which in a copied
    folder leads to the original, or nowhere."""
    note = folder / NOTE_FILE
    text = note.read_text(encoding="utf-8", errors="replace") if note.is_file() else ""
    named = NAMED_WEIGHTS.search(text)
    if named is None:
        raise EngineUnavailable(
            f"{folder} holds no TensorFlow checkpoint (no file '{NOTE_FILE}' that names one); "
            "serve it with --engine llama."
        )
    prefix = folder / named[1]
    if not prefix.with_name(f"{prefix.name}.index").is_file():
        raise EngineUnavailable(
            f"{note} names {prefix.name}, and {prefix.name}.index is not there; copy it too, or "
            "serve the folder with --engine llama."
        )
    return prefix
