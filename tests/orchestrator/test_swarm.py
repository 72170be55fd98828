"""The loop: scripted stage, real HTTP servers, no pauses."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from model_server import wire
from orchestrator.changes import Changes
from orchestrator.clock import VirtualClock
from orchestrator.errors import (
    ModelServerBusy,
    ModelServerDown,
    ModelServerRefused,
    StageFailed,
)
from orchestrator.phrases import load_picker
from orchestrator.platforms import Command, Deletion, Edit, Event, PersonLine, Reaction
from orchestrator.platforms.scripted import ScriptedPlatform
from orchestrator.resuming import take_up
from orchestrator.servers.client import ModelClient
from orchestrator.servers.process import ServerState
from orchestrator.settings import ConversationSettings, LimitSettings
from orchestrator.swarm import Swarm
from orchestrator.talk.conversation import Conversation
from orchestrator.talk.pacing import Pacing
from orchestrator.talk.turn_taking import Member
from orchestrator.talk.waiting import TRIES
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


class OneServerForAll:
    """All friends at one server; those in `away` cannot speak."""

    def __init__(self, client: ModelClient) -> None:
        self.client = client
        self.away: set[str] = set()
        self.changed = Changes()

    async def client_of(self, friend: str) -> ModelClient:
        return self.client

    def able(self) -> set[str]:
        return set(NAMES) - self.away

    def state(self, friend: str) -> ServerState:
        if friend in self.away:
            return ServerState("benched", "it keeps dying")
        return ServerState("ready", "ready")


class Play:
    """A running show with everything that a test looks at."""

    def __init__(
        self, stage: ScriptedPlatform, server: Server, swarm: Swarm, transcript: Transcript,
        friends: OneServerForAll, now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self.stage, self.server, self.swarm, self.transcript = stage, server, swarm, transcript
        self.friends = friends
        self.now = now

    async def when_heard(self) -> None:
        """Waits until the show knows of all that was done so far."""
        heard = asyncio.Event()

        async def answer(text: str, is_done: bool = True) -> None:
            heard.set()

        self.stage.do(Command("Sam", "status", "", answer))
        await asyncio.wait_for(heard.wait(), 20)

    async def run(self, lines: int) -> list[tuple[str, str]]:
        await asyncio.wait_for(self.swarm.run(lines), 20)
        return [(shown.friend, shown.text) for shown in self.stage.shown]


Start = Callable[..., Awaitable[Play]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def begin(
            answer: Answer, *, names: tuple[str, ...] = NAMES, fresh: bool = True,
            limits: LimitSettings | None = None, stage: ScriptedPlatform | None = None,
            more: Sequence[ScriptedPlatform] = (),
        ) -> Play:  # fmt: skip
            server = Server(answer)
            app = web.Application()
            app.router.add_post(wire.CHAT_PATH, server.handle)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            session = await stack.enter_async_context(aiohttp.ClientSession())
            client = ModelClient(session, f"http://127.0.0.1:{runner.addresses[0][1]}")

            clock = VirtualClock(real=False)
            file = tmp_path / "t.sqlite"
            transcript = stack.enter_context(
                Transcript.open(file, fresh=fresh, seed=1, now=clock.now())
            )
            stage = stage or ScriptedPlatform()
            rng = random.Random(1)
            talk = Conversation(
                [Member(name) for name in names], ConversationSettings(),
                limits or LimitSettings(), rng, is_limited=limits is not None,
            )  # fmt: skip
            picker = load_picker("", "xx")
            take_up(talk, transcript, picker, 12, clock.now())
            friends = OneServerForAll(client)
            swarm = Swarm(
                talk, friends, [stage, *more], transcript, picker, clock, Pacing(4.0, fast=True),
                wire.Sampling(n=5), rng,
            )  # fmt: skip
            return Play(stage, server, swarm, transcript, friends, clock.now)

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
    silences = [line for line in play.transcript.lines() if line.kind == "silence"]
    assert silences
    assert {line.speaker for line in silences} == {"Bo"}
    assert all(line.why["reason"].endswith(" answers: no") for line in silences)


async def test_the_transcript_knows_why_and_the_next_show_goes_on_from_it(start: Start) -> None:
    first = await start(numbered())
    said = await first.run(3)
    assert "Ada" in first.swarm.why(None) or "Bo" in first.swarm.why(None)
    lines = first.transcript.last(10)
    assert [(line.speaker, line.text) for line in lines] == said
    turn = lines[-1].why["turn"]
    assert lines[-1].why["attempts"][0][0]["verdict"] == "fit"
    assert turn["lines"] == [line.id for line in lines[:-1]]
    assert set(turn["weights"]) == set(NAMES) - {lines[-2].speaker}
    assert first.transcript.line_of("scripted", f"m{lines[0].id}") == lines[0].id
    second = await start(numbered(), fresh=False)
    await second.run(1)
    body = second.server.asked[0]
    assert [m.content for m in body.messages] == [text for _, text in said] or not body.messages


async def test_who_waits_when_the_show_ends_is_answered_by_the_next(start: Start) -> None:
    first = await start(numbered())
    first.stage.do(PersonLine("p1", "Sam", "hello there"))
    running = asyncio.create_task(first.run(10**6))
    await first.stage.when_shown(1)
    first.swarm.control.pause()
    first.stage.do(PersonLine("p2", "Sam", "bo, do you like soup?"))
    first.stage.do(Command("Sam", "status", ""))
    [status] = await first.stage.when_noticed(1)
    assert "1 of your lines wait for an answer" in status
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    second = await start(numbered(), fresh=False)
    await second.run(1)
    [shown] = second.stage.shown
    assert shown.friend == "Bo"
    assert second.server.asked[0].messages[-1].content == "bo, do you like soup?"


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
        notices[2], "Cy speaks next.",
    ]  # fmt: skip
    assert notices[2].startswith("running, pace 1: Ada (muted), Bo (muted), Cy")
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
    assert play.stage.notices[1].endswith("line is taken back and will not come again.")
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
    client = await play.friends.client_of("Ada")
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


async def test_again_rewrites_the_line_in_its_place(start: Start) -> None:
    play = await start(numbered())
    running = asyncio.create_task(play.run(10**6))
    await play.stage.when_shown(3)
    play.stage.do(Command("Sam", "pause", ""))
    await play.stage.when_noticed(1)
    count, old = len(play.stage.shown), play.stage.shown[-1].text
    play.stage.do(Command("Sam", "again", ""))
    notices = await play.stage.when_noticed(2)
    assert notices[1] == f"{play.stage.shown[-1].friend} has tried again."
    assert len(play.stage.shown) == count
    assert play.stage.shown[-1].text != old
    [line] = play.transcript.last(1)
    assert line.text == play.stage.shown[-1].text
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_line_told_twice_is_answered_once(start: Start) -> None:
    play = await start(numbered())
    for _ in range(3):
        play.stage.do(PersonLine("p1", "Sam", "bo, soup?"))
    await play.run(6)
    people = [line for line in play.transcript.lines() if line.kind == "person"]
    assert len(people) == 1
    assert len(play.transcript.answers_to(people[0].id)) == 1


async def test_a_reply_to_a_friends_line_is_answered_by_that_friend(start: Start) -> None:
    play = await start(numbered())
    running = asyncio.create_task(play.run(10**6))
    [first, *_] = await play.stage.when_shown(2)
    play.stage.do(PersonLine("p1", "Sam", "what do you mean?", reply_to=first.message_id))
    play.stage.do(Command("Sam", "status", ""))
    await play.stage.when_noticed(1)
    await play.stage.when_shown(len(play.stage.shown) + 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    [person] = [line for line in play.transcript.lines() if line.kind == "person"]
    assert [line.speaker for line in play.transcript.answers_to(person.id)] == [first.friend]


async def test_edits_deletions_and_reactions_reach_the_transcript(start: Start) -> None:
    play = await start(numbered())
    play.swarm.control.pause()
    running = asyncio.create_task(play.run(10**6))
    play.stage.do(PersonLine("p1", "Sam", "cy, piza?"))
    play.stage.do(Edit("p1", "cy, pizza?"))
    play.stage.do(PersonLine("p2", "Sam", "forget it"))
    play.stage.do(Deletion("p2"))
    play.stage.do(Reaction("p1", "Kim", "🍕"))
    play.stage.do(Command("Sam", "status", ""))
    [status] = await play.stage.when_noticed(1)
    assert "1 of your lines wait" in status
    line_id = play.transcript.line_of("scripted", "p1")
    assert line_id is not None
    line = play.transcript.line(line_id)
    assert line is not None
    assert line.text == "cy, pizza?"
    assert [(r.author, r.emoji) for r in play.transcript.reactions(line_id)] == [("Kim", "🍕")]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_line_that_is_taken_back_while_its_answer_is_drawn_has_none(start: Start) -> None:
    numbers = numbered()

    def answer(body: wire.ChatRequest) -> list[tuple[str, str]] | int:
        if body.messages and body.messages[-1].name == "Sam":
            play.stage.do(Deletion("p1"))
        return numbers(body)

    play = await start(answer)
    play.stage.do(PersonLine("p1", "Sam", "cy, soup?"))
    await play.run(4)
    [person] = [row for row in play.transcript.lines() if row.kind == "person"]
    [answered] = play.transcript.answers_to(person.id)
    assert answered.kind == "silence"
    assert answered.why["reason"] == "the line that it would answer was taken back"
    assert play.stage.notices == []


async def test_a_line_that_is_changed_while_its_answer_fails_is_answered_as_it_is_now(
    start: Start,
) -> None:
    numbers = numbered()

    def answer(body: wire.ChatRequest) -> list[tuple[str, str]] | int:
        if body.messages and body.messages[-1].content == "cy, piza?":
            play.stage.do(Edit("p1", "cy, pizza?"))
            return 500
        return numbers(body)

    play = await start(answer)
    play.stage.do(PersonLine("p1", "Sam", "cy, piza?"))
    await play.run(4)
    asked = [b.messages[-1].content for b in play.server.asked if b.messages]
    assert asked[:2] == ["cy, piza?", "cy, pizza?"]


async def test_a_friend_whose_server_is_benched_is_passed_over_until_it_is_back(
    start: Start,
) -> None:
    play = await start(numbered())
    play.friends.away = {"Bo", "Cy"}
    running = asyncio.create_task(play.run(10**6))
    shown = await play.stage.when_shown(3)
    assert {line.friend for line in shown} == {"Ada"}
    play.friends.away = set(NAMES)
    play.friends.changed.tell()
    notices = await play.stage.when_noticed(1)
    assert notices == ["Nobody speaks: no friend can answer."]
    count = len(play.stage.shown)
    play.friends.away = {"Ada"}
    play.friends.changed.tell()
    shown = await play.stage.when_shown(count + 4)
    assert {line.friend for line in shown[count:]} == {"Bo", "Cy"}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_after_enough_lines_they_wait_for_a_person_and_say_so(start: Start) -> None:
    play = await start(numbered(), limits=LimitSettings(lines_in_a_row=4))
    running = asyncio.create_task(play.run(10**6))
    [notice] = await play.stage.when_noticed(1)
    assert notice == "Nobody speaks: 4 lines in a row without a person; say something to go on."
    assert len(play.stage.shown) == 4
    play.stage.do(PersonLine("p1", "Sam", "go on"))
    await play.stage.when_shown(6)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    [rest] = [line for line in play.transcript.lines() if line.kind == "notice"]
    assert rest.text == notice


class Away(ScriptedPlatform):
    """A stage that shows nothing for a while, and then all again."""

    def __init__(self, refused: int) -> None:
        super().__init__()
        self.refused = refused

    async def say(self, line_id: int, friend: str, text: str) -> str:
        if self.refused:
            self.refused -= 1
            raise StageFailed("no connection")
        return await super().say(line_id, friend, text)


async def test_a_line_that_no_stage_could_show_was_not_said_and_whom_it_answers_waits_on(
    start: Start,
) -> None:
    play = await start(numbered(), stage=Away(refused=3))
    play.swarm.control.pause()
    running = asyncio.create_task(play.run(10**6))
    play.stage.do(PersonLine("p1", "Sam", "cy, soup?"))
    play.stage.do(Command("Sam", "resume", ""))
    shown = await play.stage.when_shown(3)
    assert shown[0].friend == "Cy"
    rows = list(play.transcript.lines())
    unseen = [row for row in rows if row.kind == "friend" and row.unsaid]
    assert [row.why["reason"] for row in rows if row.kind == "silence"] == (
        ["no stage could show the line"] * len(unseen)
    )
    assert len(unseen) == 3
    assert all(row.why["turn"]["source"] == "person" for row in unseen)
    seen = [row for row in rows if row.kind == "friend" and not row.unsaid]
    assert [row.why["turn"]["source"] == "person" for row in seen[:3]] == [True, False, False]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_line_of_an_earlier_conversation_is_nobodys_business(start: Start) -> None:
    earlier = (await (await start(numbered())).run(3))[0]
    play = await start(numbered())
    play.swarm.control.pause()
    running = asyncio.create_task(play.run(10**6))
    answers: list[str] = []

    async def answer(text: str, is_done: bool = True) -> None:
        answers.append(text)

    for name in ("why", "again", "oops"):
        play.stage.do(Command("Sam", name, "1", answer))
    await play.when_heard()
    assert answers == ["There is no line 1."] * 3
    first = play.transcript.line(1)
    assert first is not None
    assert (first.speaker, first.text, first.unsaid) == (*earlier, False)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("argument", ["9" * 30, "1", "x"])
async def test_a_line_that_is_not_there_is_no_error(start: Start, argument: str) -> None:
    play = await start(numbered())
    play.swarm.control.pause()
    running = asyncio.create_task(play.run(10**6))
    play.stage.do(Command("Sam", "why", argument))
    [answer] = await play.stage.when_noticed(1)
    assert answer in (
        "There is no line 1.", f"{argument!r} is no line's number; leave it out for the last line."
    )  # fmt: skip
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_whatever_people_send_the_show_goes_on(start: Start) -> None:
    play = await start(numbered())
    play.stage.do(Command("Sam", "topic", "x" * 30_000))
    play.stage.do(Command("Sam", "ask", "cy " + "x" * 30_000))
    play.stage.do(PersonLine("p1", "N" * 300 + "\ud800", "cy, " + "soup \ud800" * 9_000))
    for number in range(2, 20):
        play.stage.do(PersonLine(f"p{number}", "", "w" * 3_000))
    running = asyncio.create_task(play.run(10**6))
    await play.stage.when_shown(30)
    assert play.stage.notices == ["A topic has at most 200 characters: /topic pizza"] * 2
    people = [line for line in play.transcript.lines() if line.kind == "person"]
    assert len(people) == 19
    assert len(people[0].text) > 40_000
    first = next(body for body in play.server.asked if body.messages)
    assert first.messages[-1].content == people[0].text[:2000]
    sent = [sum(len(message.content) for message in b.messages) for b in play.server.asked]
    assert 2000 < max(sent) < wire.MAX_PROMPT_CHARS
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_answer_that_nobody_has_is_said_so(start: Start) -> None:
    play = await start(lambda body: 500)
    play.stage.do(PersonLine("p1", "Sam", "cy, soup?"))
    running = asyncio.create_task(play.run(10**6))
    [notice] = await play.stage.when_noticed(1)
    assert notice.startswith("Nobody had an answer: http://127.0.0.1:")
    asked = [body.botconvo.speaker for body in play.server.asked][:TRIES]
    assert asked[:2] == ["Cy", "Cy"]
    assert set(asked) == set(NAMES)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_friends_go_on_beside_one_whose_server_is_broken(start: Start) -> None:
    numbers = numbered()
    play = await start(
        lambda body: 500 if body.botconvo.speaker == "Bo" else numbers(body), names=("Ada", "Bo")
    )
    assert {friend for friend, _ in await play.run(6)} == {"Ada"}


async def test_a_platform_that_breaks_is_told_of_and_the_others_are_heard(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    class Deaf(ScriptedPlatform):
        async def events(self) -> AsyncIterator[Event]:
            raise ValueError("odd answer")
            yield

    play = await start(numbered(), stage=Deaf())
    assert len(await play.run(3)) == 3
    assert "scripted: nothing more is heard from there" in caplog.text
