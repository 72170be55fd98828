"""Who is in the corpus: accounts, the persons behind them, and those who were forgotten.

Two accounts are one person only when somebody said so; that can be undone.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from finetune.corpus import Corpus
from finetune.corpus_file import stored_time
from finetune.errors import FinetuneError, NoSuchFriend
from finetune.intake import account_digest
from finetune.message import Kind


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account in the corpus with what it wrote, notices of the system aside."""

    number: int
    name: str
    platform: str
    id: str
    kind: Kind
    """What it mostly writes as."""
    messages: int
    first: datetime
    last: datetime
    person: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What left the corpus with a person."""

    person: str
    accounts: int
    messages: int
    names: tuple[str, ...]
    """All names that the person's accounts have or were given."""


def accounts(corpus: Corpus) -> list[AccountRow]:
    """All accounts that wrote something, the one with most messages first."""
    names = corpus.person_names()
    rows = corpus.database.execute(
        "SELECT account, kind, offset_seconds, COUNT(*), MIN(sent_ms), MAX(sent_ms) FROM messages"
        " WHERE kind != 'system' GROUP BY account, kind, offset_seconds"
    )
    parts: dict[int, list[tuple[Kind, int, datetime, datetime]]] = defaultdict(list)
    for number, kind, offset, count, first, last in rows:
        span = stored_time(first, offset), stored_time(last, offset)
        parts[number].append((kind, count, *span))
    known = corpus.database.execute("SELECT id, shown_name, platform, key FROM accounts")
    found = [
        _account_row(number, name, platform, key, names[number], parts[number])
        for number, name, platform, key in known.fetchall()
        if number in parts
    ]
    return sorted(found, key=lambda row: (-row.messages, row.name))


def _account_row(
    number: int,
    name: str,
    platform: str,
    key: str,
    person: str,
    parts: list[tuple[Kind, int, datetime, datetime]],
) -> AccountRow:
    kinds: Counter[Kind] = Counter()
    for kind, count, _, _ in parts:
        kinds[kind] += count
    first, last = min(part[2] for part in parts), max(part[3] for part in parts)
    mostly = kinds.most_common(1)[0][0]
    return AccountRow(number, name, platform, key, mostly, kinds.total(), first, last, person)


def merge(corpus: Corpus, name: str, other: str) -> str:
    """Says that `other`'s accounts belong to the person `name`; returns the person's name.
    Raises NoSuchFriend, FinetuneError if they are one person already."""
    person, merged = _account_of(corpus, name), _account_of(corpus, other)
    if person == merged:
        raise FinetuneError(f"{name} and {other} are one person already.")
    with corpus.database as database:
        database.execute(
            "UPDATE accounts SET person = ? WHERE id = ? OR person = ?", (person, merged, merged)
        )
    return corpus.person_names()[person]


def split(corpus: Corpus, name: str) -> list[str]:
    """Takes a merge back: every account of the person stands for itself again. Returns the names.
    Raises NoSuchFriend, FinetuneError if there is nothing to take back."""
    person = _account_of(corpus, name)
    with corpus.database as database:
        rows = database.execute(
            "UPDATE accounts SET person = NULL WHERE person = ? RETURNING id", (person,)
        ).fetchall()
    if not rows:
        raise FinetuneError(f"{name} has one account only; there is nothing to take apart.")
    names = corpus.person_names()
    return [names[person], *(names[id_] for (id_,) in rows)]


def rename(corpus: Corpus, name: str, new_name: str) -> None:
    """Gives a person another name, whatever later exports call them. Raises NoSuchFriend,
    FinetuneError if the name is taken or empty."""
    person = _account_of(corpus, name)
    new_name = " ".join(new_name.split())
    taken = {n.casefold() for id_, n in corpus.person_names().items() if id_ != person}
    if not new_name:
        raise FinetuneError("The new name is empty; give one with letters in it.")
    if new_name.casefold() in taken:
        raise FinetuneError(
            f"{new_name!r} is somebody else's name; to say that they are one person: "
            "botconvo friends merge"
        )
    with corpus.database as database:
        database.execute("UPDATE accounts SET given_name = ? WHERE id = ?", (new_name, person))


