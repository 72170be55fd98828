"""llama.cpp through xllamacpp: the fast engine. Knows nothing about markers or chat.

The only file of the package that imports xllamacpp, whose month is pinned because its
attributes change. Its `Server` always opens a port of its own; a Unix socket in a private
folder (a random key on Windows) keeps everybody else out of it.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

try:
    import xllamacpp
except ImportError as error:
    from model_server.engines.missing import why_not_loaded
    from model_server.errors import EngineUnavailable

    raise EngineUnavailable(why_not_loaded(error)) from error

from model_server.checkpoint_format import Manifest, Sizes
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
from model_server.engines.shared_window import SharedWindow
from model_server.errors import EngineUnavailable

QUIET = -1
SAMPLERS = ["penalties", "dry", "temperature", "top_k", "top_p"]
"""gpt-2-simple's order: the temperature before the cuts."""
LEAST_SHARED_TOKENS = 1024
"""Of the window that all slots share; a model with a shorter window of its own could otherwise
not draw several candidates together."""
PROMPT_BATCH = 128
"""Tokens of prompts that are read in one go; more needs more memory and is no faster here."""
Q8_0 = 8
"""ggml's number of the type (`ggml.h`, GGML_TYPE_Q8_0)."""
Q8_0_BLOCK = 32
NEVER = 1e9
"""A penalty that no token survives."""
UNHEARD_OF = "\u0001"
"""DRY ends repetitions at breakers, and has some unless others are given."""


