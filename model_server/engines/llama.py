"""llama.cpp through xllamacpp: the fast engine. Knows nothing about markers or chat.

The only file of the package that imports xllamacpp, whose month is pinned because its
attributes change. Its `Server` always opens a port of its own; a Unix socket in a private
folder (a random key on Windows) keeps everybody else out of it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xllamacpp

from model_server.checkpoint_format import Manifest, Sizes
from model_server.engines import (
    Cancelled,
    Continuation,
    Emit,
    EngineName,
    Parameters,
    never_cancelled,
    no_emit,
)
from model_server.errors import EngineUnavailable

PENALTY_LAST_TOKENS = 64
"""How far back the repetition penalty looks, llama.cpp's own default."""
QUIET = -1
SAMPLERS = ["penalties", "temperature", "top_k", "top_p"]
"""gpt-2-simple's order: the temperature before the cuts."""


class LlamaEngine:
    """One loaded GGUF file with `slots` places that are filled together."""

    name: EngineName = "llama"

    def __init__(self, model: Path, window: int, slots: int, threads: int) -> None:
        self.window = window
        self.slots = slots
        self._folder = Path(tempfile.mkdtemp(prefix="botconvo-"))
        parameters = _server_parameters(model, window, slots, threads, self._folder)
        try:
            self._server = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise EngineUnavailable(
                f"{model} cannot be loaded; make it again with: botconvo convert {model.parent}"
            ) from error
        # xllamacpp 2026.10 hangs, with the interpreter's lock held, if its server is destroyed
        # before the server's own loop runs. An answer proves that it does, and the model too.
        self.generate([0], Parameters(max_tokens=1, temperature=0))

    def generate(
        self,
        prompt: Sequence[int],
        parameters: Parameters,
        emit: Emit = no_emit,
        cancelled: Cancelled = never_cancelled,
    ) -> list[Continuation]:
        results = [Continuation() for _ in range(parameters.n)]
        # `n` above the number of slots is refused by llama.cpp, so the rest waits its turn.
        for first in range(0, parameters.n, self.slots):
            if cancelled():
                break
            self._generate(prompt, parameters, results, first, emit, cancelled)
        if cancelled():
            for result in results:
                result.stopped = "cancelled"
        return results

    def _generate(
        self,
        prompt: Sequence[int],
        parameters: Parameters,
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

        n = min(self.slots, parameters.n - first)
        room = self.window - len(prompt)
        request = _request(prompt, parameters, n, room, first)
        self._server.handle_completions(json.dumps(request), receive)
        if failure:
            raise RuntimeError(f"llama.cpp: {failure[0]}")

    def close(self) -> None:
        """Frees the model and removes the socket's folder."""
        del self._server
        shutil.rmtree(self._folder, ignore_errors=True)


def _server_parameters(
    model: Path, window: int, slots: int, threads: int, folder: Path
) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.n_parallel = slots
    parameters.n_ctx = window * slots
    parameters.kv_unified = False
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
    prompt: Sequence[int], parameters: Parameters, n: int, room: int, offset: int
) -> dict[str, Any]:
    seed = parameters.seed
    return {
        "prompt": list(prompt),
        "n": n,
        "max_tokens": max(1, min(parameters.max_tokens, room)),
        "temperature": parameters.temperature,
        "top_k": parameters.top_k,
        "top_p": parameters.top_p,
        "min_p": 0.0,
        "repeat_penalty": parameters.repetition_penalty,
        "repeat_last_n": PENALTY_LAST_TOKENS,
        "samplers": SAMPLERS,
        "seed": int.from_bytes(os.urandom(4)) if seed is None else seed + offset,
        "stop": list(parameters.stop),
        "stream": True,
        "logprobs": True,
        "top_logprobs": 1,
        # Sums over a cached prefix differ in the last bits, and a seed promises the same text.
        "cache_prompt": seed is None,
    }


def _take(choice: dict[str, Any], index: int, result: Continuation, emit: Emit) -> None:
    for token in (choice.get("logprobs") or {}).get("content", []):
        result.ids.append(int(token["id"]))
        result.logprobs.append(float(token["logprob"]))
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
            f"botconvo convert {folder}"
        )
    return LlamaEngine(path, Sizes.read(folder).n_ctx, slots, threads)
