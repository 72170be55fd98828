"""How long a training run takes and how much it needs, before it begins. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from finetune.dataset import Session
from finetune.examples import examples
from model_server.checkpoint_format import Codec, Sizes, Style

FLOPS_PER_CORE = 60e9
"""Useful arithmetic per second and core while training, measured on Zen 4 cores with both a
model of 6 and one of 124 million weights; older laptops reach about half."""
FLOPS_PER_WEIGHT_AND_TOKEN = 6
BYTES_PER_WEIGHT = 4
COPIES_IN_MEMORY = 5
"""Weights, gradients, their sums, and Adam's two moments."""
ACTIVATION_BYTES = 4e9
COPIES_ON_DISK = 8
"""The newest five weights, the best, and the optimizer's two moments."""

GPT2_SIZES = {
    "124M": Sizes(50257, 1024, 768, 12, 12),
    "355M": Sizes(50257, 1024, 1024, 16, 24),
    "774M": Sizes(50257, 1024, 1280, 20, 36),
    "1558M": Sizes(50257, 1024, 1600, 25, 48),
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one friend's training costs at most; early stopping makes it shorter."""

    seconds: float
    memory_bytes: float
    disk_bytes: float


def estimate(
    sessions: Sequence[Session],
    friend: str,
    codec: Codec,
    sizes: Sizes,
    style: Style,
    epochs: float,
    cores: int | None = None,
) -> Estimate:
    """Estimates from the number of tokens, the size of the model, and the cores."""
    found = examples(sessions, codec, friend, style)
    tokens = sizes.n_ctx * found.batches_per_pass(1, sizes.n_ctx) * epochs
    weights = sizes.parameters
    speed = FLOPS_PER_CORE * (cores or os.cpu_count() or 1)
    share_of_activations = weights / 124e6
    return Estimate(
        seconds=tokens * weights * FLOPS_PER_WEIGHT_AND_TOKEN / speed,
        memory_bytes=weights * BYTES_PER_WEIGHT * COPIES_IN_MEMORY
        + ACTIVATION_BYTES * min(1.0, share_of_activations),
        disk_bytes=float(weights * BYTES_PER_WEIGHT * COPIES_ON_DISK),
    )
