"""Times as people write and read them: "2h", "3 days", "yesterday", "2026-11-21 14:00". Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from orchestrator.errors import OrchestratorError

UNITS = {
    "s": "seconds", "sec": "seconds", "second": "seconds", "m": "minutes", "min": "minutes",
    "minute": "minutes", "h": "hours", "hr": "hours", "hour": "hours", "d": "days", "day": "days",
    "w": "weeks", "week": "weeks",
}  # fmt: skip
AGO = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]+?)s?(?:\s+ago)?", re.ASCII)
DAYS_AGO = {"today": 0, "yesterday": 1}

COUNTED_FROM = datetime(2000, 1, 1, tzinfo=UTC)
"""The clock of a show with `--seed` or `--lines` begins here, so that every run is the same: its
times are counted and no dates."""
COUNTED_UNTIL = COUNTED_FROM.replace(year=2020)
"""BotConvo is younger, so no real line is."""


def moment(text: str, now: datetime, *, end: bool = False) -> datetime:
    """The time that is meant, aware, in the machine's time zone unless the text names another. A
    day is its beginning, or with `end` the beginning of the next. Raises OrchestratorError."""
    plain = text.strip().casefold()
    try:
        if plain == "now":
            return now
        if plain in DAYS_AGO:
            day = now.astimezone().date() - timedelta(days=DAYS_AGO[plain])
            return _begin_of(day + timedelta(days=end))
        if (ago := AGO.fullmatch(plain)) and ago[2] in UNITS:
            return now - timedelta(**{UNITS[ago[2]]: float(ago[1])})
        try:
            return _begin_of(date.fromisoformat(plain) + timedelta(days=end))
        except ValueError:
            found = datetime.fromisoformat(plain.upper())
            return found if found.tzinfo else found.astimezone()
    except (ValueError, OverflowError) as error:
        raise OrchestratorError(
            f"{text!r} is no time; write it as 2026-03-31, '2026-03-31 18:00', 2h, '3 days' or "
            "yesterday."
        ) from error


def counted(at: datetime) -> timedelta | None:
    """How long after its show began a line was said, if the show has no real clock."""
    return at - COUNTED_FROM if at < COUNTED_UNTIL else None


def stamp(at: datetime) -> str:
    """ "2026-11-21 14:03:05", or "+0:14:05" in a show that has no real clock."""
    after = counted(at)
    return f"+{_hours(after)}" if after is not None else f"{at:%Y-%m-%d %H:%M:%S}"


def told(at: datetime) -> str:
    """The same within a sentence."""
    after = counted(at)
    return f"{_hours(after)} after its show began" if after is not None else stamp(at)


def _hours(after: timedelta) -> str:
    minutes, seconds = divmod(int(after.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()
