"""The contestants of the training benchmark, each called in a process of its own: gpt-2-simple's
real `finetune` and our graph, on the same checkpoint, text and number of tokens."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from random_checkpoint import SIZES

RATE = 1e-4
"""finetune's own."""
NEVER = 10**9


@dataclass(slots=True)
class Steps:
    """What the steps of a run took, without the first, which includes tracing and set-up.

    `peak_gigabytes` is the process's largest resident size from its start to its last step, in
    a thousand million bytes.
    """

    precision: str
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_gigabytes: float = 0.0


@dataclass(slots=True)
class Clock:
    """Notes the end of each step."""

    steps: Steps
    _last: tuple[float, float] | None = None

    def stepped(self) -> None:
        now = time.perf_counter(), time.process_time()
        if self._last is not None:
            self.steps.seconds.append(now[0] - self._last[0])
            self.steps.cpu_seconds.append(now[1] - self._last[1])
        self.steps.peak_gigabytes = peak_bytes() / 1e9
        self._last = now


class Counter(io.TextIOBase):
    """Standard output of `finetune`, which writes a line `[counter | seconds] ...` a step."""

    def __init__(self, stepped: Callable[[], None]) -> None:
        self._stepped = stepped

    def write(self, text: str) -> int:
        if text.startswith("["):
            self._stepped()
        return len(text)


def their_steps(folder: Path, text: Path, steps: int, threads: int) -> Steps:
    """gpt_2_simple.finetune() as its user calls it, one window a step, without samples."""
    import_module("finetune.training.tensorflow_loading")  # without TensorFlow's page of notices
    import gpt_2_simple as gpt_2

    clock = Clock(Steps("float32"))
    with (
        tempfile.TemporaryDirectory() as run,
        contextlib.redirect_stdout(Counter(clock.stepped)),
        contextlib.redirect_stderr(io.StringIO()),  # a progress bar of reading the text
    ):
        gpt_2.finetune(
            gpt_2.start_tf_sess(threads=threads or -1), str(text), steps=steps,
            model_name=folder.name, model_dir=str(folder.parent), checkpoint_dir=run,
            restore_from="fresh", batch_size=1, accumulate_gradients=1, learning_rate=RATE,
            sample_every=NEVER, save_every=NEVER,
        )  # fmt: skip
    return clock.steps


def our_steps(folder: Path, text: Path, steps: int, threads: int, save_memory: bool) -> Steps:
    """Our graph with windows drawn from the same text, as finetune draws them."""
    import numpy as np

    from finetune.bases.checkpoint_files import find_weights
    from finetune.training.graph import Graph
    from model_server.checkpoint_format import Codec

    tokens = np.array(Codec.read(folder).encode(text.read_text(encoding="utf-8")), np.int32)
    rng = np.random.default_rng(0)
    graph = Graph(
        SIZES, window=SIZES.n_ctx, rows=1, threads=threads, save_memory=save_memory
    )  # fmt: skip
    graph.restore_weights(find_weights(folder))
    clock = Clock(Steps(graph.precision))
    weights = np.ones((1, SIZES.n_ctx), np.float32)
    for _ in range(steps):
        start = rng.integers(0, len(tokens) - SIZES.n_ctx - 1)
        graph.step([(tokens[np.newaxis, start : start + SIZES.n_ctx + 1], weights)], RATE)
        clock.stepped()
    graph.close()
    return clock.steps


def peak_bytes() -> int:
    """The process's largest resident size so far."""
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024  # macOS alone counts bytes
