"""All local model servers of a show: who fits into memory, how many load at once, and that all
are gone when the show is. What happens to each of them is its own business."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from orchestrator.servers.launch import Launch, Patience
from orchestrator.servers.memory import Room, free_bytes, gigabytes
from orchestrator.servers.process import Server


class Supervisor:
    """Local servers as a context: they run inside it and are gone after it.

    As many as there are `cores` load at once, and only those that fit into `free` bytes, in the
    order of `launches`.
    """

    def __init__(
        self,
        launches: Sequence[Launch],
        rng: random.Random,
        *,
        changed: Callable[[], None] = lambda: None,
        patience: Patience | None = None,
        cores: int | None = None,
        free: Callable[[], int] = free_bytes,
    ) -> None:
        self._room = Room(free)
        self.notice: str | None = None
        """One sentence, once inside, if not all servers fit into memory."""
        loading = asyncio.Semaphore(cores or os.cpu_count() or 1)
        self.servers: Mapping[str, Server] = {
            launch.name: Server(
                launch, rng, loading=loading, room=self._room, changed=changed,
                patience=patience or Patience(),
            )
            for launch in launches
        }  # fmt: skip

    async def __aenter__(self) -> Self:
        """Begins to start those that fit; the others wait for room."""
        free = self._room.free()
        fitting = [
            name
            for name, server in self.servers.items()
            if self._room.take(name, server.cost.memory_bytes)
        ]
        if len(fitting) < len(self.servers):
            self.notice = self._what_fits(fitting, free)
        for name, server in self.servers.items():
            server.start(fits=name in fitting)
        return self

    def _what_fits(self, fitting: Sequence[str], free: int) -> str:
        mend = "close programs, or name fewer friends in settings.toml."
        if fitting:
            return (
                f"{len(fitting)} of {len(self.servers)} friends fit into {gigabytes(free)} of free "
                f"memory: {', '.join(fitting)}; {mend}"
            )
        name, least = min(
            ((name, server.cost.memory_bytes) for name, server in self.servers.items()),
            key=lambda pair: pair[1],
        )
        return (
            f"No friend fits into {gigabytes(free)} of free memory; {name} needs "
            f"{gigabytes(least)}: close programs, or train on a smaller base model."
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(server.stop() for server in self.servers.values()))


def threads_for(servers: int, cores: int | None = None) -> int:
    """Threads per server: the machine's cores shared out, at least one each. llama.cpp's
    threads spin while they wait, so more threads than cores make everybody slower."""
    return max(1, (cores or os.cpu_count() or 1) // max(1, servers))


def free_port(first: int, taken: set[int]) -> int:
    """The given port if nothing listens on it, else 0, which takes any."""
    if first == 0 or first in taken:
        return 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", first))
        except OSError:
            return 0
    return first
