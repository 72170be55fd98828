"""How much friends may talk while no person does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.settings import LimitSettings
from orchestrator.talk.limits import Limits

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_so_many_lines_an_hour_and_no_more() -> None:
    limits = Limits(LimitSettings(lines_per_hour=10))
    for minute in range(10):
        assert limits.rest(NOON + timedelta(minutes=minute)) is None
        limits.said(NOON + timedelta(minutes=minute), asked_for=False)
    rest = limits.rest(NOON + timedelta(minutes=10))
    assert rest is not None
    assert rest.until == NOON + timedelta(hours=1)
    assert rest.reason.startswith("10 lines within the hour; on with it at 13:00")
    assert limits.rest(NOON + timedelta(hours=1)) is None


def test_answers_to_people_do_not_count_against_the_hour() -> None:
    limits = Limits(LimitSettings(lines_per_hour=1))
    limits.said(NOON, asked_for=True)
    assert limits.rest(NOON) is None


@pytest.mark.parametrize(("hour", "until"), [(23, 31), (2, 7), (7, None), (12, None), (22, None)])
def test_quiet_hours_may_span_midnight(hour: int, until: int | None) -> None:
    limits = Limits(LimitSettings(quiet_hours="23:00-07:00"))
    rest = limits.rest(NOON.replace(hour=hour))
    midnight = NOON.replace(hour=0)
    assert (rest and rest.until) == (midnight + timedelta(hours=until) if until else None)


@pytest.mark.parametrize("text", ["late", "23:00", "25:00-07:00", "23-", "23:00Z-07:00Z"])
def test_quiet_hours_that_are_no_hours_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no such thing as '23:00-07:30'"):
        LimitSettings(quiet_hours=text)


def test_pauses_grow_while_nobody_reads() -> None:
    limits = Limits(LimitSettings())
    for _ in range(120):
        limits.said(NOON, asked_for=False)
    assert limits.pause_factor(is_read=True) == 1.0
    assert limits.pause_factor(is_read=False) == 4.0
    limits.person_spoke()
    assert limits.pause_factor(is_read=False) == 1.0
