"""Measures of lines: words, diversity, copying, likeness, intervals."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.evaluation.figures import proportion
from finetune.evaluation.likeness import likeness
from finetune.evaluation.text_measures import (
    copying,
    diversity,
    name_mask,
    repeats_earlier,
    without_names,
    words_of,
)
from model_server.checkpoint_format import line_digest

WORDS = st.lists(st.sampled_from(["a", "b", "c", "Soup!", "cat"]), max_size=7)
LINES = st.lists(WORDS.map(" ".join), min_size=1, max_size=6)


def test_a_copy_is_known_whatever_its_case_and_marks() -> None:
    found = copying(
        ["The Soup, is READY now!!", "the soup is cold today", "lol ok"],
        ["the soup is ready now", "lol ok"],
    )
    assert found is not None
    assert (found.lines, found.long_lines, found.copied) == (3, 2, 1)
    assert found.share.value == 0.5
    assert found.examples == ("The Soup, is READY now!!",)
    assert found.longest == "the soup is ready now"
    assert found.mean_run == (5 + 3 + 2) / 3


def test_a_run_does_not_reach_over_the_end_of_a_training_line() -> None:
    found = copying(["one two three four"], ["one two", "three four"])
    assert found is not None
    assert found.longest == "one two"
    assert found.copied == 0


@given(LINES, LINES)
def test_longest_runs_are_those_that_a_plain_search_finds(
    lines: list[str], training: list[str]
) -> None:
    def stands(run: list[str]) -> bool:
        texts = [f" {' '.join(words_of(text))} " for text in training]
        return any(f" {' '.join(run)} " in text for text in texts)

    def longest(words: list[str]) -> int:
        runs = [words[a:b] for a in range(len(words)) for b in range(a + 1, len(words) + 1)]
        return max((len(run) for run in runs if stands(run)), default=0)

    found = copying(lines, training)
    assert found is not None
    expected = [longest(words_of(line)) for line in lines]
    assert found.mean_run * len(lines) == pytest.approx(sum(expected))
    assert len(found.longest.split()) == max(expected)
    digests = {line_digest(text) for text in training} - {b""}
    assert found.copied == sum(line_digest(line) in digests for line in lines)


def test_no_lines_give_no_figures() -> None:
    assert copying([], ["a"]) is None
    assert diversity([]) is None


def test_distinct_runs_are_counted_within_lines() -> None:
    found = diversity(["a b a", "a b"])
    assert found is not None
    assert found.distinct == (2 / 5, 2 / 3, 1.0)
    assert (found.mean_words, found.mean_characters) == (2.5, 4.0)


def test_only_what_comes_after_a_line_like_it_repeats_it() -> None:
    lines = ["i would like to see a cat", "soup", "I would like to see a CAT!", "soup is good"]
    assert repeats_earlier(lines) == [False, False, True, False]


def test_names_are_masked_whole_and_in_any_case() -> None:
    names = name_mask(["Ana", "Marlow van Dyke"])
    assert without_names("ANA, banana for marlow? Van Dyke.", names) == "@, banana for @? @ @."
    assert without_names("nobody is named", name_mask([])) == "nobody is named"


def test_an_interval_holds_its_share_and_narrows_with_the_count() -> None:
    few, many = proportion(5, 10), proportion(500, 1000)
    assert few.low < 0.5 < few.high
    assert many.high - many.low < (few.high - few.low) / 3
    assert proportion(0, 20).high > 0.05
    assert (proportion(0, 0).low, proportion(0, 0).high) == (0.0, 1.0)


def lines_of(words: list[str], end: str, count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(words, k=6)) + end for _ in range(count)]


WORDS_OF = {"Ana": (["soup", "cat", "tea", "moon"], "!!"), "Ben": (["car", "tax", "road"], ".")}


def said_by(writers: dict[str, str], seed: int, count: int = 60) -> dict[str, list[str]]:
    """Under each friend's name lines as somebody writes them."""
    return {
        friend: lines_of(*WORDS_OF[writer], count, seed + len(friend) + place)
        for place, (friend, writer) in enumerate(writers.items())
    }


OWN = {"Ana": "Ana", "Ben": "Ben"}


def test_clones_that_write_like_their_friends_reach_the_ceiling() -> None:
    found = likeness(said_by(OWN, 1), said_by(OWN, 2), said_by(OWN, 3), ["Ana", "Ben"], seed=1)
    assert found is not None
    assert found.chance == 0.5
    assert found.real.accuracy.value == found.generated.accuracy.value == 1.0
    assert found.of_ceiling.low > 0.9


def test_clones_that_write_like_each_other_are_found_out() -> None:
    swapped = {"Ana": "Ben", "Ben": "Ana"}
    found = likeness(said_by(OWN, 1), said_by(OWN, 2), said_by(swapped, 3), ["Ana"], seed=1)
    assert found is not None
    assert found.generated.accuracy.value == 0.0
    assert found.generated.confusion["Ana"]["Ben"] == 60
    assert found.of_ceiling.high < 0.2


def test_names_alone_tell_nobody_apart() -> None:
    named = {"Ana": ["hello Ben"] * 50, "Ben": ["hello Ana"] * 50}
    found = likeness(named, named, named, ["Ana", "Ben"], seed=1)
    assert found is not None
    assert found.real.accuracy.value == 0.5


def test_likeness_needs_two_friends_with_lines() -> None:
    both = said_by(OWN, 1)
    assert likeness(both, both, {"Ana": both["Ana"], "Ben": []}, [], seed=1) is None
    assert likeness({"Ana": both["Ana"]}, both, both, [], seed=1) is None
