"""The beginnings of messages in WhatsApp's text exports, and what their dates mean.

    [15.01.24, 10:30:00] Ann: hi        iOS
    1/29/18, 12:24 PM - Ann: hi         Android
    13.06.18 21.25.15: Ann: hi          old

Every phone writes them in its own country's way: order, separators, digits, clock and invisible
direction marks differ, but within one file they are all alike. So the whole file decides about
its style, and lines in another style are text that somebody pasted. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime

from finetune.reading.placeholders import MARKS

SURE_CHANGES = 3
"""So many more days than months must have changed for a sure reading."""
EARLIEST_YEAR = 1970
"""Before come other calendars, which we cannot read."""
BUDDHIST_YEARS = 543
LATEST_YEAR = 2400
"""After come the years of Thai phones."""

MORNING = (
    *("am", "πμ", "ص", "قظ", "पूर्वाह्न", "fm", "de", "sa", "öö", "pd", "pg", "проб", "дп"),
    *("上午", "凌晨", "清晨", "早上", "午前", "오전"),
)
AFTERNOON = (
    *("pm", "μμ", "م", "بظ", "अपराह्न", "em", "du", "ch", "ös", "md", "ptg", "слоб", "пп"),
    *("下午", "晚上", "午後", "오후", "中午"),
)
"""Without the full stops and spaces that may stand between their letters."""
NOON = "中午"
"""Runs from before twelve to after one."""
AT = ("klo", "kl.", "kl", "um", "at", "à", "às", "alle", "o", "ob", "u", "ora", "a las", "pukul")
"""What may stand between date and time."""
YEAR = r"г\."
"""What Bulgarian phones write after the date."""

_GAP = rf"[ \t\u00a0\u202f\u2009{MARKS}]"
_DOTS = re.compile(rf"\.|{_GAP}")
_PARTS = "|".join(
    rf"\.?{_GAP}?".join(part) + r"\.?"
    for part in sorted((*MORNING, *AFTERNOON), key=len, reverse=True)
)
_HEADER = re.compile(
    rf"""[{MARKS}]* (?P<open>\[)? [{MARKS}]*
    (?P<a>\d{{1,4}}) [{MARKS}]* (?P<mark>[/.\-]) {_GAP}*
    (?P<b>\d{{1,2}}) [{MARKS}]* (?P=mark) {_GAP}*
    (?P<c>\d{{1,4}}) [{MARKS}]* \.? [{MARKS}]* (?:{_GAP}?{YEAR})? [,،、]? {_GAP}+
    (?:(?:{"|".join(re.escape(word) for word in AT)}) {_GAP}+)?
    (?:(?P<before>{_PARTS}) {_GAP}*)?
    (?P<hour>\d{{1,2}}) [:.] (?P<minute>\d{{2}}) (?:[:.] (?P<second>\d{{2}}))?
    (?:{_GAP}* (?P<after>{_PARTS}))? [{MARKS}]*
    (?:(?P<end>\]) | {_GAP}+ (?P<dash>[-–—]) | (?P<colon>:)) (?:[{MARKS}]* {_GAP} | $)
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Style:
    """What all headers of a file have in common."""

    end: str
    """`]`, `-` or `:`"""
    mark: str
    """`/`, `.` or `-`, between the numbers of the date"""
    long_year: str
    """Whether the "first" or the "last" number has four digits, or "none"."""
    has_seconds: bool


@dataclass(frozen=True, slots=True)
class Header:
    """The beginning of a message, as written."""

    style: Style
    numbers: tuple[int, int, int]
    hour: int
    minute: int
    second: int
    day_part: str
    rest: str
    """What follows: author and text."""


def header_of(line: str) -> Header | None:
    """The header at the start of the line, if there is one."""
    found = _HEADER.match(line)
    if found is None or bool(found["open"]) != bool(found["end"]):
        return None
    if len(found["a"]) == 3 or len(found["c"]) == 3:
        return None
    long_year = "first" if len(found["a"]) == 4 else "last" if len(found["c"]) == 4 else "none"
    end = found["end"] or found["colon"] or "-"
    return Header(
        Style(end, found["mark"], long_year, found["second"] is not None),
        (int(found["a"]), int(found["b"]), int(found["c"])),
        int(found["hour"]),
        int(found["minute"]),
        int(found["second"] or 0),
        _DOTS.sub("", found["before"] or found["after"] or "").casefold(),
        line[found.end() :],
    )


Order = str
"""Of the three numbers of a date: "dmy", "mdy", "ymd" or "ydm"."""


def day_of(numbers: tuple[int, int, int], order: Order) -> date:
    """The day that the numbers mean. Raises ValueError if there is none."""
    named = dict(zip(order, numbers, strict=True))
    year = named["y"]
    if year < 100:
        year += 2000
    elif year > LATEST_YEAR:
        year -= BUDDHIST_YEARS
    if year < EARLIEST_YEAR:
        raise ValueError(f"the year {year} is of another calendar")
    return date(year, named["m"], named["d"])


