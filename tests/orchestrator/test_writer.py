"""Patience with the transcript, and with stages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import OrchestratorError, StageFailed, TranscriptFull, TranscriptLocked
from orchestrator.platforms import Capability
from orchestrator.platforms.scripted import ScriptedPlatform
from orchestrator.stages import Stages
from orchestrator.transcript import Transcript
from orchestrator.writer import Writer


def refusing(*errors: Exception) -> Callable[[], str]:
    """An action that fails so often, and then is done."""
    left = list(errors)

    def action() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return action


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ([TranscriptFull("full")] * 3, ["The show waits: full"]),
        ([TranscriptLocked("locked")], []),
        ([TranscriptLocked("locked")] * 3, ["The show waits: locked"]),
        ([TranscriptLocked("locked"), TranscriptFull("full")], ["The show waits: full"]),
    ],
)
async def test_trouble_is_told_once_if_it_lasts(errors: list[Exception], told: list[str]) -> None:
    heard: list[str] = []
    writer = Writer(full_seconds=0, locked_seconds=0)

    async def tell(text: str) -> None:
        heard.append(text)

    writer.tell = tell
    for times in (1, 2):  # a new trouble is told anew
        assert await writer.write(refusing(*errors)) == "done"
        assert heard == told * times


async def test_what_waiting_does_not_mend_is_raised() -> None:
    with pytest.raises(OrchestratorError, match="no transcript"):
        await Writer().write(refusing(OrchestratorError("no transcript")))


class Plain(ScriptedPlatform):
    """A stage on which what stands stays, and which may be away."""

    capabilities: frozenset[Capability] = frozenset()
    is_away = False

    async def say(self, line_id: int, friend: str, text: str) -> str:
        if self.is_away:
            raise StageFailed("no connection")
        return await super().say(line_id, friend, text)


async def test_each_stage_is_asked_only_for_what_it_can_and_one_that_fails_stops_no_other(
    tmp_path: Path,
) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    able, plain = ScriptedPlatform(), Plain("plain")
    with Transcript.open(tmp_path / "t.sqlite", fresh=True, seed=1, now=now) as transcript:
        stages = Stages([plain, able], transcript, Writer())
        line_id = transcript.add("Ada", "friend", "one", {}, now)
        assert await stages.say(line_id, "Ada", "one")
        await stages.typing("Ada")
        stages.reword(line_id, "Ada", "two")
        stages.take_back(line_id)
        await able.when(lambda: able.shown[0].deleted)
        await plain.when_shown(2)
        assert (plain.typed_by, able.typed_by) == ([], ["Ada"])
        assert [(shown.text, shown.deleted) for shown in able.shown] == [("two", True)]
        assert [shown.text for shown in plain.shown] == ["one", "two"]
        plain.is_away = True
        assert await stages.say(transcript.add("Bo", "friend", "three", {}, now), "Bo", "three")
        assert not await Stages([plain], transcript, Writer()).say(line_id, "Ada", "one")
        assert [shown.text for shown in able.shown] == ["two", "three"]
