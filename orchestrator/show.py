"""Puts a show together from settings and command line, and takes it down again."""

from __future__ import annotations

import asyncio
import logging
import random
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_server import wire
from model_server.checkpoint_format import Manifest
from orchestrator.backstage import Backstage
from orchestrator.cast import Friend, Show, read_show
from orchestrator.cli import worded
from orchestrator.clock import Clock, RealClock, VirtualClock
from orchestrator.errors import OrchestratorError, StageLost
from orchestrator.only_show import only_show
from orchestrator.phrases import PhrasePicker, load_picker
from orchestrator.platforms import Platform
from orchestrator.replay import conversation_chance, settings_of_run
from orchestrator.resuming import as_before, take_up
from orchestrator.servers import Servers
from orchestrator.servers.session import server_session
from orchestrator.settings import GenerationSettings
from orchestrator.stages import Stages
from orchestrator.staging import on_stage, stages_of
from orchestrator.swarm import Swarm
from orchestrator.talk.conversation import SEED_LIMIT, Conversation
from orchestrator.talk.pacing import Pacing, own_factors
from orchestrator.talk.turn_taking import Habits, Member
from orchestrator.transcript import Transcript
from orchestrator.transcript.file import transcript_path

log = logging.getLogger(__name__)

WELCOME = """\
{friends}{demo} talk to each other. Type a line to join in, name one of them to have that \
one answer, /help lists what else you can do, Ctrl-C ends the show."""

WELCOME_ALONE = """\
{friends} is here alone, and mostly waits for you: type a line. /help lists what else you can do, \
Ctrl-C ends the show."""


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """What the command line says about a show."""

    settings: Path | None = None
    platforms: tuple[str, ...] = ()
    lines: int | None = None
    seed: int | None = None
    fast: bool = False
    new: bool = False

    @property
    def ends_by_itself(self) -> bool:
        return self.lines is not None

    @property
    def is_fresh(self) -> bool:
        return self.new or self.is_repeatable

    @property
    def is_repeatable(self) -> bool:
        return self.seed is not None or self.lines is not None


async def run_show(options: ShowOptions) -> None:
    """Runs until enough lines are said or somebody stops it. Raises OrchestratorError."""
    show = await asyncio.to_thread(read_show, options.settings)
    with nullcontext() if options.is_repeatable else only_show(show.home):
        await _until_stopped(show, options)


async def _until_stopped(show: Show, options: ShowOptions) -> None:
    stages = on_stage(
        show, stages_of(show, options.platforms, ends_by_itself=options.ends_by_itself)
    )
    playing = asyncio.create_task(play(show, options, stages))
    loop = asyncio.get_running_loop()
    for number in _ending_signals():
        try:
            loop.add_signal_handler(number, playing.cancel)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            break
    try:
        await playing
    except asyncio.CancelledError:
        return


def _ending_signals() -> Iterator[signal.Signals]:
    yield signal.SIGINT
    yield signal.SIGTERM
    # A terminal that is closed; with nohup the show outlives it.
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP


async def play(show: Show, options: ShowOptions, stages: Mapping[str, Sequence[Platform]]) -> None:
    """Puts everything together and lets the friends talk on the stages of each conversation,
    until cancelled or enough lines are said. Raises OrchestratorError."""
    settings = show.settings
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(server_session(show))
        # spaCy takes as long to load as the servers to start.
        names = [name for friend in show.friends for name in (friend.name, *friend.aliases)]
        loading = _in_the_background(
            lambda: load_picker(settings.phrases.pipeline, settings.language, names)
        )
        servers = await stack.enter_async_context(
            Servers(show, session, random.Random(), waits_for_all=options.is_repeatable)
        )
        picker = await loading
        conversations = [
            asyncio.create_task(_one_conversation(show, options, name, on, servers, picker))
            for name, on in stages.items()
        ]
        await _until_all_end(conversations)


async def _until_all_end(conversations: Sequence[asyncio.Task[None]]) -> None:
    """One whose stages are gone leaves the others alone. Raises OrchestratorError if that became
    of all of them."""
    try:
        done, running = await asyncio.wait(conversations, return_when=asyncio.FIRST_COMPLETED)
        while running and all(isinstance(task.exception(), StageLost | None) for task in done):
            for lost in filter(None, (task.exception() for task in done)):
                log.error("one conversation is over: %s", lost)
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
    errors = [
        error for task in conversations if not task.cancelled() and (error := task.exception())
    ]
    for error in errors:
        if not isinstance(error, StageLost):
            raise error
    if len(errors) == len(conversations):
        raise OrchestratorError("\n".join(map(str, errors)))


