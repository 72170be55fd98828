"""Several stages that show one conversation, and fail alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.errors import StageFailed, StageLost
from orchestrator.platforms import Capability, Command, Deletion, Edit, Event, PersonLine
from orchestrator.platforms.scripted import ScriptedPlatform, Shown
from orchestrator.stage import LONGEST_BACKLOG
from orchestrator.stages import Stages
from orchestrator.transcript import Transcript
from orchestrator.writer import Writer
from tests.conftest import AT_ONCE_SECONDS
from tests.orchestrator.test_swarm import Start, numbered, start

__all__ = ["start"]

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def transcript(tmp_path: Path) -> Iterator[Transcript]:
    with Transcript.open(tmp_path / "t.sqlite", fresh=True, seed=1, now=NOW) as transcript:
        yield transcript


class Hanging(ScriptedPlatform):
    """Shows no line of a friend until it is let."""

    def __init__(self) -> None:
        super().__init__("hanging")
        self.may_go_on = asyncio.Event()

    async def say(self, line_id: int, friend: str, text: str) -> str:
        await self.may_go_on.wait()
        return await super().say(line_id, friend, text)


async def test_a_stage_that_hangs_is_left_behind_and_catches_up_in_order(
    transcript: Transcript,
) -> None:
    slow, quick = Hanging(), ScriptedPlatform("quick")
    stages = Stages([slow, quick], transcript, Writer(), patience_seconds=0.01)
    for number in range(LONGEST_BACKLOG + 3):
        line_id = transcript.add("Ada", "friend", str(number), {}, NOW)
        assert await stages.say(line_id, "Ada", str(number))
    assert len(quick.shown) == LONGEST_BACKLOG + 3
    slow.may_go_on.set()
    shown = await slow.when_shown(LONGEST_BACKLOG)
    assert [line.text for line in shown] == [str(number) for number in range(LONGEST_BACKLOG)]
    assert await slow.when_noticed(1) == [
        "3 lines were not shown here meanwhile; the transcript has all."
    ]
    await stages.close()


class Closing(ScriptedPlatform):
    """Is gone as soon as it should show something."""

    async def say(self, line_id: int, friend: str, text: str) -> str:
        raise StageLost("The channel is gone; name another one in the settings.")


async def test_the_show_goes_on_without_a_stage_that_is_lost(start: Start) -> None:
    play = await start(numbered(), stage=ScriptedPlatform("here"), more=[Closing("there")])
    said = await play.run(5)
    assert len(said) == 5
    assert play.stage.notices == [
        "The show goes on without there: The channel is gone; name another one in the settings."
    ]


async def test_the_show_ends_with_the_sentence_of_its_last_stage(start: Start) -> None:
    play = await start(numbered(), stage=Closing())
    with pytest.raises(StageLost, match="The channel is gone"):
        await play.run(5)


async def test_a_stage_that_hears_that_it_is_gone_is_lost(start: Start) -> None:
    class Revoked(ScriptedPlatform):
        async def events(self) -> AsyncIterator[Event]:
            raise StageLost("The token was revoked.")
            yield

    play = await start(numbered(), stage=Revoked())
    play.stage.ready.clear()
    with pytest.raises(StageLost, match="revoked"):
        await play.run(5)


async def test_nobody_speaks_while_no_stage_is_ready(start: Start) -> None:
    play = await start(numbered())
    play.stage.ready.clear()
    running = asyncio.create_task(play.run(3))
    play.stage.do(PersonLine("p1", "Sam", "cy, soup?"))
    await play.when_heard()
    assert play.server.asked == []
    play.stage.ready.set()
    said = await running
    assert said[0][0] == "Cy"


async def test_what_people_say_on_one_stage_is_shown_on_the_others_and_changes_there(
    start: Start,
) -> None:
    here, there = ScriptedPlatform("here"), ScriptedPlatform("there")
    deaf = ScriptedPlatform("deaf")
    deaf.capabilities = frozenset[Capability]()
    play = await start(numbered(), stage=here, more=[there, deaf])
    play.swarm.control.pause()
    running = asyncio.create_task(play.run(10**6))
    here.do(PersonLine("p1", "Sam", "soup?"))
    [shown] = await there.when_shown(1)
    assert (shown.friend, shown.text) == ("Sam", "soup?")
    here.do(Edit("p1", "stew?"))
    await there.when(lambda: shown.text == "stew?")
    here.do(Deletion("p1"))
    await there.when(lambda: shown.deleted)
    # A reply to the line as it stands there is a reply to the person's line.
    there.do(PersonLine("p1", "Kim", "what is gone", reply_to=shown.message_id))
    await here.when_shown(1)
    rows = [row for row in play.transcript.lines() if row.kind == "person"]
    assert [(row.text, row.unsaid) for row in rows] == [("stew?", True), ("what is gone", False)]
    assert rows[1].reply_to == rows[0].id
    assert deaf.shown == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_lines_read_long_after_they_were_written_are_known_but_not_answered(
    start: Start,
) -> None:
    play = await start(numbered())
    play.swarm.control.pause()
    running = asyncio.create_task(play.run(10**6))
    then = play.now() - timedelta(hours=5)
    play.stage.do(PersonLine("p1", "Sam", "cy, good morning", at=then))
    play.stage.do(PersonLine("p2", "Sam", "bo, soup?", at=play.now() - timedelta(minutes=5)))
    await play.when_heard()
    play.swarm.control.resume()
    shown = await play.stage.when_shown(1)
    assert shown[0].friend == "Bo"
    first, *_ = [row for row in play.transcript.lines() if row.kind == "person"]
    assert first.why["reason"] == "written too long ago to be answered"
    assert first.why["written_at"] == then.isoformat()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Moody(ScriptedPlatform):
    """Shows nothing while it is away."""

    is_away = True

    async def say(self, line_id: int, friend: str, text: str) -> str:
        if self.is_away:
            raise StageFailed("no connection")
        return await super().say(line_id, friend, text)


async def test_a_stage_without_room_is_no_reason_to_lose_the_others(transcript: Transcript) -> None:
    stages = Stages([Moody("away")], transcript, Writer())
    assert not await stages.say(transcript.add("Ada", "friend", "one", {}, NOW), "Ada", "one")
    assert [platform.name for platform in stages.platforms] == ["away"]


def said(transcript: Transcript, text: str) -> int:
    """Id of another line of Ada's."""
    return transcript.add("Ada", "friend", text, {}, NOW)


