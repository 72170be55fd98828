"""Phrases of chat lines, with the real packaged pipeline and with plain words."""

from __future__ import annotations

import logging
import re
import unicodedata
from pathlib import Path

import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finetune import markup
from orchestrator.errors import SettingsError
from orchestrator.phrases import (
    LONGEST_PHRASE_CHARS,
    LONGEST_PHRASE_WORDS,
    LONGEST_TEXT_CHARS,
    PhrasePicker,
    load_picker,
)
from orchestrator.phrases.chunks import NounChunks, PlainRuns, load_chunks

FRIENDS = ("Dex", "Juno", "Big Marlow")


@pytest.fixture(scope="module")
def picker() -> PhrasePicker:
    return load_picker("", "en", FRIENDS)


@pytest.fixture(scope="module")
def plain() -> PhrasePicker:
    """German: spaCy has words and stop words for it, and there is no pipeline."""
    return load_picker("", "de", FRIENDS)


def found(picker: PhrasePicker, text: str) -> list[str]:
    return [phrase.text for phrase in picker.phrases(text)]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("the walrus ate my left glove", ["walrus", "left glove"]),
        ("bro i cant find the bus ticket rn", ["bus ticket"]),
        ("our fridge is full of your noodles lol", ["fridge", "noodles"]),
        ("I finally met the neighbour's new dog", ["neighbour's new dog"]),
        ("we had pizza, then we had Pizza", ["pizza"]),
        ("ngl im so tired", []),
        ("give her the flip-flop", ["flip-flop"]),
        ("After-sun is just yoghurt", ["After-sun", "yoghurt"]),
        ("yeah", []),
        ("", []),
    ],
)
def test_phrases_are_noun_chunks_without_articles_and_slang(
    picker: PhrasePicker, text: str, phrases: list[str]
) -> None:
    assert found(picker, text) == phrases


@pytest.mark.parametrize(
    "empty",
    ["i think you know what they did", "lol ngl fr", "rn gn tbh imo", "u r so right bro",
     "something happened to somebody", "7", "12 34 1,000", "42 !!! 7", "things and stuff",
     "😭😭 💀", "https://example.com/soup", "www.example.com/soup?x=1", "<@123456789012345678>",
     "<#123456789012345678>", "<:soup:123456789012345678>", ":soup_spoon:", "@somebody_else",
     "<t:1618953630:R>", "soup@example.com", "example.com/soup"],
)  # fmt: skip
def test_what_says_nothing_is_no_phrase(picker: PhrasePicker, empty: str) -> None:
    assert found(picker, empty) == []


@pytest.mark.parametrize(
    "between", [" https://example.com/x ", " <:sad:12345678901234567> ", " 😭 ", "\n", " @max "]
)
def test_no_phrase_reaches_across_what_is_no_word(picker: PhrasePicker, between: str) -> None:
    assert found(picker, f"i saw a purple{between}tractor") in (
        ["purple", "tractor"],
        ["tractor"],
    )


def test_friends_are_no_phrase_but_what_is_theirs_is(picker: PhrasePicker) -> None:
    assert found(picker, "Dex and Juno met Marlow at junos") == []
    assert found(picker, "dex and BIG MARLOW met gerald") == ["gerald"]
    assert found(picker, "i broke Dex's accordion") == ["Dex's accordion"]


def test_marks_of_bold_and_spoilers_are_no_part_of_a_phrase(picker: PhrasePicker) -> None:
    assert found(picker, "i ate the **stuffed walrus** and ||the tuba||") == [
        "stuffed walrus",
        "tuba",
    ]


def test_of_a_long_phrase_the_end_is_kept(picker: PhrasePicker) -> None:
    text = "I bought a small shiny red plastic garden dinosaur"
    assert found(picker, text) == ["shiny red plastic garden dinosaur"]


def test_of_an_endless_text_the_beginning_is_read(picker: PhrasePicker) -> None:
    text = "the walrus. " + " " * LONGEST_TEXT_CHARS + "the tuba." * 200_000
    assert found(picker, text) == ["walrus"]


def test_rare_words_weigh_more_than_frequent_ones(picker: PhrasePicker) -> None:
    weights = {p.text: p.weight for p in picker.phrases("my friend saw a movie about a walrus")}
    assert list(weights) == ["friend", "movie", "walrus"]
    assert weights["walrus"] > 2 * weights["movie"] > 0
    assert weights["walrus"] > 2 * weights["friend"] > 0


