"""Everything that can break while friends talk, and what people see of it: real model servers that
are killed and stopped, a real server that misbehaves, a real full disk. No line of a person is
lost, none is said twice, and those who can go on do."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from model_server import wire
from orchestrator.cast import read_show
from orchestrator.clock import Clock, VirtualClock
from orchestrator.phrases import load_picker
from orchestrator.platforms import Command, PersonLine
from orchestrator.platforms.scripted import ScriptedPlatform
from orchestrator.replay import Replay, conversation_chance, settings_of_run
from orchestrator.servers import Servers, Times
from orchestrator.servers.client import Deadlines, ModelClient
from orchestrator.servers.launch import Patience
from orchestrator.servers.remote import PollingPauses
from orchestrator.settings import LimitSettings
from orchestrator.show import member_of
from orchestrator.swarm import Swarm
from orchestrator.talk.conversation import Conversation
from orchestrator.talk.pacing import Pacing
from orchestrator.transcript import Transcript
from orchestrator.writer import Writer
from tests.conftest import ROOT

DEX = ROOT / "orchestrator" / "demo" / "friends" / "dex"
TIMES = Times(
    patience=Patience(first_delay_seconds=0.01),
    deadlines=Deadlines(first_byte_seconds=0.5, total_seconds=1.0),
    pauses=PollingPauses(0.02, 0.05),
)
NO_LIMITS = LimitSettings(
    lines_in_a_row=10**9, lines_per_hour=10**9, phrase_rounds=10**9, repeat_within_lines=1
)
"""The echo engine has little to say."""
PATIENCE_SECONDS = 30
"""For servers to start on a busy machine; nothing here waits for so long."""


class HeldClock(VirtualClock):
    """While it is held, every pause is announced, and lasts until all are let go or somebody
    interrupts it."""

    def __init__(self) -> None:
        super().__init__(real=False)
        self._paused = asyncio.Semaphore(0)
        self._over: asyncio.Event | None = None

    def hold(self) -> None:
        self._over = asyncio.Event()

    def let_go(self) -> None:
        """Ends the present pause; the next one is held again."""
        assert self._over is not None
        self._over.set()
        self.hold()

    def let_all_go(self) -> None:
        self.let_go()
        self._over, self._paused = None, asyncio.Semaphore(0)

    async def when_paused(self) -> None:
        await self._paused.acquire()

    async def pause(self, seconds: float, unless: asyncio.Event) -> float:
        if (over := self._over) is not None:
            self._paused.release()
            waits = [asyncio.create_task(event.wait()) for event in (over, unless)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            if not over.is_set():
                return seconds
        return await super().pause(seconds, unless)


class Asked(Servers):
    """Servers that tell when a friend is about to be asked for a line."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]  # pass through
        self.asked: asyncio.Queue[str] = asyncio.Queue()

    async def client_of(self, friend: str) -> ModelClient:
        client = await super().client_of(friend)
        self.asked.put_nowait(friend)
        return client

    async def when_asked(self, friend: str) -> None:
        while await self.asked.get() != friend:
            pass

    async def send(self, friend: str, number: signal.Signals) -> int:
        """Sends a signal to the friend's server, once there is one; returns its process."""
        await self.when_ready(friend)
        process = self._supervisor.servers[friend]._process
        assert process is not None
        process.send_signal(number)
        if number == signal.SIGKILL:
            await process.wait()
        return process.pid

    async def when_ready(self, friend: str) -> None:
        await self._supervisor.servers[friend].when_ready()