async def behind(transcript: Transcript, *texts: str) -> tuple[Stages, Hanging, list[int]]:
    """Two stages, of which one has yet to show all of these lines."""
    slow = Hanging()
    stages = Stages([slow, ScriptedPlatform("quick")], transcript, Writer(), patience_seconds=0.01)
    ids = [said(transcript, text) for text in texts]
    for line_id, text in zip(ids, texts, strict=True):
        assert await stages.say(line_id, "Ada", text)
    return stages, slow, ids


async def test_the_show_waits_for_a_stage_that_hangs_only_once(transcript: Transcript) -> None:
    stages, slow, _ = await behind(transcript, "one")
    stages.patience_seconds = 3600
    async with asyncio.timeout(10):
        assert await stages.say(said(transcript, "two"), "Ada", "two")
        await stages.notice("Nobody speaks.")
        slow.may_go_on.set()
        await slow.when_noticed(1)
        slow.may_go_on.clear()
        # It has caught up, so that it is waited for again.
        line_id = said(transcript, "three")
        saying = asyncio.create_task(stages.say(line_id, "Ada", "three"))
        await stages.platforms[1].when_shown(3)  # type: ignore[attr-defined]  # scripted
        assert not saying.done()
        slow.may_go_on.set()
        assert await saying
    await stages.close()


