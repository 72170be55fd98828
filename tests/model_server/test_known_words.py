"""Which words a model made up."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_server.checkpoint_format import (
    WORDS_FILE,
    CheckpointError,
    Codec,
    long_words,
    read_word_digests,
    write_word_digests,
)
from model_server.known_words import KnownWords
from tests.conftest import ROOT

LEARNT = ["Marlow's coupon is HUUUGE", "hello, the geese ate naïve Straße", "l'heure du café, yeah"]
HEARD = "Sam: who invented the zorblax?"
TOKENIZER = ROOT / "orchestrator" / "demo" / "base"


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.read(TOKENIZER)


@pytest.fixture
def known(codec: Codec, tmp_path: Path) -> KnownWords:
    write_word_digests(LEARNT, tmp_path)
    return KnownWords(codec, read_word_digests(tmp_path), [HEARD])


@pytest.mark.parametrize(
    "text",
    [
        "", "42 is 4ever x_y_z @@@", "the Coupon and the COUPON and coupons, the coupon's",
        "huge, huuuuge, HUUUUUUGE", "hellooooo", "nooo hahahaha aaaaah zzzzzz",
        "STRASSE, strasse, nai\u0308ve", "cafés and l'heure", "zorblax! Zorblaxxxx",
        "本当に面白い", "مرحبا بكم",
    ],
)  # fmt: skip
def test_what_was_learnt_or_heard_is_known_however_it_is_written(
    known: KnownWords, text: str
) -> None:
    assert known.made_up(text) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I'm RIGH, the coupon is RIGHEND", ["righ", "righend"]),
        ("a coupal, a cookal", ["coupal", "cookal"]),
        ("neaventenTING's here", ["neavententing"]),
        ("couponing geeser zorblaxed", ["couponing", "geeser", "zorblaxed"]),
        ("потом", ["потом"]),
    ],
)
def test_what_is_joined_from_pieces_is_made_up(
    known: KnownWords, text: str, words: list[str]
) -> None:
    assert known.made_up(text) == words


def test_a_word_that_the_tokenizer_knows_whole_is_not_made_up(
    codec: Codec, known: KnownWords
) -> None:
    texts = [codec.decode([token]) for token in range(len(codec))]
    whole = [text for text in texts if text.startswith(" ") and text[1:].isalpha()]
    assert len(whole) > 1000
    assert known.made_up("".join(whole)) == []
    assert known.made_up("".join(whole).upper()) == []
    pieces = [t for t in texts if t.isalpha() and len(t) > 3 and f" {t}" not in texts]
    assert any(map(known.made_up, pieces))


@given(st.lists(st.text()))
def test_all_words_of_a_text_are_known_once_they_were_learnt(
    codec: Codec, texts: list[str]
) -> None:
    heard = KnownWords(codec, frozenset(), texts)
    assert all(heard.made_up(text) == [] for text in texts)


@given(st.text())
def test_long_words_are_letters_only(text: str) -> None:
    assert all(word.isalpha() and len(word) >= 4 for word in long_words(text))


def test_the_words_beside_a_checkpoint_are_bare_digests(tmp_path: Path) -> None:
    write_word_digests(LEARNT, tmp_path)
    data = (tmp_path / WORDS_FILE).read_bytes()
    assert b"coupon" not in data
    write_word_digests([*reversed(LEARNT), *LEARNT], tmp_path)
    assert (tmp_path / WORDS_FILE).read_bytes() == data
    (tmp_path / WORDS_FILE).write_bytes(b"12345")
    with pytest.raises(CheckpointError, match="is damaged"):
        read_word_digests(tmp_path)
    assert read_word_digests(tmp_path / "elsewhere") == frozenset()
