"""Private data in chat lines: found, and replaced by a neutral word so that a line still reads.

Two wrongs are weighed here: a phone number that a bot says in public, and a score, date or
price that vanishes from what somebody wrote. So a bare number must have the form in which
people write phone numbers, and be valid somewhere, before it counts as one. Links and
platforms' tags are not looked into; they have rules of their own.

Street names are recognised in English, German, French, Spanish, Italian and Dutch.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from finetune.markup import LINK

EMAIL, PHONE, CARD, ACCOUNT, ADDRESS, IP = (
    "email", "phone number", "card number", "account number", "address", "ip address",
)  # fmt: skip
SECRET = "secret"
"""Passwords and keys: the whole line goes, as what stands around them explains them."""

DIGIT = re.compile(r"\d")
FEWEST_DIGITS = 7
"""Of phone numbers; cards and accounts have more."""
SHORTEST_KEY = 20
UNTOUCHED = re.compile(rf"({LINK.pattern}|<(?:@[!&]?|#|t:-?|a?:\w+:)\d+(?::\w)?>)", re.I)

MAIL = re.compile(r"(?<![\w@.+-])[\w.+-]*\w[\w.+-]*@(?:[\w-]+\.)+[^\W\d_]{2,24}(?![\w@])")
SPELLED_MAIL = re.compile(
    r"(?<!\w)[\w.+-]+\s?[(\[]\s?at\s?[)\]]\s?[\w-]+\s?(?:[(\[]\s?dot\s?[)\]]|\.)\s?[a-z]{2,10}\b",
    re.I,
)
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

# --- secrets ------------------------------------------------------------------------------

KEYS = re.compile(
    r"\b(?:[MNO][\w-]{23,27}\.[\w-]{6,7}\.[\w-]{27,}|mfa\.[\w-]{60,}"  # Discord
    r"|\d{8,10}:[\w-]{35}"  # Telegram: https://core.telegram.org/bots#how-do-i-create-a-bot
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_\w{36,}|github_pat_\w{50,}|glpat-[\w-]{20,}"
    r"|xox[abprs]-[\w-]{20,}|sk-[\w-]{20,}|[rs]k_live_\w{20,}|AIza[\w-]{35}|hf_[A-Za-z]{30,}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*|[0-9a-f]{32,})(?![\w-])"
)
LONG_TOKEN = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/=_-]{24,}(?![\w+/=-])")
RUN = re.compile(r"[A-Z]+|[a-z]+|[0-9]+")
RUNS_OF_RANDOM = 10
"""Changes between capitals, small letters and digits in a key; names of files have fewer."""
PASSWORD = re.compile(
    r"\b(?:[\w-]*pass(?:word|wort|code|phrase|wd)|pwd|kennwort|mot de passe|mdp|contraseña"
    r"|wachtwoord|pin(?:[ -]?code)?|cvv|cvc)\s*(?:\b(?:is|ist|est|es)\b\s*:?|è\s|[=:])\s*"
    r"[\"'`]?(\S+)",
    re.I,
)
NUMBERS_ONLY = {"pin", "cvv", "cvc"}
SECRET_HINTS = (
    *("pass", "pwd", "kennwort", "mdp", "contrase", "wachtw", "private key-----"),
    *("pin", "cvv", "cvc"),
)
WORDLESS_HINTS = (*SECRET_HINTS[:-3], "at)", "at]")
"""Of private data without any digit."""
WORDS_AFTER_PASSWORD_IS = """
    a about actually all almost already also always an and another any as at back bad basically
    because been being best better between bloody broken but by case changed changing classified
    compromised correct dead different down dumb easy empty enough even everything exactly expired
    fine for from fucking funny getting going gone good great hard hidden hilarious his her how i
    idk in incorrect insane insecure invalid it its just kinda known leaked like literally locked
    long longer lost lol lmao maybe me missing my needed never new no not nothing now obvious of
    off ok okay old on one only or our out outdated over pretty probably public quite really
    required reset right rubbish safe same secret secure set short so some something still strong
    stuck stupid such taped terrible that the their there this to too unknown unsafe up valid very
    way weak weird what when where which why working written wrong you your
    falsch richtig weg nicht noch immer zu das der die ein eine mein dein nur sehr schon abgelaufen
    faux bon trop pas le la un une ton mon toujours encore
    incorrecta mal muy el mi tu la una no demasiado sbagliata troppo la il
    niet het de een te mijn jouw fout