async def test_what_is_taken_back_before_a_stage_came_to_it_is_never_shown_there(
    transcript: Transcript,
) -> None:
    texts = [str(number) for number in range(LONGEST_BACKLOG)]
    stages, slow, [first, second, *_] = await behind(transcript, *texts)
    for line_id in (first, second):
        transcript.unsay(line_id)
        stages.take_back(line_id)
    slow.may_go_on.set()
    await slow.when(lambda: any(line.deleted for line in slow.shown))
    assert [(line.text, line.deleted) for line in slow.shown] == [
        (text, text == "0") for text in texts if text != "1"
    ]
    assert slow.notices == []
    await stages.close()


async def test_a_line_said_anew_before_a_stage_came_to_it_stands_there_once(
    transcript: Transcript,
) -> None:
    stages, slow, [_, second] = await behind(transcript, "one", "two")
    transcript.replace_text(second, "deux")
    stages.reword(second, "Ada", "deux")
    slow.may_go_on.set()
    await slow.when(lambda: [line.text for line in slow.shown] == ["one", "deux"])
    await stages.close()


async def test_lines_that_nobody_saw_are_not_told_to_have_been_missed(
    transcript: Transcript,
) -> None:
    here, there = Moody("here"), Moody("there")
    stages = Stages([here, there], transcript, Writer())
    for text in ("one", "two"):
        assert not await stages.say(said(transcript, text), "Ada", text)
    here.is_away = False
    assert await stages.say(said(transcript, "three"), "Ada", "three")
    there.is_away = False
    assert await stages.say(said(transcript, "four"), "Ada", "four")
    assert here.notices == []
    assert there.notices == ["1 line was not shown here meanwhile; the transcript has all."]
    await stages.close()


async def test_a_long_trouble_is_warned_of_once_until_it_is_over(
    transcript: Transcript, caplog: pytest.LogCaptureFixture
) -> None:
    there = Moody("there")
    stages = Stages([ScriptedPlatform("here"), there], transcript, Writer())
    for is_away in (True, True, True, False, True):
        there.is_away = is_away
        assert await stages.say(said(transcript, "soup"), "Ada", "soup")
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["there: no connection"] * 2
    await stages.close()


