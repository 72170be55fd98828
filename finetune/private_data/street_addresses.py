"""Streets with a house's number, in English, German, French, Spanish, Italian and Dutch."""

from __future__ import annotations

import re

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


def may_hold_street(text: str) -> bool:
    """Whether a look with STREETS is worth its time."""
    small = text.lower()
    words = text
    for sign in SIGNS_AFTER_STREETS:
        if sign in words:
            words = words.replace(sign, " ")
    if "c/" in small or not STREET_WORDS.isdisjoint(words.split()):
        return True
    return any(small.endswith(STREET_ENDS, 0, gap.start()) for gap in BEFORE_NUMBER.finditer(small))
