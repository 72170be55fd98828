"""Passwords and keys in chat lines, told from talk about passwords."""

from __future__ import annotations

import re

from finetune.private_data.finding import has_any

SHORTEST_KEY = 20

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
WORDLESS_HINTS = ("pass", "pwd", "kennwort", "mdp", "contrase", "wachtw", "private key-----")
"""Of secrets without any digit."""
HINTS = (*WORDLESS_HINTS, *sorted(NUMBERS_ONLY))
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


def has_secret(text: str) -> bool:
    """Whether a password or a key stands in the text."""
    if (
        len(text) >= SHORTEST_KEY
        and max(map(len, text.split()), default=0) >= SHORTEST_KEY
        and (KEYS.search(text) or any(_is_random(found[0]) for found in LONG_TOKEN.finditer(text)))
    ):
        return True
    small = text.lower()
    if not has_any(HINTS, small):
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
