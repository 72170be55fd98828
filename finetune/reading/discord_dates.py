"""Dates as DiscordChatExporter prints them, and which of their numbers is the day.

Up to 2.40 users chose the pattern (`dd-MMM-yy hh:mm tt` and `MM/dd/yyyy h:mm tt` were the
defaults), then it became the short pattern of the user's language, in CSV now ISO 8601. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

FIRST_YEAR, LAST_YEAR = 2015, 2100
"""Discord opened in the first; other years are of another calendar, or no dates."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MORNING = {"am", "오전", "上午", "午前", "ص", "πμ"}
EVENING = {"pm", "오후", "下午", "午後", "م", "μμ"}
NO_HALF = {"", "ч", "h", "uhr"}
"""Words beside the time that do not tell the half of the day."""

UNIX_TIME = re.compile(r"\d{10}(?:\d{3})?")
ISO_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
    r"(?: ?(Z)| ?([+-])(\d\d):(\d\d))?"
)
NUMBERED = re.compile(r"(\d{1,4})([-./]) ?(\d{1,2})\2 ?(\d{1,4})\.?(?: г\.)?,? (.*)")
"""15/01/2024, 2024. 1. 15., 15. 01. 2024., 15.1.2024 г."""
DAY_MONTH = re.compile(r"(?:[A-Z][a-z]+,? )?(\d{1,2})[- .]([A-Z][a-z]{2,8})[-,. ]+(\d{2,4}),? (.*)")
MONTH_DAY = re.compile(r"(?:[A-Z][a-z]+,? )?([A-Z][a-z]{2,8})[- .](\d{1,2}),? (\d{2,4}),? (.*)")
CLOCK = re.compile(r"(\D*?)(\d{1,2}) ?[:.h] ?(\d\d)(?:[:.](\d\d)(?:[.,]\d+)?)?(\D*)")


@lru_cache(maxsize=64)  # many messages of a minute follow each other
def printed_time(text: str, day_first: bool) -> datetime:
    """The time, with its offset if it has one. Raises ValueError if it cannot be read."""
    text = tidy(text)
    if UNIX_TIME.fullmatch(text):
        seconds, rest = int(text[:10]), int(text[10:] or 0)
        time = datetime.fromtimestamp(seconds, UTC) + timedelta(milliseconds=rest)
    elif match := ISO_TIME.fullmatch(text):
        time = _iso_time(match)
    elif match := NUMBERED.fullmatch(text):
        time = _clock(match[5], *_year_month_day(match[1], match[3], match[4], day_first))
    elif match := DAY_MONTH.fullmatch(text):
        time = _clock(match[4], _year(match[3]), _month(match[2]), int(match[1]))
    elif match := MONTH_DAY.fullmatch(text):
        time = _clock(match[4], _year(match[3]), _month(match[1]), int(match[2]))
    else:
        raise ValueError("no known form of date")
    if not FIRST_YEAR <= time.year < LAST_YEAR:
        raise ValueError("not of Discord's years")
    return time


def tidy(text: str) -> str:
    """Without the marks of writing direction and the narrow spaces that some languages print."""
    if not text.isascii():
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return " ".join(text.split())


