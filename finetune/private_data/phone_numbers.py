"""Phone numbers in chat lines.

A bare number must have the form in which people write phone numbers, and be valid somewhere:
scores, dates and prices are numbers, too.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from itertools import pairwise

from finetune.private_data.finding import replaced

PHONE = "phone number"

Shapes = tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]

END = r"(?![\w%€$£]|[.,:/-]\w)"
START = r"(?<![\w.,:/$€£#@+-])"
GAP = "[ \u00a0.-]"
PLUS = re.compile(r"(?<![\w+])(?:\+|00(?=[1-9]))[\d(][\d\s().\u00a0/-]{6,20}\d(?!\w)")
TRUNK = re.compile(rf"{START}\(?0\d{{1,5}}\)?(?:[ \u00a0./-]{{1,3}}\d{{2,8}}|\d){{1,9}}{END}")
TRUNK_REGIONS = ("DE", "GB", "FR", "IT", "NL", "BE", "CH", "AT", "AU", "SE", "IE", "JP")
SHAPES: Shapes = (
    (
        re.compile(rf"{START}(?:1{GAP})?(?:\(\d{{3}}\) ?|\d{{3}}({GAP}))\d{{3}}{GAP}\d{{4}}{END}"),
        ("US", "IT"),
    ),
    (re.compile(rf"{START}[679]\d\d(?:(?: \d\d){{3}}|(?: \d{{3}}){{2}}){END}"), ("ES", "PL", "PT")),
    (re.compile(rf"{START}(?:\(\d\d\)|\d\d) 9?\d{{4}}-\d{{4}}{END}"), ("BR",)),
    (re.compile(rf"{START}[6-9]\d{{4}} \d{{5}}{END}"), ("IN",)),
)
ASKED_FOR = re.compile(
    r"\b(?:call|text|ring|phone|phone number|tel|mobile|cell|whatsapp|my number|my new number|"
    r"handy|handynummer|telefon|meine nummer|ruf\w* mich|mon num[ée]ro|mon num|appelle|t[ée]l|"
    r"mi n[úu]mero|mi m[óo]vil|ll[áa]ma|mio numero|chiama|mijn nummer|bel)\b[^\d\n]{0,25}"
    r"(\d[\d .-]{5,14}\d)(?![\w%€$£]|[.,:/-]\w)",
    re.I,
)
ALL_REGIONS = ("US", "DE", "GB", "FR", "ES", "IT", "NL", "PL", "PT", "BR", "IN")
DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d([./ -])(?:0?[1-9]|1[0-2])\1(?:[0-2]?\d|3[01])"
    r"|(?:[0-2]?\d|3[01])([./ -])(?:[0-2]?\d|3[01])\2(?:19|20)\d\d)(?!\d)"
)


def without_phones(text: str, kinds: Counter[str]) -> str:
    """The text with a word for every phone number; adds to `kinds` how many there were."""
    text = PLUS.sub(lambda found: _without_international(found[0], kinds), text)
    text = TRUNK.sub(lambda found: _without_national(found[0], kinds), text)
    for shape, regions in SHAPES:
        text = replaced(text, shape, PHONE, kinds, partial(_is_phone_in, regions))

    def asked(found: re.Match[str]) -> str:
        if not _is_phone(found[1], ALL_REGIONS):
            return found[0]
        kinds[PHONE] += 1
        return found[0][: found.start(1) - found.start()] + PHONE

    return ASKED_FOR.sub(asked, text)


def _without_international(text: str, kinds: Counter[str]) -> str:
    from phonenumbers import Leniency, PhoneNumberMatcher

    number = "+" + text[2:] if text.startswith("00") else text
    for found in PhoneNumberMatcher(number, None, leniency=Leniency.POSSIBLE):
        digits = re.sub(r"\D", "", found.raw_string)
        if len(digits) < 9 or "000000" in digits or not number.startswith(found.raw_string):
            continue
        kinds[PHONE] += 1
        return PHONE + number[found.end :]
    return text


def _without_national(text: str, kinds: Counter[str]) -> str:
    """What follows may be another number, so shorter ones are tried too."""
    for end in range(len(text), 8, -1):
        is_border = end == len(text) or not text[end].isdigit()
        if is_border and text[end - 1].isdigit() and _is_phone(text[:end], TRUNK_REGIONS):
            kinds[PHONE] += 1
            return PHONE + text[end:]
    return text


def _is_phone(text: str, regions: tuple[str, ...]) -> bool:
    import phonenumbers

    groups = re.findall(r"\d+", text)
    digits = "".join(groups)
    if all(len(group) == 3 and group.endswith("00") for group in groups):
        return False  # 600 700 800
    if len(digits) < 7 or len(set(digits)) < 3 or DATE.search(text) or _is_counting(groups):
        return False
    if re.fullmatch(r"\d+\.\d+", text) or (text.startswith("0") and len(digits) < 9):
        return False
    for region in regions:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False


def _is_phone_in(regions: tuple[str, ...], found: re.Match[str]) -> bool:
    return _is_phone(found[0], regions)


def _is_counting(groups: list[str]) -> bool:
    """1234567890, or 06 07 08 09 10."""
    figures = list(map(int, groups if len(groups) > 3 else "".join(groups)))
    steps = {(b - a) % 10 for a, b in pairwise(figures)}
    return steps in ({1}, {9})
