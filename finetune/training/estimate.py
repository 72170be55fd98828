"""How long a training run takes and how much it needs, before it begins.

The speed is measured: the machine multiplies matrices for a moment. Knows no TensorFlow, which
would take longer to load than the measurement.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which

import numpy as np

from finetune.dataset import Session
from finetune.training.disk import BYTES_PER_WEIGHT, disk_bytes
from finetune.training.examples import examples
from model_server.checkpoint_format import Codec, Sizes, Style

TOKENS_PER_STEP = 2048
"""Read between two changes of the weights."""
MATRICES, MATRIX_WIDTH = 100, 64
"""Too small to be shared out among cores: where others are at work, cores that wait for each
other seem ten times as slow as each of them is."""
MEASURED_SECONDS = 0.1
TRAINING_SHARE = 0.53
"""Of the speed at which numpy multiplies matrices, what training reaches. Two Zen 4 cores: 225
and 120 thousand million per second. bfloat16 and a GPU are faster: a run takes this at most."""
FLOPS_PER_WEIGHT_AND_TOKEN = 6
COPIES_IN_MEMORY = 5
"""Weights, gradients, their sums, and Adam's two moments."""
ACTIVATION_BYTES = 3.25e9
"""Of 124 million weights; smaller models need their share of it."""
LIBRARY_BYTES = 0.75e9
"""TensorFlow and the rest of the program, whatever the model."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one friend's training costs at most; early stopping makes it shorter. The seconds are
    this machine's processor's; `has_gpu` says that there is something faster."""

    seconds: float
    memory_bytes: float
    disk_bytes: float
    has_gpu: bool


def estimate(
    sessions: Sequence[Session],
    friend: str,
    codec: Codec,
    sizes: Sizes,
    style: Style,
    epochs: float,
    *,
    tokens: float | None = None,
    keep: int = 5,
    threads: int = 0,
) -> Estimate:
    """Estimates from the number of tokens (`tokens` if they are known, else those of so many
    passes), the size of the model, and the speed of this machine."""
    found = examples(sessions, codec, friend, style)
    tokens = tokens or sizes.n_ctx * found.batches_per_pass(1, sizes.n_ctx) * epochs
    weights = sizes.parameters
    share_of_activations = min(1.0, weights / 124e6)
    return Estimate(
        seconds=seconds_of(tokens, sizes, threads),
        memory_bytes=weights * BYTES_PER_WEIGHT * COPIES_IN_MEMORY
        + ACTIVATION_BYTES * share_of_activations
        + LIBRARY_BYTES,
        disk_bytes=disk_bytes(sizes, keep),
        has_gpu=has_gpu(),
    )


def seconds_of(tokens: float, sizes: Sizes, threads: int = 0) -> float:
    """Time to train on so many tokens with the processor; `threads` 0 means all cores."""
    cores = os.cpu_count() or 1
    share = min(1.0, threads / cores) if threads else 1.0
    speed = matrix_speed() * TRAINING_SHARE * share
    return tokens * sizes.parameters * FLOPS_PER_WEIGHT_AND_TOKEN / speed


@cache
def matrix_speed() -> float:
    """Floating-point operations per second of this machine, all cores together: those of one core
    at its fastest, as others may be at work for a moment."""
    shape = (MATRICES, MATRIX_WIDTH, MATRIX_WIDTH)
    matrices = np.random.default_rng(0).random(shape, dtype=np.float32)
    products = matrices @ matrices
    fastest = math.inf
    began = time.perf_counter()
    while time.perf_counter() - began < MEASURED_SECONDS:
        before = time.perf_counter()
        np.matmul(matrices, matrices, out=products)
        fastest = min(fastest, time.perf_counter() - before)
    return 2 * MATRICES * MATRIX_WIDTH**3 * (os.cpu_count() or 1) / fastest


def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU, the kind that TensorFlow can use."""
    return Path("/dev/nvidia0").exists() or which("nvidia-smi") is not None