def time_of(header: Header, order: Order) -> datetime:
    """When the message was sent, on the clock of the phone. Raises ValueError if the numbers
    mean no time."""
    day, hour = day_of(header.numbers, order), header.hour
    if header.day_part in AFTERNOON:
        if hour < 12 and (header.day_part != NOON or hour < 6):
            hour += 12
    elif header.day_part and hour == 12:
        hour = 0
    return datetime(day.year, day.month, day.day, hour, header.minute, header.second)  # noqa: DTZ001  # the caller knows the zone


@dataclass(slots=True)
class Reading:
    """How the dates of a file look if they are read in one order."""

    order: Order
    impossible: int = 0
    backward: int = 0
    year_changes: int = 0
    month_changes: int = 0
    last: date | None = None

    def add(self, numbers: tuple[int, int, int]) -> None:
        try:
            day = day_of(numbers, self.order)
        except ValueError:
            self.impossible += 1
            return
        if self.last is not None:
            self.backward += day < self.last
            self.year_changes += day.year != self.last.year
            self.month_changes += day.month != self.last.month
        self.last = day


ORDERS = {"first": ("ymd", "ydm"), "last": ("dmy", "mdy"), "none": ("dmy", "mdy", "ymd")}


@dataclass(slots=True)
class Dates:
    """The dates of all headers of one style, read in every order that may be meant."""

    style: Style
    count: int = 0
    days: int = 0
    twelve_hours: bool = False
    readings: list[Reading] = field(init=False)
    _last: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        self.readings = [Reading(order) for order in ORDERS[self.style.long_year]]

    def add(self, header: Header) -> None:
        self.count += 1
        self.twelve_hours = self.twelve_hours or bool(header.day_part)
        if header.numbers != self._last:
            self._last = header.numbers
            self.days += 1
            for reading in self.readings:
                reading.add(header.numbers)

    def _year_may_be_first(self) -> bool:
        """Whether two digits in front can hardly be a day: they are too large, or stay the same
        for years while the last two change."""
        day_month, month_day, year_first = self.readings
        others = min(day_month.impossible, month_day.impossible)
        return year_first.impossible < self.days / 2 < others or (
            year_first.impossible == year_first.year_changes == 0
            and day_month.year_changes >= SURE_CHANGES
        )

    def order(self, day_first: bool | None = None) -> tuple[Order, bool]:
        """The order of day, month and year, and whether it is sure.

        Impossible dates tell most; then that time goes on; then that no country writes the month
        first with full stops; then that years change less often than months, and months less
        often than days; then that 12-hour clocks with slashes are American.
        """
        unwanted = {None: "", True: "mdy", False: "dmy"}[day_first]
        readings = [r for r in self.readings if r.order != unwanted]
        if self.style.long_year == "none" and not self._year_may_be_first():
            readings = [r for r in readings if r.order != "ymd"]
        american = self.twelve_hours and self.style.mark == "/"
        usual = ("mdy", "dmy", "ymd", "ydm") if american else ("dmy", "mdy", "ymd", "ydm")
        ranked = sorted(
            readings,
            key=lambda r: (
                *(r.impossible, r.backward, self._is_unheard_of(r)),
                *(r.year_changes, r.month_changes, usual.index(r.order)),
            ),
        )
        best = ranked[0]
        return best.order, all(
            _is_worse(other, best) or self._is_unheard_of(other) for other in ranked[1:]
        )

    def _is_unheard_of(self, reading: Reading) -> bool:
        return reading.order == "ydm" or (reading.order == "mdy" and self.style.mark == ".")


def _is_worse(other: Reading, best: Reading) -> bool:
    """Whether the other order is out of the question."""
    return (
        other.impossible > best.impossible
        or other.backward > best.backward
        or other.year_changes >= best.year_changes + SURE_CHANGES
        or other.month_changes >= best.month_changes + SURE_CHANGES
    )


@dataclass(slots=True)
class Styles:
    """The headers of a file by style; there are few styles, so this stays small."""

    by_style: dict[Style, Dates] = field(default_factory=dict)

    def add(self, header: Header) -> None:
        self.by_style.setdefault(header.style, Dates(header.style)).add(header)

    def dominant(self) -> Dates | None:
        """The style of most headers; of as many, the one that came first."""
        counts = Counter({style: dates.count for style, dates in self.by_style.items()})
        return self.by_style[counts.most_common(1)[0][0]] if counts else None

    def others(self) -> int:
        """How many lines look like headers, but in another style."""
        dominant = self.dominant()
        return sum(d.count for d in self.by_style.values() if d is not dominant)
