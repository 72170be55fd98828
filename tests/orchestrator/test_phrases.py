"""Phrases: plain words without a pipeline, noun chunks with one."""

from __future__ import annotations

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc

from orchestrator.errors import SettingsError
from orchestrator.phrases import NounChunkPicker, PhrasePicker, load_picker


@pytest.fixture(scope="module")
def plain() -> PhrasePicker:
    return load_picker("", "en")


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("the walrus moved again.", ("walrus moved",)),
        ("bro i cant find my left glove", ("find", "left glove")),
        ("look https://example.com/x at this soup", ("soup",)),
        ("ok", ()),
        ("", ()),
        ("😭😭", ()),
        ("soup soup, Soup", ("soup soup", "Soup")),
    ],
)
def test_plain_words_are_runs_without_stop_words(
    plain: PhrasePicker, text: str, phrases: tuple[str, ...]
) -> None:
    assert plain.phrases(text) == phrases


@given(st.text(max_size=80))
@settings(deadline=None)
def test_phrases_are_words_of_the_line(plain: PhrasePicker, text: str) -> None:
    for phrase in plain.phrases(text):
        assert phrase.strip() == phrase != ""


def test_noun_chunks_lose_their_articles() -> None:
    nlp = spacy.blank("en")

    def chunks(doc: Doc) -> list[tuple[int, int, int]]:
        return [(0, 3, 0), (4, 5, 0)]

    # A pipeline in miniature: real spaCy, with the spans that a parser would give.
    nlp.vocab.get_noun_chunks = chunks  # type: ignore[assignment]  # spaCy's hook takes any callable
    picker = NounChunkPicker(nlp)
    assert picker.phrases("the stuffed walrus ate it") == ("stuffed walrus",)


def test_a_pipeline_that_is_not_installed_is_named() -> None:
    with pytest.raises(SettingsError, match=r"phrases\.pipeline: spaCy has no pipeline 'xx_none'"):
        load_picker("xx_none", "en")
    with pytest.raises(SettingsError, match="language: spaCy knows no language 'qq'"):
        load_picker("", "qq")