class Playing:
    """A show that is under way."""

    def __init__(
        self, swarm: Swarm, stage: ScriptedPlatform, servers: Asked, transcript: Transcript
    ) -> None:
        self.swarm, self.stage, self.servers, self.transcript = swarm, stage, servers, transcript

    def ask(self, number: int, text: str) -> None:
        self.stage.do(PersonLine(f"p{number}", "Sam", text))

    async def until_said_by(self, *friends: str) -> None:
        """Waits until each of these has said a line more."""
        count, missing = len(self.stage.shown), set(friends)
        while missing:
            count += 1
            missing.discard((await self.stage.when_shown(count))[count - 1].friend)

    def _answered(self) -> list[int | None]:
        return [
            row.reply_to for row in self.transcript.lines()
            if row.kind == "friend" and row.why["turn"]["source"] == "person" and not row.unsaid
        ]  # fmt: skip

    async def nothing_is_lost_or_doubled(self, people: int) -> None:
        """Each of so many lines of people has one answer, once all had time for it; and people saw
        each line of the transcript once."""
        while len(self._answered()) < people:
            await self.stage.when_shown(len(self.stage.shown) + 1)
        rows = [row for row in self.transcript.lines() if not row.unsaid]
        asked = [row.id for row in rows if row.kind == "person"]
        assert len(asked) == people
        assert self._answered() == asked
        shown = [(shown.friend, shown.text) for shown in self.stage.shown]
        said = [(row.speaker, row.text) for row in rows if row.kind == "friend"]
        assert said[: len(shown)] == shown
        assert len(said) - len(shown) in (0, 1)  # one may be on its way to the stage

    async def is_repeated_by_a_replay(self) -> None:
        """Also with silences in it, and friends who could not speak."""
        [run] = self.transcript.runs()
        talk, picker = self.swarm.control.conversation, load_picker("", "xx")
        replay = Replay(self.transcript, run, talk.members, picker, None)
        report = await replay.run()
        assert report.differences == []
        assert [line.text for line in replay._talk._history] == [
            line.text for line in talk._history
        ]
        assert report.turns >= len(self.stage.shown)


@asynccontextmanager
async def playing(
    tmp_path: Path,
    clock: Clock | None = None,
    writer: Writer | None = None,
    times: Times = TIMES,
    **urls: str,
) -> AsyncIterator[Playing]:
    """Ana and Bo talk: at these urls, or at echo servers of their own."""
    text = "[servers]\nengine = 'echo'\nfirst_port = 0\n"
    for name in ("Ana", "Bo"):
        place = f"url = '{urls[name]}'" if name in urls else f"checkpoint = '{DEX}'"
        text += f"[[friends]]\nname = '{name}'\n{place}\n"
    (tmp_path / "settings.toml").write_text(text, encoding="utf-8")
    show = read_show(tmp_path / "settings.toml")
    clock, stage, chance = clock or VirtualClock(real=False), ScriptedPlatform(), random.Random(1)
    file = tmp_path / "transcript.sqlite"
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        aiohttp.ClientSession() as session,
        Asked(show, session, chance, times=times) as servers,
    ):
        settings = show.settings.model_copy(update={"limits": NO_LIMITS})
        kept = settings_of_run(settings, limited=True)
        with Transcript.open(
            file, fresh=True, seed=1, now=clock.now(), settings=kept
        ) as transcript:
            members = [member_of(friend, friend.manifest) for friend in show.friends]
            talk = Conversation(members, settings.conversation, NO_LIMITS, conversation_chance(1))
            swarm = Swarm(
                talk, servers, [stage], transcript, load_picker("", "xx"), clock, Pacing(1.0),
                wire.Sampling(n=5), chance, writer=writer,
            )  # fmt: skip
            running = asyncio.create_task(swarm.run())
            try:
                yield Playing(swarm, stage, servers, transcript)
                assert not running.done()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


# --- servers of our own that are killed or stopped ----------------------------------------------


