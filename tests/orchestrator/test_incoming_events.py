"""What people do on a chat platform waits in order until the show takes it in."""

from __future__ import annotations

import pytest

from orchestrator.errors import StageLost
from orchestrator.platforms import Event, PersonLine
from orchestrator.platforms.incoming_events import MOST_EVENTS, IncomingEvents


def said(number: int) -> PersonLine:
    return PersonLine(str(number), "Ana", "hello")


async def test_what_came_before_a_stage_was_lost_is_taken_in_first() -> None:
    incoming, taken = IncomingEvents("chat"), list[Event]()
    assert not incoming.is_somebody_here
    incoming.put(said(1))
    incoming.lose(StageLost("The token is revoked."))
    assert incoming.is_somebody_here
    # Who asks early why it is lost takes nothing away.
    assert str(incoming.lost) == "The token is revoked."
    with pytest.raises(StageLost, match="revoked"):
        async for event in incoming:
            taken.append(event)
    assert taken == [said(1)]


async def test_what_comes_too_fast_is_lost_and_told_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    incoming = IncomingEvents("chat")
    for number in range(MOST_EVENTS + 150):
        incoming.put(said(number))
    incoming.end()
    assert [event async for event in incoming] == [said(n) for n in range(MOST_EVENTS)]
    assert [record.getMessage().partition(" events")[0] for record in caplog.records] == [
        "chat: 1", "chat: 100",
    ]  # fmt: skip
