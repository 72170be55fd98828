"""Dates as people write them out: `Sonntag, 4. Dezember 2016 um 13:54 UTC+01`.

Knows the month names and the words for morning and afternoon of many languages from CLDR (by way
of Babel), the clock of 12 and of 24 hours, and what zones are called. The language need not be
told. Words that it does not know (weekdays, "at", "um", "г.") are passed over.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import NamedTuple

LANGUAGES = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "nb", "nn", "da", "fi", "is", "et", "lv",
    "lt", "pl", "cs", "sk", "sl", "hr", "bs", "sr", "sr_Latn", "mk", "bg", "ru", "uk", "be", "ro",
    "hu", "el", "tr", "sq", "ca", "gl", "af", "id", "ms", "he", "ar", "hi", "vi", "ko", "ja",
    "zh",
)  # fmt: skip
LONGEST_DATE = 100

CROATIAN = {"srp": 7, "lip": 6, "lis": 10, "listopad": 10, "listopada": 10}
"""Other months in Polish and Czech, which unlike Croatian write no dot after the year, and no
"u" before the time."""
MORE_MONTHS = {"sept": 9, "sep": 9, "maj": 5}
MORE_MARKERS = {
    **dict.fromkeys(("凌晨", "清晨", "早上"), "am"), **dict.fromkeys(("晚上", "傍晚"), "pm"),
    "de": "am", "du": "pm",
}  # fmt: skip
"""Words for the time of the day beside CLDR's pair; the last two stand here for Hungarian."""

