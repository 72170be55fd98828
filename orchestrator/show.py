"""Puts a show together from settings and command line, and takes it down again."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from model_server import wire
from orchestrator.clock import Clock, RealClock, VirtualClock
from orchestrator.conversation import Conversation, Member, SpokenLine
from orchestrator.errors import ModelServerDown, OrchestratorError
from orchestrator.model_client import ModelClient
from orchestrator.phrases import PhrasePicker, load_picker
from orchestrator.platforms import Platform
from orchestrator.platforms.terminal import TerminalPlatform
from orchestrator.settings import Friend, GenerationSettings, Show, read_show
from orchestrator.supervisor import Launch, Supervisor, free_port, threads_for
from orchestrator.swarm import Pacing, Swarm
from orchestrator.transcript import Transcript

log = logging.getLogger(__name__)

KEY_VARIABLE = "BOTCONVO_SERVER_KEY"
"""The key that model servers ask for, if they do; those that we start inherit it."""

WELCOME = """\
{friends}{demo} talk to each other. Type a line to join in, name one of them to have that
one answer, /help lists what else you can do, Ctrl-C ends the show.
curl '{url}/?prompt=pizza' asks {first} alone."""


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """What the command line says about a show."""

    settings: Path | None = None
    friend: str | None = None
    platform: str | None = None
    lines: int | None = None
    seed: int | None = None
    fast: bool = False
    new: bool = False

    @property
    def is_fresh(self) -> bool:
        return self.new or self.is_repeatable or self.friend is not None

    @property
    def is_repeatable(self) -> bool:
        return self.seed is not None or self.lines is not None


async def run_show(options: ShowOptions) -> None:
    """Runs until enough lines are said or somebody stops it. Raises OrchestratorError."""
    show = await asyncio.to_thread(read_show, options.settings)
    if options.friend is not None:
        show = _with_one_friend(show, options.friend)
    playing = asyncio.create_task(_play(show, options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, playing.cancel)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            break
    try:
        await playing
    except asyncio.CancelledError:
        return


def _with_one_friend(show: Show, name: str) -> Show:
    for friend in show.friends:
        if name.casefold() in {n.casefold() for n in (friend.name, *friend.aliases)}:
            return replace(show, friends=(friend,))
    names = ", ".join(friend.name for friend in show.friends)
    raise OrchestratorError(f"There is no friend called {name!r}; there are {names}.")


async def _play(show: Show, options: ShowOptions) -> None:
    settings = show.settings
    rng = random.Random(options.seed)
    async with AsyncExitStack() as stack:
        key = os.environ.get(KEY_VARIABLE)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"} if key else None)
        )
        # spaCy takes as long to load as the servers to start.
        loading = asyncio.create_task(
            asyncio.to_thread(load_picker, settings.phrases.pipeline, settings.language)
        )
        stack.push_async_callback(_finished, loading)
        supervisor = await stack.enter_async_context(
            Supervisor(_launches(show), random.Random(rng.random()))
        )
        picker = await loading
        clock: Clock = VirtualClock(real=not options.fast) if options.is_repeatable else RealClock()
        transcript = stack.enter_context(
            Transcript.open(
                show.home / "data" / "transcript.sqlite",
                fresh=options.is_fresh, seed=options.seed, now=clock.now(),
            )
        )  # fmt: skip
        conversation = Conversation(
            [_member(friend) for friend in show.friends], settings.conversation, rng
        )
        conversation.resume(_earlier(transcript, picker, settings.conversation.history_lines))
        servers = _Servers(show.friends, supervisor, session)
        stages: list[Platform] = [TerminalPlatform({f.name: f.color for f in show.friends})]
        swarm = Swarm(
            conversation, servers.client_of, stages, transcript, picker, clock,
            Pacing(settings.conversation.pause_seconds, options.fast),
            _sampling(settings.generation), random.Random(rng.random()),
        )  # fmt: skip
        await _welcome(show, servers, stages)
        await swarm.run(options.lines)


async def _finished(task: asyncio.Task[PhrasePicker]) -> None:
    await asyncio.gather(task, return_exceptions=True)


def _launches(show: Show) -> list[Launch]:
    local = [friend for friend in show.friends if friend.checkpoint]
    servers = show.settings.servers
    threads = servers.threads or threads_for(len(local))
    taken = {friend.port for friend in local if friend.port}
    launches = []
    for place, friend in enumerate(local):
        first = servers.first_port + place if servers.first_port else 0
        port = friend.port or free_port(first, taken)
        assert friend.checkpoint is not None
        launches.append(
            Launch(
                friend.name, friend.checkpoint, port, servers.engine, threads,
                show.home / "data" / "logs" / f"{friend.name}.log",
                show.settings.generation.banned_words,
            )
        )  # fmt: skip
    return launches


def _member(friend: Friend) -> Member:
    follows = friend.manifest.statistics.get("follows", {})
    return Member(friend.name, friend.aliases, friend.talkativeness, follows)


def _sampling(settings: GenerationSettings) -> wire.Sampling:
    return wire.Sampling(
        n=settings.candidates,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        repetition_penalty=settings.repetition_penalty,
        no_repeat_ngram=settings.no_repeat_ngram,
    )


def _earlier(transcript: Transcript, picker: PhrasePicker, count: int) -> list[SpokenLine]:
    return [
        SpokenLine(
            line.id, line.speaker, line.text, line.kind == "person", picker.phrases(line.text)
        )
        for line in transcript.last(count)
    ]  # fmt: skip


class _Servers:
    """Finds the client of a friend's server, wherever that runs."""

    def __init__(
        self, friends: tuple[Friend, ...], supervisor: Supervisor, session: aiohttp.ClientSession
    ) -> None:
        self._remote = {friend.name: friend.url for friend in friends if friend.url}
        self._supervisor = supervisor
        self._session = session

    async def client_of(self, friend: str) -> ModelClient:
        """Raises ModelServerDown if this friend's server is given up, OrchestratorError if
        none is left."""
        if url := self._remote.get(friend):
            return ModelClient(self._session, url)
        servers = self._supervisor.servers
        if not self._remote and all(server.given_up for server in servers.values()):
            raise OrchestratorError(
                f"All model servers keep dying; see {servers[friend].launch.log_file.parent}"
            )
        try:
            return ModelClient(self._session, await servers[friend].when_ready())
        except OrchestratorError as error:
            raise ModelServerDown(str(error)) from error


async def _welcome(show: Show, servers: _Servers, stages: list[Platform]) -> None:
    *most, last = [friend.name for friend in show.friends]
    names = f"{', '.join(most)} and {last}" if most else last
    first = show.friends[0].name
    client = await servers.client_of(first)
    text = WELCOME.format(
        friends=names,
        demo=", who are invented," if show.is_demo else "",
        url=client.url,
        first=first,
    )
    for stage in stages:
        await stage.notice(text)