async def test_a_killed_server_costs_no_line_whatever_the_show_is_doing(tmp_path: Path) -> None:
    clock = HeldClock()
    async with playing(tmp_path, clock) as play:
        for number, phase in enumerate(("idle", "drawing", "about to speak", "typing")):
            await play.servers.when_ready("Ana")
            await play.until_said_by("Ana", "Bo")
            clock.hold()
            await clock.when_paused()
            if phase == "idle":
                play.swarm.control.pause()
            if phase == "drawing":
                await play.servers.send("Ana", signal.SIGSTOP)
            play.servers.asked = asyncio.Queue()
            play.ask(2 * number, "ana, do you like soup?")
            if phase in ("about to speak", "typing"):
                await play.servers.when_asked("Ana")
                await clock.when_paused()
            if phase == "typing":
                clock.let_go()
                await clock.when_paused()
            if phase == "drawing":
                await play.servers.when_asked("Ana")
            await play.servers.send("Ana", signal.SIGKILL)
            play.ask(2 * number + 1, "bo, and you?")
            clock.let_all_go()
            play.swarm.control.resume()
        await play.until_said_by("Ana", "Bo")
        await play.nothing_is_lost_or_doubled(people=8)
        await play.is_repeated_by_a_replay()


async def test_a_server_that_hangs_is_replaced_and_the_other_goes_on(tmp_path: Path) -> None:
    async with playing(tmp_path) as play:
        await play.until_said_by("Ana")
        hung = await play.servers.send("Ana", signal.SIGSTOP)
        play.ask(1, "ana, do you like soup?")
        await play.until_said_by("Bo", "Ana")
        assert await play.servers.send("Ana", signal.SIGCONT) != hung
        await play.nothing_is_lost_or_doubled(people=1)


async def test_a_person_need_not_wait_for_a_friend_whose_server_hangs(tmp_path: Path) -> None:
    patient = replace(TIMES, deadlines=Deadlines(first_byte_seconds=1000, total_seconds=1000))
    async with playing(tmp_path, times=patient) as play:
        await play.until_said_by("Bo", "Ana")
        await play.servers.send("Ana", signal.SIGSTOP)
        play.servers.asked = asyncio.Queue()
        await play.servers.when_asked("Ana")
        play.ask(1, "bo, do you like soup?")
        await play.until_said_by("Bo")
        await play.nothing_is_lost_or_doubled(people=1)


async def test_a_line_said_anew_while_others_spoke_is_repeated_as_that_line(
    tmp_path: Path,
) -> None:
    patient = replace(TIMES, deadlines=Deadlines(first_byte_seconds=1000, total_seconds=1000))
    clock = HeldClock()
    async with playing(tmp_path, clock, times=patient) as play:
        await play.until_said_by("Ana", "Bo")
        clock.hold()
        await clock.when_paused()
        last = play.stage.shown[-1].friend
        other = "Bo" if last == "Ana" else "Ana"
        count = len(play.stage.shown)
        await play.servers.send(last, signal.SIGSTOP)
        play.servers.asked = asyncio.Queue()
        play.stage.do(Command("Sam", "again", ""))
        await play.servers.when_asked(last)
        play.ask(1, f"{other.lower()}, do you like soup?")
        clock.let_all_go()
        await play.until_said_by(other)
        await play.servers.send(last, signal.SIGCONT)
        [notice] = await play.stage.when_noticed(1)
        assert notice == f"{last} has tried again."
        assert play.transcript.edits(int(play.stage.shown[count - 1].message_id[1:]))
        await play.until_said_by("Ana", "Bo")
        await play.is_repeated_by_a_replay()


# --- a server elsewhere that misbehaves ---------------------------------------------------------


