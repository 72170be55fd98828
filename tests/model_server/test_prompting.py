"""From a request to token ids, and what makes an answer take a phrase up."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_server.checkpoint_format import Codec, Line, Manifest
from model_server.prompting import PHRASE_BIAS, Turn, compose
from tests.conftest import ROOT

DEMO = ROOT / "orchestrator" / "demo" / "base"
DIALOGUE = Manifest(style="dialogue", speaker="Dex", prompt_prefix="", stop="\n")


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.read(Path(DEMO))


def favoured(codec: Codec, phrase: str, *, begin: bool = False) -> list[str]:
    turn = Turn([Line("Priya", "hello")], phrase, begin, "Dex")
    found = compose(codec, DIALOGUE, 256, turn).favoured
    assert all(bias == PHRASE_BIAS for _, bias in found)
    return [codec.decode([token]) for token, _ in found]


def test_the_words_of_a_phrase_are_favoured_in_any_case(codec: Codec) -> None:
    assert favoured(codec, "music") == [" music", " Music"]
    assert favoured(codec, "Music") == [" Music", " music"]
    assert " good" in favoured(codec, "the good music")


def test_a_longer_word_is_by_the_piece_that_it_begins_with(codec: Codec) -> None:
    assert " sand" in favoured(codec, "sandwich")


def test_a_word_that_begins_like_many_others_is_not(codec: Codec) -> None:
    # In this vocabulary the word begins with a piece of one letter or two.
    assert len(codec.decode(codec.encode(" xylophone")[:1]).strip()) < 3
    assert favoured(codec, "xylophone") == []


def test_nothing_is_favoured_where_the_answer_begins_with_the_phrase(codec: Codec) -> None:
    assert favoured(codec, "kitchen", begin=True) == []
    assert favoured(codec, "") == []
    monologue = compose(codec, Manifest(), 256, Turn(phrase="kitchen"))
    assert monologue.favoured == ()
