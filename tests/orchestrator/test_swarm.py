"""The loop: scripted stage, real HTTP servers, no pauses."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from model_server import wire
from orchestrator.clock import VirtualClock
from orchestrator.conversation import Conversation, Member
from orchestrator.errors import ModelServerBusy, ModelServerDown, ModelServerRefused
from orchestrator.model_client import ModelClient
from orchestrator.phrases import load_picker
from orchestrator.platforms import Command, PersonLine
from orchestrator.platforms.scripted import ScriptedPlatform
from orchestrator.settings import ConversationSettings
from orchestrator.swarm import Pacing, Swarm
from orchestrator.transcript import Transcript

NAMES = ("Ada", "Bo", "Cy")
Answer = Callable[[wire.ChatRequest], list[tuple[str, str]] | int]


class Server:
    """A model server that answers as a function says: (text, verdict) pairs or a status."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[wire.ChatRequest] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = wire.ChatRequest.model_validate(await request.json())
        self.asked.append(body)
        found = self.answer(body)
        if isinstance(found, int):
            return web.json_response(wire.error_body("no", "x", None, None), status=found)
        choices = [
            wire.Choice(
                index=index, message=wire.Message(content=text), finish_reason="stop",
                botconvo=wire.Verdict(verdict=verdict, score=-1.0),
            )
            for index, (text, verdict) in enumerate(found)
        ]  # fmt: skip
        usage = wire.Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
        response = wire.ChatResponse(id="x", created=0, model="m", choices=choices, usage=usage)
        return web.json_response(response.model_dump())


def numbered() -> Answer:
    count = iter(range(10**6))
    words = ("soup", "walrus", "tuba", "sofa", "goose", "bike", "toaster", "moth", "glove", "cat")
    return lambda body: [(f"{words[(n := next(count)) % 10]} {n * n + 7}", "fit")]


class Play:
    """A running show with everything that a test looks at."""

    def __init__(self, stage: ScriptedPlatform, server: Server, swarm: Swarm, file: Path) -> None:
        self.stage, self.server, self.swarm, self.file = stage, server, swarm, file

    async def run(self, lines: int) -> list[tuple[str, str]]:
        await asyncio.wait_for(self.swarm.run(lines), 20)
        return [(shown.friend, shown.text) for shown in self.stage.shown]


