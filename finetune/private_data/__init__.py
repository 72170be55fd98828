"""Private data in chat lines: found, and replaced by a neutral word so that a line still reads.

Two wrongs are weighed here: a phone number that a bot says in public, and a score, date or
price that vanishes from what somebody wrote. Links and platforms' tags are not looked into;
they have rules of their own.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter

from finetune.links_and_tags import LINK, TAG
from finetune.private_data.finding import has_any, replaced
from finetune.private_data.keys_and_passwords import WORDLESS_HINTS, has_secret
from finetune.private_data.phone_numbers import without_phones
from finetune.private_data.street_addresses import STREETS, may_hold_street

EMAIL, CARD, ACCOUNT, ADDRESS, IP = (
    "email", "card number", "account number", "address", "ip address",
)  # fmt: skip
SECRET = "secret"
"""Passwords and keys: the whole line goes, as what stands around them explains them."""

DIGIT = re.compile(r"\d")
FEWEST_DIGITS = 7
"""Of phone numbers; cards and accounts have more."""
UNTOUCHED = re.compile(rf"({LINK.pattern}|{TAG})", re.I)

MAIL = re.compile(r"(?<![\w@.+-])[\w.+-]*\w[\w.+-]*@(?:[\w-]+\.)+[^\W\d_]{2,24}(?![\w@])")
SPELLED_MAIL = re.compile(
    r"(?<!\w)[\w.+-]+\s?[(\[]\s?at\s?[)\]]\s?[\w-]+\s?(?:[(\[]\s?dot\s?[)\]]|\.)\s?[a-z]{2,10}\b",
    re.I,
)
SPELLED_MAIL_HINTS = ("at)", "at]")
HINTS_WITHOUT_DIGIT = (*WORDLESS_HINTS, *SPELLED_MAIL_HINTS)
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}")
CARD_FORM = re.compile(
    r"(?<![\w.,+-])(?:[2-6][0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{4}"
    r"|3[47][0-9]{2}([ -]?)[0-9]{6}\2[0-9]{5})(?![\w-]|[.,][0-9])"
)
IP_V4 = re.compile(r"(?<![\w.,-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|-\w|\.\w)")
IP_V6 = re.compile(r"(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])", re.I)
VERSION = re.compile(
    r"\b(?:v|ver|version|versione|versión|versie|build|release|patch|update|firmware|driver|"
    r"python|ios|android|kernel|java|chrome|windows|macos)\W{0,2}$",
    re.I,
)
EVERYBODYS_IPS = {"127.0.0.1", "0.0.0.0", "255.255.255.255", "8.8.8.8", "8.8.4.4", "1.1.1.1"}


def without_private_data(text: str) -> tuple[str, Counter[str]]:
    """The text with private data replaced, and how much was found of each kind.

    A text with a password or a key in it becomes empty.
    """
    kinds: Counter[str] = Counter()
    while _may_hold_any(text):
        if "<" in text or "://" in text or "www." in text:
            pieces = UNTOUCHED.split(text)
            # Between the pieces stands, by the group of the pattern, what is left alone.
            pieces[::2] = [_without(piece, kinds) for piece in pieces[::2]]
            cleaned = "".join(pieces)
        else:
            cleaned = _without(text, kinds)
        if kinds[SECRET]:
            return "", kinds
        if cleaned == text:
            break
        text = cleaned  # and look again: a word that was put in may complete something else
    return text, kinds


def _may_hold_any(text: str) -> bool:
    if "@" in text or DIGIT.search(text):
        return True
    return has_any(HINTS_WITHOUT_DIGIT, text.lower())


def _without(text: str, kinds: Counter[str]) -> str:
    if has_secret(text):
        kinds[SECRET] += 1
        return ""
    if "@" in text or has_any(SPELLED_MAIL_HINTS, text.lower()):
        text = replaced(text, MAIL, EMAIL, kinds)
        text = replaced(text, SPELLED_MAIL, EMAIL, kinds)
    digits = len(DIGIT.findall(text))
    if not digits:
        return text
    if text.count(".") > 2:
        text = replaced(text, IP_V4, IP, kinds, _is_ip_v4)
    if text.count(":") > 1:
        text = replaced(text, IP_V6, IP, kinds, _is_ip_v6)
    if digits >= FEWEST_DIGITS:
        text = _without_long_numbers(text, kinds)
    if may_hold_street(text):
        for street in STREETS:
            text = replaced(text, street, ADDRESS, kinds)
    return text


def _is_ip_v4(found: re.Match[str]) -> bool:
    if found[0] in EVERYBODYS_IPS or VERSION.search(found.string, 0, found.start()):
        return False
    try:
        ipaddress.IPv4Address(found[0])
    except ValueError:
        return False
    return True


def _is_ip_v6(found: re.Match[str]) -> bool:
    """Not 12:30:15, nor a::b, which are valid."""
    groups = found[0].split(":")
    if sum(map(len, groups)) < 6 or max(map(len, groups)) < 3:
        return False
    try:
        ipaddress.IPv6Address(found[0])
    except ValueError:
        return False
    return True


def _without_long_numbers(text: str, kinds: Counter[str]) -> str:
    text = IBAN.sub(lambda found: _without_iban(found[0], kinds), text)
    text = replaced(text, CARD_FORM, CARD, kinds, _is_card)
    return without_phones(text, kinds)


def _without_iban(text: str, kinds: Counter[str]) -> str:
    """The words that follow look like more groups of it, so shorter ones are tried too."""
    from stdnum import iban

    for end in range(len(text), 14, -1):
        at_border = text[end - 1].isalnum() and not text[end : end + 1].isalnum()
        if at_border and iban.is_valid(text[:end], check_country=False):
            kinds[ACCOUNT] += 1
            return ACCOUNT + text[end:]
    return text


def _is_card(found: re.Match[str]) -> bool:
    from stdnum import luhn

    digits = re.sub(r"\D", "", found[0])
    return len(set(digits)) > 1 and luhn.is_valid(digits)
