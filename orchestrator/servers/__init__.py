"""Where each friend's model server is, here or elsewhere, and who can speak now. Knows nothing of
turns."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

import aiohttp

from model_server.checkpoint_format import Manifest
from orchestrator.cast import Show
from orchestrator.changes import Changes
from orchestrator.errors import ModelServerDown, NobodySpeaks, OrchestratorError
from orchestrator.servers.client import Deadlines, ModelClient
from orchestrator.servers.launch import Launch, Patience, log_file
from orchestrator.servers.process import Server, ServerState
from orchestrator.servers.remote import PollingPauses, RemoteServer
from orchestrator.servers.supervisor import Supervisor, free_port, threads_for

log = logging.getLogger(__name__)

GRACE_SECONDS = 15.0
"""How long a show that need not wait for all waits for the others, once somebody can speak."""


@dataclass(frozen=True, slots=True)
class Times:
    """All that servers are given time for."""

    patience: Patience = field(default_factory=Patience)
    deadlines: Deadlines = field(default_factory=Deadlines)
    pauses: PollingPauses = field(default_factory=PollingPauses)
    grace_seconds: float = GRACE_SECONDS


class Servers:
    """The model servers of a show, as a context: local ones run inside it and are gone after it.

    `changed` tells of every change of a server's state. Without `waits_for_all`, the show may begin
    while some load.
    """

    def __init__(
        self,
        show: Show,
        session: aiohttp.ClientSession,
        rng: random.Random,
        *,
        waits_for_all: bool = True,
        times: Times | None = None,
    ) -> None:
        self.changed = Changes()
        self._times = times or Times()
        self._session = session
        self._waits_for_all = waits_for_all
        self._stack = AsyncExitStack()
        self._manifests = {friend.name: friend.manifest for friend in show.friends}
        started = launches(show)
        self._supervisor = Supervisor(
            started, rng, changed=self.changed.tell, patience=self._times.patience
        )
        self._remote = {
            friend.name: self._watched(friend.name, friend.url, rng)
            for friend in show.friends
            if friend.url
        }
        threads = max((launch.threads for launch in started), default=1)
        self._generating = asyncio.Semaphore(max(1, (os.cpu_count() or 1) // threads))

    def _watched(self, name: str, url: str, rng: random.Random) -> RemoteServer:
        def on_down(why: str, is_hung: bool) -> None:
            self._remote[name].is_down(why)

        client = ModelClient(
            self._session, url, deadlines=self._times.deadlines, on_down=on_down
        )  # fmt: skip
        return RemoteServer(
            name, client, rng, changed=self.changed.tell, pauses=self._times.pauses
        )  # fmt: skip

    async def __aenter__(self) -> Self:
        """Raises OrchestratorError, with what each server says, if no friend can speak; that is
        NobodySpeaks if the user has nothing to mend."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._supervisor)
            for remote in self._remote.values():
                stack.push_async_callback(remote.stop)
                remote.start()
            await self._first_attempts()
            self._tell_of_failures()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _first_attempts(self) -> None:
        waiting = [asyncio.create_task(server.tried.wait()) for server in self._all().values()]
        try:
            if not self._waits_for_all:
                for attempt in asyncio.as_completed(waiting):
                    await attempt
                    if self.able():
                        break
            seconds = None if self._waits_for_all else self._times.grace_seconds
            if waiting:
                await asyncio.wait(waiting, timeout=seconds)
        finally:
            for task in waiting:
                task.cancel()

    def _tell_of_failures(self) -> None:
        states = [server.state for server in self._all().values()]
        failures = [self.notice] if self.notice else []
        failures += [
            state.text
            for state in states
            if state.kind in ("restarting", "benched", "unreachable")
        ]  # fmt: skip
        if all(state.kind not in ("ready", "starting") for state in states):
            is_mistake = any(state.is_mistake for state in states)
            raise (OrchestratorError if is_mistake else NobodySpeaks)("\n".join(failures))
        for sentence in failures:
            log.warning("%s", sentence)

    def _all(self) -> dict[str, Server | RemoteServer]:
        return {**self._supervisor.servers, **self._remote}

    @property
    def notice(self) -> str | None:
        """One sentence if not all friends that run here fit into memory."""
        return self._supervisor.notice

    def able(self) -> frozenset[str]:
        """The friends that can speak now."""
        return frozenset(n for n, server in self._all().items() if server.state.kind == "ready")

    def state(self, friend: str) -> ServerState:
        """How the friend's server is."""
        return self._all()[friend].state

    def manifest_of(self, friend: str) -> Manifest:
        """The friend's manifest; that of a server elsewhere once it has been reached."""
        remote = self._remote.get(friend)
        return remote.manifest if remote and remote.manifest else self._manifests[friend]

    async def client_of(self, friend: str) -> ModelClient:
        """The client of a friend's server; one that starts is waited for. Raises ModelServerDown at
        once if it is benched, unreachable or does not fit."""
        if remote := self._remote.get(friend):
            if remote.state.kind == "unreachable":
                raise ModelServerDown(remote.state.text)
            return remote.client
        server = self._supervisor.servers[friend]
        try:
            url = await server.when_ready()
        except OrchestratorError as error:
            raise ModelServerDown(str(error)) from error
        return ModelClient(
            self._session, url, deadlines=self._times.deadlines, generating=self._generating,
            on_down=partial(_local_is_down, server, server.pid),
        )  # fmt: skip


def _local_is_down(server: Server, pid: int | None, why: str, is_hung: bool) -> None:
    # A process that has ended is noticed by its end.
    if is_hung:
        server.is_hung(pid, why)


def launches(show: Show) -> list[Launch]:
    """How to start the server of each friend that runs here."""
    local = [friend for friend in show.friends if friend.checkpoint]
    servers = show.settings.servers
    threads = servers.threads or threads_for(len(local))
    taken = {friend.port for friend in local if friend.port}
    found = []
    for place, friend in enumerate(local):
        first = servers.first_port + place if servers.first_port else 0
        port = friend.port or free_port(first, taken)
        assert friend.checkpoint is not None
        found.append(
            Launch(
                friend.name, friend.checkpoint, port, servers.engine, threads,
                log_file(show.home / "data" / "logs", friend.name),
                show.settings.generation.banned_words,
                takes_any_port=not friend.port,
            )
        )  # fmt: skip
    return found