Start = Callable[..., Awaitable[Play]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def begin(
            answer: Answer, *, names: tuple[str, ...] = NAMES, fresh: bool = True
        ) -> Play:
            server = Server(answer)
            app = web.Application()
            app.router.add_post(wire.CHAT_PATH, server.handle)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            session = await stack.enter_async_context(aiohttp.ClientSession())
            client = ModelClient(session, f"http://127.0.0.1:{runner.addresses[0][1]}")

            async def client_of(name: str) -> ModelClient:
                return client

            clock = VirtualClock(real=False)
            file = tmp_path / "t.sqlite"
            transcript = stack.enter_context(
                Transcript.open(file, fresh=fresh, seed=1, now=clock.now())
            )
            stage = ScriptedPlatform()
            members = [Member(name) for name in names]
            rng = random.Random(1)
            swarm = Swarm(
                Conversation(members, ConversationSettings(), rng), client_of, [stage],
                transcript, load_picker("", "en"), clock, Pacing(4.0, fast=True),
                wire.Sampling(n=5), rng,
            )  # fmt: skip
            return Play(stage, server, swarm, file)

        yield begin


async def test_lines_are_said_by_turns_until_there_are_enough(start: Start) -> None:
    said = await (await start(numbered())).run(9)
    assert len(said) == 9
    assert all(a[0] != b[0] for a, b in itertools.pairwise(said))


async def test_each_server_sees_the_last_lines_and_the_phrase(start: Start) -> None:
    play = await start(numbered())
    said = await play.run(6)
    last = next(body for body in reversed(play.server.asked) if body.messages)
    shown = [(message.name, message.content) for message in last.messages]
    assert shown == said[5 - len(shown) : 5]
    assert all(body.botconvo.speaker in NAMES and body.n == 5 for body in play.server.asked)


async def test_an_unfit_or_repeated_candidate_gives_way_to_the_next(start: Start) -> None:
    numbers = numbered()

    def answer(body: wire.ChatRequest) -> list[tuple[str, str]]:
        [fresh] = numbers(body)  # type: ignore[misc]  # never a status here
        return [("rude", "banned word: rude"), ("always the same thing", "fit"), fresh]

    said = [text for _, text in await (await start(answer)).run(8)]
    assert said.count("always the same thing") == 1
    assert "rude" not in said


async def test_a_named_friend_answers_what_a_person_says(start: Start) -> None:
    play = await start(numbered())
    play.stage.do(PersonLine("p1", "Sam", "Cy, what about *pizza*?"))
    running = asyncio.create_task(play.run(6))
    await play.stage.when_shown(6)
    await running
    answered = [
        body for body in play.server.asked
        if body.messages and body.messages[-1].name == "Sam"
    ]  # fmt: skip
    assert answered
    assert answered[0].botconvo.speaker == "Cy"
    assert answered[0].messages[-1].content == "Cy, what about pizza?"


async def test_a_dead_server_is_silence_with_a_reason_and_the_show_goes_on(start: Start) -> None:
    numbers = numbered()

    def answer(body: wire.ChatRequest) -> list[tuple[str, str]] | int:
        return 503 if body.botconvo.speaker == "Bo" else numbers(body)

    play = await start(answer)
    said = await play.run(8)
    assert {name for name, _ in said} == {"Ada", "Cy"}
    import sqlite3

    database = sqlite3.connect(play.file)
    rows = database.execute("SELECT speaker, why FROM lines WHERE kind = 'silence'").fetchall()
    database.close()
    assert {speaker for speaker, _ in rows} == {"Bo"}
    assert all('"reason": "no"' in why for _, why in rows)


async def test_the_transcript_knows_why_and_the_next_show_goes_on_from_it(start: Start) -> None:
    first = await start(numbered())
    said = await first.run(3)
    assert "prompt" in first.swarm._why_last()
    with Transcript.open(
        first.file, fresh=False, seed=None, now=VirtualClock(real=False).now()
    ) as transcript:
        lines = transcript.last(10)
        assert [(line.speaker, line.text) for line in lines] == said
        assert lines[-1].why["attempts"][0][0]["verdict"] == "fit"
        assert transcript.line_of("scripted", f"m{lines[0].id}") == lines[0].id


async def test_commands_steer_the_show(start: Start) -> None:
    play = await start(numbered())
    for name, argument in [
        ("mute", "bo"), ("mute", "Ada"), ("status", ""), ("ask", "cy pizza"), ("nonsense", ""),
        ("pace", "fast"), ("mute", "nobody"), ("oops", ""),
    ]:  # fmt: skip
        play.stage.do(Command("Sam", name, argument))
    running = asyncio.create_task(play.run(3))
    notices = await play.stage.when_noticed(8)
    await running
    assert notices[:4] == [
        "Bo is silent until /unmute Bo.", "Ada is silent until /unmute Ada.",
        "running, pace 1: Ada (muted), Bo (muted), Cy", "Cy speaks next.",
    ]  # fmt: skip
    assert notices[4].startswith("There is no /nonsense; there are /pause")
    assert notices[5] == "A pace is a number from 0.05 to 20.0: /pace 2"
    assert notices[6] == "Nobody is called 'nobody'; there are Ada, Bo, Cy."
    assert any(body.botconvo.phrase == "pizza" for body in play.server.asked)


async def test_oops_takes_the_last_line_back_on_the_stage(start: Start) -> None:
    play = await start(numbered())
    running = asyncio.create_task(play.run(400))
    await play.stage.when_shown(2)
    play.stage.do(Command("Sam", "pause", ""))
    play.stage.do(Command("Sam", "oops", ""))
    await play.stage.when_noticed(2)
    assert [shown.deleted for shown in play.stage.shown].count(True) == 1
    assert play.stage.notices[1].endswith("last line is taken back.")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("status", "error"),
    [(503, ModelServerBusy), (429, ModelServerBusy), (400, ModelServerRefused)],
)
async def test_a_servers_refusal_is_told_apart(
    start: Start, status: int, error: type[Exception]
) -> None:
    play = await start(lambda body: status)
    client = await play.swarm._client_of("Ada")
    with pytest.raises(error, match="no"):
        await client.candidates(
            [], speaker="A", phrase="", begin_with_phrase=False, sampling=wire.Sampling()
        )


async def test_a_port_that_nobody_listens_on_is_down() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ModelServerDown):
            await ModelClient(session, "http://127.0.0.1:9").candidates(
                [], speaker="A", phrase="", begin_with_phrase=False, sampling=wire.Sampling()
            )
