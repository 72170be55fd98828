"""The friends that a person can talk with alone, and their model servers: those of the settings,
started when they are met, or one that runs elsewhere."""

from __future__ import annotations

import random
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

import aiohttp

from model_server.checkpoint_format import Manifest
from orchestrator.cast import Friend, Show
from orchestrator.changes import Changes
from orchestrator.drawing import Friends
from orchestrator.errors import ModelServerError, OrchestratorError
from orchestrator.servers import Servers
from orchestrator.servers.client import ModelClient
from orchestrator.servers.process import ServerState
from orchestrator.settings import Color

NAMELESS = "Friend"
"""Of a model that does not say whom it speaks as."""


class Circle(Friends, Protocol):
    """Whom there is to talk with."""

    names: tuple[str, ...]

    async def meet(self, name: str) -> tuple[str, Manifest]:
        """The friend's own name, by any of theirs, and their manifest, once they can speak. Raises
        OrchestratorError."""
        ...

    def color_of(self, name: str) -> Color: ...


class LocalFriends:
    """Those of the settings."""

    def __init__(self, show: Show, session: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        self.names = tuple(friend.name for friend in show.friends)
        self.changed = Changes()
        self._show = show
        self._session = session
        self._stack = stack
        self._servers: dict[str, Servers] = {}

    async def meet(self, name: str) -> tuple[str, Manifest]:
        friend = self._friend(name)
        if friend.name not in self._servers:
            alone = _alone(self._show, friend)
            servers = Servers(alone, self._session, random.Random())
            self._servers[friend.name] = await self._stack.enter_async_context(servers)
        return friend.name, self._servers[friend.name].manifest_of(friend.name)

    def _friend(self, name: str) -> Friend:
        for friend in self._show.friends:
            if name.casefold() in {n.casefold() for n in (friend.name, *friend.aliases)}:
                return friend
        problem = f"There is no friend called {name!r}" if name else "Say with whom"
        raise OrchestratorError(f"{problem}; there are {', '.join(self.names)}.")

    def color_of(self, name: str) -> Color:
        return self._friend(name).color

    async def client_of(self, friend: str) -> ModelClient:
        return await self._servers[friend].client_of(friend)

    def able(self) -> Collection[str]:
        return [name for name, servers in self._servers.items() if name in servers.able()]

    def state(self, friend: str) -> ServerState:
        return self._servers[friend].state(friend)


def _alone(show: Show, friend: Friend) -> Show:
    """A show of this friend only, at any free port: the settings' may be taken by a show that runs
    meanwhile, and nobody is told this one."""
    servers = show.settings.servers.model_copy(update={"first_port": 0})
    settings = show.settings.model_copy(update={"servers": servers})
    return replace(show, settings=settings, friends=(replace(friend, port=None),))


class FriendAt:
    """The one whom a model server elsewhere speaks as."""

    def __init__(self, client: ModelClient, manifest: Manifest) -> None:
        self.names: tuple[str, ...] = (manifest.speaker or manifest.friend or NAMELESS,)
        self.changed = Changes()
        self._client = client
        self._manifest = manifest

    @classmethod
    async def reached(cls, url: str, session: aiohttp.ClientSession) -> FriendAt:
        """Raises OrchestratorError if there is no BotConvo model server, or none that is ready."""
        client = ModelClient(session, url if "://" in url else f"http://{url}")
        try:
            health = await client.health()
            if health.status != "ok":
                raise OrchestratorError(f"{client.url} is {health.status}; try again in a moment.")
            return cls(client, await client.manifest())
        except ModelServerError as error:
            hint = "" if "botconvo serve" in str(error) else START_ONE
            raise OrchestratorError(f"--url: {error}{hint}.") from error

    async def meet(self, name: str) -> tuple[str, Manifest]:
        [own] = self.names
        if name and name.casefold() != own.casefold():
            raise OrchestratorError(f"{self._client.url} speaks as {own}, not as {name!r}.")
        return own, self._manifest

    def color_of(self, name: str) -> Color:
        return "yellow"

    async def client_of(self, friend: str) -> ModelClient:
        return self._client

    def able(self) -> Collection[str]:
        return self.names

    def state(self, friend: str) -> ServerState:
        return ServerState("ready", f"{friend}'s model server answers at {self._client.url}.")


START_ONE = "; start one there with: botconvo serve FOLDER"
