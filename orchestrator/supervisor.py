"""Starts, watches, restarts and stops the local model servers. Never sleeps to wait for one:
a server says with a line on its standard output that it is ready, and ends when its
standard input closes, so a killed orchestrator leaves none behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import random
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.errors import OrchestratorError

log = logging.getLogger(__name__)

STOP_SECONDS = 1.6
"""How long a server may take to finish, inside the two seconds that Ctrl-C may take."""
MISTAKE = 2
FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 60.0
HEALTHY_SECONDS = 60.0
"""A server that lived this long starts again at once; younger ones wait longer each time."""
RESTARTS = 6
"""Deaths in a row, each before it was healthy, after which a server is given up."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one friend's server. Port 0 is any free one."""

    name: str
    checkpoint: Path
    port: int
    engine: str
    threads: int
    log_file: Path
    banned_words: tuple[str, ...] = ()

    def command(self) -> list[str]:
        arguments = ["--port", str(self.port), "--engine", self.engine]
        arguments += ["--threads", str(self.threads), "--end-with-stdin"]
        for word in self.banned_words:
            arguments += ["--banned-word", word]
        return [sys.executable, "-m", "model_server", "serve", str(self.checkpoint), *arguments]


class Server:
    """One server process and its successors."""

    def __init__(self, launch: Launch, rng: random.Random) -> None:
        self.launch = launch
        self.url: str | None = None
        self.given_up = False
        self._rng = rng
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Starts the process and awaits its ready line. Raises OrchestratorError with what
        the server says if it ends before."""
        await self._spawn()
        self._watcher = asyncio.create_task(self._watch())

    async def when_ready(self) -> str:
        """The URL, once the server answers again. Raises OrchestratorError if given up."""
        await self._ready.wait()
        if self.given_up or self.url is None:
            raise OrchestratorError(
                f"{self.launch.name}'s server keeps dying; see {self.launch.log_file}"
            )
        return self.url

    async def _spawn(self) -> None:
        self.launch.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.launch.log_file.open("ab") as log_file:
            start = log_file.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self.launch.command(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log_file,
            )
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            await self._process.wait()
            raise OrchestratorError(self._last_words(start))
        self.url = json.loads(line)["ready"]["url"]
        self._ready.set()

    def _last_words(self, start: int) -> str:
        with self.launch.log_file.open("rb") as file:
            file.seek(start)
            lines = file.read().decode(errors="replace").strip().splitlines()
        said = lines[-1].removeprefix("botconvo: ") if lines else "no reason was given"
        return f"{self.launch.name}'s model server did not start: {said}"

    async def _watch(self) -> None:
        """Starts a successor whenever the process ends, later and later if it keeps dying."""
        deaths = 0
        while True:
            assert self._process is not None
            began = time.monotonic()
            code = await self._process.wait()
            self._ready.clear()
            deaths = 0 if time.monotonic() - began > HEALTHY_SECONDS else deaths + 1
            log.warning("%s's server ended with code %s; restarting", self.launch.name, code)
            while not await self._restarted(deaths):
                deaths += 1
                if deaths > RESTARTS:
                    log.error("%s's server is given up", self.launch.name)
                    self.given_up = True
                    self._ready.set()
                    return

    async def _restarted(self, deaths: int) -> bool:
        delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** max(0, deaths - 1))
        await asyncio.sleep(delay * self._rng.uniform(0.5, 1.0))
        try:
            await self._spawn()
        except OrchestratorError as error:
            log.warning("%s", error)
            return False
        return True

    async def stop(self) -> None:
        """Closes the server's standard input, which ends it; kills it if that is not enough."""
        if self._watcher:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Supervisor:
    """All local servers, as a context: they run inside it and are gone after it."""

    def __init__(self, launches: list[Launch], rng: random.Random) -> None:
        self.servers: Mapping[str, Server] = {
            launch.name: Server(launch, rng) for launch in launches
        }

    async def __aenter__(self) -> Self:
        starts = [asyncio.create_task(server.start()) for server in self.servers.values()]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
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
