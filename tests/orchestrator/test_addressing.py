"""Whom a line is meant for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.talk.addressing import Names

NAMES = Names({"Bort": ("bortles",), "Fish": (), "Big Al": ("Al",), "José": ()})


@pytest.mark.parametrize(
    ("text", "addressed"),
    [
        ("bort, tell fish that i won", ["Bort"]),
        ("bort tell fish that i won", ["Bort"]),
        ("hey bort and fish, pizza?", ["Bort", "Fish"]),
        ("ok so hi FISH how are you", ["Fish"]),
        ("what do you think, fish?", ["Fish"]),
        ("is fish late, bort?", ["Bort"]),
        ("fish is late, al", ["Big Al"]),
        ("tell me, fish & bort!", ["Fish", "Bort"]),
        ("@fish bort is mad", ["Fish"]),
        ("i love fish", ["Fish"]),
        ("bort likes fish", ["Bort"]),
        ("what would big al say to bort", ["Big Al"]),
        ("bortles?", ["Bort"]),
        ("josé: pizza", ["José"]),
        ("also the bottle", []),
        ("fishing is fun", []),
        ("", []),
    ],
)
def test_a_call_is_told_from_a_mention(text: str, addressed: list[str]) -> None:
    assert NAMES.addressed_in(text) == addressed


@given(st.text())
def test_any_text_addresses_only_friends_whom_it_names(text: str) -> None:
    assert set(NAMES.addressed_in(text)) <= set(NAMES.named_in(text))


def test_names_with_marks_in_them_are_found() -> None:
    names = Names({"D.Va (tank)": (), "C++": ()})
    assert names.addressed_in("c++, why?") == ["C++"]
    assert names.named_in("is D.Va (tank) here") == ["D.Va (tank)"]
    assert Names({}).addressed_in("anybody?") == []