HOURS = {
    **{"UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "MEZ": 1},
    **{"MESZ": 2, "SAST": 2, "EET": 2, "EEST": 3, "MSK": 3, "TRT": 3, "PKT": 5, "IST": 5.5},
    **{"NPT": 5.75, "ICT": 7, "WIB": 7, "HKT": 8, "SGT": 8, "AWST": 8, "PHT": 8, "JST": 9},
    **{"KST": 9, "ACST": 9.5, "ACDT": 10.5, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13},
    **{"NST": -3.5, "NDT": -2.5, "BRT": -3, "BRST": -2, "ART": -3, "CLT": -4, "CLST": -3},
    **{"AST": -4, "ADT": -3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6},
    **{"PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10},
}
AMBIGUOUS = {
    "CST": "North American Central Time (in China and Cuba it is another)",
    "IST": "Indian time (in Israel and Ireland it is another)",
    "BST": "British Summer Time (in Bangladesh it is another)",
    "AST": "Atlantic time (in Arabia it is another)",
    "PST": "Pacific time (in the Philippines it is another)",
    "EST": "North American Eastern Time (in Australia it is another)",
    "MST": "Mountain time (in Malaysia it is another)",
}

CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d{2})(?::(\d{2}))?(?!\d)")
DOTTED_CLOCK = re.compile(r"(?<!\d)(\d{1,2})(?:\.|\s?h\s?)(\d{2})(?:\.(\d{2}))?(?![\d.])")
"""Finnish, Danish and French; looked for only where no colon is."""
OFFSET = re.compile(r"[\s(](?:UTC|GMT)?\s?([+\-−–])(\d{1,2})[:.]?(\d{2})?\)?$")
ABBREVIATION = re.compile(r"(?:^|[\s(])([A-Z]{2,5})\)?$")
CHINESE = re.compile(r"(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일]?")
VIETNAMESE = re.compile(r"\bth(?:áng|g)\s(\d{1,2})\b")
TOKEN = re.compile(r"\d+|[^\s\d.,:;()/|@׳'’\"-]+")
UNSEEN = {ord(c): None for c in "\u200e\u200f\u061c\u202a\u202b\u202c\u2066\u2067\u2068\u2069"}


class LongDate(NamedTuple):
    time: datetime
    """Naive if the text names no zone that is known."""
    zone: str
    """The zone's abbreviation, if the text has one."""


def long_date(text: str) -> LongDate:
    """The time that the text names, to the minute or second. Raises ValueError if it is no date
    with a time, or no possible one."""
    if len(text) > LONGEST_DATE:
        raise ValueError("too long for a date")
    text = " ".join(text.translate(UNSEEN).split())
    clock = CLOCK.search(text) or _last(DOTTED_CLOCK, text)
    if clock is None:
        raise ValueError("no time of the day")
    before, after = text[: clock.start()].rstrip(), text[clock.end() :]
    after, offset, zone = _zone(after)
    hour, minute, second = (int(part or 0) for part in clock.groups())
    marker = _marker(after, before)
    if marker and 1 <= hour <= 12:
        hour = hour % 12 + (12 if marker == "pm" else 0)
    year, month, day = _day(f"{before} | {after}" if after else before)
    time = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  # most name no zone
    return LongDate(time if offset is None else time.replace(tzinfo=offset), zone)


def zone_remark(zone: str) -> str | None:
    """What a user should know about how the zone was read, if anything."""
    if zone in AMBIGUOUS:
        return f"Its times are given in {zone}, which was read as {AMBIGUOUS[zone]}."
    if zone and zone not in HOURS:
        return f"Its times are given in {zone}, a zone that BotConvo does not know; local was read."
    return None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(text):
        found = match
    return found


def _zone(after: str) -> tuple[str, timezone | None, str]:
    """What follows the clock without the zone, the zone, and what it is called."""
    if offset := OFFSET.search(after):
        sign = 1 if offset[1] == "+" else -1
        length = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        return after[: offset.start()], timezone(sign * length), ""
    named = ABBREVIATION.search(after)
    if named is None or (named[1] not in HOURS and named[1].casefold() in _markers()):
        return after, None, ""
    hours = HOURS.get(named[1])
    known = None if hours is None else timezone(timedelta(hours=hours))
    return after[: named.start()], known, named[1]


def _marker(after: str, before: str) -> str | None:
    """ "am" or "pm", from the words beside the clock."""
    markers = _markers()
    found = markers.get(_squeezed(after)) or markers.get(_squeezed(after.split(",")[0]))
    if found is None and (word := re.search(r"[^\s\d,]+$", before)):
        found = markers.get(_squeezed(word[0].lstrip("日일")))
    return found


def _squeezed(words: str) -> str:
    return words.replace(" ", "").replace(".", "").casefold()


def _day(text: str) -> tuple[int, int, int]:
    if chinese := CHINESE.search(text):
        return int(chinese[1]), int(chinese[2]), int(chinese[3])
    text = text.casefold()
    month = None
    if vietnamese := VIETNAMESE.search(text):
        month = int(vietnamese[1])
        text = text.replace(vietnamese[0], " ")
    months = _months()
    numbers = []
    for token in TOKEN.findall(text):
        if token[0].isdecimal():
            numbers.append(token)
            continue
        # Weekdays come first and some look like a month (Spanish "mar"), so the last counts.
        month = months.get(token, month)
        if token in CROATIAN and re.search(r"\d{4}\.|\bu\b", text):
            month = CROATIAN[token]
    return _numbers(numbers, month, text)


def _numbers(numbers: list[str], month: int | None, text: str) -> tuple[int, int, int]:
    """Which number is the year, and which the day (and the month, if it has no name)."""
    lengths = [len(number) for number in numbers]
    if month is None and len(numbers) == 3 and lengths[0] == 4:
        year, month, day = (int(number) for number in numbers)
    elif month is None and len(numbers) == 3 and lengths[2] == 4 and "/" not in text:
        day, month, year = (int(number) for number in numbers)
    elif month is not None and sorted(lengths) in ([1, 4], [2, 4]):
        day, year = sorted((int(number) for number in numbers), key=lambda n: n > 31)
    else:
        raise ValueError("no day, no month or no year")
    return year, month, day


@cache
def _months() -> dict[str, int]:
    from babel import Locale  # slow to load, and few exports need it

    table: dict[str, int] = {}
    for language in LANGUAGES:
        months = Locale.parse(language).months
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in months[context][width].items():
                    _add_month(table, language, name.casefold(), number)
    return MORE_MONTHS | table


def _add_month(table: dict[str, int], language: str, name: str, number: int) -> None:
    if any(c.isdecimal() for c in name):
        return
    # Catalan says "d'octubre", "de març": the name proper is the longest word.
    name = max(TOKEN.findall(name), key=len)
    if language == "hr" and name in CROATIAN:
        return
    table[name] = number
    if language == "he":
        table[f"ב{name}"] = number  # "in December" is one word


@cache
def _markers() -> dict[str, str]:
    from babel import Locale

    table = dict(MORE_MARKERS)
    for language in LANGUAGES:
        periods = Locale.parse(language).day_periods
        for context in periods.values():
            for width in ("abbreviated", "wide"):
                for marker in ("am", "pm"):
                    if word := context.get(width, {}).get(marker):
                        table[_squeezed(" ".join(word.split()))] = marker
    return table
