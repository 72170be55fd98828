"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import OrchestratorError
from orchestrator.transcript.when import moment

NOW = datetime(2026, 3, 31, 15, 30, tzinfo=UTC)
"""Aware, but a day of the machine's own zone is meant by "today"."""


def here(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("2h", timedelta(hours=2)), ("2 hours ago", timedelta(hours=2)),
        ("3 days", timedelta(days=3)), ("1 day", timedelta(days=1)), ("90s", timedelta(seconds=90)),
        ("1.5 weeks", timedelta(days=10.5)), ("20 Mins", timedelta(minutes=20)),
        (" 5m ", timedelta(minutes=5)), ("now", timedelta()),
    ],
)  # fmt: skip
def test_a_span_is_counted_back_from_now(text: str, ago: timedelta) -> None:
    assert moment(text, NOW) == NOW - ago


def test_a_day_is_its_beginning_or_its_end() -> None:
    today = NOW.astimezone().date()
    yesterday = today - timedelta(days=1)
    assert moment("yesterday", NOW) == here(yesterday.isoformat())
    assert moment("Yesterday", NOW, end=True) == moment("today", NOW) == here(today.isoformat())
    assert moment("2026-03-28", NOW) == here("2026-03-28")
    assert moment("2026-03-28", NOW, end=True) == here("2026-03-29")
    assert moment("20260328", NOW, end=True) == here("2026-03-29")


def test_a_time_is_of_this_place_unless_it_says_otherwise() -> None:
    assert moment("2026-03-28 18:05", NOW, end=True) == here("2026-03-28T18:05")
    assert moment("2026-01-28T18:05:00+09:00", NOW).isoformat() == "2026-01-28T18:05:00+09:00"
    assert moment("2026-01-28T18:05z", NOW) == datetime(2026, 1, 28, 18, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "2 moons", "2026-02-30", "h", "999999999w", "-3h", "9999-12-31 25:00"]
)
def test_what_is_no_time_says_how_to_write_one(text: str) -> None:
    with pytest.raises(OrchestratorError, match="is no time; write it as 2026-03-31"):
        moment(text, NOW)


@given(st.text() | st.from_regex(r"\d{1,9}(\.\d+)? ?[a-z]+( ago)?", fullmatch=True))
def test_whatever_is_typed_is_an_aware_time_or_one_sentence(text: str) -> None:
    for end in (False, True):
        try:
            assert moment(text, NOW, end=end).tzinfo is not None
        except OrchestratorError as error:
            assert "\n" not in str(error)
