"""Accounts and the persons behind them: merged by hand only, forgotten for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from finetune.corpus import Corpus
from finetune.errors import FinetuneError, NoSuchFriend
from finetune.message import Account, Chat, ChatMessage, Kind, ReadOptions, Record
from finetune.people import accounts, forget, likely_same, merge, rename, split
from finetune.reading.source import Source


class SpokenExport:
    """An importer of what a test says: (platform, account key, shown name, text, kind)."""

    name = "spoken"
    platforms = ("discord",)
    rank = 0

    def __init__(self, *said: tuple[str, str, str, str, Kind]) -> None:
        self.said = said

    def group(self, source: Source) -> str:
        return ""

    def recognises(self, source: Source) -> bool:
        return True

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        for number, (platform, key, name, text, kind) in enumerate(self.said):
            account = Account(platform, key, name.lower(), name)
            sent_at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
            chat = Chat(platform, "1", "chat")
            yield ChatMessage(chat, account, kind, sent_at, text, str(number))


SAID = (
    ("discord", "1", "Ana", "hi", "person"),
    ("telegram", "user7", "Ana", "hi from the phone", "person"),
    ("telegram", "user8", "Ana", "another ana", "person"),
    ("discord", "2", "Bo", "hello", "person"),
    ("discord", "3", "Bo", "I am a clone", "webhook"),
)


def say(corpus: Corpus, *said: tuple[str, str, str, str, Kind]) -> None:
    path = Path("spoken.txt")
    path.write_text(repr(said), encoding="utf-8")
    corpus.add(SpokenExport(*said), Source.of(path), ReadOptions())


@pytest.fixture
def corpus() -> Iterator[Corpus]:
    with Corpus.open(Path("c.sqlite"), create=True) as opened:
        say(opened, *SAID)
        yield opened


def persons(corpus: Corpus) -> list[str]:
    return [message.person for message in corpus.messages()]


def test_accounts_of_one_name_are_told_apart(corpus: Corpus) -> None:
    assert sorted(persons(corpus)) == [
        "Ana", "Ana (telegram 2)", "Ana (telegram)", "Bo", "Bo (discord)",
    ]  # fmt: skip


def test_a_name_stays_with_its_person_whatever_comes_later(corpus: Corpus) -> None:
    say(corpus, ("whatsapp", "Ana", "Ana", "hi", "person"))
    assert {"Ana", "Ana (telegram)", "Ana (whatsapp)"} < set(persons(corpus))


def test_the_same_name_on_two_platforms_is_proposed_and_never_merged(corpus: Corpus) -> None:
    pairs = likely_same(accounts(corpus))
    assert sorted((a.person, b.person) for a, b in pairs) == [
        ("Ana", "Ana (telegram 2)"), ("Ana", "Ana (telegram)"),
    ]  # fmt: skip
    merge(corpus, "Ana", "Ana (telegram)")
    assert len(likely_same(accounts(corpus))) == 1


def test_the_name_that_is_kept_is_the_plain_one_whoever_wrote_more(corpus: Corpus) -> None:
    say(corpus, *[("whatsapp", "+2", "ana", f"line {n}", "person") for n in range(20)])
    pairs = [(a.person, b.person) for a, b in likely_same(accounts(corpus))]
    assert ("Ana", "ana (whatsapp)") in pairs
    assert {kept for kept, _ in pairs} == {"Ana"}


def test_a_merge_makes_one_person_and_a_split_two_again(corpus: Corpus) -> None:
    before = persons(corpus)
    assert merge(corpus, "ana", "ana (TELEGRAM)") == "Ana"
    assert persons(corpus).count("Ana") == 2
    assert merge(corpus, "Bo", "Ana") == "Bo"
    assert persons(corpus).count("Bo") == 3
    assert sorted(split(corpus, "Bo")) == ["Ana", "Ana (telegram)", "Bo"]
    assert persons(corpus) == before


def test_a_merge_outlives_a_new_import(corpus: Corpus) -> None:
    merge(corpus, "Ana", "Bo")
    say(corpus, ("discord", "2", "Bobby", "hello", "person"))
    assert persons(corpus).count("Ana") == 2


def test_who_is_one_person_cannot_be_merged_and_who_is_not_there_is_named(corpus: Corpus) -> None:
    with pytest.raises(FinetuneError, match="one person already"):
        merge(corpus, "Ana", "ANA")
    with pytest.raises(NoSuchFriend, match="'Anna' is in this corpus; perhaps you mean Ana"):
        merge(corpus, "Bo", "Anna")
    with pytest.raises(FinetuneError, match="one account only"):
        split(corpus, "Bo")


def test_a_person_may_get_another_name(corpus: Corpus) -> None:
    rename(corpus, "Ana (telegram 2)", "  Anastasia  ")
    assert "Anastasia" in persons(corpus)
    with pytest.raises(FinetuneError, match="'Bo' is somebody else's name"):
        rename(corpus, "Ana", "Bo")


def test_a_given_name_is_not_taken_by_whoever_calls_themselves_so_later(corpus: Corpus) -> None:
    rename(corpus, "Bo", "Max")
    say(corpus, *SAID, ("discord", "1", "Max", "that is me now", "person"))
    texts = {message.text: message.person for message in corpus.messages()}
    assert texts["hello"] == "Max"
    assert texts["that is me now"] == "Max (discord)"


def test_clones_are_never_offered_as_friends(corpus: Corpus) -> None:
    kinds = {row.person: row.kind for row in accounts(corpus)}
    assert kinds["Bo (discord)"] == "webhook"
    assert kinds["Bo"] == "person"


def test_who_is_forgotten_leaves_no_trace_and_does_not_come_back(corpus: Corpus) -> None:
    merge(corpus, "Ana", "Ana (telegram)")
    gone = forget(corpus, "ana")
    assert (gone.person, gone.accounts, gone.messages) == ("Ana", 2, 2)
    say(corpus, *SAID, ("discord", "1", "Ana", "me again", "person"))
    assert sorted(persons(corpus)) == ["Ana", "Bo", "Bo (discord)"]
    assert "hi from the phone" not in [m.text for m in corpus.messages()]
    data = Path("c.sqlite").read_bytes()
    assert b"another ana" in data
    assert b"hi from the phone" not in data
    assert b"user7" not in data