class Elsewhere:
    """A model server that answers well, or badly in one of many ways."""

    def __init__(self) -> None:
        self.way = "well"
        self._count = itertools.count()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get(wire.HEALTH_PATH, self._health)
        app.router.add_get(wire.MODELS_PATH, self._models)
        app.router.add_post(wire.CHAT_PATH, self._chat)
        return app

    async def _health(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok", "model": "Ana"})

    async def _models(self, request: web.Request) -> web.StreamResponse:
        card = wire.ModelCard(id="Ana", created=1, botconvo={"speaker": "Ana", "step": 3})
        return web.json_response(wire.ModelList(data=[card]).model_dump())

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if self.way == "late":
            await asyncio.sleep(PATIENCE_SECONDS)  # longer than anybody waits
        if self.way == "dripping":
            return await self._drip(request)
        if self.way == "cut off":
            request.transport.close()  # type: ignore[union-attr]  # it is there
        bad = {"rubbish": (200, "soup"), "empty": (200, ""), "broken": (500, "no")}
        status, text = bad.get(self.way, (200, self._answer()))
        return web.Response(status=status, text=text, content_type="application/json")

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for byte in self._answer().encode():
            await response.write(bytes([byte]))
            await asyncio.sleep(0.1)
        return response

    def _answer(self) -> str:
        number = next(self._count)
        message = wire.Message(
            content=f"{['soup', 'moth', 'tuba', 'goose'][number % 4]} {number**3}"
        )
        verdict = wire.Verdict(verdict="fit", score=0.0)
        choice = wire.Choice(index=0, message=message, finish_reason="stop", botconvo=verdict)
        usage = wire.Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
        return wire.ChatResponse(
            id="x", created=0, model="m", choices=[choice], usage=usage
        ).model_dump_json()


async def test_a_server_that_misbehaves_costs_no_line_and_is_asked_again(tmp_path: Path) -> None:
    elsewhere = Elsewhere()
    ways = ("late", "dripping", "cut off", "rubbish", "empty", "broken")
    async with TestServer(elsewhere.app()) as server:
        url = str(server.make_url("/"))
        async with playing(tmp_path, Ana=url) as play:
            for number, way in enumerate(ways):
                await play.until_said_by("Ana")
                elsewhere.way = way
                play.ask(2 * number, "ana, do you like soup?")
                play.ask(2 * number + 1, "anybody else?")
                for _ in range(3):
                    await play.until_said_by("Bo")
                elsewhere.way = "well"
            await play.until_said_by("Ana", "Bo")
            await play.nothing_is_lost_or_doubled(people=12)
            await play.is_repeated_by_a_replay()


# --- the transcript -----------------------------------------------------------------------------


async def test_a_transcript_that_another_process_keeps_is_waited_for(tmp_path: Path) -> None:
    async with playing(tmp_path, writer=Writer(locked_seconds=0.01)) as play:
        await play.until_said_by("Ana", "Bo")
        with closing(sqlite3.connect(tmp_path / "transcript.sqlite")) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            play.ask(1, "bo, do you like soup?")
            play.ask(2, "and moths?")
            [notice] = await play.stage.when_noticed(1)
            assert notice.startswith("The show waits: ")
            assert notice.endswith("end what else is using it.")
            other.execute("ROLLBACK")
        await play.until_said_by("Ana", "Bo")
        play.ask(3, "all well?")
        await play.nothing_is_lost_or_doubled(people=3)
        assert play.stage.notices == [notice]


FULL_DISK = """
import asyncio, os, resource, sys
from pathlib import Path
from orchestrator.writer import Writer
from tests.orchestrator.test_faults import playing

async def main():
    folder = Path(sys.argv[1])
    async with playing(folder, writer=Writer(full_seconds=0.02)) as play:
        await play.until_said_by("Ana", "Bo")
        log = folder / "transcript.sqlite-wal"
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for number in range(2):
            resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, hard))
            play.ask(2 * number, "bo, do you like soup?")
            play.ask(2 * number + 1, "and moths?")
            await play.stage.when_noticed(number + 1)
            play.ask(2 * number, "bo, do you like soup?")  # told again, as after a gap
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            await play.nothing_is_lost_or_doubled(people=2 * (number + 1))
        assert all("the disk takes nothing more; make room" in n for n in play.stage.notices)
        assert len(play.stage.notices) == 2, play.stage.notices

asyncio.run(main())
"""


def test_a_full_disk_is_said_once_and_the_show_goes_on_when_there_is_room(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path], cwd=ROOT, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
