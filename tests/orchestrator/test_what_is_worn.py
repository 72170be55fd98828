"""What must not be said again, and which phrases a line may be about."""

from __future__ import annotations

import pytest

from orchestrator.phrases import Phrase
from orchestrator.talk.repeats import RecentLines
from orchestrator.talk.themes import FRESHNESS, USED_AGAIN, Themes, with_chances

SOUP, MOTH = Phrase("soup", 2.0), Phrase("moth", 1.0)


def test_a_line_may_come_again_once_enough_others_were_said() -> None:
    recent = RecentLines(within=2)
    recent.add(1, "The walrus moved.")
    assert recent.objection("the walrus moved") == "too near to 'the walrus moved'"
    recent.add(2, "one thing")
    assert recent.objection("the walrus moved") is not None
    recent.add(3, "quite another")
    assert recent.objection("the walrus moved") is None


def test_what_was_taken_back_is_remembered_and_what_was_never_said_is_not() -> None:
    recent = RecentLines(within=5)
    recent.add(1, "soup at noon")
    recent.add(2, "moths at night")
    recent.take_back(1, "soup at noon")
    recent.forget(2)
    assert recent.objection("Soup at noon!") == "was taken back"
    assert recent.objection("moths at night") is None


@pytest.mark.parametrize("text", ["", "?!", "…", "🍕"])
def test_marks_alone_say_nothing(text: str) -> None:
    assert RecentLines(within=5).objection(text) == "says nothing"


def test_a_phrase_of_an_older_line_or_a_used_one_weighs_less() -> None:
    themes = Themes(most=4)
    themes.add("about a moth", "moth")
    found = dict(themes.options([(3, False, (SOUP,)), (2, False, (SOUP, MOTH))]))
    weights = {phrase.text: (phrase.weight, line_id) for phrase, line_id in found.items()}
    assert weights == {"soup": (2.0, 3), "moth": (pytest.approx(FRESHNESS * USED_AGAIN), 2)}
    assert sum(phrase.weight for phrase in with_chances(list(found.items()))) == pytest.approx(1)


def test_a_worn_phrase_rests_until_a_person_brings_it_up() -> None:
    themes = Themes(most=2)
    themes.add("hot soup")
    themes.add("soups are not meant")
    assert themes.objection("more Soup?", ["soup"]) is None
    themes.add("cold Soup!")
    assert themes.rounds("soup") == 2
    assert themes.objection("more Soup?", ["soup"]) == "'soup' has gone round in 2 lines"
    assert themes.options([(1, False, (SOUP,))]) == []
    assert themes.options([(1, True, (SOUP,))]) == [(SOUP, 1)]
    for number in range(16):
        themes.add(f"line {number}")
    assert themes.objection("more soup?", ["soup"]) is None