class LlamaEngine:
    """One loaded GGUF file with `slots` places that share one window and are filled together."""

    name: EngineName = "llama"

    def __init__(
        self, model: Path, sizes: Sizes, slots: int, threads: int, *, is_quantized: bool = False
    ) -> None:
        self.window = sizes.n_ctx
        self.slots = slots
        self._shared = SharedWindow(max(sizes.n_ctx, LEAST_SHARED_TOKENS), slots)
        self._folder = Path(tempfile.mkdtemp(prefix="botconvo-"))
        parameters = _server_parameters(model, self._shared, threads, self._folder)
        if is_quantized and sizes.n_embd // sizes.n_head % Q8_0_BLOCK == 0:
            # Keys and values no finer than the weights: half the memory.
            parameters.cache_type_k = parameters.cache_type_v = Q8_0
        try:
            self._server = xllamacpp.Server(parameters)
        except RuntimeError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise EngineUnavailable(
                f"{model} cannot be loaded: it is damaged, or there is not enough memory; make it "
                f"again with: botconvo convert {shlex.quote(str(model.parent))}"
            ) from error
        # xllamacpp 2026.10 hangs, with the interpreter's lock held, if its server is destroyed
        # before the server's own loop runs. An answer proves that it does, and the model too.
        self.generate([0], Parameters(max_tokens=1, temperature=0))
        # Nobody is to connect, so its socket needs no name: nothing is left of a killed server.
        shutil.rmtree(self._folder, ignore_errors=True)

    def generate(
        self,
        prompt: Sequence[int],
        parameters: Parameters,
        emit: Emit = no_emit,
        cancelled: Cancelled = never_cancelled,
    ) -> list[Continuation]:
        results = [Continuation() for _ in range(parameters.n)]
        length = max(1, min(parameters.max_tokens, self.window - len(prompt)))
        together = min(self.slots, (self._shared.tokens - len(prompt)) // length)
        for first in range(0, parameters.n, together):
            n = min(together, parameters.n - first)
            tokens = len(prompt) + n * length
            with self._shared.room(tokens, n, cancelled) as has_room:
                if not has_room:
                    break
                request = _request(prompt, parameters, n, length, first)
                self._generate(request, results, first, emit, cancelled)
        if cancelled():
            for result in results:
                result.stopped = "cancelled"
        return results

    def _generate(
        self,
        request: dict[str, Any],
        results: list[Continuation],
        first: int,
        emit: Emit,
        cancelled: Cancelled,
    ) -> None:
        failure: list[str] = []

        def receive(chunk: Any) -> bool:
            data = json.loads(chunk) if isinstance(chunk, str) else chunk
            if "error" in data:
                failure.append(str(data["error"].get("message", data["error"])))
                return True
            for choice in data.get("choices", []):
                index = first + int(choice["index"])
                _take(choice, index, results[index], emit)
            return cancelled()

        self._server.handle_completions(json.dumps(request), receive)
        if failure:
            raise RuntimeError(f"llama.cpp: {failure[0]}")

    def close(self) -> None:
        """Frees the model."""
        del self._server


def _server_parameters(
    model: Path, shared: SharedWindow, threads: int, folder: Path
) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.n_parallel = shared.slots
    parameters.n_ctx = shared.tokens
    parameters.kv_unified = True
    parameters.n_ubatch = PROMPT_BATCH
    parameters.fit_params = False
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.n_threads_http = 1
    parameters.cache_ram_mib = 0
    parameters.warmup = False
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.verbosity = QUIET
    if sys.platform == "win32":
        parameters.api_keys = [secrets.token_hex(32)]
    else:
        parameters.hostnames = [str(folder / "s.sock")]
    return parameters


def _request(
    prompt: Sequence[int], parameters: Parameters, n: int, length: int, offset: int
) -> dict[str, Any]:
    seed = parameters.seed
    return {
        "prompt": list(prompt),
        "n": n,
        "max_tokens": length,
        "temperature": parameters.temperature,
        "top_k": parameters.top_k,
        "top_p": parameters.top_p,
        "min_p": 0.0,
        "repeat_penalty": parameters.repetition_penalty,
        "repeat_last_n": PENALTY_LAST_TOKENS,
        "samplers": SAMPLERS,
        "seed": int.from_bytes(os.urandom(4)) if seed is None else seed + offset,
        "stop": list(parameters.stop),
        "logit_bias": [list(pair) for pair in parameters.favoured],
        "stream": True,
        "logprobs": max(1, parameters.top_logprobs),
        # Sums over a cached prefix differ in the last bits, and a seed promises the same text.
        "cache_prompt": seed is None,
        **_no_repeats(parameters.no_repeat_ngram),
    }


def _no_repeats(size: int) -> dict[str, Any]:
    """DRY with a penalty beyond all measure is a ban on sequences of `size` tokens; llama.cpp
    ignores `no_repeat_ngram_size` itself."""
    if size == 0:
        return {}
    return {
        "dry_multiplier": NEVER,
        "dry_base": 1.0,
        "dry_allowed_length": size - 1,
        "dry_penalty_last_n": LEAST_SHARED_TOKENS,
        "dry_sequence_breakers": [UNHEARD_OF],
    }


def _take(choice: dict[str, Any], index: int, result: Continuation, emit: Emit) -> None:
    for token in (choice.get("logprobs") or {}).get("content", []):
        result.ids.append(int(token["id"]))
        result.logprobs.append(float(token["logprob"]))
        likely = {int(t["id"]): float(t["logprob"]) for t in token.get("top_logprobs", [])}
        result.top.append(likely)
        emit(index, result.ids[-1], result.logprobs[-1])
    if choice.get("finish_reason"):
        result.stopped = "length" if choice["finish_reason"] == "length" else "stop"


def load(folder: Path, *, slots: int, threads: int) -> LlamaEngine:
    """Loads the manifest's GGUF, or the only one in the folder. Raises EngineUnavailable."""
    record = Manifest.read(folder).gguf
    path = folder / record.file if record else next(iter(sorted(folder.glob("*.gguf"))), None)
    if path is None or not path.is_file():
        raise EngineUnavailable(
            f"{folder} has no GGUF file for the fast engine; make it with: "
            f"botconvo convert {shlex.quote(str(folder))}"
        )
    is_quantized = record is not None and record.type.startswith("q")
    return LlamaEngine(path, Sizes.read(folder), slots, threads, is_quantized=is_quantized)