def test_a_language_without_a_pipeline_takes_runs_of_plain_words(plain: PhrasePicker) -> None:
    assert found(plain, "und dann hat das Walross die rote Trompete") == [
        "Walross",
        "rote Trompete",
    ]
    long, short = plain.phrases("Trompete und Tee")
    assert long.weight > short.weight > 0


def test_a_pipeline_without_noun_chunks_is_said_once_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spacy.blank("tn").to_disk(tmp_path / "setswana")
    with caplog.at_level(logging.INFO, "orchestrator"):
        picker = load_picker(str(tmp_path / "setswana"), "tn")
        assert found(picker, "pula e a na") != []
        picker.phrases("pula e a na")
    said = [record.message for record in caplog.records]
    assert len(said) == 1
    assert "finds no noun chunks" in said[0]


def test_any_installed_pipeline_brings_its_own_noun_chunks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nlp = spacy.blank("en")
    # Untrained, and yet a real parser, which spaCy's own noun chunks come from.
    nlp.add_pipe("parser").add_label("nsubj")
    nlp.initialize()
    nlp.to_disk(tmp_path / "parser")
    with caplog.at_level(logging.INFO, "orchestrator"):
        picker = load_picker(str(tmp_path / "parser"), "en")
    assert [r.message for r in caplog.records] == [
        f"phrases are noun chunks of the pipeline {tmp_path / 'parser'}"
    ]
    picker.phrases("the walrus moved")


def test_a_pipeline_that_is_not_installed_is_named() -> None:
    with pytest.raises(SettingsError, match=r"phrases\.pipeline: spaCy has no pipeline 'xx_none'"):
        load_picker("xx_none", "en")
    with pytest.raises(SettingsError, match="language: spaCy knows no language 'qq'"):
        load_picker("", "qq")


WORDS = (
    "the walrus ate my glove lol https://example.com/a?b=c www.example.com <@1234567890> "
    "<#1234567890> <:pog:1234567890> :pog: @dex #general ** __ || ~~ ` ``` 😭 "
    "soup's red-hot don't , . ... !!! ( ) \" ' - – / & 42 4,000 8pm x@y.z Ω ß !roll"
)
ODD_CHARACTERS = (
    "\n", "\t", "\N{VARIATION SELECTOR-16}", "\N{ZERO WIDTH JOINER}", "\N{RIGHT-TO-LEFT OVERRIDE}",
    "\N{ZERO WIDTH SPACE}", "\N{COMBINING GRAPHEME JOINER}", "\ud800", "\x00",
    "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", "\N{LATIN SMALL LETTER DZ WITH CARON}",
)  # fmt: skip
CHAT = st.lists(st.sampled_from((*WORDS.split(), *ODD_CHARACTERS)), max_size=25).map(" ".join)


@given(st.one_of(st.text(max_size=80), CHAT))
@example("a[.b.c/")
@settings(deadline=None, max_examples=150)
def test_whatever_is_typed_phrases_stand_in_it(picker: PhrasePicker, text: str) -> None:
    plain = " ".join(markup.without_style_marks(text).replace("\ufe0f", "").split())
    phrases = picker.phrases(text)
    assert len({phrase.text.casefold() for phrase in phrases}) == len(phrases)
    for phrase in phrases:
        assert phrase.text in plain
        assert phrase.text.strip() == phrase.text != ""
        assert phrase.weight > 0
        assert len(phrase.text.split()) <= LONGEST_PHRASE_WORDS
        assert len(phrase.text) <= LONGEST_PHRASE_CHARS
        assert not re.search(r"https?:|www\.|<[@#:]|\w:\w+:", phrase.text)
        assert any(char.isalpha() for char in phrase.text)
        assert not any(unicodedata.category(char) == "So" for char in phrase.text)


@given(st.one_of(st.text(max_size=80), CHAT))
@settings(deadline=None, max_examples=100)
def test_plain_words_stand_any_text_too(plain: PhrasePicker, text: str) -> None:
    for phrase in plain.phrases(text):
        assert phrase.weight > 0
        assert len(phrase.text.split()) <= LONGEST_PHRASE_WORDS


@pytest.mark.parametrize("language", ["en", "de"])
def test_new_words_are_not_kept_for_ever(language: str) -> None:
    """Small models make up words in every line, and shows run for weeks."""
    reader = load_chunks("", language)
    list(reader.chunks("The old tuba waits."))
    assert isinstance(reader, NounChunks | PlainRuns)
    known = len(reader.nlp.vocab.strings)
    for number in range(100):
        assert list(reader.chunks(f"The old tuba{number} waits for walrus{number}y."))
    assert len(reader.nlp.vocab.strings) <= known + 10
