"""The repair of Meta's text, and what its formats share."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from finetune.message import Account, Chat, ChatMessage, Record, Skipped
from finetune.reading.meta_exports import MILLISECOND, account, repaired, ties_oldest_first, time_of

CHAT = Chat("messenger", "1", "Friends")
OTHER_CHAT = Chat("messenger", "2", "Others")
CHARACTERS = st.characters(exclude_categories=["Cs"])


def as_meta_writes(text: str) -> str:
    return text.encode().decode("latin-1")


@given(st.text(CHARACTERS))
@example("Ana Kovač 👩‍👩‍👧 שלום")
@example("Ã©")
def test_what_meta_garbles_is_repaired(text: str) -> None:
    assert repaired(as_meta_writes(text)) == text


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_ascii_stays(text: str) -> None:
    assert repaired(text) == text


@given(st.text(), st.characters(min_codepoint=0x100), st.text())
def test_text_with_any_other_character_stays(before: str, character: str, after: str) -> None:
    text = before + character + after
    assert repaired(text) == text


@given(st.text(CHARACTERS, min_size=1), st.integers(1, 3))
def test_utf8_that_is_cut_off_stays(text: str, cut: int) -> None:
    garbled = as_meta_writes(text + "👋")[:-cut]
    assert repaired(garbled) == garbled


@given(st.text(st.characters(max_codepoint=0xFF)))
def test_anything_of_one_byte_is_repaired_or_stays(text: str) -> None:
    assert repaired(text) in (text, text.encode("latin-1").decode("utf-8", "replace"))


@pytest.mark.parametrize("name", ["", " ", "Facebook user", "Instagram User", "Facebook-Nutzer"])
def test_deleted_people_of_two_chats_are_two_accounts(name: str) -> None:
    assert account(name, CHAT).shown_name == "Facebook user"
    assert account(name, CHAT) == account("", CHAT) != account(name, OTHER_CHAT)


@pytest.mark.parametrize("count", [None, True, "1", 1.5, 0, -1, 10**15, 10**400, [1]])
def test_what_is_no_time_is_refused(count: object) -> None:
    with pytest.raises(ValueError, match="not a time"):
        time_of(count, MILLISECOND)


def message(second: int, text: str) -> ChatMessage:
    time = datetime.fromtimestamp(second, UTC)
    return ChatMessage(CHAT, Account("messenger", "A", "A", "A"), "person", time, text)


def texts(records: list[Record]) -> str:
    return "".join(r.text if isinstance(r, ChatMessage) else "-" for r in records)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        ((3, 2, 2, 1), "acbd"),
        ((1, 2, 2, 3), "abcd"),
        ((3, 2, 1, 1), "abdc"),
        ((5, 5, 5, 5), "dcba"),
    ],
)
def test_ties_come_out_oldest_first(seconds: tuple[int, ...], told: str) -> None:
    messages = [message(s, text) for s, text in zip(seconds, "abcd", strict=True)]
    assert texts(list(ties_oldest_first(messages))) == told


def test_nothing_is_lost_between_ties() -> None:
    records: list[Record] = [message(2, "a"), Skipped("message 2", "x"), message(2, "b")]
    assert sorted(texts(list(ties_oldest_first(records)))) == ["-", "a", "b"]


def test_messages_of_two_chats_are_no_tie() -> None:
    other = replace(message(2, "c"), chat=OTHER_CHAT)
    assert texts(list(ties_oldest_first([message(2, "a"), message(2, "b"), other]))) == "bac"