@lru_cache(maxsize=64)
def shape(text: str) -> str:
    """What all dates of a file have in common: `0/0/0 0:0 a` for 1/15/2024 10:30 AM."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", tidy(text)))


def _iso_time(match: re.Match[str]) -> datetime:
    *numbers, second, fraction, utc, sign, hours, minutes = match.groups()
    zone = UTC if utc else None
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        zone = timezone(-offset if sign == "-" else offset)
    year, month, day, hour, minute = map(int, numbers)
    # .NET writes up to seven digits of a second, Python reads six.
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    return datetime(year, month, day, hour, minute, int(second or 0), micros, zone)


def _year_month_day(a: str, b: str, c: str, day_first: bool) -> tuple[int, int, int]:
    if len(a) == 4:
        return int(a), int(b), int(c)
    if len(a) == 3:
        raise ValueError("no year has three digits")
    return (_year(c), int(b), int(a)) if day_first else (_year(c), int(a), int(b))


def _year(digits: str) -> int:
    return int(digits) + 2000 if len(digits) == 2 else int(digits)


def _month(name: str) -> int:
    return MONTHS.index(name[:3].lower()) + 1


def _clock(text: str, year: int, month: int, day: int) -> datetime:
    match = CLOCK.fullmatch(text)
    if match is None:
        raise ValueError("no known form of time")
    before, hours, minutes, seconds, after = match.groups()
    hour = int(hours)
    half = re.sub(r"[. ]", "", before + after).casefold()
    if half in MORNING | EVENING:
        # A pattern of 24 hours may have the half as well.
        hour = hour if hour > 12 else hour % 12 + (12 if half in EVENING else 0)
    elif half not in NO_HALF:
        raise ValueError("unknown half of the day")
    return datetime(year, month, day, hour, int(minutes), int(seconds or 0))  # noqa: DTZ001  # the caller knows the zone


@dataclass(slots=True)
class _Reading:
    """How the dates go if read with the day first, or with the month first."""

    last: datetime | None = None
    ups: int = 0
    downs: int = 0
    impossible: int = 0

    def add(self, time: datetime) -> None:
        self.ups += self.last is not None and _wall(time) > _wall(self.last)
        self.downs += self.last is not None and _wall(time) < _wall(self.last)
        self.last = time

    @property
    def disorder(self) -> int:
        return min(self.ups, self.downs)


def _wall(time: datetime) -> datetime:
    """Comparable, whether with an offset or without."""
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)


SETTLED_STEPS = 20
"""So many more steps one way than the other tell which end of a file is the newest."""


@dataclass(slots=True)
class DateSurvey:
    """What a file's dates tell together: which number is the day, which end is the newest.

    Give it the dates from the start until it knows enough.
    """

    given: bool | None
    """What the user said about the day."""
    _day: _Reading = field(default_factory=_Reading)
    _month: _Reading = field(default_factory=_Reading)
    _sample: str = ""
    """The first date that is written in numbers with the year last."""
    _readable: bool = False
    _differs: bool = False
    """Whether any date is another one if read the other way."""
    _short_day: bool = False
    """Whether a date is like 5/01/2024, which only day and month are written as."""

    def add(self, text: str) -> None:
        times = []
        for reading, day_first in ((self._day, True), (self._month, False)):
            try:
                times.append((reading, printed_time(text, day_first)))
            except ValueError:
                continue
        if not times:
            return
        self._readable = True
        if len(times) == 1:
            (self._month if times[0][0] is self._day else self._day).impossible += 1
        self._differs = self._differs or times[0][1] != times[-1][1]
        for reading, time in times:
            reading.add(time)
        match = NUMBERED.fullmatch(tidy(text))
        if match and len(match[1]) <= 2:
            self._sample = self._sample or tidy(text)
            self._short_day = self._short_day or (len(match[1]), match[3][0]) == (1, "0")

    @property
    def knows_day(self) -> bool:
        if self.given is not None or (self._readable and not self._sample):
            return True
        return self._day.impossible != self._month.impossible

    @property
    def knows_direction(self) -> bool:
        reading = self._day if self.day_first else self._month
        return abs(reading.ups - reading.downs) >= SETTLED_STEPS

    @property
    def day_first(self) -> bool:
        if self.given is not None:
            return self.given
        for of_day, of_month in (
            (self._day.impossible, self._month.impossible),
            (self._day.disorder, self._month.disorder),
        ):
            if of_day != of_month:
                return of_day < of_month
        return not self._looks_american

    @property
    def _looks_american(self) -> bool:
        half_day = self._sample[-2:].upper() in ("AM", "PM")
        return half_day and "/" in self._sample and not self._short_day

    @property
    def newest_first(self) -> bool:
        reading = self._day if self.day_first else self._month
        return reading.downs > reading.ups

    @property
    def doubt(self) -> str | None:
        """One sentence if the day had to be guessed."""
        if self.knows_day or not self._differs or self._day.disorder != self._month.disorder:
            return None
        first, option = ("day", "--no-day-first") if self.day_first else ("month", "--day-first")
        return (
            f"Whether the day or the month comes first in dates like {self._sample} is not "
            f"certain; they were read {first} first ({option} reads them the other way)."
        )
