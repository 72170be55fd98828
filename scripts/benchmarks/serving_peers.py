"""What a model server is compared with, each measured in a process of its own: gpt-2-simple,
Transformers, llama-cpp-python, our engine without HTTP, and the machine's memory."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self, TypeVar

from serving_load import TEMPERATURE, TOP_K, memory, phrase

from model_server.checkpoint_format import END_OF_TEXT, START_OF_TEXT

TOKENS = 30
"""Of one message."""
SLOTS = 8
READ_BYTES = 512_000_000
READ_ROUNDS = 8

Result = TypeVar("Result")


def alone(function: Callable[..., Result], *arguments: Any) -> Result:
    """The result of a function of this or another module, called in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


@dataclass(frozen=True, slots=True)
class Calls:
    """Tokens per second of many calls, one after the other, and what they cost in memory."""

    median: float
    last: float
    megabytes: float
    growth_per_call: float


def gpt_2_simple_calls(folder: Path, calls: int) -> Calls:
    """As its user would call it: the model loaded once, then `generate` for each message."""
    import_module("finetune.training.graph")  # loads TensorFlow without its page of notices
    import gpt_2_simple as gpt_2

    place = {"checkpoint_dir": str(folder.parent), "run_name": folder.name}
    with contextlib.redirect_stdout(io.StringIO()):
        session = gpt_2.start_tf_sess()
        gpt_2.load_gpt2(session, **place)

    def call(number: int) -> None:
        gpt_2.generate(
            session, length=TOKENS, return_as_list=True, prefix=START_OF_TEXT + phrase(number),
            truncate=END_OF_TEXT, include_prefix=False, **place,
        )  # fmt: skip

    return _timed(call, calls)


def transformers_calls(calls: int, threads: int, dtype: str) -> Calls:
    """Transformers on PyTorch; its model of the same size has random weights of its own."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.set_num_threads(threads)
    model = GPT2LMHeadModel(GPT2Config()).to(getattr(torch, dtype)).eval()
    prompt = torch.randint(0, 50_000, (1, 8))

    def call(number: int) -> None:
        model.generate(
            prompt, attention_mask=torch.ones_like(prompt), min_new_tokens=TOKENS,
            max_new_tokens=TOKENS, do_sample=True, temperature=TEMPERATURE, top_k=TOP_K,
            pad_token_id=0,
        )  # fmt: skip

    return _timed(call, calls)


def llama_cpp_python_calls(folder: Path, calls: int, threads: int) -> Calls:
    """llama-cpp-python on the same GGUF file."""
    from llama_cpp import Llama

    path = next(folder.glob("*.gguf"))
    model = Llama(str(path), n_ctx=1024, n_threads=threads, verbose=False)

    def call(number: int) -> None:
        model.create_completion(
            phrase(number), max_tokens=TOKENS, temperature=TEMPERATURE, top_k=TOP_K, top_p=1.0,
            min_p=0.0,
        )  # fmt: skip

    return _timed(call, calls)


def _timed(call: Callable[[int], None], calls: int) -> Calls:
    speeds: list[float] = []
    sizes: list[float] = []
    for number in range(calls):
        began = time.perf_counter()
        call(number)
        speeds.append(TOKENS / (time.perf_counter() - began))
        sizes.append(memory().rss)
    growth = (sizes[-1] - sizes[0]) / max(1, calls - 1)
    return Calls(median(speeds), speeds[-1], sizes[-1], growth)


def read_speed(threads: int) -> float:
    """Bytes per second at which `threads` threads read a large array together, best of several
    rounds of two ways of reading."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is loaded; the threads are ours
    import numpy as np

    numbers = np.ones(READ_BYTES // 4, np.float32)
    parts = np.array_split(numbers, threads)
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for read in (np.sum, lambda part: np.dot(part, part)):
            for _ in range(READ_ROUNDS):
                began = time.perf_counter()
                list(pool.map(read, parts))
                best = min(best, time.perf_counter() - began)
    return numbers.nbytes / best


class EngineAlone:
    """Our fast engine in a process without HTTP, called from threads; use it with `with`."""

    def __init__(self, folder: Path, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_answer_rounds, args=(theirs, folder, threads))
        self._process.start()
        theirs.close()
        self._pipe.recv()

    def tokens_per_second(self, *, at_once: int, requests: int) -> float:
        self._pipe.send((at_once, requests))
        speed: float = self._pipe.recv()
        return speed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._pipe.send(None)
        self._process.join()


def _answer_rounds(pipe: Connection, folder: Path, threads: int) -> None:
    from model_server.checkpoint_format import Codec, Manifest
    from model_server.engines import Parameters, load_engine
    from model_server.prompting import Turn, compose

    engine = load_engine("llama", folder, slots=SLOTS, threads=threads)
    codec, manifest = Codec.read(folder), Manifest.read(folder)
    parameters = Parameters(
        max_tokens=TOKENS, temperature=TEMPERATURE, top_k=TOP_K, stop=(manifest.stop,)
    )

    def drawn(number: int) -> int:
        prompt = compose(codec, manifest, engine.window, Turn(phrase=phrase(number)))
        [continuation] = engine.generate(prompt.ids, parameters)
        return len(continuation.ids)

    pipe.send("ready")
    while (asked := pipe.recv()) is not None:
        at_once, requests = asked
        with ThreadPoolExecutor(at_once) as pool:
            began = time.perf_counter()
            tokens = sum(pool.map(drawn, range(requests)))
            pipe.send(tokens / (time.perf_counter() - began))
    engine.close()
