"""What an engine is, and how one is chosen. Engines know token ids and nothing of chat."""

from __future__ import annotations

import importlib
import importlib.util
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from model_server.errors import EngineUnavailable

EngineName = Literal["llama", "tensorflow", "echo"]
StopReason = Literal["stop", "length", "cancelled"]

MODULES: dict[EngineName, str] = {
    "llama": "model_server.engines.llama",
    "tensorflow": "model_server.engines.tensorflow_graph",
    "echo": "model_server.engines.echo",
}
PENALTY_LAST_TOKENS = 64
"""How far back the repetition penalty looks, llama.cpp's own default."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """How to draw a continuation. Temperature 0 takes the likeliest token each time;
    `top_k` 0, `top_p` 1, `repetition_penalty` 1 and `no_repeat_ngram` 0 are off; `seed` None
    draws a new one; so many `top_logprobs` are told with each token; the logits of the `favoured`
    tokens are that much larger."""

    n: int = 1
    max_tokens: int = 60
    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int = 0
    favoured: tuple[tuple[int, float], ...] = ()


@dataclass(slots=True)
class Continuation:
    """One drawn continuation: its token ids, each with its log-probability in nats under
    the unmodified model, the likeliest tokens there if asked for, and why it ended. A stop text
    may or may not be part of it."""

    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    top: list[dict[int, float]] = field(default_factory=list)
    stopped: StopReason = "length"


Emit = Callable[[int, int, float], None]
"""Told of each token as it is drawn: number of the continuation, id, log-probability."""
Cancelled = Callable[[], bool]


def no_emit(index: int, token: int, logprob: float) -> None:
    """An `Emit` for callers who only want the result."""


def never_cancelled() -> bool:
    return False


class Engine(Protocol):
    """Continues token ids. `generate` blocks on purpose and may be called from as many
    threads at once as there are `slots`; `window` is the longest prompt and continuation
    together, in tokens."""

    name: EngineName
    slots: int
    window: int

    def generate(
        self,
        prompt: Sequence[int],
        parameters: Parameters,
        emit: Emit = no_emit,
        cancelled: Cancelled = never_cancelled,
    ) -> list[Continuation]: ...

    def close(self) -> None: ...


class EngineModule(Protocol):
    """What each module of this folder offers."""

    @staticmethod
    def load(folder: Path, *, slots: int, threads: int) -> Engine: ...


def load_engine(name: EngineName, folder: Path, *, slots: int, threads: int) -> Engine:
    """Loads an engine. Raises EngineUnavailable with what is missing."""
    module: EngineModule = importlib.import_module(MODULES[name])  # type: ignore[assignment]  # a module as its Protocol
    return module.load(folder, slots=slots, threads=threads)


def problem_with(name: EngineName) -> str:
    """Why an engine cannot be used on this machine, in one sentence; "" if it can."""
    try:
        importlib.import_module(MODULES[name])
    except EngineUnavailable as error:
        return str(error)
    return ""


def best_engine(folder: Path) -> tuple[EngineName, str]:
    """The engine that suits a checkpoint folder and this machine, and why. Raises
    EngineUnavailable if there is none."""
    has_gguf = any(folder.glob("*.gguf"))
    has_checkpoint = (folder / "checkpoint").is_file()
    if has_gguf and _installed("xllamacpp"):
        return "llama", "the folder has a GGUF file"
    if has_checkpoint and _installed("tensorflow") and _installed("gpt_2_simple"):
        why = "xllamacpp is not installed" if has_gguf else "the folder has no GGUF file"
        return "tensorflow", why
    if has_gguf:
        raise EngineUnavailable(
            "Neither xllamacpp nor TensorFlow is installed; install the first with: "
            "pip install botconvo"
        )
    if has_checkpoint:
        raise EngineUnavailable(
            f"{folder} has no GGUF file for the fast engine; make it with: "
            f"botconvo convert {shlex.quote(str(folder))}"
        )
    raise EngineUnavailable(
        f"{folder} is no checkpoint: there is neither a GGUF file nor a TensorFlow checkpoint in "
        "it; train one with: botconvo train FRIEND"
    )


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