async def _one_conversation(
    show: Show,
    options: ShowOptions,
    name: str,
    stages: Sequence[Platform],
    servers: Servers,
    picker: PhrasePicker,
) -> None:
    """Raises StageLost if all of its stages are gone for good."""
    settings = show.settings
    # A seed of its own for each run, known to the transcript, so that any can be replayed.
    seed = random.SystemRandom().randrange(SEED_LIMIT) if options.seed is None else options.seed
    is_limited = options.lines is None  # whoever asks for so many lines gets them
    clock: Clock = VirtualClock(real=not options.fast) if options.is_repeatable else RealClock()
    with Transcript.open(
        transcript_path(show.home, name), fresh=options.is_fresh, seed=seed,
        now=clock.now(), settings=settings_of_run(settings, limited=is_limited),
    ) as transcript:  # fmt: skip
        manifests = {friend.name: servers.manifest_of(friend.name) for friend in show.friends}
        members = [member_of(friend, manifests[friend.name]) for friend in show.friends]
        conversation = Conversation(
            members, settings.conversation, settings.limits, conversation_chance(seed),
            is_limited=is_limited,
        )  # fmt: skip
        take_up(conversation, transcript, picker, settings.conversation.history_lines, clock.now())
        swarm = Swarm(
            conversation, servers, stages, transcript, picker, clock,
            Pacing(
                settings.conversation.pause_seconds, settings.limits.longest_pause_seconds,
                options.fast, own_factors(conversation.members),
            ),
            sampling_of(settings.generation), random.Random(f"{seed} pauses"),
            models={name: _model_facts(manifest) for name, manifest in manifests.items()},
        )  # fmt: skip
        as_before(swarm.control, transcript.commands())
        backstage = Backstage(
            show, transcript, swarm.control, servers, picker, clock.now,
            lambda: [platform.where for platform in swarm.stages.platforms if platform.where],
        )  # fmt: skip
        swarm.changed = backstage.tell
        try:
            await swarm.stages.open(lambda platform: platform.open(backstage))
            await _welcome(show, servers, swarm.stages)
            if not swarm.control.running.is_set():
                await swarm.stages.notice("Paused, as before; /resume goes on.")
            await swarm.run(options.lines)
        finally:
            await swarm.stages.close()


def _in_the_background(load: Callable[[], PhrasePicker]) -> asyncio.Future[PhrasePicker]:
    """What a thread makes that nobody waits for if the show ends before: an import cannot be
    interrupted, and Ctrl-C must not take seconds."""
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[PhrasePicker] = loop.create_future()

    def tell(settle: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the show is over
            loop.call_soon_threadsafe(lambda: None if loaded.done() else settle())

    def run() -> None:
        try:
            picker = load()
        except Exception as error:  # noqa: BLE001  # handed to whoever waits
            failure = error
            tell(lambda: loaded.set_exception(failure))
        else:
            tell(lambda: loaded.set_result(picker))

    threading.Thread(target=run, daemon=True).start()
    return loaded


def member_of(friend: Friend, manifest: Manifest) -> Member:
    """The friend as turn-taking knows them."""
    habits = Habits.of(manifest.statistics)
    return Member(friend.name, friend.aliases, friend.talkativeness, habits)


def _model_facts(manifest: Manifest) -> dict[str, Any]:
    """By what a line's model is known again."""
    gguf = manifest.gguf
    return {"name": manifest.friend, "step": manifest.step, "hash": gguf.hash if gguf else None}


def sampling_of(settings: GenerationSettings) -> wire.Sampling:
    """How lines are to be drawn, in the model servers' words."""
    return wire.Sampling(
        n=settings.candidates,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        repetition_penalty=settings.repetition_penalty,
        no_repeat_ngram=settings.no_repeat_ngram,
    )


async def _welcome(show: Show, servers: Servers, stages: Stages) -> None:
    """Tells whoever started the show what they can do; a chat is not to be bothered with it."""
    friends = [friend.name for friend in show.friends]
    text = (WELCOME if len(friends) > 1 else WELCOME_ALONE).format(
        friends=listed(friends),
        demo=", who are invented," if show.is_demo else "",
    )
    # Who runs a server elsewhere knows where, and it may answer nobody but the show.
    here = [f.name for f in show.friends if f.url is None and f.name in servers.able()]
    if here:
        client = await servers.client_of(here[0])
        alone = "alone" if len(friends) > 1 else "without the show"
        text += f"\ncurl '{client.url}/?prompt=pizza' asks {here[0]} {alone}."
    places = [platform.where for platform in stages.platforms if platform.where]
    seen = [f"The show is to be seen {listed(places)}."] if places else []
    operators = [p for p in stages.platforms if "operator" in p.capabilities]
    for platform in operators:
        for notice in (text, *seen, *_who_still_learns(show)):
            await stages.tell(platform, notice)
    if not operators:
        for notice in (*seen, *_who_still_learns(show)):
            log.info("%s", notice)


def listed(names: Sequence[str]) -> str:
    """One or more as a sentence names them: "Ada, Bo and Cy"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _who_still_learns(show: Show) -> Iterator[str]:
    """Of whom the users should know that more is to come."""
    for friend in show.friends:
        if friend.manifest.in_training:
            yield f"{friend.name} is still learning and speaks as of step {friend.manifest.step}."
    for name in show.learning:
        yield (
            f"{name} is still learning and so not here; "
            f"{worded(f'botconvo chat {shlex.quote(name)}')} has a word with them."
        )
