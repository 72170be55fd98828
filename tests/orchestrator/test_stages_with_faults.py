"""A show on three stages that fail, hang and come and go by chance, with people on each: no line is
lost or doubled anywhere without being counted."""

from __future__ import annotations

import asyncio
import random
import re

import pytest

from orchestrator.errors import StageFailed
from orchestrator.platforms import Edit, PersonLine
from orchestrator.platforms.scripted import ScriptedPlatform
from tests.orchestrator.test_swarm import Play, Start, numbered, start

__all__ = ["start"]

STEPS = 150
MISSED = re.compile(r"(\d+) lines? (?:was|were) not shown here meanwhile")


class Moody(ScriptedPlatform):
    """Fails now and then, in ways known and unknown, and hangs while its gate is closed."""

    def __init__(self, name: str, rng: random.Random) -> None:
        super().__init__(name)
        self.rng = rng
        self.failure_chance = 0.2
        self.gate = asyncio.Event()
        self.gate.set()

    async def say(self, line_id: int, friend: str, text: str) -> str:
        await self.gate.wait()
        if self.rng.random() < self.failure_chance:
            raise self.rng.choice([StageFailed("no connection"), ValueError("odd answer")])
        return await super().say(line_id, friend, text)

    def calm_down(self) -> None:
        self.failure_chance = 0.0
        self.gate.set()
        self.ready.set()


class People:
    """Do something at random on random stages, some of it told twice."""

    def __init__(self, play: Play, stages: list[Moody], rng: random.Random) -> None:
        self.play, self.stages, self.rng = play, stages, rng
        self.said: list[tuple[Moody, str]] = []

    async def do_something(self) -> None:
        stage = self.rng.choice(self.stages)
        match self.rng.randrange(6):
            case 0 | 1:
                self.say(stage)
            case 2 if self.said:
                stage, message_id = self.rng.choice(self.said)
                stage.do(Edit(message_id, f"rather {self.rng.random()}"))
            case 3:
                stage.gate.clear()
            case 4:
                stage.ready.clear()
            case _:
                stage.gate.set()
                stage.ready.set()
        await self.play.when_heard()

    def say(self, stage: Moody) -> None:
        message_id = f"p{len(self.said)}"
        self.said.append((stage, message_id))
        for _ in range(self.rng.choice((1, 1, 3))):
            stage.do(PersonLine(message_id, "Sam", f"what about number {len(self.said)}?"))


def missed_there(stage: ScriptedPlatform) -> int:
    """How many lines the stage says that it has not shown."""
    return sum(int(found[1]) for notice in stage.notices if (found := MISSED.match(notice)))


@pytest.mark.parametrize("seed", range(4))
async def test_each_line_is_shown_once_and_in_order_on_each_stage_or_counted_there(
    start: Start, seed: int
) -> None:
    rng = random.Random(seed)
    stages = [Moody(name, rng) for name in ("here", "there", "elsewhere")]
    play = await start(numbered(), stage=stages[0], more=stages[1:])
    play.swarm.stages.patience_seconds = 0.01
    running = asyncio.create_task(play.swarm.run())
    async with asyncio.timeout(60):
        people = People(play, stages, rng)
        for _ in range(STEPS):
            await people.do_something()
        for stage in stages:
            stage.calm_down()
        # Until nobody waits any more, and all that was missed is told.
        for stage in stages:
            waiting = play.swarm.control.conversation.people_waiting
            await stage.when_shown(len(stage.shown) + waiting + 10)
        play.swarm.control.pause()
        await play.when_heard()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    rows = [row for row in play.transcript.lines() if row.kind in ("friend", "person")]
    seen = {row.id: row for row in rows if not row.unsaid}
    for stage in stages:
        shown = [int(message.message_id.removeprefix("m")) for message in stage.shown]
        assert shown == sorted(set(shown))
        expected = {id_ for id_, row in seen.items() if row.why.get("stage") != stage.name}
        assert set(shown) <= expected
        assert missed_there(stage) == len(expected - set(shown)) > 0
    assert sum(row.kind == "person" for row in rows) == len(people.said)
    for row in rows:
        if row.kind == "person":
            answers = [a for a in play.transcript.answers_to(row.id) if not a.unsaid]
            assert len(answers) == 1
