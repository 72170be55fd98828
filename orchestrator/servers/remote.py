"""A model server that runs elsewhere: asked for its manifest once it is there, and polled only
while it is not. Knows nothing of processes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from model_server.checkpoint_format import Manifest
from orchestrator.errors import ModelServerError
from orchestrator.servers.client import ModelClient
from orchestrator.servers.process import ServerState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PollingPauses:
    """Between two questions to a server that is down; doubled each time, and jittered, so that
    many shows do not ask in step."""

    first_seconds: float = 1.0
    longest_seconds: float = 60.0


class RemoteServer:
    """Watches over one friend's server by its client, which tells of a failure by `is_down`."""

    def __init__(
        self,
        name: str,
        client: ModelClient,
        rng: random.Random,
        *,
        changed: Callable[[], None],
        pauses: PollingPauses | None = None,
    ) -> None:
        self.name = name
        self.client = client
        self.manifest: Manifest | None = None
        self.state = ServerState("starting", f"{name}'s model server is being asked.")
        self.tried = asyncio.Event()
        """Set once the first question has been answered, or has failed."""
        self._rng = rng
        self._changed = changed
        self._pauses = pauses or PollingPauses()
        self._is_missed = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to watch, until `stop`."""
        self._is_missed.set()
        self._life = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._life:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)

    def is_down(self, because: str) -> None:
        """The server did not answer; it is asked until it does."""
        if self.state.kind == "ready":
            self._become(self._unreachable(because))
            self._is_missed.set()

    async def _watch(self) -> None:
        while True:
            await self._is_missed.wait()
            pause = self._pauses.first_seconds
            while (problem := await self._problem()) is not None:
                if problem != self.state:
                    self._become(problem)
                self.tried.set()
                await asyncio.sleep(pause * self._rng.uniform(0.5, 1.0))
                pause = min(self._pauses.longest_seconds, pause * 2)
            self._is_missed.clear()
            text = f"{self.name}'s model server answers at {self.client.url}."
            self._become(ServerState("ready", text))
            self.tried.set()

    async def _problem(self) -> ServerState | None:
        """Why the server cannot speak now; None once it can, and its manifest is read."""
        try:
            health = await self.client.health()
            if health.status == "loading":
                return ServerState("starting", f"{self.name}: {self.client.url} is still loading.")
            self.manifest = await self.client.manifest()
        except ModelServerError as error:
            return self._unreachable(str(error))
        return None

    def _unreachable(self, because: str) -> ServerState:
        text = f"{self.name}'s model server cannot be used: {because}."
        return ServerState("unreachable", text, is_mistake=True)  # the address may be wrong

    def _become(self, state: ServerState) -> None:
        # A first attempt that fails is told by whoever started it.
        is_bad_news = state.kind == "unreachable" and self.tried.is_set()
        self.state = state
        log.log(logging.WARNING if is_bad_news else logging.INFO, "%s", state.text)
        self._changed()
