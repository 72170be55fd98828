"""One friend's local model server: a process and its successors, for as long as the show runs.

Never sleeps to wait for a process: awaits its ready line, or its exit. Knows no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from orchestrator.errors import OrchestratorError
from orchestrator.servers.launch import Launch, Patience, environment, last_line
from orchestrator.servers.memory import Room, cost_of, gigabytes

log = logging.getLogger(__name__)

STOP_SECONDS = 1.6
"""How long a server may take to finish, inside the two seconds that Ctrl-C may take."""
STOP_LOADING_SECONDS = 0.5
"""The same for one that is not ready yet, and so has nothing to finish."""
MISTAKE = 2
"""Exit code of a server that cannot start before the user mends something."""

StateKind = Literal["starting", "ready", "restarting", "benched", "unreachable", "does not fit"]
NOT_WORTH_WAITING: tuple[StateKind, ...] = ("benched", "unreachable", "does not fit")


@dataclass(frozen=True, slots=True)
class ServerState:
    """How a friend's server is, with a sentence for people, and whether it is the user who has to
    mend something."""

    kind: StateKind
    text: str
    is_mistake: bool = False


@dataclass(frozen=True, slots=True)
class _Death:
    """How a process ended: its last words, its exit code, and for how long it had been ready."""

    said: str
    code: int | None = None
    ready_seconds: float | None = None


class _DidNotStart(Exception):
    def __init__(self, death: _Death) -> None:
        super().__init__(death.said)
        self.death = death


class Server:
    """A process and its successors. `loading` limits how many servers load at once, `room` how
    many there are; `changed` is called after every change of `state`."""

    def __init__(
        self,
        launch: Launch,
        rng: random.Random,
        *,
        loading: asyncio.Semaphore,
        room: Room,
        changed: Callable[[], None],
        patience: Patience,
    ) -> None:
        self.launch = launch
        self.cost = cost_of(launch.checkpoint, launch.engine)
        self.state = ServerState("starting", f"{launch.name}'s model server is starting.")
        self.tried = asyncio.Event()
        """Set once the first attempt has succeeded or failed."""
        self.url: str | None = None
        self._rng = rng
        self._loading = loading
        self._room = room
        self._changed = changed
        self._patience = patience
        self._deaths = 0
        self._benchings = 0
        self._settled = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._life: asyncio.Task[None] | None = None
        self._log_start = 0
        self._hung_because: str | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self, *, fits: bool = True) -> None:
        """Begins the server's life, which goes on until `stop`; one that does not fit waits for
        room first."""
        if not fits:
            self._become("does not fit", self._too_large())
            self.tried.set()
        self._life = asyncio.create_task(self._live())

    async def when_ready(self) -> str:
        """The URL, once the server answers. Raises OrchestratorError at once if it is benched or
        does not fit."""
        while self.state.kind != "ready" or self.url is None:
            if self.state.kind in NOT_WORTH_WAITING:
                raise OrchestratorError(self.state.text)
            await self._settled.wait()
        return self.url

    def is_hung(self, pid: int | None, because: str) -> None:
        """Kills the process that left a request without an answer; a successor follows. Nothing
        happens if that has taken its place already."""
        process = self._process
        if process is None or process.pid != pid or process.returncode is not None:
            return
        log.warning("%s's model server hangs and is killed: %s", self.launch.name, because)
        self._hung_because = f"it hung: {because}"
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    # --- its life ---------------------------------------------------------------------------

    async def _live(self) -> None:
        if self.state.kind == "does not fit":
            await self._wait_for_room()
        while True:
            try:
                death = await self._live_once()
            except _DidNotStart as error:
                death = error.death
            except Exception as error:  # the outermost loop of a server's life
                log.exception("%s", self.launch.name)
                death = _Death(repr(error))
            finally:
                self._room.give_back(self.launch.name)
            if not self._tries_another_port(death):
                delay = self._after(death)
                self.tried.set()
                await asyncio.sleep(delay)
            # It may have died because others took the memory.
            if not self._room.take(self.launch.name, self.cost.memory_bytes):
                self._become("does not fit", self._too_large())
                await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        while True:
            await asyncio.sleep(self._bench_delay())
            if self._room.take(self.launch.name, self.cost.memory_bytes):
                self._benchings = 0
                return

    async def _live_once(self) -> _Death:
        """One process from start to end. Raises _DidNotStart."""
        async with self._loading:
            if self.state.kind in NOT_WORTH_WAITING:
                self._become("starting", f"{self.launch.name}'s model server is starting.")
            process, url = await self._spawned()
        self._room.give_back(self.launch.name)  # it is taken now, and no longer free
        began = time.monotonic()
        self.url = url
        self._become("ready", f"{self.launch.name}'s model server answers at {url}.")
        self.tried.set()
        code = await process.wait()
        self.url = None
        said = self._hung_because or self._last_words(code)
        return _Death(said, code, time.monotonic() - began)

    def _tries_another_port(self, death: _Death) -> bool:
        """Whether it may have been for its port that a server did not start: another program may
        have come to it since it was chosen."""
        launch = self.launch
        did_give_up = death.ready_seconds is None and death.code is not None and death.code > 0
        if not did_give_up or not launch.takes_any_port or launch.port == 0:
            return False
        self.launch = replace(launch, port=0)
        log.info("%s's model server tries any port: %s", launch.name, death.said)
        return True

    def _after(self, death: _Death) -> float:
        """Notes a death; in how many seconds the successor may start."""
        if death.ready_seconds is None:
            said = f"{self.launch.name}'s model server did not start: {death.said}"
        else:
            said = f"{self.launch.name}'s model server ended: {death.said}"
            if death.ready_seconds >= self._patience.healthy_seconds:
                self._deaths = self._benchings = 0
        self._deaths += 1
        if self._deaths <= self._patience.restarts and death.code != MISTAKE:
            delay = self._patience.first_delay_seconds * 2.0 ** (self._deaths - 1)
            delay = min(delay, self._patience.longest_delay_seconds)
            self._become("restarting", said)
            return delay * self._rng.uniform(0.5, 1.0)
        delay = self._bench_delay()
        self._deaths = self._patience.restarts  # one more death benches it again
        self._become("benched", said, is_mistake=death.code == MISTAKE)
        return delay

    def _bench_delay(self) -> float:
        # The exponent is bounded: a show may run for years.
        delay = self._patience.bench_seconds * 2.0 ** min(self._benchings, 32)
        self._benchings += 1
        return min(delay, self._patience.longest_bench_seconds)

    async def _spawned(self) -> tuple[asyncio.subprocess.Process, str]:
        """A new process that has said that it is ready, and its URL. Raises _DidNotStart."""
        self._hung_because = None
        try:
            process = await self._new_process()
        except OSError as error:  # no memory for a process, a full disk, a log that is a folder
            raise _DidNotStart(_Death(str(error))) from error
        assert process.stdout is not None
        size_seconds = self.cost.file_bytes / self._patience.load_bytes_per_second
        seconds = self._patience.ready_seconds + size_seconds
        try:
            async with asyncio.timeout(seconds):
                line = await process.stdout.readline()
                if not line:
                    code = await process.wait()
                    raise _DidNotStart(_Death(self._last_words(code), code))
            return process, str(json.loads(line)["ready"]["url"])
        except TimeoutError:
            said = f"it was not ready within {seconds:.0f} seconds"
        except (ValueError, KeyError, TypeError, RecursionError):  # readline's, too: no line's end
            said = "it printed something else than that it is ready"
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise _DidNotStart(_Death(said, await process.wait()))

    async def _new_process(self) -> asyncio.subprocess.Process:
        self.launch.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.launch.log_file.open("ab") as log_file:
            self._log_start = log_file.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self.launch.command(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log_file,
                env=environment(),
            )
        return self._process

    # --- what is said of it -----------------------------------------------------------------

    def _become(self, kind: StateKind, text: str, *, is_mistake: bool = False) -> None:
        self.state = ServerState(kind, text, is_mistake)
        if kind == "ready" or kind in NOT_WORTH_WAITING:
            self._settled.set()
        else:
            self._settled.clear()
        # A first attempt that fails is told by whoever started it.
        is_bad_news = kind in ("restarting", "benched") and self.tried.is_set()
        log.log(logging.WARNING if is_bad_news else logging.INFO, "%s: %s", kind, text)
        self._changed()

    def _too_large(self) -> str:
        need = gigabytes(self.cost.memory_bytes)
        return f"{self.launch.name} needs {need} of memory, more than is left."

    def _last_words(self, code: int) -> str:
        """The last line that the process logged, and the signal that ended it, if one did."""
        said = last_line(self.launch.log_file, self._log_start)
        if code >= 0:
            return said or f"exit code {code}, and no word why"
        if -code == signal.SIGKILL:  # nobody can say anything to that
            return "it was killed, as the system does when memory runs out"
        return f"signal {-code}; {said or 'no word why'}"

    # --- its end ----------------------------------------------------------------------------

    async def stop(self) -> None:
        """Closes the server's standard input, which ends it; kills it if that is not enough."""
        is_ready = self.state.kind == "ready"
        if self._life:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            if not is_ready:
                process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS if is_ready else STOP_LOADING_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