def likely_same(rows: Iterable[AccountRow]) -> list[tuple[AccountRow, AccountRow]]:
    """Pairs of people's accounts of one name, in whatever case and accents, that are not merged:
    the first is the one whose name is to be kept. That is one without a platform behind it, and of
    several of those the one with most messages."""
    by_name: dict[str, list[AccountRow]] = defaultdict(list)
    for row in rows:
        if row.kind == "person":
            by_name[_bare(row.name)].append(row)
    pairs = []
    for same in by_name.values():
        main, *others = sorted(same, key=lambda row: (_is_told_apart(row), -row.messages))
        pairs += [(main, other) for other in others if other.person != main.person]
    return pairs


def forget(corpus: Corpus, name: str) -> Forgotten:
    """Takes a person and all that they wrote out of the corpus, for good: later imports leave
    them out. Raises NoSuchFriend."""
    person = _account_of(corpus, name)
    shown, known_as = corpus.person_names()[person], names_of(corpus, name)
    with corpus.database as database:
        database.execute("PRAGMA secure_delete = ON")
        rows = database.execute(
            "SELECT id, platform, key FROM accounts WHERE id = ? OR person = ?"
            " ORDER BY person IS NULL",
            (person, person),
        ).fetchall()
        messages = 0
        for id_, platform, key in rows:
            database.execute(
                "INSERT OR IGNORE INTO forgotten VALUES (?)", (account_digest(platform, key),)
            )
            messages += database.execute("DELETE FROM messages WHERE account = ?", (id_,)).rowcount
            database.execute("DELETE FROM accounts WHERE id = ?", (id_,))
        # A conversation of two is called after the other one.
        database.execute("DELETE FROM chats WHERE id NOT IN (SELECT chat FROM messages)")
        corpus.forget_files()
    corpus.database.execute("VACUUM")
    return Forgotten(shown, len(rows), messages, known_as)


def names_of(corpus: Corpus, name: str) -> tuple[str, ...]:
    """All names that a person's accounts have or were given, the one in use first. Raises
    NoSuchFriend."""
    person = _account_of(corpus, name)
    rows = corpus.database.execute(
        "SELECT given_name, shown_name, name FROM accounts WHERE id = ? OR person = ?"
        " ORDER BY person IS NOT NULL",
        (person, person),
    )
    found = [corpus.person_names()[person], *(n for row in rows for n in row if n)]
    return tuple(dict.fromkeys(found))


def person_called(corpus: Corpus, name: str) -> str:
    """The person's name as the corpus writes it. Raises NoSuchFriend."""
    return corpus.person_names()[_account_of(corpus, name)]


def _account_of(corpus: Corpus, name: str) -> int:
    """The account that stands for the person of this name."""
    names = corpus.person_names()
    main = dict(corpus.database.execute("SELECT id, COALESCE(person, id) FROM accounts").fetchall())
    for id_, person in names.items():
        if person.casefold() == name.casefold():
            return int(main[id_])
    raise NoSuchFriend(no_such_person(name, list(dict.fromkeys(names.values()))))


def no_such_person(name: str, known: list[str]) -> str:
    """One sentence that names the nearest names."""
    near = get_close_matches(name, known, 3, 0.5)
    if near:
        return f"Nobody called {name!r} is in this corpus; perhaps you mean {' or '.join(near)}."
    few = ", ".join(known[:8]) or "nobody yet"
    return f"Nobody called {name!r} is in this corpus; it knows {few}; see: botconvo friends"


def _is_told_apart(row: AccountRow) -> bool:
    """Whether the person is called `Ana (telegram)`, as another one is Ana."""
    return row.person.startswith(f"{row.name} ({row.platform}")


def _bare(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).split())