async def test_a_platforms_own_mistake_is_logged_and_the_show_goes_on(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(ScriptedPlatform):
        async def say(self, line_id: int, friend: str, text: str) -> str:
            raise KeyError("colour")

    play = await start(numbered(), stage=ScriptedPlatform("here"), more=[Broken("there")])
    assert len(await play.run(3)) == 3
    assert "there: KeyError('colour')" in caplog.text
    assert "Traceback" in caplog.text


async def test_a_show_ends_although_a_platform_does_not(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    class Endless(Hanging):
        async def close(self) -> None:
            await asyncio.Event().wait()

    class Failing(ScriptedPlatform):
        async def close(self) -> None:
            await super().close()
            raise OSError("gone already")

    play = await start(numbered(), stage=Failing("here"), more=[Endless()])
    running = asyncio.create_task(play.swarm.run())
    await play.stage.when_shown(1)
    began = time.monotonic()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert time.monotonic() - began < AT_ONCE_SECONDS
    assert "hanging did not end in time" in caplog.text
    assert "here did not end well: gone already" in caplog.text


async def test_what_people_say_while_a_stage_is_away_is_counted_there(start: Start) -> None:
    here, there = ScriptedPlatform("here"), ScriptedPlatform("there")
    play = await start(numbered(), stage=here, more=[there])
    play.swarm.control.pause()
    running = asyncio.create_task(play.swarm.run())
    there.ready.clear()
    here.do(PersonLine("p1", "Sam", "soup?"))
    await play.when_heard()
    there.ready.set()
    play.swarm.control.resume()
    assert await there.when_noticed(1) == [
        "1 line was not shown here meanwhile; the transcript has all."
    ]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("name", ["again", "oops"])
async def test_what_a_command_changed_is_written_down_before_any_stage_shows_it(
    start: Start, name: str
) -> None:
    """Or a replay would have the change happen after what was decided meanwhile."""
    told = asyncio.Event()
    rows: list[str] = []

    class Looking(ScriptedPlatform):
        def look(self) -> None:
            rows.extend(row.text for row in play.transcript.lines() if row.kind == "command")
            told.set()

        async def edit(self, message_id: str, speaker: str, text: str) -> None:
            self.look()

        async def delete(self, message_id: str) -> None:
            self.look()

    play = await start(numbered(), stage=Looking())
    running = asyncio.create_task(play.run(10**6))
    await play.stage.when_shown(3)
    play.stage.do(Command("Sam", name, ""))
    await asyncio.wait_for(told.wait(), 20)
    assert rows == [f"/{name}"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_all_messages_that_show_a_line_are_changed_and_taken_back(
    transcript: Transcript,
) -> None:
    """As where a message was lost and is shown again; one that is gone keeps none of the others."""

    class OneGone(ScriptedPlatform):
        def _find(self, message_id: str) -> Shown:
            if message_id == "gone":
                raise StageFailed("it is gone")
            return super()._find(message_id)

    here = OneGone("here")
    stages = Stages([here], transcript, Writer())
    line_id = said(transcript, "soup")
    transcript.posted(line_id, "here", "gone")
    for message_id in ("m1", "m2"):
        here.shown.append(Shown(message_id, "Ada", "soup"))
        transcript.posted(line_id, "here", message_id)
    stages.reword(line_id, "Ada", "stew")
    await here.when(lambda: [shown.text for shown in here.shown] == ["stew", "stew"])
    stages.take_back(line_id)
    await here.when(lambda: all(shown.deleted for shown in here.shown))
    await stages.close()


async def test_where_lines_are_echoed_the_echo_is_changed(transcript: Transcript) -> None:
    """And not what the person sent, which is no message there."""
    here = ScriptedPlatform("here")
    here.capabilities |= {"echo"}
    stages = Stages([here], transcript, Writer())
    line_id = transcript.add("Sam", "person", "soup?", {}, NOW, post=("here", "typed-1"))
    stages.relay(here, line_id, "Sam", "soup?")
    await here.when_shown(1)
    stages.take_back(line_id)
    await here.when(lambda: here.shown[0].deleted)
    await stages.close()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("mute", "cy"), ["Sam (here), /mute cy: Cy is silent until /unmute Cy."]),
        (("mute", "Nobody"), []),
        (("why", ""), []),
    ],
)
async def test_who_steers_on_one_stage_is_told_on_the_others(
    start: Start, command: tuple[str, str], told: list[str]
) -> None:
    here, there, away = (ScriptedPlatform(name) for name in ("here", "there", "away"))
    away.ready.clear()
    play = await start(numbered(), stage=here, more=[there, away])
    play.swarm.control.pause()
    running = asyncio.create_task(play.swarm.run())
    here.do(Command("Sam", *command))
    here.do(Command("Sam", "resume", ""))
    *others, last = await there.when_noticed(len(told) + 1)
    assert (others, last) == (told, "Sam (here), /resume: On with the show.")
    assert not any("Sam" in notice for notice in here.notices)
    assert away.notices == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("is_seen", [True, False])
async def test_trouble_is_in_the_log_unless_whoever_started_the_show_sees_it(
    transcript: Transcript, caplog: pytest.LogCaptureFixture, is_seen: bool
) -> None:
    here, there = ScriptedPlatform("here"), ScriptedPlatform("there")
    if not is_seen:
        here.capabilities -= {"operator"}
    stages = Stages([here, there], transcript, Writer())
    await stages.lose(there, "The token is wrong.")
    text = "The show goes on without there: The token is wrong."
    assert here.notices == [text]
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == ([] if is_seen else [text])
    await stages.close()


async def test_nobody_seems_to_type_while_the_show_is_paused(start: Start) -> None:
    play = await start(numbered())
    running = asyncio.create_task(play.swarm.run())
    await play.stage.when_shown(1)
    play.swarm.control.pause()
    assert play.swarm.control.status() == "paused, pace 1: Ada, Bo, Cy"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