"""
SAID_OF_PASSWORDS = frozenset(WORDS_AFTER_PASSWORD_IS.split())

# --- phone numbers ------------------------------------------------------------------------

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

# --- streets ------------------------------------------------------------------------------
# Small letters count only where the sentence ends or goes on as after an address, since
# "2 good street tacos" and "calle tiene 3" are no addresses.

FIGURE = r"(?<![\w.,:/$€£#+-])\d{1,5}(?:[ -]?\d{1,4}(?=,? ))?[a-zA-Z]?"
GOES_ON = (
    r"(?=\s*(?:$|[.,;:!?)\n]|(?:in|near|at|is|if|and|but|btw|pls|please|by|next|apt|flat|floor|"
    r"ok|thx|thanks|und|oder|ist|bitte|et|à|est|y|en|es|piso|e|a|è|bij|vibes|lol|u|\d+)\b))"
)
NO_NAME = (
    r"(?!(?:a|an|the|to|of|on|in|at|my|our|your|his|her|their|this|that|down|up|from|across|more|"
    r"other|different|way|lane|people|guys|cars|houses|blocks?|min|mins|minutes?|hours?|days?|"
    r"miles?|km|m|x|times|and|or|for|with|by|per|is|are|new|big|long|open|good|whole|dead|"
    r"sesame|wall)\b)"
)
ENGLISH_STRONG = r"(?:street|road|avenue|boulevard|blvd|crescent|terrace|ave|rd|st)\b\.?"
ENGLISH_WEAK = (
    r"(?:Street|Road|Avenue|Boulevard|Blvd|Crescent|Terrace|Ave|Rd|St|Drive|Dr|Way|Court|Ct|Place|"
    r"Pl|Square|Sq|Close|Lane|Ln|Gardens|Grove|Hill|Row|Mews|Parkway|Pkwy|Highway|Hwy)\b\.?"
)
POSTCODE = r"(?:,? \d{4,5} [A-ZÄÖÜ]\w+)?"
HOUSE = r"\d{1,4}(?: ?[a-z])?\b(?![.,:%]\d|[%€$£])"
NO_MEASURE = (
    r"(?! ?(?:km|m|min|mins|minuten|minutes|minuti|uhr|euro|mal|std|stunden|heures|horas|ore|"
    r"x|people|hours?|days?|weeks?|months?|years?|times)\b)"
)
NO_STREETS = r"(?!(?:sitz|park|stell|arbeits|start|spiel|tabellen|zelt|treff|flug|lehr|rast)platz)"
COMPANIES = (
    r"(?!(?:Discord|Steam|Zoom|Teams|Telegram|WhatsApp|PayPal|Twitch|Email|DM|Bluetooth|USB|HDMI|"
    r"Amazon|Google|Xbox|Switch|PS|Reddit|YouTube|Uber|Route|Highway|Bus|Train|Gate|Signal|WiFi)\b)"
)
OF = r"(?:de la |de las |de los |del |de l['’]|des |de |du |d['’]|la |le |les |las |los )?"
NAME = r"[^\W\d_][\w'’.-]*"
CAPITAL = r"[A-ZÀ-ÖØ-Þ][\w'’.-]*"
SPANISH_NAME = (
    r"(?:(?!(?:a|desde|hasta|hay|con|en|por|para|tiene|son|y|que|no|hace|como|las?|el|los)\b)"
    rf"{NAME})"
)

STREETS = tuple(
    re.compile(pattern)
    for pattern in (
        # English: 12 Elm Street, 221b Baker St.
        rf"{FIGURE},? (?:(?:N|S|E|W|North|South|East|West)\.? )?"
        rf"(?:(?:{CAPITAL}|\d+(?:st|nd|rd|th)) ){{1,3}}{ENGLISH_WEAK}"
        r"(?! (?:Trip|Fighter|Food|Journal))",
        rf"(?i:{FIGURE},? (?:{NO_NAME}{NAME} ){{1,2}}{ENGLISH_STRONG}{GOES_ON})",
        # German and Dutch: Hauptstraße 5, Lange Str. 7a, Kerkstraat 12
        rf"(?i:(?<!\w)(?:\w{{3,}}(?:straße|strasse|str\.|gasse|allee|straat|gracht|steeg|singel)"
        rf"|\w{{3,}} (?:straße|strasse|str\.)) {HOUSE}){NO_MEASURE}{POSTCODE}",
        rf"(?<!\w){NO_STREETS}(?i:{NO_STREETS})[A-ZÄÖÜ]\w{{2,}}(?:weg|platz|damm|ufer|laan|plein"
        rf"|kade|dijk|markt)(?! (?:19|20)\d\d\b) {HOUSE}{NO_MEASURE}{POSTCODE}",
        rf"(?<!\w)Straße (?:des|der) (?:\d+\. )?{CAPITAL} {HOUSE}{NO_MEASURE}",
        # French: 12 rue de la Paix, 3 place Bellecour
        rf"(?i:{FIGURE}(?: ?(?:bis|ter))?,? rue (?!plus|a\b|à|et\b|qui|où|en\b){OF}{NAME})"
        rf"(?: {CAPITAL})*",
        rf"(?i:{FIGURE}(?: ?(?:bis|ter))?,? (?:avenue|av\.?|boulevard|bd|impasse|all[ée]e|quai) )"
        rf"(?:(?i:(?:de la |des |du |de l['’]|d['’]|de ){NAME})|{OF}{CAPITAL})(?: {CAPITAL})*",
        rf"(?i:{FIGURE}(?: ?(?:bis|ter))?,? (?:place|chemin|route|cours|square|passage) ){OF}"
        rf"{CAPITAL}(?: {CAPITAL})*",
        # Spanish: calle Mayor 12, Avda. de la Constitución, 3
        rf"(?<!\w)(?i:calle|c/|avenida|avda\.?|plaza|paseo|camino) ?{OF}{CAPITAL}"
        rf"(?: {OF}{CAPITAL}){{0,3}},? (?:n[º°.o]\.? ?)?{HOUSE}{NO_MEASURE}",
        rf"(?i:(?<!\w)(?:calle|c/|avenida|avda\.?) ?{OF}{SPANISH_NAME}(?: {OF}{SPANISH_NAME})?,?"
        rf" (?:n[º°.o]\.? ?)?{HOUSE}{NO_MEASURE}{GOES_ON})",
        # Italian: via Roma 12, piazza Garibaldi, 3
        rf"(?<!\w)(?i:via|viale|corso|piazza|vicolo|largo) {COMPANIES}(?i:dei |delle |della |del "
        rf"|di |dell['’])?{CAPITAL}(?: {CAPITAL}){{0,2}},? {HOUSE}{NO_MEASURE}",
        rf"(?i:(?<!\w)(?:(?<=\bin )via|viale|piazza|vicolo) (?:dei |delle |della |del |di )?{NAME}"
        rf",? {HOUSE}{NO_MEASURE}{GOES_ON})",
    )
)
# Most lines are done after a look for these.
BEFORE_NUMBER = re.compile(r" \d")
SIGNS_AFTER_STREETS = ".,;:!?)("
ANY_CASE = """
street road avenue ave av boulevard blvd bd crescent terrace rd st rue impasse allée allee quai
chemin route cours square passage place calle avenida avda plaza paseo camino via viale corso
piazza vicolo largo str strasse straße
"""
CAPITALISED = """
Drive Dr Way Court Ct Pl Sq Close Lane Ln Gardens Grove Hill Row Mews Parkway Pkwy Highway Hwy
"""
STREET_WORDS = frozenset(
    [*ANY_CASE.split(), *ANY_CASE.title().split(), *ANY_CASE.upper().split(), *CAPITALISED.split()]
)
STREET_ENDS = (
    *("straße", "strasse", "str.", "gasse", "allee", "straat", "gracht", "steeg", "singel", "weg"),
    *("platz", "damm", "ufer", "laan", "plein", "kade", "dijk", "markt"),
)


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
    small = text.lower()
    return _has_any(WORDLESS_HINTS, small)


def _may_hold_street(text: str, small: str) -> bool:
    words = text
    for sign in SIGNS_AFTER_STREETS:
        if sign in words:
            words = words.replace(sign, " ")
    if "c/" in small or not STREET_WORDS.isdisjoint(words.split()):
        return True
    return any(small.endswith(STREET_ENDS, 0, gap.start()) for gap in BEFORE_NUMBER.finditer(small))


def _has_any(hints: tuple[str, ...], small: str) -> bool:
    for hint in hints:  # noqa: SIM110 (`any` takes three times as long, and this is asked always)
        if hint in small:
            return True
    return False


def _without(text: str, kinds: Counter[str]) -> str:
    if _has_secret(text):
        kinds[SECRET] += 1
        return ""
    if "@" in text or "at)" in text or "at]" in text:
        text = _replaced(text, MAIL, EMAIL, kinds)
        text = _replaced(text, SPELLED_MAIL, EMAIL, kinds)
    digits = len(DIGIT.findall(text))
    if not digits:
        return text
    if text.count(".") > 2:
        text = _replaced(text, IP_V4, IP, kinds, _is_ip_v4)
    if text.count(":") > 1:
        text = _replaced(text, IP_V6, IP, kinds, _is_ip_v6)
    if digits >= FEWEST_DIGITS:
        text = _without_long_numbers(text, kinds)
    if _may_hold_street(text, text.lower()):
        for street in STREETS:
            text = _replaced(text, street, ADDRESS, kinds)
    return text


def _replaced(
    text: str,
    pattern: re.Pattern[str],
    kind: str,
    kinds: Counter[str],
    is_one: Callable[[re.Match[str]], bool] | None = None,
) -> str:
    def word(found: re.Match[str]) -> str:
        if is_one is not None and not is_one(found):
            return found[0]
        kinds[kind] += 1
        return kind

    return pattern.sub(word, text)


def _has_secret(text: str) -> bool:
    if (
        len(text) >= SHORTEST_KEY
        and max(map(len, text.split()), default=0) >= SHORTEST_KEY
        and (KEYS.search(text) or any(_is_random(found[0]) for found in LONG_TOKEN.finditer(text)))
    ):
        return True
    small = text.lower()
    if not _has_any(SECRET_HINTS, small):
        return False
    return "private key-----" in small or any(map(_is_password, PASSWORD.finditer(text)))


def _is_random(token: str) -> bool:
    runs = RUN.findall(token)
    return len(runs) >= RUNS_OF_RANDOM and all(
        any(test(run) for run in runs) for test in (str.isupper, str.islower, str.isdigit)
    )


def _is_password(found: re.Match[str]) -> bool:
    word = found[1].strip("\"'`.,!?…*")
    if found[0][:3].casefold() in NUMBERS_ONLY:
        return bool(re.fullmatch(r"\d{3,8}", word))
    return len(word) > 2 and word.casefold().partition("'")[0] not in SAID_OF_PASSWORDS


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
    text = _replaced(text, CARD_FORM, CARD, kinds, _is_card)
    return _without_phones(text, kinds)


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


def _without_phones(text: str, kinds: Counter[str]) -> str:
    text = PLUS.sub(lambda found: _without_international(found[0], kinds), text)
    text = TRUNK.sub(lambda found: _without_national(found[0], kinds), text)
    for shape, regions in SHAPES:
        text = _replaced(text, shape, PHONE, kinds, partial(_is_phone_in, regions))

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
