"""Times as people write them: "2h", "3 days", "yesterday", "2026-11-21 14:00". Pure."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from orchestrator.errors import OrchestratorError

UNITS = {
    "s": "seconds", "sec": "seconds", "second": "seconds", "m": "minutes", "min": "minutes",
    "minute": "minutes", "h": "hours", "hr": "hours", "hour": "hours", "d": "days", "day": "days",
    "w": "weeks", "week": "weeks",
}  # fmt: skip
AGO = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]+?)s?(?:\s+ago)?", re.ASCII)
DAYS_AGO = {"today": 0, "yesterday": 1}


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


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()
