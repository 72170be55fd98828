"""Whether a training run has room on the disk, before anything is written. Pure but for asking
the system how much is free."""

from __future__ import annotations

import shutil
from pathlib import Path

from finetune.errors import FinetuneError
from model_server.checkpoint_format import Sizes

BYTES_PER_WEIGHT = 4
MOMENTS = 2
"""Adam keeps two numbers per weight."""
GGUF_BYTES_PER_WEIGHT = 34 / 32
"""Q8_0: blocks of 32 bytes and a scale of two."""
SMALL_FILES_BYTES = 20e6
"""Tokenizer, graph, losses, picture."""


def disk_bytes(sizes: Sizes, keep: int) -> float:
    """What a run needs at its worst moment: the newest `keep` weights, the best, and the ones
    that are being written; the optimizer's state twice, and the GGUF twice."""
    weights = (keep + 2) * BYTES_PER_WEIGHT + 2 * MOMENTS * BYTES_PER_WEIGHT
    return sizes.parameters * (weights + 2 * GGUF_BYTES_PER_WEIGHT) + SMALL_FILES_BYTES


def require_room(folder: Path, sizes: Sizes, keep: int) -> None:
    """Raises FinetuneError with the figures if the disk is too full. What the folder holds
    already counts as room, as it is replaced."""
    there = folder
    while not there.exists():
        there = there.parent
    usage = shutil.disk_usage(there)
    held = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if there == folder else 0
    need = disk_bytes(sizes, keep) - held
    if usage.free < need:
        fewer = "" if keep == 1 else ", keep fewer weights (--keep 1)"
        raise FinetuneError(
            f"{folder}: training needs {size_in_words(need)} of disk and "
            f"{size_in_words(usage.free)} are free; make room{fewer}, or name a "
            "folder on another disk with --checkpoints."
        )


def size_in_words(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
