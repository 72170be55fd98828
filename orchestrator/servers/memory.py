"""How much memory is free here, and how much a friend's server will take. Estimates from file
sizes, before anything is loaded; knows nothing of processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

from model_server.checkpoint_format import CheckpointError, Sizes

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")

SERVER_BYTES = 64_000_000
"""A server without its model: Python, aiohttp, the tokenizer. Measured: 51 MB with the engine that
has no model, some more with llama.cpp's code."""
SHARED_WINDOW_TOKENS = 1024
"""All slots of a llama server share one window of at least this."""
CACHE_BYTES_PER_NUMBER = 2
"""Keys and values in half precision; a q8_0 cache takes about half of it."""
PROMPT_BATCH_TOKENS = 128
LOGIT_BYTES = 4
TENSORFLOW_BYTES = 600_000_000
TENSORFLOW_BYTES_PER_WEIGHT = 20
"""Measured: 3.1 GB in all with the 124 million weights of the smallest GPT-2."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a friend's server needs: memory, and the part of it that is read from files."""

    memory_bytes: int
    file_bytes: int


def cost_of(checkpoint: Path, engine: str) -> Cost:
    """Estimate for a checkpoint folder under an engine ("auto" takes llama.cpp where there is a
    GGUF file). A folder that cannot be read costs a bare server, whose own words are better than
    ours."""
    try:
        sizes = Sizes.read(checkpoint)
    except CheckpointError:
        return Cost(SERVER_BYTES, 0)
    gguf_bytes = max((path.stat().st_size for path in checkpoint.glob("*.gguf")), default=0)
    if engine == "echo":
        return Cost(SERVER_BYTES, 0)
    if engine == "tensorflow" or (engine == "auto" and not gguf_bytes):
        return Cost(
            TENSORFLOW_BYTES + TENSORFLOW_BYTES_PER_WEIGHT * sizes.parameters,
            sum(path.stat().st_size for path in checkpoint.glob("model-*.data-*")),
        )
    tokens = max(sizes.n_ctx, SHARED_WINDOW_TOKENS)
    cache = sizes.n_layer * 2 * sizes.n_embd * tokens * CACHE_BYTES_PER_NUMBER
    logits = sizes.n_vocab * PROMPT_BATCH_TOKENS * LOGIT_BYTES
    return Cost(SERVER_BYTES + gguf_bytes + cache + logits, gguf_bytes)


def free_bytes(cgroups: Path = CGROUPS, own: Path = OWN_CGROUPS) -> int:
    """Memory that can be taken without swapping: what the system calls available, or what is left
    of this process's control groups where that is less (a container, a systemd slice)."""
    return min([psutil.virtual_memory().available, *_left_in_cgroups(cgroups, own)])


class Room:
    """Free memory, shared out to servers before they take it."""

    def __init__(self, free: Callable[[], int] = free_bytes) -> None:
        self.free = free
        self._promised: dict[str, int] = {}

    def take(self, name: str, need_bytes: int) -> bool:
        """Promises memory to a server that is about to load, if so much is left."""
        if need_bytes > self.free() - sum(self._promised.values()):
            return False
        self._promised[name] = need_bytes
        return True

    def give_back(self, name: str) -> None:
        """Ends a promise: the server has its memory, or has gone."""
        self._promised.pop(name, None)


def _left_in_cgroups(root: Path, own: Path) -> Iterator[int]:
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":  # https://docs.kernel.org/admin-guide/cgroup-v2.html
            files = ("memory.max", "memory.current", "inactive_file")
            top = root
        elif "memory" in controllers.split(","):  # .../cgroup-v1/memory.html
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = root / "memory"
        else:
            continue
        # A limit of any group above holds too. Inside a container the path may be the host's, and
        # the group's own files lie at the top.
        path = PurePosixPath(name.lstrip("/"))
        for group in (path, *path.parents):
            if (left := _left_in(top / group, *files)) is not None:
                yield left


def _left_in(group: Path, limit_file: str, used_file: str, cached_key: str) -> int | None:
    try:
        limit = int((group / limit_file).read_text(encoding="ascii"))
        used = int((group / used_file).read_text(encoding="ascii"))
        stat = (group / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # no such group, or the limit is "max"
        return None
    # Pages of files that nobody used lately are given back when memory is short.
    cached = sum(int(line.split()[1]) for line in stat if line.split()[:1] == [cached_key])
    return max(0, limit - used + cached)


def gigabytes(size_bytes: int) -> str:
    """ "1.1 GB", rounded so that little is not nothing."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e9:.2f} GB"
